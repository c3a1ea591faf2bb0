import type { EventHub } from "../broker/broker-events.js";
import { MqError } from "../errors.js";
import type { Logger } from "../logger.js";
import type { MessageQueue } from "../message/message-queue.js";
import { kindOf } from "../options.js";
import type { SteadyClock } from "../time/steady-clock.js";
import { ConcurrentDelivery } from "./concurrent-delivery.js";
import type { BatchListener, ConsumeResult, MessageListener } from "./consume-result.js";
import type { DeliveryAddress } from "./delivery.js";
import type { FailedMessages } from "./failed-messages.js";
import { ListenerCalls, type ListenerOutcome } from "./listener-calls.js";
import type { CachedMessage, ProcessQueue } from "./process-queue.js";

/** What ran out of time is retried after 10 s. Source: RocketMQ, `ProcessQueue.java`, `cleanExpiredMsg`. */
const TIMED_OUT_LEVEL = 3;

/** What becomes of messages that were pulled. */
export interface ConsumeService {
  submit(processQueue: ProcessQueue, messages: readonly CachedMessage[]): void;
  /** The queue was dropped: nothing is done for its messages any more, they are delivered again elsewhere. */
  forget(processQueue: ProcessQueue): void;
  /** Whether the messages of this queue may go to the listener now. */
  mayTake(queue: MessageQueue): boolean;
  /** No listener is called any more. */
  stop(): void;
  /** Resolves once no listener runs, and nothing is under way for what one returned, but for those that wait for a close themselves. */
  idle(): Promise<void>;
  /** Tells the listeners that still run that their results count no more. */
  abort(reason: unknown): void;
  /** After {@link ConsumeService.stop}: those that still run may do so for ever. */
  close(): void;
}

/** What both kinds of services need. */
export interface ConsumeServiceOptions extends DeliveryAddress {
  readonly concurrency: number;
  readonly batchMaxSize: number;
  readonly timeoutMs: number;
  readonly clock: SteadyClock;
  readonly logger: Logger;
  readonly events: EventHub;
  /** As {@link ListenerCallsOptions.catchUp}. */
  readonly catchUp: (then: () => void) => boolean;
  /** Messages of this queue went to a listener: it may be time to pull more. */
  readonly onDelivered: (processQueue: ProcessQueue) => void;
  readonly acknowledge: (processQueue: ProcessQueue, messages: readonly CachedMessage[]) => void;
}

export interface ConcurrentConsumeServiceOptions extends ConsumeServiceOptions {
  readonly listener: MessageListener | undefined;
  readonly batchListener: BatchListener | undefined;
  readonly failures: FailedMessages;
}

/**
 * Calls the listener with whatever was pulled, in no order, and acts on what it returns.
 *
 * Source: RocketMQ, `client/.../impl/consumer/ConsumeMessageConcurrentlyService.java`.
 */
export class ConcurrentConsumeService implements ConsumeService {
  readonly #options: ConcurrentConsumeServiceOptions;
  readonly #calls: ListenerCalls<ConcurrentDelivery>;
  #ready: ReadyRun[] = [];
  #isStopped = false;

