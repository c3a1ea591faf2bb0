import type { EventHub } from "../broker/broker-events.js";
import type { BrokerPort, WithdrawableWrite } from "../broker/broker-port.js";
import type { SendBackOutcome } from "../broker/send-back.js";
import { isMqError } from "../errors.js";
import type { Logger } from "../logger.js";
import type { Clock, ClockTimer } from "../time/clock.js";
import { backgroundError } from "./background-error.js";
import type { Acknowledge, FailedMessages } from "./failed-messages.js";
import type { CachedMessage, ProcessQueue } from "./process-queue.js";

/** A message that could not be sent back is delivered again from memory after this time. Source: RocketMQ, `submitConsumeRequestLater`. */
const LOCAL_RETRY_MS = 5_000;
/** What is sent back in one transaction, unless one message is larger. */
const MAX_MESSAGES = 100;
const MAX_BYTES = 1024 * 1024;

export interface SendBackServiceOptions {
  readonly group: string;
  readonly port: BrokerPort;
  readonly maxReconsumeTimes: number | undefined;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly events: EventHub;
  readonly acknowledge: Acknowledge;
  /** They go to the listener again. */
  readonly resubmit: (processQueue: ProcessQueue, messages: readonly CachedMessage[]) => void;
}

/** What is under way for the messages of one queue. */
interface UnderWay {
  readonly writes: Set<WithdrawableWrite>;
  readonly retries: Set<ClockTimer>;
}

/**
 * Sends failed messages of a clustering group back to the broker. They stay unacknowledged until their copies are stored; where that fails they go to
 * the listener again after five seconds.
 *
 * Source: RocketMQ, `client/.../impl/consumer/ConsumeMessageConcurrentlyService.java`, `processConsumeResult`.
 */
export class SendBackService implements FailedMessages {
  readonly #options: SendBackServiceOptions;
  readonly #underWay = new Map<ProcessQueue, UnderWay>();
  #writes = 0;
  #isStopped = false;
  #idleWaiters: (() => void)[] = [];

  constructor(options: SendBackServiceOptions) {
    this.#options = options;
  }

  failed(processQueue: ProcessQueue, messages: readonly CachedMessage[], delayLevel: number): void {
    let [from, bytes] = [0, 0];
    for (const [index, { message }] of messages.entries()) {
      if (index > from && (index - from >= MAX_MESSAGES || bytes + message.storeSize > MAX_BYTES)) {
        this.#sendBack(processQueue, messages.slice(from, index), delayLevel);
        [from, bytes] = [index, 0];
      }
      bytes += message.storeSize;
    }
    this.#sendBack(processQueue, messages.slice(from), delayLevel);
  }

  /** What was not stored yet is not stored: whoever takes the queue over gets the messages again, and that attempt did not count. */
  forget(processQueue: ProcessQueue): void {
    const underWay = this.#underWay.get(processQueue);
    if (underWay === undefined) return;
    this.#underWay.delete(processQueue);
    for (const timer of underWay.retries) timer.cancel();
    for (const write of underWay.writes) if (write.withdraw()) this.#ended();
  }

  stop(): void {
    this.#isStopped = true;
    for (const { retries } of this.#underWay.values()) {
      for (const timer of retries) timer.cancel();
      retries.clear();
    }
  }

  async idle(): Promise<void> {
    while (this.#writes > 0) await new Promise<void>((resolve) => this.#idleWaiters.push(resolve));
  }

  #sendBack(processQueue: ProcessQueue, failed: readonly CachedMessage[], delayLevel: number): void {
    const { group, port, maxReconsumeTimes } = this.#options;
    const messages = failed.map(({ message }) => message);
    const { writes } = this.#of(processQueue);
    try {
      const write = port.sendBack(
        { group, messages, delayLevel, maxReconsumeTimes },
        {
          sentBack: (outcomes) => {
            writes.delete(write);
            this.#sentBack(processQueue, failed, outcomes);
            this.#ended();
          },
          failed: (error) => {
            writes.delete(write);
            this.#retryLater(processQueue, failed, error);
            this.#ended();
          },
        },
      );
      writes.add(write);
      this.#writes += 1;
    } catch (error) {
      this.#retryLater(processQueue, failed, error);
    }
  }

  #sentBack(
    processQueue: ProcessQueue,
    messages: readonly CachedMessage[],
    outcomes: readonly SendBackOutcome[],
  ): void {
    const dropped = messages.filter((_, index) => outcomes[index]?.kind === "dropped");
    for (const { message } of dropped) {
      const { topic, queueId, queueOffset, messageId } = message;
      this.#options.logger.warn(`group ${this.#options.group} has no retry queues: a message that failed is dropped`, {
        ...{ topic, queueId, queueOffset, messageId },
      });
    }
    if (!processQueue.isDropped) this.#options.acknowledge(processQueue, messages);
  }

  #retryLater(processQueue: ProcessQueue, failed: readonly CachedMessage[], error: unknown): void {
    for (const cached of failed) cached.message = cached.message.again(1);
    if (isMqError(error, "ERR_MQ_CLOSED")) return;
    const { clock, events, group, resubmit } = this.#options;
    const isOver = this.#isStopped || processQueue.isDropped;
    const next = isOver ? "whoever consumes its queue next gets it again" : "it is delivered again in 5 s";
    const what = `group ${group} could not send a message back, ${next}`;
    events.error(backgroundError(what, error, "ERR_MQ_STORE"), { topic: processQueue.messageQueue.topic });
    if (isOver) return;
    const { retries } = this.#of(processQueue);
    const timer = clock.at(clock.now() + LOCAL_RETRY_MS, () => {
      retries.delete(timer);
      resubmit(processQueue, failed);
    });
    retries.add(timer);
  }

  #of(processQueue: ProcessQueue): UnderWay {
    let underWay = this.#underWay.get(processQueue);
    if (underWay === undefined) {
      underWay = { writes: new Set(), retries: new Set() };
      this.#underWay.set(processQueue, underWay);
    }
    return underWay;
  }

  #ended(): void {
    this.#writes -= 1;
    if (this.#writes > 0) return;
    const waiters = this.#idleWaiters;
    this.#idleWaiters = [];
    for (const resolve of waiters) resolve();
  }
}
