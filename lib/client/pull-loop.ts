import type { EventHub } from "../broker/broker-events.js";
import type { BrokerPort, MessageModel, PullResult } from "../broker/broker-port.js";
import { isMqError } from "../errors.js";
import { parseTagExpression, type TagExpression } from "../filter/tag-expression.js";
import type { MessageQueue } from "../message/message-queue.js";
import type { Clock } from "../time/clock.js";
import { backgroundError } from "./background-error.js";
import { type CachedMessage, ProcessQueue } from "./process-queue.js";
import type { PullTurns } from "./pull-turns.js";

/** After a pull that failed. Source: RocketMQ, `DefaultMQPushConsumerImpl.java`, `pullTimeDelayMillsWhenException`. */
const FAILED_PULL_MS = 1_000;
/** Of a pull that is given up. Without one each abort makes an error with its stack: a seventh of what it took to share 1,024 queues anew. */
const GIVEN_UP = "given up";

/** For whom is pulled, and how much; asked again for each pull. */
export interface PullSettings {
  readonly group: string;
  readonly messageModel: MessageModel;
  /** Whether a pull goes by the consumer's own tag expression: else by what the group subscribed to last. */
  readonly hasOwnFilter: boolean;
  readonly pullBatchSize: number;
  readonly pullBatchSizeInBytes: number;
  readonly pullIntervalMs: number;
}

export interface PullLoopOptions {
  readonly port: BrokerPort;
  readonly turns: PullTurns;
  readonly clock: Clock;
  readonly events: EventHub;
  readonly settings: PullSettings;
  readonly expression: string;
  /** The queue is one of the group's retry topic: its messages are of the topics that they were sent to. */
  readonly isRetry: boolean;
  /** Where the queue starts. */
  readonly startOffset: (processQueue: ProcessQueue) => Promise<number>;
  /** Whether so much of it is in hand that nothing more is to be pulled now. */
  readonly isFull: (processQueue: ProcessQueue) => boolean;
  readonly submit: (processQueue: ProcessQueue, messages: readonly CachedMessage[]) => void;
  /** The offset moved without a message for the consumer. */
  readonly onProgress: (processQueue: ProcessQueue) => void;
  /** The offset was outside the queue: it goes on at this one, unless the queue is dropped. */
  readonly onOffsetIllegal: (processQueue: ProcessQueue, nextOffset: number) => void;
}

/**
 * Pulls one message queue for as long as it is assigned.
 *
 * ```
 * start offset ─▶ pull ─▶ found: cache, submit ─▶ room? ─▶ pull …
 *                  ▲        nothing new: held at the broker
 *                  └──────── failed: after 1 s
 * ```
 * Source: RocketMQ, `client/.../impl/consumer/DefaultMQPushConsumerImpl.java`, `pullMessage`; instead of looking every 50 ms whether there is
 * room again, what makes room wakes the loop. And while a whole pull still waits for the listeners nothing more is pulled: the broker is near, and
 * reading ahead up to the thresholds took 15 MiB more for a drain of 200,000 messages that was no faster.
 */
export class PullLoop {
  readonly processQueue: ProcessQueue;
  readonly #options: PullLoopOptions;
  readonly #filter: TagExpression;
  /** Of the pull that may be held at the broker; a new one after each pause. */
  #abort = new AbortController();
  #wake: (() => void) | undefined;
  #endDelay: (() => void) | undefined;
  #isPaused = false;
  #hasFailed = false;

  constructor(queue: MessageQueue, options: PullLoopOptions) {
    this.processQueue = new ProcessQueue(queue);
    this.#options = options;
    this.#filter = parseTagExpression(options.expression);
  }

