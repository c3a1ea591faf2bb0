import type { GroupProgress, OffsetRule, QueueOffset } from "../broker/broker-port.js";
import type { MqError } from "../errors.js";
import { formatMessageQueue, type MessageQueue, queueKeyOf } from "../message/message-queue.js";
import { AssignedQueues } from "./assigned-queues.js";
import type { ClientContext } from "./client-context.js";
import { GroupOffsetStore } from "./consumer-offset-store.js";
import type { MemberQueues } from "./group-membership.js";
import { type OffsetOfQueue, offsetError } from "./message-queue-arguments.js";
import type { PolledMessages } from "./polled-messages.js";
import type { ProcessQueue } from "./process-queue.js";
import type { ResolvedPullConsumerOptions } from "./pull-consumer-options.js";
import type { PullLoop, PullSettings } from "./pull-loop.js";

/** Source: RocketMQ, `DefaultLitePullConsumer.java`, `pullThresholdForQueue`, `pullThresholdSizeForQueue`, `consumeMaxSpan`, `pullThresholdForAll`. */
const CACHED_OF_QUEUE = 1_000;
const CACHED_BYTES_OF_QUEUE = 100 * 1024 * 1024;
const CACHED_SPAN = 2_000;
const CACHED_OF_ALL = 10_000;
/** What RocketMQ's broker answers at most. */
const PULLED_BYTES = 256 * 1024;

export interface PullQueuesOptions {
  readonly consumer: ResolvedPullConsumerOptions;
  readonly context: ClientContext;
  readonly messages: PolledMessages;
  /** The tag expression of a topic. */
  readonly expressionOf: (topic: string) => string;
  /** Whether the consumer chose its queues by itself. */
  readonly isAssigned: () => boolean;
}

/**
 * The message queues of a pull consumer: what is pulled of them, and how far each was consumed, which is as far as it was handed out.
 *
 * A position is told to the broker when it is another than the one told last, or than the one that the queue began at. So a consumer that was handed nothing of a
 * queue never changes what others have committed for it. Where nobody has, and a member of the group begins at an end that moves, that is told at once: whoever takes
 * the queue over is to have what came meanwhile, which RocketMQ skips.
 *
 * Source: RocketMQ, `client/.../impl/consumer/DefaultLitePullConsumerImpl.java`, `AssignedMessageQueue.java`.
 */
export class PullQueues implements MemberQueues {
  readonly #options: PullQueuesOptions;
  readonly #offsets: GroupOffsetStore;
  readonly #queues: AssignedQueues;
  #committedAt: number = Number.NEGATIVE_INFINITY;

  constructor(options: PullQueuesOptions) {
    const { consumer, context, messages, expressionOf } = options;
    this.#options = options;
    this.#offsets = new GroupOffsetStore(context.port, consumer.group, consumer.consumeFromWhere);
    this.#queues = new AssignedQueues({
      ...context,
      clock: context.steady,
      settings: pullSettings(consumer, () => this.#queues.count),
      thresholds: {
        areExceeded: ({ count, bytes, span }) =>
          count > shareOf(this.#queues.count) || bytes > CACHED_BYTES_OF_QUEUE || span > CACHED_SPAN,
      },
      hasRetries: false,
      startOffset: (processQueue) => this.#startOffset(processQueue),
      expressionOf,
      mayTake: () => true,
      submit: (processQueue, added) => messages.added(processQueue, added),
      progressed: () => undefined,
      leaving: (processQueue) => {
        if (consumer.autoCommit) this.#tell(processQueue);
      },
      forget: (processQueue) => messages.forget(processQueue),
      offsetIllegal,
    });
  }

  get all(): readonly MessageQueue[] {
    return this.#queues.all;
  }

  get ofTopics(): readonly MessageQueue[] {
    return this.#queues.ofTopics;
  }

  take(queue: MessageQueue, isNew: boolean): boolean {
    return this.#queues.take(queue, isNew);
  }

  drop(isLost: (queue: MessageQueue) => boolean): void {
    this.#queues.drop(isLost);
  }

  ended(): Promise<void> {
    return this.#queues.ended();
  }

  /** Has exactly these from now on. */
  assign(queues: readonly MessageQueue[]): void {
    const chosen = new Set(queues.map(({ topic, queueId }) => queueKeyOf(topic, queueId)));
    this.drop(({ topic, queueId }) => !chosen.has(queueKeyOf(topic, queueId)));
    for (const queue of queues) this.take(queue, false);
  }

  /** The topic has another expression: what waits to be handed out is chosen anew. */
  refilter(topic: string): void {
    for (const processQueue of this.#queues.processQueues) {
      const { messageQueue, commitOffset, isReported } = processQueue;
      if (messageQueue.topic !== topic) continue;
      const isPaused = this.#queues.find(messageQueue)?.isPaused === true;
      if (commitOffset === undefined) {
        this.#queues.discard(messageQueue);
        this.take(messageQueue, false);
        if (isPaused) this.#queues.find(messageQueue)?.pause();
        continue;
      }
      this.#queues.restart(messageQueue, commitOffset);
      if (isReported) this.#queues.find(messageQueue)?.processQueue.reported(commitOffset);
    }
  }

  /** Those that it does not have are passed over. */
  pause(queues: readonly MessageQueue[]): void {
    for (const queue of queues) this.#find(queue)?.pause();
  }

  resume(queues: readonly MessageQueue[]): void {
    for (const queue of queues) this.#find(queue)?.resume();
  }

  /** These went to the consumer. */
  handedOut(processQueue: ProcessQueue): void {
    this.#queues.delivered(processQueue);
  }

