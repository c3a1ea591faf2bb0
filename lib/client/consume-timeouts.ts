import type { Clock, ClockTimer } from "../time/clock.js";
import type { Delivery } from "./delivery.js";

/**
 * Finds listeners that take too long, with one timer for the one that has run longest.
 *
 * Source: RocketMQ, `client/.../impl/consumer/ProcessQueue.java`, `cleanExpiredMsg`, which looks once in each time-out, and only at the lowest message of
 * a queue.
 */
export class ConsumeTimeouts<D extends Delivery> {
  readonly #timeoutMs: number;
  readonly #clock: Clock;
  readonly #onTimeout: (delivery: D) => void;
  readonly #running: Iterable<D>;
  #timer: ClockTimer | undefined;
  #isStopped = false;

  /** @param running - those that have not ended, in the order in which they began. */
  constructor(running: Iterable<D>, timeoutMs: number, clock: Clock, onTimeout: (delivery: D) => void) {
    this.#running = running;
    this.#timeoutMs = timeoutMs;
    this.#clock = clock;
    this.#onTimeout = onTimeout;
  }

  began(delivery: D): void {
    if (this.#timer === undefined) this.#arm(delivery);
  }

  stop(): void {
    this.#timer?.cancel();
    this.#isStopped = true;
  }

  #arm({ startedAt }: D): void {
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
