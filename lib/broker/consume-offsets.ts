import type { Store } from "../store/store.js";

interface Progress {
  readonly group: string;
  readonly topic: string;
  readonly queueId: number;
  nextOffset: number;
  /** Not stored yet. */
  isDirty: boolean;
  /** It may replace a higher one in the store. */
  mayLower: boolean;
  /** Not dirty: read from the store before somebody else may have changed it. */
  isStale: boolean;
}

/**
 * Consume progress in memory, written with the next group commit: an offset never costs a commit of its own.
 *
 * What is not dirty is a cache for one `data_version`; what is dirty is newer than the store and stays.
 *
 * Source: RocketMQ, `broker/.../offset/ConsumerOffsetManager.java`; it persists every five seconds, so that more is repeated after a crash.
 */
export class ConsumeOffsets {
  readonly #store: Store;
  readonly #progress = new Map<string, Progress>();
  #dirty: Progress[] = [];
  #written: Progress[] = [];

  constructor(store: Store) {
    this.#store = store;
  }

  drop(): void {
    for (const progress of this.#progress.values()) progress.isStale = true;
  }

  get hasDirty(): boolean {
    return this.#dirty.length > 0;
  }

  find(group: string, topic: string, queueId: number): number | undefined {
    const key = toKey(group, topic, queueId);
    const known = this.#progress.get(key);
    if (known !== undefined && (known.isDirty || !known.isStale)) return known.nextOffset;
    const nextOffset = this.#store.consumeOffsets.find(group, topic, queueId);
    if (nextOffset !== undefined)
      this.#progress.set(key, { group, topic, queueId, nextOffset, isDirty: false, mayLower: false, isStale: false });
    return nextOffset;
  }

  /** Offsets of a group as they will be after the next commit. */
  listOfGroup(
    group: string,
  ): readonly { readonly topic: string; readonly queueId: number; readonly nextOffset: number }[] {
    const rows = new Map(
      this.#store.consumeOffsets.listOfGroup(group).map((row) => [toKey(group, row.topic, row.queueId), row]),
    );
    for (const progress of this.#dirty) {
      if (progress.group === group) rows.set(toKey(group, progress.topic, progress.queueId), progress);
    }
    return [...rows.values()];
  }

  /**
   * `increaseOnly` ignores what is lower than what is known or stored: a member that lost a queue may report late. Reads nothing, as it is
   * called from wherever a listener ends.
   */
  update(group: string, topic: string, queueId: number, nextOffset: number, increaseOnly: boolean): void {
    const key = toKey(group, topic, queueId);
    let progress = this.#progress.get(key);
    if (progress === undefined) {
      progress = { group, topic, queueId, nextOffset, isDirty: false, mayLower: false, isStale: false };
      this.#progress.set(key, progress);
    } else if (nextOffset === progress.nextOffset || (increaseOnly && nextOffset < progress.nextOffset)) {
      return;
    }
    progress.nextOffset = nextOffset;
    progress.mayLower ||= !increaseOnly;
    if (progress.isDirty) return;
    progress.isDirty = true;
    this.#dirty.push(progress);
  }

  /** Inside a transaction. */
  writeDirty(): void {
    const { consumeOffsets } = this.#store;
    for (const { group, topic, queueId, nextOffset, mayLower } of this.#dirty) {
      if (mayLower) consumeOffsets.put(group, topic, queueId, nextOffset);
      else consumeOffsets.raise(group, topic, queueId, nextOffset);
    }
    this.#written = this.#dirty;
  }

  committed(): void {
    if (this.#written.length === 0) return;
    for (const progress of this.#written) {
      progress.isDirty = false;
      progress.mayLower = false;
      // A higher one may have been stored already.
      progress.isStale = true;
    }
    this.#dirty = [];
    this.#written = [];
  }

  /** What was written was rolled back: it stays dirty. */
  discard(): void {
    this.#written = [];
  }
}

/** Names hold no control characters. */
function toKey(group: string, topic: string, queueId: number): string {
  return `${group}\u0001${topic}\u0001${queueId}`;
}