  /** Goes on elsewhere in the queue; nothing of it is handed out until that is done, or refused because the offset lies outside. */
  async seek(queue: MessageQueue, offsetIn: (progress: GroupProgress) => number): Promise<void> {
    this.#require(queue);
    const release = this.#options.messages.withhold(queue);
    try {
      const progress = await this.#progressOf(queue);
      const { minOffset, maxOffset } = progress;
      const offset = offsetIn(progress);
      if (offset < minOffset || offset > maxOffset) throw outside("Seek", "seek", offset, minOffset, maxOffset);
      this.#require(queue);
      this.#queues.restart(queue, offset);
    } finally {
      release();
    }
  }

  async #startOffset(processQueue: ProcessQueue): Promise<number> {
    const { consumer, context, isAssigned } = this.#options;
    const { topic, queueId } = processQueue.messageQueue;
    const { offset, isKnown } = await this.#offsets.findStart(processQueue.messageQueue);
    processQueue.reported(offset);
    // Whoever begins at 0 begins there later too: the queue is young until something of it is deleted.
    if (!isKnown && offset > 0 && !isAssigned() && !processQueue.isDropped)
      context.port.updateOffset(consumer.group, topic, queueId, offset, "raise");
    return offset;
  }

  /** Tells the broker how far each queue was consumed, when that was last done an interval ago. */
  commitWhenDue(): void {
    const { consumer, context } = this.#options;
    if (!consumer.autoCommit) return;
    const now = context.steady.now();
    if (now - this.#committedAt < consumer.autoCommitIntervalMs) return;
    this.#committedAt = now;
    for (const processQueue of this.#queues.processQueues) this.#tell(processQueue);
  }

  /** The same now; resolves once it is durable, with all that was told before. */
  commit(): Promise<void> {
    const changed = this.#queues.processQueues.flatMap((processQueue): QueueOffset[] => {
      const { topic, queueId } = processQueue.messageQueue;
      const nextOffset = processQueue.takeChangedOffset();
      return nextOffset === undefined ? [] : [{ topic, queueId, nextOffset }];
    });
    return this.#commit(changed);
  }

  /** All of them or, where one is refused, none. */
  async commitThese(offsets: readonly OffsetOfQueue[]): Promise<void> {
    for (const [queue] of offsets) this.#require(queue);
    const ends = await Promise.all(offsets.map(([queue]) => this.#progressOf(queue)));
    for (const [index, [, nextOffset]] of offsets.entries()) {
      const { maxOffset } = ends[index] as GroupProgress;
      if (nextOffset < 0 || nextOffset > maxOffset) throw outside("Commit", "commit", nextOffset, 0, maxOffset);
    }
    const loops = offsets.map(([queue]) => this.#require(queue));
    const committed = offsets.map(([{ topic, queueId }, nextOffset], index) => {
      loops[index]?.processQueue.reported(nextOffset);
      return { topic, queueId, nextOffset };
    });
    await this.#commit(committed);
  }

  #commit(offsets: readonly QueueOffset[]): Promise<void> {
    const { consumer, context } = this.#options;
    return context.port.commitOffsets(consumer.group, offsets, this.#rule);
  }

  #tell(processQueue: ProcessQueue): void {
    const { consumer, context } = this.#options;
    const { topic, queueId } = processQueue.messageQueue;
    const offset = processQueue.takeChangedOffset();
    if (offset !== undefined) context.port.updateOffset(consumer.group, topic, queueId, offset, this.#rule);
  }

  /** Whoever seeks may mean to go back. */
  get #rule(): OffsetRule {
    return this.#options.isAssigned() ? "set-unclaimed" : "set";
  }

  #progressOf({ topic, queueId }: MessageQueue): Promise<GroupProgress> {
    const { consumer, context } = this.#options;
    return context.port.queryOffset(consumer.group, topic, queueId);
  }

  #find(queue: MessageQueue): PullLoop | undefined {
    return queue.brokerName === this.#options.context.port.brokerName ? this.#queues.find(queue) : undefined;
  }

  #require(queue: MessageQueue): PullLoop {
    const loop = this.#find(queue);
    if (loop !== undefined) return loop;
    const because = this.#options.isAssigned() ? "" : ", may be rebalancing";
    throw offsetError(
      `The message queue is not in assigned list${because}, message queue: ${formatMessageQueue(queue)}`,
    );
  }
}

/** What all queues may hold together is shared evenly among them: so none has to wait until another one is polled. */
function shareOf(queueCount: number): number {
  return Math.max(1, Math.min(CACHED_OF_QUEUE, Math.floor(CACHED_OF_ALL / queueCount)));
}

function pullSettings({ group, pullBatchSize }: ResolvedPullConsumerOptions, queueCount: () => number): PullSettings {
  return {
    group,
    messageModel: "clustering",
    hasOwnFilter: true,
    get pullBatchSize() {
      return Math.min(pullBatchSize, shareOf(queueCount()));
    },
    pullBatchSizeInBytes: PULLED_BYTES,
    pullIntervalMs: 0,
  };
}

/** Where the front of the queue was deleted whoever comes next begins at the same place: it is no progress that others would have to be told. */
function offsetIllegal(processQueue: ProcessQueue, nextOffset: number): void {
  const { commitOffset = 0, count, isReported } = processQueue;
  processQueue.pulledUpTo(nextOffset);
  if (isReported && count === 0 && commitOffset < nextOffset) processQueue.reported(nextOffset);
}

/** In RocketMQ's words. */
function outside(what: string, name: string, offset: number, min: number, max: number): MqError {
  return offsetError(`${what} offset illegal, ${name} offset = ${offset}, min offset = ${min}, max offset = ${max}`);
}
