import { isMqError } from "../errors.js";
import type { Clock } from "../time/clock.js";
import type { Backoff } from "./backoff.js";
import type { Transactions } from "./transactions.js";

/** How long a read waits for another connection. */
const BUSY_WAIT_MS = 3_000;

/** Reads that see committed rows only: while the connection's owner has a transaction open they wait for its end. */
export class CommittedReads {
  readonly #transactions: Transactions;
  readonly #clock: Clock;
  readonly #backoff: Backoff;
  #waiting: (() => void)[] = [];

  constructor(transactions: Transactions, clock: Clock, backoff: Backoff) {
    this.#transactions = transactions;
    this.#clock = clock;
    this.#backoff = backoff;
  }

  /** Calls at once, or as soon as a read sees committed rows only. */
  whenFree(run: () => void): void {
    if (this.#transactions.isFree && this.#waiting.length === 0) {
      run();
      return;
    }
    this.#wait(run);
  }

  /** The same for something with a result; `ERR_MQ_SYSTEM_BUSY` is tried again for seconds. */
  read<T>(work: () => T): Promise<T> {
    return new Promise((resolve, reject) => {
      const deadline = this.#clock.now() + BUSY_WAIT_MS;
      const attempt = (): void => {
        try {
          resolve(work());
        } catch (error) {
          if (!isMqError(error, "ERR_MQ_SYSTEM_BUSY") || this.#clock.now() >= deadline) reject(error);
          else this.#wait(attempt);
        }
      };
      this.whenFree(attempt);
    });
  }

  /** Those who wait look once more, and find that the store is closed. */
  close(): void {
    this.#backoff.cancel();
    this.#runWaiting();
  }

  #wait(run: () => void): void {
    this.#waiting.push(run);
    if (this.#waiting.length === 1) this.#backoff.next(this.#look);
  }

  readonly #look = (): void => {
    if (this.#transactions.isForeign) {
      this.#backoff.next(this.#look);
      return;
    }
    this.#runWaiting();
    // Some of them may have to wait again.
    if (this.#waiting.length === 0) this.#backoff.reset();
  };

  /** In their order; those behind one that has to wait again wait with it. */
  #runWaiting(): void {
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const [index, run] of waiting.entries()) {
      run();
      if (this.#waiting.length === 0) continue;
      this.#waiting.push(...waiting.slice(index + 1));
      return;
    }
  }
}