  /** Never rejects: what goes wrong is logged and tried again. */
  async run(isPaused: boolean): Promise<void> {
    this.#isPaused = isPaused;
    let offset: number | undefined;
    while (!this.processQueue.isDropped) {
      try {
        offset ??= await this.#startOffset();
        while (!this.processQueue.isDropped && (this.#isPaused || !this.#hasRoom())) await this.#woken();
        if (this.processQueue.isDropped) return;
        offset = await this.#pull(offset);
        this.#hasFailed = false;
      } catch (error) {
        if (this.processQueue.isDropped || isMqError(error, "ERR_MQ_CLOSED")) return;
        this.#logFailure(error);
        await this.#delay(FAILED_PULL_MS);
      }
    }
  }

  get isPaused(): boolean {
    return this.#isPaused;
  }

  /** The queue goes to somebody else, or the consumer closes. */
  drop(): void {
    this.processQueue.drop();
    this.#abort.abort(GIVEN_UP);
    this.#wake?.();
    this.#endDelay?.();
  }

  /** Also what is being pulled now is not taken. */
  pause(): void {
    this.#isPaused = true;
    this.#abort.abort(GIVEN_UP);
  }

  resume(): void {
    if (!this.#isPaused) return;
    this.#isPaused = false;
    this.#abort = new AbortController();
    this.#wake?.();
  }

  /** Messages were delivered or acknowledged, or the thresholds changed. */
  roomMade(): void {
    if (this.#wake !== undefined && this.#hasRoom()) this.#wake();
  }

  async #pull(offset: number): Promise<number> {
    const { port, settings, expression } = this.#options;
    const { group, messageModel, hasOwnFilter, pullBatchSize, pullBatchSizeInBytes, pullIntervalMs } = settings;
    const { topic, queueId } = this.processQueue.messageQueue;
    const request = {
      group,
      topic,
      queueId,
      offset,
      maxMessages: pullBatchSize,
      maxBytes: pullBatchSizeInBytes,
      expression: hasOwnFilter ? expression : undefined,
      messageModel,
      suspendMs: Number.POSITIVE_INFINITY,
    };
    const turn = this.#options.turns.enter();
    if (turn !== undefined) await turn;
    const { signal } = this.#abort;
    if (signal.aborted) return offset;
    const result = await port.pull(request, signal);
    if (signal.aborted) return offset;
    this.#take(result);
    if (pullIntervalMs > 0) await this.#delay(pullIntervalMs);
    return result.nextOffset;
  }

  #take({ status, messages, nextOffset }: PullResult): void {
    if (status === "OFFSET_ILLEGAL") {
      this.#options.onOffsetIllegal(this.processQueue, nextOffset);
      return;
    }
    // The store compares hashes of tags; the text decides. Reading it takes a map of all properties of a message.
    if (this.#options.isRetry) for (const message of messages) message.restoreTopic();
    const isAll = this.#filter.tags.size === 0;
    const matching = isAll ? messages : messages.filter((message) => this.#filter.matchesTag(message.tag));
    const added = this.processQueue.put(matching);
    this.processQueue.pulledUpTo(nextOffset);
    if (added.length > 0) this.#options.submit(this.processQueue, added);
    else if (this.processQueue.count === 0) this.#options.onProgress(this.processQueue);
  }

  async #startOffset(): Promise<number> {
    const offset = await this.#options.startOffset(this.processQueue);
    this.processQueue.pulledUpTo(offset);
    return offset;
  }

  #hasRoom(): boolean {
    const { settings, isFull } = this.#options;
    return this.processQueue.waiting < settings.pullBatchSize && !isFull(this.processQueue);
  }

  #woken(): Promise<void> {
    return new Promise((resolve) => {
      this.#wake = () => {
        this.#wake = undefined;
        resolve();
      };
    });
  }

  /** Or until the queue is dropped. */
  #delay(ms: number): Promise<void> {
    if (this.processQueue.isDropped) return Promise.resolve();
    const { clock } = this.#options;
    return new Promise((resolve) => {
      const timer = clock.at(clock.now() + ms, resolve);
      this.#endDelay = () => {
        timer.cancel();
        resolve();
      };
    });
  }

  #logFailure(error: unknown): void {
    if (this.#hasFailed) return;
    this.#hasFailed = true;
    const { topic, queueId } = this.processQueue.messageQueue;
    const { events, settings } = this.#options;
    const what = `a pull of group ${settings.group} failed and is tried again each second`;
    events.error(backgroundError(what, error, "ERR_MQ_STORE"), { topic, queueId }, "warn");
  }
}
