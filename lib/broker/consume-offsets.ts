import { queueKeyOf } from "../message/message-queue.js";
import type { ConsumeOffsetRow } from "../store/consume-offset-table.js";
import type { Store } from "../store/store.js";

interface Progress {
  readonly group: string;
  readonly topic: string;
  readonly queueId: number;
  nextOffset: number;
  /** It may replace a higher one in the store. */
  mayLower: boolean;
}

/**
 * Consume progress that is not stored yet; it is written with the next group commit, so that an offset never costs a commit of its own. Everything
 * else is read from the store when it is asked for, which is seldom.
 *
 * Source: RocketMQ, `broker/.../offset/ConsumerOffsetManager.java`; it persists every five seconds, so that more is repeated after a crash.
 */
export class ConsumeOffsets {
  readonly #store: Store;
  #pending = new Map<string, Progress>();
  /** Written in the transaction that is open. */
  #written: Map<string, Progress> | undefined;

  constructor(store: Store) {
    this.#store = store;
  }

  get hasPending(): boolean {
    return this.#pending.size > 0;
  }

  find(group: string, topic: string, queueId: number): number | undefined {
    const pending = this.#pending.get(toKey(group, topic, queueId));
    if (pending?.mayLower === true) return pending.nextOffset;
    const stored = this.#store.consumeOffsets.find(group, topic, queueId);
    if (pending === undefined || stored === undefined) return pending?.nextOffset ?? stored;
    return Math.max(pending.nextOffset, stored);
  }

  /** Offsets of a group as they will be after the next commit. */
  listOfGroup(group: string): readonly ConsumeOffsetRow[] {
    const rows = new Map(
      this.#store.consumeOffsets.listOfGroup(group).map((row) => [toKey(group, row.topic, row.queueId), row]),
    );
    for (const [key, { group: ofGroup, topic, queueId }] of this.#pending) {
      if (ofGroup === group) rows.set(key, { topic, queueId, nextOffset: this.find(group, topic, queueId) as number });
    }
    return [...rows.values()];
  }

  /**
   * `increaseOnly` ignores what is lower than what is pending or stored: a member that lost a queue may report late. Reads nothing, as it is called
   * from wherever a listener ends.
   */
  update(group: string, topic: string, queueId: number, nextOffset: number, increaseOnly: boolean): void {
    const key = toKey(group, topic, queueId);
    const pending = this.#pending.get(key);
    if (pending === undefined) {
      this.#pending.set(key, { group, topic, queueId, nextOffset, mayLower: !increaseOnly });
    } else if (!increaseOnly || nextOffset > pending.nextOffset) {
      pending.nextOffset = nextOffset;
      pending.mayLower ||= !increaseOnly;
    }
  }

  /** Inside a transaction. */
  write(): void {
    const { consumeOffsets } = this.#store;
    for (const { group, topic, queueId, nextOffset, mayLower } of this.#pending.values()) {
      if (mayLower) consumeOffsets.put(group, topic, queueId, nextOffset);
      else consumeOffsets.raise(group, topic, queueId, nextOffset);
    }
    this.#written = this.#pending;
  }

  /** What was written is stored. Nothing was updated since: a transaction does not wait. */
  committed(): void {
    if (this.#written !== undefined) this.#pending = new Map();
    this.#written = undefined;
  }

  /** What was written was rolled back: it is still pending. */
  rolledBack(): void {
    this.#written = undefined;
  }
}

/** Names hold no control characters. */
function toKey(group: string, topic: string, queueId: number): string {
  return `${group}\u0001${queueKeyOf(topic, queueId)}`;
}
