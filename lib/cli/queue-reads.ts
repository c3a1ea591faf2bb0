import { RowSet } from "./row-set.js";

/** Which messages of one queue somebody got. */
export class QueueReads {
  readonly #offsets = new RowSet();
  #lowest = Number.POSITIVE_INFINITY;
  #highest = -1;
  #repeated = 0;

  /** Behind the last one. */
  get nextOffset(): number {
    return this.#highest + 1;
  }

  add(queueOffset: number): void {
    if (!this.#offsets.add(queueOffset)) this.#repeated += 1;
    this.#lowest = Math.min(this.#lowest, queueOffset);
    this.#highest = Math.max(this.#highest, queueOffset);
  }

  /** Whether they are the last ones of the queue, without a gap, each once: what somebody gets who goes on where he had stopped. */
  isRest(maxOffset: number): boolean {
    return this.#repeated === 0 && this.#offsets.size === maxOffset - this.#lowest;
  }
}
