import type { EventHub } from "../broker/broker-events.js";
import type { BrokerPort, MessageModel, WithdrawableWrite } from "../broker/broker-port.js";
import { isMqError } from "../errors.js";
import type { StoredMessageView } from "../message/message-view.js";
import type { Clock } from "../time/clock.js";
import { backgroundError } from "./background-error.js";
import type { OrderlyDelivery } from "./orderly-delivery.js";
import type { OrderlyLane } from "./orderly-lane.js";
import type { CachedMessage } from "./process-queue.js";

export interface OrderlyFailuresOptions {
  readonly group: string;
  readonly messageModel: MessageModel;
  /** `undefined`: a message is delivered again for as long as it fails. */
  readonly maxReconsumeTimes: number | undefined;
  readonly port: BrokerPort;
  readonly clock: Clock;
  readonly events: EventHub;
}

/** How a burial ends: exactly one of them is called, once, and not within the call. */
export interface BurialObserver {
  /** The messages are acknowledged and in the dead-letter queue. */
  buried(): void;
  /** They are as they were. */
  failed(): void;
  /** Its lane was forgotten. */
  forgotten(): void;
}

interface Burial {
  readonly write: WithdrawableWrite;
  readonly observer: BurialObserver;
}

/**
 * What becomes of messages that an orderly listener failed on: their attempts are counted in memory, so that they begin anew with whoever takes the queue
 * over, and after the last one they go to the dead letters.
 *
 * Source: RocketMQ, `client/.../impl/consumer/ConsumeMessageOrderlyService.java`, `checkReconsumeTimes`. There, messages of a batch that have used up their attempts
 * are buried once more with each failure of the others; here they leave the batch.
 */
export class OrderlyFailures {
  readonly #options: OrderlyFailuresOptions;
  readonly #burials = new Map<OrderlyLane, Burial>();
  #idleWaiters: (() => void)[] = [];

  constructor(options: OrderlyFailuresOptions) {
    this.#options = options;
  }

  isExhausted({ reconsumeTimes }: StoredMessageView): boolean {
    return reconsumeTimes >= (this.#options.maxReconsumeTimes ?? Number.POSITIVE_INFINITY);
  }

  /** They failed, and are delivered again after so long. */
  count(delivery: OrderlyDelivery, messages: readonly CachedMessage[], afterMs: number): void {
    this.#putOff(delivery, messages, afterMs, 1);
  }

  /** They are delivered again after so long, as if they had not been. */
  putOff(delivery: OrderlyDelivery, messages: readonly CachedMessage[], afterMs: number): void {
    this.#putOff(delivery, messages, afterMs, 0);
  }

  /** One at a time for a lane. */
  bury(lane: OrderlyLane, messages: readonly CachedMessage[], observer: BurialObserver): void {
    const { group, messageModel, maxReconsumeTimes, port } = this.#options;
    const request = { group, messages: messages.map(({ message }) => message), delayLevel: -1, maxReconsumeTimes };
    try {
      const write = port.sendBack(
        { ...request, orderly: { messageModel } },
        {
          sentBack: () => this.#ended(lane, () => observer.buried()),
          failed: (error) => {
            this.#report(lane, error);
            this.#ended(lane, () => observer.failed());
          },
        },
      );
      this.#burials.set(lane, { write, observer });
    } catch (error) {
      this.#report(lane, error);
      // Not within the call.
      this.#options.clock.turn(() => observer.failed());
    }
  }

  /** What was not stored yet is not stored: whoever takes the queue over gets the messages again. */
  forget(lane: OrderlyLane): void {
    const burial = this.#burials.get(lane);
    if (burial?.write.withdraw() === true) this.#ended(lane, () => burial.observer.forgotten());
  }

  /** Resolves once no burial is under way. */
  async idle(): Promise<void> {
    while (this.#burials.size > 0) await new Promise<void>((resolve) => this.#idleWaiters.push(resolve));
  }

  #putOff({ group }: OrderlyDelivery, messages: readonly CachedMessage[], afterMs: number, failures: number): void {
    const { events, clock } = this.#options;
    const dueAt = clock.now() + afterMs;
    for (const cached of messages) {
      const { messageId, topic, deliveryAttempt } = cached.message;
      if (events.isHeard("message:retried"))
        events.emit("message:retried", { messageId, topic, group, deliveryAttempt, dueAt });
      cached.message = cached.message.again(failures);
    }
  }

  #ended(lane: OrderlyLane, tell: () => void): void {
    this.#burials.delete(lane);
    tell();
    if (this.#burials.size > 0) return;
    const waiters = this.#idleWaiters;
    this.#idleWaiters = [];
    for (const resolve of waiters) resolve();
  }

  #report({ processQueue }: OrderlyLane, error: unknown): void {
    if (isMqError(error, "ERR_MQ_CLOSED")) return;
    const { events, group } = this.#options;
    const what = `group ${group} could not bury messages that have used up their attempts, they are delivered again`;
    events.error(backgroundError(what, error, "ERR_MQ_STORE"), { topic: processQueue.messageQueue.topic });
  }
}
