import { isMqError } from "../errors.js";
import type { Clock } from "../time/clock.js";
import type { Backoff } from "./backoff.js";
import type { Transactions } from "./transactions.js";

/** How long a read waits for another connection. */
const BUSY_WAIT_MS = 3_000;

export interface ReadsParts {
  readonly transactions: Transactions;
  readonly clock: Clock;
  readonly backoff: Backoff;
  /** Throws when nothing can be read any more. */
  readonly assertUsable: () => void;
}

/** Everything that reads the store. What is to see committed rows only waits while the connection's owner has a transaction open. */
export class Reads {
  readonly #transactions: Transactions;
  readonly #clock: Clock;
  readonly #backoff: Backoff;
  readonly #assertUsable: () => void;
  #waiting: (() => void)[] = [];

  constructor({ transactions, clock, backoff, assertUsable }: ReadsParts) {
    this.#transactions = transactions;
    this.#clock = clock;
    this.#backoff = backoff;
    this.#assertUsable = assertUsable;
  }

  /** Calls at once, or as soon as a read sees committed rows only. */
  whenFree(run: () => void): void {
    if (this.#transactions.isFree && this.#waiting.length === 0) {
      run();
      return;
    }
    this.#wait(run);
  }

  /**
   * Runs `work` at once, or as soon as it sees committed rows only; those of every commit so far. Rejects with `ERR_MQ_SYSTEM_BUSY` when another
   * connection keeps readers out for seconds.
   */
  read<T>(work: () => T): Promise<T> {
    return this.#whenReadable(() => {
      this.lookForForeignCommits();
      return this.readNow(work);
    });
  }

  /** The same, where it takes several statements whose rows must be those of one commit. */
  readSnapshot<T>(work: () => T): Promise<T> {
    return this.#whenReadable(() => {
      this.#assertUsable();
      return this.#transactions.readSnapshot(work);
    });
  }

  /** Runs `work` now, whatever it sees; throws `ERR_MQ_SYSTEM_BUSY` rather than wait for another connection. */
  readNow<T>(work: () => T): T {
    return this.#transactions.readNow(work);
  }

  /** Whether another connection has committed since the last look; then the caches are dropped. Throws when the connection is gone. */
  lookForForeignCommits(): boolean {
    this.#assertUsable();
    return this.#transactions.isFree && this.readNow(() => this.#transactions.refresh());
  }

  #whenReadable<T>(work: () => T): Promise<T> {
    try {
      this.#assertUsable();
    } catch (error) {
      return Promise.reject(error);
    }
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
