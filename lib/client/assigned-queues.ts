import type { EventHub } from "../broker/broker-events.js";
import type { BrokerPort } from "../broker/broker-port.js";
import type { Logger } from "../logger.js";
import { retryTopic } from "../message/derived-names.js";
import { compareMessageQueues, type MessageQueue, queueKeyOf } from "../message/message-queue.js";
import type { Clock } from "../time/clock.js";
import type { MemberQueues } from "./group-membership.js";
import type { CachedMessage, ProcessQueue } from "./process-queue.js";
import { PullLoop, type PullSettings } from "./pull-loop.js";
import type { PullThresholds } from "./pull-thresholds.js";
import { PullTurns } from "./pull-turns.js";

export interface AssignedQueuesOptions {
  readonly settings: PullSettings;
  readonly thresholds: PullThresholds;
  /** Whether the consumer gets what its group failed to consume. */
  readonly hasRetries: boolean;
  readonly port: BrokerPort;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly events: EventHub;
  /** @param isNew - as in {@link MemberQueues.take}. */
  readonly startOffset: (processQueue: ProcessQueue, isNew: boolean) => Promise<number>;
  /** The tag expression of a topic. */
  readonly expressionOf: (topic: string) => string;
  /** Whether the messages of this queue may be had now. */
  readonly mayTake: (queue: MessageQueue) => boolean;
  readonly submit: (processQueue: ProcessQueue, messages: readonly CachedMessage[]) => void;
  /** The offset moved without a message for the consumer. */
  readonly progressed: (processQueue: ProcessQueue) => void;
  /** The queue is about to be dropped: the last moment to say how far it was consumed. */
  readonly leaving: (processQueue: ProcessQueue) => void;
  /** Nothing is done for the messages of this queue any more. */
  readonly forget: (processQueue: ProcessQueue) => void;
  /** The offset was outside the queue, where pulling goes on unless it is started anew. */
  readonly offsetIllegal: (processQueue: ProcessQueue, nextOffset: number) => void;
}

/** The queues of one consumer, each with its pull loop, from when it takes them until it drops them. */
export class AssignedQueues implements MemberQueues {
  readonly #options: AssignedQueuesOptions;
  readonly #retryTopic: string | undefined;
  /** By topic and queue id. */
  readonly #loops = new Map<string, PullLoop>();
  /** How many queues it has of each topic. */
  readonly #counts = new Map<string, number>();
  readonly #runs = new Set<Promise<void>>();
  readonly #turns: PullTurns;
  #isPaused = false;

  constructor(options: AssignedQueuesOptions) {
    this.#options = options;
    this.#retryTopic = options.hasRetries ? retryTopic(options.settings.group) : undefined;
    this.#turns = new PullTurns(options.clock);
  }

  get count(): number {
    return this.#loops.size;
  }

  get all(): readonly MessageQueue[] {
    return [...this.#loops.values()].map(({ processQueue }) => processQueue.messageQueue);
  }

  get ofTopics(): readonly MessageQueue[] {
    return this.all.filter(({ topic }) => topic !== this.#retryTopic).sort(compareMessageQueues);
  }

  get processQueues(): readonly ProcessQueue[] {
    return [...this.#loops.values()].map(({ processQueue }) => processQueue);
  }

  /** `undefined`: it has not this queue. */
  find({ topic, queueId }: MessageQueue): PullLoop | undefined {
    return this.#loops.get(queueKeyOf(topic, queueId));
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
    if (this.find(queue) !== undefined) return true;
    const { mayTake, startOffset } = this.#options;
    if (!mayTake(queue)) return false;
    this.#run(queue, this.#isPaused, (processQueue) => startOffset(processQueue, isNew));
    this.#count(queue.topic, 1);
    return true;
  }

  drop(isLost: (queue: MessageQueue) => boolean): void {
    let hasDropped = false;
    for (const [key, loop] of this.#loops) {
      if (!isLost(loop.processQueue.messageQueue)) continue;
      this.#options.leaving(loop.processQueue);
      this.#loops.delete(key);
      this.#count(loop.processQueue.messageQueue.topic, -1);
      this.#end(loop);
      hasDropped = true;
    }
    // Fewer queues may hold more each.
    if (hasDropped) for (const loop of this.#loops.values()) loop.roomMade();
  }

  /** Lets go of a queue without saying how far it was consumed. */
  discard(queue: MessageQueue): void {
    const loop = this.find(queue);
    if (loop === undefined) return;
    this.#loops.delete(queueKeyOf(queue.topic, queue.queueId));
    this.#count(queue.topic, -1);
    this.#end(loop);
  }

  /** Begins one of its queues anew at this offset: what was pulled, or is being pulled, is not taken. */
  restart(queue: MessageQueue, offset: number): void {
    const loop = this.find(queue);
    if (loop === undefined) return;
    this.#end(loop);
    this.#run(loop.processQueue.messageQueue, loop.isPaused, () => Promise.resolve(offset));
    this.find(queue)?.processQueue.pulledUpTo(offset);
  }

  /** Resolves once the loops of all queues that were dropped have ended. */
  async ended(): Promise<void> {
    await Promise.all(this.#runs);
  }

  /** Messages of this queue went to the consumer: it may be time to pull more. */
  delivered({ messageQueue }: ProcessQueue): void {
    this.find(messageQueue)?.roomMade();
  }

  #run(queue: MessageQueue, isPaused: boolean, startOffset: (processQueue: ProcessQueue) => Promise<number>): void {
    const { port, clock, events, settings, thresholds, expressionOf, submit, progressed } = this.#options;
    const loop = new PullLoop(queue, {
      port,
      turns: this.#turns,
      clock,
      events,
      settings,
      expression: expressionOf(queue.topic),
      isRetry: queue.topic === this.#retryTopic,
      startOffset,
      isFull: (processQueue) => thresholds.areExceeded(processQueue, this.#counts.get(queue.topic) ?? 0),
      submit,
      onProgress: progressed,
      onOffsetIllegal: (processQueue, nextOffset) => this.#offsetIllegal(processQueue, nextOffset),
    });
    this.#loops.set(queueKeyOf(queue.topic, queue.queueId), loop);
    const run: Promise<void> = loop.run(isPaused).finally(() => this.#runs.delete(run));
    this.#runs.add(run);
  }

  #count(topic: string, by: 1 | -1): void {
    const count = (this.#counts.get(topic) ?? 0) + by;
    if (count > 0) this.#counts.set(topic, count);
    else this.#counts.delete(topic);
  }

  #offsetIllegal(processQueue: ProcessQueue, nextOffset: number): void {
    const { settings, logger, offsetIllegal } = this.#options;
    const data = { group: settings.group, ...processQueue.messageQueue, nextOffset };
    logger.warn("a consume offset was outside its message queue", data);
    offsetIllegal(processQueue, nextOffset);
  }

  #end(loop: PullLoop): void {
    loop.drop();
    this.#options.forget(loop.processQueue);
  }
}
