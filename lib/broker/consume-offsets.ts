import type { Store } from "../store/store.js";

interface Progress {
  readonly group: string;
  readonly topic: string;
  readonly queueId: number;
  nextOffset: number;
  isDirty: boolean;
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
    for (const [key, progress] of this.#progress) if (!progress.isDirty) this.#progress.delete(key);
  }

  get hasDirty(): boolean {
    return this.#dirty.length > 0;
  }

  find(group: string, topic: string, queueId: number): number | undefined {
    const key = toKey(group, topic, queueId);
    const known = this.#progress.get(key);
    if (known !== undefined) return known.nextOffset;
    const nextOffset = this.#store.consumeOffsets.find(group, topic, queueId);
    if (nextOffset !== undefined) this.#progress.set(key, { group, topic, queueId, nextOffset, isDirty: false });
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

  /** `increaseOnly` ignores what is lower: a member that lost a queue may report late. */
  update(group: string, topic: string, queueId: number, nextOffset: number, increaseOnly: boolean): void {
    const key = toKey(group, topic, queueId);
    const progress = this.#progress.get(key);
    if (progress === undefined) {
      const stored = increaseOnly ? this.find(group, topic, queueId) : undefined;
      if (stored === undefined || stored < nextOffset)
        this.#mark({ group, topic, queueId, nextOffset, isDirty: false }, key);
    } else if (nextOffset > progress.nextOffset || (!increaseOnly && nextOffset < progress.nextOffset)) {
      progress.nextOffset = nextOffset;
      this.#mark(progress, key);
    }
  }

  #mark(progress: Progress, key: string): void {
    this.#progress.set(key, progress);
    if (progress.isDirty) return;
    progress.isDirty = true;
    this.#dirty.push(progress);
  }

  /** Inside a transaction. */
  writeDirty(): void {
    for (const progress of this.#dirty) {
      this.#store.consumeOffsets.put(progress.group, progress.topic, progress.queueId, progress.nextOffset);
    }
    this.#written = this.#dirty;
  }

  committed(): void {
    if (this.#written.length === 0) return;
    for (const progress of this.#written) progress.isDirty = false;
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
