import type { Clock, ClockTimer } from "../time/clock.js";
import type { Delivery } from "./delivery.js";

/**
 * Finds listeners that take too long, with one timer for the one that has run longest.
 *
 * Source: RocketMQ, `client/.../impl/consumer/ProcessQueue.java`, `cleanExpiredMsg`, which looks once in each time-out, and only at the lowest message of
 * a queue.
 */
export class ConsumeTimeouts {
  readonly #timeoutMs: number;
  readonly #clock: Clock;
  readonly #onTimeout: (delivery: Delivery) => void;
  readonly #running: Iterable<Delivery>;
  #timer: ClockTimer | undefined;
  #isStopped = false;

  /** @param running - those that have not ended, in the order in which they began. */
  constructor(running: Iterable<Delivery>, timeoutMs: number, clock: Clock, onTimeout: (delivery: Delivery) => void) {
    this.#running = running;
    this.#timeoutMs = timeoutMs;
    this.#clock = clock;
    this.#onTimeout = onTimeout;
  }

  began(delivery: Delivery): void {
    if (this.#timer === undefined) this.#arm(delivery);
  }

  stop(): void {
    this.#timer?.cancel();
    this.#isStopped = true;
  }

  #arm({ startedAt }: Delivery): void {
    if (!this.#isStopped) this.#timer = this.#clock.at(startedAt + this.#timeoutMs, () => this.#look());
  }

  #look(): void {
    this.#timer = undefined;
    const now = this.#clock.now();
    for (const delivery of this.#running) {
      if (delivery.hasTimedOut) continue;
      if (delivery.startedAt + this.#timeoutMs > now) {
        this.#arm(delivery);
        return;
      }
      this.#onTimeout(delivery);
    }
  }
}
