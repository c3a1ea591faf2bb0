import type { Write } from "./pending-writes.js";

/** Of two or three statements. */
const USUAL_COST = 4;

/** What it takes of a flush. */
export interface WorkSize {
  readonly cost?: number;
  readonly bytes?: number;
  /** What it notes down for after the commit is not to be undone with other writes. */
  readonly isAlone?: boolean;
}

/** Some statements that are stored with the next group commit, of which the caller awaits the result. */
export class WorkWrite<T> implements Write {
  readonly bytes: number;
  readonly isAlone: boolean;
  readonly deadline: number;
  readonly #work: () => T;
  readonly #resolve: (result: T) => void;
  readonly #reject: (error: unknown) => void;
  readonly #cost: number;
  #result: { readonly value: T } | undefined;

  constructor(
    work: () => T,
    deadline: number,
    resolve: (result: T) => void,
    reject: (error: unknown) => void,
    { cost = USUAL_COST, bytes = 0, isAlone = false }: WorkSize = {},
  ) {
    this.bytes = bytes;
    this.isAlone = isAlone;
    this.#work = work;
    this.deadline = deadline;
    this.#resolve = resolve;
    this.#reject = reject;
    this.#cost = cost;
  }

  cost(): number {
    return this.#cost;
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
