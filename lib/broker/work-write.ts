import type { Write } from "./pending-writes.js";

/** Some statements that are stored with the next group commit, of which the caller awaits the result. */
export class WorkWrite<T> implements Write {
  readonly bytes: number = 0;
  readonly deadline: number;
  readonly #work: () => T;
  readonly #resolve: (result: T) => void;
  readonly #reject: (error: unknown) => void;
  #result: { readonly value: T } | undefined;

  constructor(work: () => T, deadline: number, resolve: (result: T) => void, reject: (error: unknown) => void) {
    this.#work = work;
    this.deadline = deadline;
    this.#resolve = resolve;
    this.#reject = reject;
  }

  cost(): number {
    return 4;
  }

  apply(): void {
    this.#result = { value: this.#work() };
  }

  committed(): void {
    if (this.#result !== undefined) this.#resolve(this.#result.value);
  }

  failed(error: unknown): void {
    this.#reject(error);
  }
}