  constructor(options: ConcurrentConsumeServiceOptions) {
    this.#options = options;
    this.#calls = new ListenerCalls({
      ...options,
      next: () => this.#nextDelivery(),
      call: this.#call,
      began: ({ processQueue, batch, startedAt }) => {
        options.onDelivered(processQueue);
        const startTime = options.clock.toWall(startedAt);
        for (const { message } of batch) message.markConsumeStart(startTime);
      },
      ended: (delivery, outcome) => this.#ended(delivery, outcome),
      timedOut: (delivery) => this.#timedOut(delivery),
    });
  }

  submit(processQueue: ProcessQueue, messages: readonly CachedMessage[]): void {
    if (this.#isStopped) return;
    this.#ready.push({ processQueue, messages, next: 0 });
    processQueue.addWaiting(messages.length);
    this.#calls.pump();
  }

  forget(processQueue: ProcessQueue): void {
    this.#options.failures.forget(processQueue);
  }

  mayTake(): boolean {
    return true;
  }

  stop(): void {
    this.#isStopped = true;
    this.#ready = [];
    this.#options.failures.stop();
  }

  async idle(): Promise<void> {
    await this.#calls.idle();
    await this.#options.failures.idle();
  }

  abort(reason: unknown): void {
    this.#calls.abort(reason);
  }

  close(): void {
    this.#calls.close();
  }

  /** Made when it is due: thousands of messages may be waiting. */
  #nextDelivery(): ConcurrentDelivery | undefined {
    const { batchMaxSize, clock } = this.#options;
    for (let run = this.#ready[0]; run !== undefined; run = this.#ready[0]) {
      const { processQueue, messages, next } = run;
      run.next += batchMaxSize;
      if (run.next >= messages.length || processQueue.isDropped) this.#ready.shift();
      if (processQueue.isDropped) continue;
      const batch = messages.slice(next, next + batchMaxSize);
      processQueue.addWaiting(-batch.length);
      return new ConcurrentDelivery(this.#options, processQueue, batch, clock.now(), this.#calls.wakeIdle);
    }
    return undefined;
  }

  readonly #call = (delivery: ConcurrentDelivery): ConsumeResult | Promise<ConsumeResult> => {
    const { listener, batchListener } = this.#options;
    if (listener !== undefined) return listener((delivery.batch[0] as CachedMessage).message, delivery);
    return batchListener?.(
      delivery.batch.map(({ message }) => message),
      delivery,
    );
  };

  /** `null` is what RocketMQ's listeners return by mistake; it retries then. */
  #ended(delivery: ConcurrentDelivery, { result, hasThrown }: ListenerOutcome): void {
    if (typeof result === "string" && result !== "success" && result !== "retry")
      this.#calls.reportResult(delivery.group, result, 'neither "success" nor "retry"');
    const isSuccess = !hasThrown && result !== null && (typeof result !== "string" || result === "success");
    this.#finish(delivery, isSuccess ? delivery.acknowledged : 0);
  }

  /** The listener goes on, as nobody can stop it; its messages are somebody else's from now on. */
  #timedOut(delivery: ConcurrentDelivery): void {
    const { group, timeoutMs, logger, failures } = this.#options;
    const { topic, queueId } = delivery.messageQueue;
    const because = `a listener of group ${group} did not end within ${timeoutMs} ms`;
    logger.warn(`${because}, which counts as a failure`, { topic, queueId });
    delivery.hasTimedOut = true;
    delivery.abort(new MqError("ERR_MQ_TIMEOUT", because));
    const { processQueue, batch } = delivery;
    if (!processQueue.isDropped) failures.failed(processQueue, batch, TIMED_OUT_LEVEL);
  }

  #finish(delivery: ConcurrentDelivery, acknowledged: number): void {
    const { processQueue, batch } = delivery;
    if (processQueue.isDropped || delivery.hasTimedOut) return;
    const { acknowledge, failures } = this.#options;
    const consumed = acknowledged === batch.length ? batch : batch.slice(0, acknowledged);
    if (consumed.length > 0) {
      acknowledge(processQueue, consumed);
      this.#calls.tellConsumed(delivery, consumed);
    }
    if (acknowledged < batch.length)
      failures.failed(processQueue, batch.slice(acknowledged), this.#delayLevelOf(delivery));
  }

  #delayLevelOf({ delayLevelWhenNextConsume: level, group }: ConcurrentDelivery): number {
    if (Number.isInteger(level)) return level;
    const given = typeof level === "number" ? String(level) : kindOf(level);
    this.#options.logger.error(
      `a listener of group ${group} set delayLevelWhenNextConsume to ${given}, which is no integer; 0 is taken`,
    );
    return 0;
  }
}

/** Messages of one pull, of which those before `next` went to the listener. */
interface ReadyRun {
  readonly processQueue: ProcessQueue;
  readonly messages: readonly CachedMessage[];
  next: number;
}
