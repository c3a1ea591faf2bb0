import type { Store } from "../store/store.js";

/**
 * Messages that a group sent back and that its consume offset has not passed yet. They are acknowledged, so that the queue gives them to no member
 * of the group again: not after a crash and not to the one who takes the queue over. Cached for one `data_version`.
 *
 * RocketMQ has nothing like it: there a message that was sent back while one before it was still being consumed comes twice after a crash, from its
 * queue and from the retry topic.
 */
export class SentBack {
  readonly #store: Store;
  readonly #groups = new Map<string, Map<number, Set<number>>>();

  constructor(store: Store) {
    this.#store = store;
  }

  drop(): void {
    this.#groups.clear();
  }

  /** The group has no members any more: nothing of it is kept in memory. */
  forget(group: string): void {
    this.#groups.delete(group);
  }

  /** Queue offsets, those that the consume offset has passed perhaps among them. */
  of(group: string, queueKey: number): ReadonlySet<number> {
    return this.#of(group, queueKey);
  }

  /** Inside a transaction: this message is acknowledged. */
  add(group: string, queueKey: number, queueOffset: number): void {
    this.#of(group, queueKey).add(queueOffset);
    this.#store.sentBack.insert(group, queueKey, queueOffset);
  }

  /** Inside a transaction: the group's consume offset has come so far. */
  passed(group: string, queueKey: number, nextOffset: number): void {
    const offsets = this.#of(group, queueKey);
    if (offsets.size === 0) return;
    let count = 0;
    for (const offset of offsets) if (offset < nextOffset && offsets.delete(offset)) count += 1;
    if (count > 0) this.#store.sentBack.deleteBelow(group, queueKey, nextOffset);
  }

  #of(group: string, queueKey: number): Set<number> {
    let ofGroup = this.#groups.get(group);
    if (ofGroup === undefined) {
      ofGroup = new Map();
      this.#groups.set(group, ofGroup);
    }
    let offsets = ofGroup.get(queueKey);
    if (offsets === undefined) {
      offsets = new Set(this.#store.sentBack.list(group, queueKey));
      ofGroup.set(queueKey, offsets);
    }
    return offsets;
  }
}
