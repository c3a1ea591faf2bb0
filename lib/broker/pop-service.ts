import { isMqError } from "../errors.js";
import type { ReceiptHandle } from "../message/receipt-handle.js";
import { ORDERLY_REVIVE_QUEUE } from "../message/receipt-handle.js";
import { toMqError } from "../store/sqlite-error.js";
import type { Clock } from "../time/clock.js";
import type { SteadyClock } from "../time/steady-clock.js";
import type { EventHub } from "./broker-events.js";
import type { PopObserver, WithdrawableWrite } from "./broker-port.js";
import type { Engine } from "./engine.js";
import type { WrittenBlock } from "./log-appender.js";
import { PopHold } from "./pop-hold.js";
import type { PopOutcome, PopRequest } from "./pop-message.js";
import type { ReceiptRequest } from "./pop-receipts.js";

export interface PopServiceOptions {
  readonly engine: Engine;
  readonly clock: Clock;
  readonly steady: SteadyClock;
  readonly events: EventHub;
  /** Throws when the broker closes. */
  readonly assertOpen: () => void;
  /** A pop has begun to wait. */
  readonly onWaiting: () => void;
}

/** What clients that pop ask of a broker, and who of them is told that there may be something. */
export class PopService {
  readonly #engine: Engine;
  readonly #events: EventHub;
  readonly #assertOpen: () => void;
  readonly #hold: PopHold;

  constructor({ engine, clock, steady, events, assertOpen, onWaiting }: PopServiceOptions) {
    this.#assertOpen = assertOpen;
    this.#engine = engine;
    this.#events = events;
    this.#hold = new PopHold({
      clock: steady,
      onWaiting,
      glance: (request) => engine.reads.readNow(() => engine.pops.message.glance(request, clock.now())),
      onUnread: (error) => {
        if (!isMqError(error, "ERR_MQ_SYSTEM_BUSY")) events.error(toMqError(error, "looking for what can be popped"));
      },
      look: (request, observer) =>
        engine.pops.look(request, {
          looked: (outcome) => {
            this.#tellDeadLettered(request, outcome);
            observer.looked(outcome);
          },
          failed: (error) => observer.failed(error),
        }),
    });
  }

  /** Pops that wait. */
  get count(): number {
    return this.#hold.count;
  }

  pop(request: PopRequest, observer: PopObserver): WithdrawableWrite {
    return this.#hold.pop(request, {
      looked: ({ messages }) => observer.popped(messages),
      failed: (error) => observer.failed(error),
    });
  }

  async acknowledge(request: ReceiptRequest): Promise<void> {
    this.#assertOpen();
    const { group, topic } = request;
    if (await this.#engine.pops.acknowledge(request)) this.#hold.wakeGroup(group, topic, 1);
  }

  async changeInvisible(request: ReceiptRequest, invisibleMs: number): Promise<ReceiptHandle> {
    this.#assertOpen();
    const { group, topic, handle } = request;
    const changed = await this.#engine.pops.changeInvisible(request, invisibleMs);
    // Those that wait for the queue know the time at which it was going to be free.
    if (handle.reviveQueueId === ORDERLY_REVIVE_QUEUE) this.#hold.wakeGroup(group, topic, Number.POSITIVE_INFINITY);
    return changed;
  }

  /** This engine has committed. */
  committed(written: readonly WrittenBlock[], topicsChanged: boolean): void {
    if (this.#hold.count === 0) return;
    for (const { state, block } of written) this.#hold.wake(state.topic, block.messageCount);
    if (topicsChanged) this.#hold.lookAgain();
  }

  /** Others have committed messages to these queues, or what frees one. */
  othersCommitted(queues: readonly { readonly topic: string }[], topicsChanged: boolean): void {
    if (this.#hold.count === 0) return;
    for (const { topic } of queues) this.#hold.wake(topic, 1);
    if (topicsChanged) this.#hold.lookAgain();
    else this.#hold.lookAtBlocked();
  }

  /** Something could not be read when it was time. */
  lookAgain(): void {
    this.#hold.lookAgain();
  }

  failAll(error: unknown): void {
    this.#hold.failAll(error);
  }

  #tellDeadLettered({ group }: PopRequest, { deadLettered }: PopOutcome): void {
    for (const { message, deliveryAttempt } of deadLettered) {
      const { messageId, topic } = message;
      this.#events.emit("message:deadLettered", { messageId, topic, group, deliveryAttempt });
    }
  }
}
