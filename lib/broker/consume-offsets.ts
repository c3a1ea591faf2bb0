import { queueKeyOf } from "../message/message-queue.js";

/** Where offsets are stored. `Owner`: whose progress it is, a group's or an instance's. */
export interface OffsetRows<Owner> {
  find(owner: Owner, topic: string, queueId: number): number | undefined;
  put(owner: Owner, topic: string, queueId: number, nextOffset: number): void;
  /** Stores it unless a higher one is stored. */
  raise(owner: Owner, topic: string, queueId: number, nextOffset: number): void;
}

/**
 * What becomes of an offset beside the one that is known already.
 *
 * - `raise`: the higher one counts. For those who acknowledge in any order, and may report late.
 * - `set`: it replaces a higher one: the consumer may mean to go back.
 * - `set-free`: the same of a client behind a connection, which may take part no more, or not again yet: it counts as long as no other process has the queue.
 * - `set-unclaimed`: the same for a message queue that is nobody's share: its consumer chose it, as others may, and the last one counts.
 */
export type OffsetRule = "raise" | "set" | "set-free" | "set-unclaimed";

/** Who may have the queue for an offset to count: nobody but this broker, or nobody else, or anybody. The weaker one, the lower. */
const NEEDS: Readonly<Record<OffsetRule, number>> = { raise: 2, set: 2, "set-free": 1, "set-unclaimed": 0 };

interface Progress<Owner> {
  readonly owner: Owner;
  readonly topic: string;
  readonly queueId: number;
  nextOffset: number;
  /** It may replace a higher one in the store. */
  mayLower: boolean;
  /** One of {@link NEEDS}. */
  needs: number;
}

/** An offset that is not stored yet. */
export interface PendingOffset {
  readonly topic: string;
  readonly queueId: number;
}

export interface ConsumeOffsetsOptions<Owner> {
  readonly rows: OffsetRows<Owner>;
  /** Differs for different owners. */
  readonly nameOf: (owner: Owner) => string;
  /** Called when an offset came that waits to be stored. */
  readonly onPending: () => void;
  /** Called within the transaction that is to store an offset, unless it is unclaimed; false: it does not count any more. `orFree`: nobody's queue will do. */
  readonly mayWrite: (owner: Owner, topic: string, queueId: number, orFree: boolean) => boolean;
  /** Called within the transaction that stores an offset. */
  readonly onWrite: (owner: Owner, topic: string, queueId: number, nextOffset: number) => void;
}

/**
 * Consume progress that is not stored yet; it is written with the next group commit, so that an offset never costs a commit of its own. Everything
 * else is read from the store when it is asked for, which is seldom.
 *
 * Source: RocketMQ, `broker/.../offset/ConsumerOffsetManager.java`; it persists every five seconds, so that more is repeated after a crash.
 */
export class ConsumeOffsets<Owner> {
  readonly #rows: OffsetRows<Owner>;
  readonly #nameOf: (owner: Owner) => string;
  readonly #onPending: () => void;
  readonly #mayWrite: (owner: Owner, topic: string, queueId: number, orFree: boolean) => boolean;
  readonly #onWrite: (owner: Owner, topic: string, queueId: number, nextOffset: number) => void;
  #pending = new Map<string, Progress<Owner>>();
  /** Written in the transaction that is open. */
  #written: Map<string, Progress<Owner>> | undefined;
  /** May not lower what the open transaction has stored. */
  #overtaken: Progress<Owner>[] = [];

  constructor({ rows, nameOf, onPending, mayWrite, onWrite }: ConsumeOffsetsOptions<Owner>) {
    this.#rows = rows;
    this.#nameOf = nameOf;
    this.#onPending = onPending;
    this.#mayWrite = mayWrite;
    this.#onWrite = onWrite;
  }

  get hasPending(): boolean {
    return this.#pending.size > 0;
  }

