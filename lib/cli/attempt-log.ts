import { RowSet } from "./row-set.js";
import { TagCounts } from "./tag-counts.js";

/** A delivery of a message of the run. */
export interface Attempt {
  readonly row: number;
  readonly tag: string | undefined;
  readonly bytes: number;
  readonly reconsumeTimes: number;
}

/** Which messages were delivered for the first, second, … time: all of them once, those that shall fail once for each retry as well. */
export class AttemptLog {
  /** First deliveries. */
  readonly first: TagCounts = new TagCounts();
  readonly #failing: RowSet;
  readonly #rows: readonly RowSet[];
  #repeated = 0;
  #unexpected = 0;

  constructor(failing: RowSet, maxReconsumeTimes: number) {
    this.#failing = failing;
    this.#rows = Array.from({ length: maxReconsumeTimes + 1 }, () => new RowSet());
  }

  /** Different messages, by how often each had failed before. */
  get delivered(): readonly number[] {
    return this.#rows.map(({ size }) => size);
  }

  /** Deliveries of the same message with the same `reconsumeTimes` as one before. */
  get repeated(): number {
    return this.#repeated;
  }

  /** Retries of what shall not fail, or beyond the last one. */
  get unexpected(): number {
    return this.#unexpected;
  }

  add({ row, tag, bytes, reconsumeTimes }: Attempt): void {
    if (reconsumeTimes === 0) this.first.add(tag, bytes);
    const rows = this.#rows[reconsumeTimes];
    if (rows === undefined || (reconsumeTimes > 0 && !this.#failing.has(row))) this.#unexpected += 1;
    else if (!rows.add(row)) this.#repeated += 1;
  }
}
