import type { EventHub } from "../broker/broker-events.js";
import type { BrokerPort } from "../broker/broker-port.js";
import type { Logger } from "../logger.js";
import { retryTopic } from "../message/derived-names.js";
import { compareMessageQueues, type MessageQueue } from "../message/message-queue.js";
import type { Clock } from "../time/clock.js";
import type { ConsumerOffsetStore } from "./consumer-offset-store.js";
import type { MemberQueues } from "./group-membership.js";
import type { CachedMessage, ProcessQueue } from "./process-queue.js";
import { PullLoop } from "./pull-loop.js";
import { PullThresholds } from "./pull-thresholds.js";
import { PullTurns } from "./pull-turns.js";
import type { ResolvedPushConsumerOptions } from "./push-consumer-options.js";

export interface AssignedQueuesOptions {
  readonly consumer: ResolvedPushConsumerOptions;
  readonly port: BrokerPort;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly events: EventHub;
  readonly offsets: ConsumerOffsetStore;
  /** The tag expression of a topic. */
  readonly expressionOf: (topic: string) => string;
  /** Whether the messages of this queue may be had now. */
  readonly mayTake: (queue: MessageQueue) => boolean;
  readonly submit: (processQueue: ProcessQueue, messages: readonly CachedMessage[]) => void;
  /** Nothing is done for the messages of this queue any more. */
  readonly forget: (processQueue: ProcessQueue) => void;
}

/** The queues of one consumer, each with its pull loop, from when it takes them until it drops them. */
export class AssignedQueues implements MemberQueues {
  readonly #options: AssignedQueuesOptions;
  readonly #retryTopic: string;
  readonly #loops = new Map<MessageQueue, PullLoop>();
  readonly #runs = new Set<Promise<void>>();
  readonly #turns: PullTurns;
  readonly #thresholds: PullThresholds;
  #isPaused = false;

  constructor(options: AssignedQueuesOptions) {
    this.#options = options;
    this.#retryTopic = retryTopic(options.consumer.group);
    this.#turns = new PullTurns(options.clock);
    this.#thresholds = new PullThresholds(options.consumer);
  }

  get all(): readonly MessageQueue[] {
    return [...this.#loops.keys()];
  }

  get ofTopics(): readonly MessageQueue[] {
    return this.all.filter(({ topic }) => topic !== this.#retryTopic).sort(compareMessageQueues);
  }

  /** No pull begins, and what is being pulled is not taken. */
  pause(): void {
    this.#isPaused = true;
    for (const loop of this.#loops.values()) loop.pause();
  }

  resume(): void {
    this.#isPaused = false;
    for (const loop of this.#loops.values()) loop.resume();
  }

  take(queue: MessageQueue, isNew: boolean): boolean {
    if (this.#loops.has(queue)) return true;
    if (!this.#options.mayTake(queue)) return false;
    const { consumer, port, clock, events, offsets, expressionOf, submit } = this.#options;
    const loop = new PullLoop(queue, {
      port,
      turns: this.#turns,
      clock,
      events,
      group: consumer.group,
      messageModel: consumer.messageModel,
      expression: expressionOf(queue.topic),
      isRetry: queue.topic === this.#retryTopic,
      pullBatchSize: consumer.pullBatchSize,
      pullBatchSizeInBytes: consumer.pullBatchSizeInBytes,
      pullIntervalMs: consumer.pullIntervalMs,
      thresholds: this.#thresholds,
      startOffset: (messageQueue) => offsets.startOffset(messageQueue, isNew),
      submit,
      onProgress: (processQueue) => this.#reportOffset(processQueue),
      onOffsetIllegal: (processQueue, nextOffset) => this.#restartAt(processQueue, nextOffset),
    });
    this.#loops.set(queue, loop);
    this.#thresholds.taken(queue.topic);
    const run: Promise<void> = loop.run(this.#isPaused).finally(() => this.#runs.delete(run));
    this.#runs.add(run);
    return true;
  }

  drop(isLost: (queue: MessageQueue) => boolean): void {
    for (const [queue, loop] of this.#loops) {
      if (!isLost(queue)) continue;
      this.#reportOffset(loop.processQueue);
      this.#remove(queue);
      loop.drop();
      this.#options.forget(loop.processQueue);
    }
    for (const loop of this.#loops.values()) loop.roomMade();
  }

  /** Resolves once the loops of all queues that were dropped have ended. */
  async ended(): Promise<void> {
    await Promise.all(this.#runs);
  }

  /** Messages of this queue went to a listener: it may be time to pull more. */
  delivered({ messageQueue }: ProcessQueue): void {
    this.#loops.get(messageQueue)?.roomMade();
  }

  /** These messages are done with: the offset may move, and there is room for others. */
  acknowledge(processQueue: ProcessQueue, messages: readonly CachedMessage[]): void {
    for (const message of messages) processQueue.acknowledge(message);
    this.#reportOffset(processQueue);
    this.delivered(processQueue);
  }

  #remove(queue: MessageQueue): void {
    this.#loops.delete(queue);
    this.#thresholds.dropped(queue.topic);
  }

  #reportOffset(processQueue: ProcessQueue): void {
    const offset = processQueue.takeChangedOffset();
    if (offset === undefined) return;
    // Whoever consumes in order has the queue to himself, and may mean to go back.
    const isOrderly = this.#options.consumer.listeners.orderly;
    this.#options.offsets.update(processQueue.messageQueue, offset, !isOrderly);
  }

  #restartAt(processQueue: ProcessQueue, nextOffset: number): void {
    const { messageQueue } = processQueue;
    const { logger, offsets, consumer, forget } = this.#options;
    logger.warn("a consume offset was outside its message queue", {
      group: consumer.group,
      ...messageQueue,
      nextOffset,
    });
    this.#loops.get(messageQueue)?.drop();
    this.#remove(messageQueue);
    forget(processQueue);
    offsets.update(messageQueue, nextOffset, false);
    this.take(messageQueue, false);
  }
}