  find(owner: Owner, topic: string, queueId: number): number | undefined {
    const pending = this.#pending.get(this.#keyOf(owner, topic, queueId));
    if (pending?.mayLower === true) return pending.nextOffset;
    const stored = this.#rows.find(owner, topic, queueId);
    if (pending === undefined || stored === undefined) return pending?.nextOffset ?? stored;
    return Math.max(pending.nextOffset, stored);
  }

  /** The queues for which a new offset of this owner waits to be stored. */
  listPending(owner: Owner): readonly PendingOffset[] {
    const name = this.#nameOf(owner);
    return [...this.#pending.values()].filter((progress) => this.#nameOf(progress.owner) === name);
  }

  /**
   * Kept in memory and written with the next group commit, at the latest 50 ms later. Reads nothing, as it is called from wherever a listener ends.
   */
  update(owner: Owner, topic: string, queueId: number, nextOffset: number, rule: OffsetRule): void {
    const key = this.#keyOf(owner, topic, queueId);
    const pending = this.#pending.get(key);
    const mayLower = rule !== "raise";
    const needs = NEEDS[rule];
    if (pending === undefined) {
      this.#pending.set(key, { owner, topic, queueId, nextOffset, mayLower, needs });
    } else if (mayLower || nextOffset > pending.nextOffset) {
      pending.nextOffset = nextOffset;
      pending.mayLower ||= mayLower;
      pending.needs = Math.min(pending.needs, needs);
    }
    this.#onPending();
  }

  /** Inside a transaction: stores it at once, whoever has the queue. What was to lower the offset, and was reported before, counts no more. */
  store(owner: Owner, topic: string, queueId: number, nextOffset: number): void {
    this.#overtake(owner, topic, queueId);
    this.#rows.put(owner, topic, queueId, nextOffset);
    this.#onWrite(owner, topic, queueId, nextOffset);
  }

  /** The same unless a higher one is stored, or another engine has the queue by now. */
  raise(owner: Owner, topic: string, queueId: number, nextOffset: number): void {
    if (!this.#mayWrite(owner, topic, queueId, false)) return;
    this.#overtake(owner, topic, queueId);
    this.#rows.raise(owner, topic, queueId, nextOffset);
    this.#onWrite(owner, topic, queueId, nextOffset);
  }

  #overtake(owner: Owner, topic: string, queueId: number): void {
    const pending = this.#pending.get(this.#keyOf(owner, topic, queueId));
    if (pending?.mayLower !== true) return;
    pending.mayLower = false;
    this.#overtaken.push(pending);
  }

  /** Inside a transaction. */
  write(): void {
    for (const { owner, topic, queueId, nextOffset, mayLower, needs } of this.#pending.values()) {
      if (needs > 0 && !this.#mayWrite(owner, topic, queueId, needs === NEEDS["set-free"])) continue;
      // Clients behind connections say the same again each five seconds: a commit that changes nothing needs no sync.
      if (mayLower && this.#rows.find(owner, topic, queueId) === nextOffset) continue;
      if (mayLower) this.#rows.put(owner, topic, queueId, nextOffset);
      else this.#rows.raise(owner, topic, queueId, nextOffset);
      this.#onWrite(owner, topic, queueId, nextOffset);
    }
    this.#written = this.#pending;
  }

  /** What was written is stored. Nothing was updated since: a transaction does not wait. */
  committed(): void {
    this.#overtaken = [];
    if (this.#written !== undefined) this.#pending = new Map();
    this.#written = undefined;
  }

  /** What was written was rolled back: it is still pending. */
  rolledBack(): void {
    for (const pending of this.#overtaken) pending.mayLower = true;
    this.#overtaken = [];
    this.#written = undefined;
  }

  /** Names hold no control characters. */
  #keyOf(owner: Owner, topic: string, queueId: number): string {
    return `${this.#nameOf(owner)}\u0001${queueKeyOf(topic, queueId)}`;
  }
}
