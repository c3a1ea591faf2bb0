import type { PopCheckpoint } from "../store/pop-table.js";
import type { Store } from "../store/store.js";
import { EarliestDue, type PutOffPlace, type PutOffRows } from "./due-rows.js";

const POPS_A_LOOK = 1_000;

/**
 * What is popped and not acknowledged. A checkpoint that is acknowledged message by message within one commit is read once and written once.
 *
 * Source: RocketMQ, `broker/.../processor/PopBufferMergeService.java`, which merges acknowledgements in the same way, in memory, for seconds.
 */
export class PopCheckpoints implements PutOffRows {
  readonly #store: Store;
  readonly #earliest: EarliestDue;
  /** Read in the open transaction. */
  #found = new Map<number, PopCheckpoint>();
  #changed = new Set<PopCheckpoint>();

  constructor(store: Store) {
    this.#store = store;
    this.#earliest = new EarliestDue(() => store.pops.earliest());
  }

  /** Its time is a bound: a checkpoint that was acknowledged may have been the first. */
  get earliest(): EarliestDue {
    return this.#earliest;
  }

  /** Inside a transaction. */
  add(checkpoint: PopCheckpoint): void {
    this.#store.pops.insert(checkpoint);
    this.#earliest.added(checkpoint.visibleAt);
  }

  /** Inside a transaction. */
  find(popKey: number): PopCheckpoint | undefined {
    const known = this.#found.get(popKey);
    if (known !== undefined) return known;
    const checkpoint = this.#store.pops.find(popKey);
    if (checkpoint !== undefined) this.#found.set(popKey, checkpoint);
    return checkpoint;
  }

  /** Inside a transaction. @param index - of the message within the checkpoint. */
  acknowledge(checkpoint: PopCheckpoint, index: number): void {
    checkpoint.acknowledged = (checkpoint.acknowledged | (1 << index)) >>> 0;
    this.#changed.add(checkpoint);
  }

  /** Inside a transaction: those whose time is up, the earliest first. */
  listDue(now: number, limit: number): readonly PopCheckpoint[] {
    this.write();
    return this.#store.pops.listDue(now, limit);
  }

  putOffAnew(now: number, [from = 0]: PutOffPlace): PutOffPlace | undefined {
    // What was read in this transaction has the old times; only what is acknowledged of it is written.
    this.#earliest.forget();
    const last = this.#store.pops.popAnew(now, from, POPS_A_LOOK);
    return last === undefined ? undefined : [last];
  }

  /** Inside a transaction. */
  delete({ popKey }: PopCheckpoint): void {
    this.#store.pops.delete(popKey);
  }

  /** Inside a transaction: writes what was acknowledged. */
  write(): void {
    for (const { popKey, offsets, acknowledged } of this.#changed) {
      if (acknowledged === 2 ** offsets.length - 1) this.#store.pops.delete(popKey);
      else this.#store.pops.setAcknowledged(popKey, acknowledged);
    }
    this.#forget();
  }

  /** What is stored may be another, and what was acknowledged is not stored. */
  drop(): void {
    this.#forget();
    this.#earliest.forget();
  }

  /** New ones rather than cleared ones, as in {@link LogAppender}. */
  #forget(): void {
    if (this.#changed.size > 0) this.#changed = new Set();
    if (this.#found.size > 0) this.#found = new Map();
  }
}

export function isAcknowledged({ acknowledged }: PopCheckpoint, index: number): boolean {
  return (acknowledged & (1 << index)) !== 0;
}
