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
  /** In the order in which they began. */
  readonly #running = new Set<Delivery>();
  #timer: ClockTimer | undefined;

  constructor(timeoutMs: number, clock: Clock, onTimeout: (delivery: Delivery) => void) {
    this.#timeoutMs = timeoutMs;
    this.#clock = clock;
    this.#onTimeout = onTimeout;
  }

  began(delivery: Delivery): void {
    this.#running.add(delivery);
    if (this.#timer === undefined) this.#arm(delivery);
  }

  ended(delivery: Delivery): void {
    this.#running.delete(delivery);
  }

  stop(): void {
    this.#running.clear();
    this.#timer?.cancel();
    this.#timer = undefined;
  }

  #arm(first: Delivery): void {
    this.#timer = this.#clock.at(first.startedAt + this.#timeoutMs, () => this.#look());
  }

  #look(): void {
    this.#timer = undefined;
    const now = this.#clock.now();
    for (const delivery of this.#running) {
      if (delivery.startedAt + this.#timeoutMs > now) break;
      this.#running.delete(delivery);
      this.#onTimeout(delivery);
    }
    const [first] = this.#running;
    if (first !== undefined && this.#timer === undefined) this.#arm(first);
  }
}
