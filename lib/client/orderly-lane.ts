import type { ClockTimer } from "../time/clock.js";
import type { CachedMessage, ProcessQueue } from "./process-queue.js";

/**
 * The messages of one queue that is consumed in order.
 *
 * ```
 * waiting ──take──▶ taken ──commit──▶ acknowledged
 *    ▲                │
 *    └────put back────┘
 * ```
 * Source: RocketMQ, `client/.../impl/consumer/ProcessQueue.java`, `takeMessages`, `commit`, `rollback`, `makeMessageToConsumeAgain`.
 */
export class OrderlyLane {
  readonly processQueue: ProcessQueue;
  /** Whether it stands in line for a listener. */
  isReady = false;
  /** Put back; until then nothing is taken. */
  suspended: ClockTimer | undefined;
  /** Lowest offset first. */
  #waiting: CachedMessage[] = [];
  /** Those before it were taken. */
  #head = 0;
  /** Delivered and not committed, in the order in which they were taken. */
  #taken: CachedMessage[] = [];

  constructor(processQueue: ProcessQueue) {
    this.processQueue = processQueue;
  }

  get hasWaiting(): boolean {
    return this.#head < this.#waiting.length;
  }

  put(messages: readonly CachedMessage[]): void {
    this.#waiting.push(...messages);
    this.processQueue.addWaiting(messages.length);
  }

  take(count: number): readonly CachedMessage[] {
    const batch = this.#waiting.slice(this.#head, this.#head + count);
    this.#head += batch.length;
    const isEmpty = this.#head === this.#waiting.length;
    if (isEmpty || (this.#head > 64 && this.#head * 2 > this.#waiting.length)) {
      this.#waiting = this.#waiting.slice(this.#head);
      this.#head = 0;
    }
    this.#taken.push(...batch);
    this.processQueue.addWaiting(-batch.length);
    return batch;
  }

  /** What was taken is consumed. Returns it. */
  commit(): readonly CachedMessage[] {
    const committed = this.#taken;
    this.#taken = [];
    return committed;
  }

  /** These of those taken last are delivered again, before all others. */
  putBack(messages: readonly CachedMessage[]): void {
    const again = new Set(messages);
    this.#taken = this.#taken.filter((message) => !again.has(message));
    this.#waiting = [...messages, ...this.#waiting.slice(this.#head)];
    this.#head = 0;
    this.processQueue.addWaiting(messages.length);
  }

  /** Everything that was taken is delivered again. Returns it. */
  rollback(): readonly CachedMessage[] {
    const taken = this.#taken;
    this.putBack(taken);
    return taken;
  }

  /** These were acknowledged otherwise. */
  remove(messages: readonly CachedMessage[]): void {
    const removed = new Set(messages);
    this.#taken = this.#taken.filter((message) => !removed.has(message));
  }
}
