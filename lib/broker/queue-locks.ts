import { type MessageQueue, queueKeyOf } from "../message/message-queue.js";
import type { Clock, ClockTimer } from "../time/clock.js";

/** An owner that does not lock a queue again loses it after this time. Source: RocketMQ, `RebalanceLockManager.java`, `REBALANCE_LOCK_MAX_LIVE_TIME`. */
const LEASE_MS = 60_000;

interface QueueLock {
  readonly queue: MessageQueue;
  readonly owner: string;
  readonly lockedAt: number;
}

/**
 * Which member of a group consumes a message queue in order: one at a time, for as long as it says so.
 *
 * ```
 * free ──lock──▶ held by one owner, which may lock it again ──unlock, or 60 s without a lock──▶ free
 * ```
 * In memory, as in RocketMQ: between processes the claims of their brokers (`queue-claims.ts`) see to the same, and a broker keeps its claim of a queue for as
 * long as the queue is locked here. A process that dies takes its locks with it.
 *
 * Source: RocketMQ, `broker/.../client/rebalance/RebalanceLockManager.java`.
 */
export class QueueLocks {
  readonly #clock: Clock;
  readonly #onFreed: (group: string) => void;
  readonly #groups = new Map<string, Map<string, QueueLock>>();
  /** Groups with queues that were unlocked in this turn. */
  readonly #freed = new Set<string>();
  #timer: ClockTimer | undefined;

  /**
   * @param clock - for how long something takes.
   * @param onFreed - queues of this group are free: unlocked, perhaps many of them, in an earlier turn, or their leases have run out.
   */
  constructor(clock: Clock, onFreed: (group: string) => void) {
    this.#clock = clock;
    this.#onFreed = onFreed;
  }

  /** Whether no queue is locked. */
  get isEmpty(): boolean {
    for (const group of this.#groups.keys()) if (this.list(group).length > 0) return false;
    return true;
  }

  /** Locks the queues for the owner, again where it has them, and returns those that it has now. */
  lock(group: string, owner: string, queues: readonly MessageQueue[]): readonly MessageQueue[] {
    const locks = this.#groups.get(group) ?? new Map<string, QueueLock>();
    const lockedAt = this.#clock.now();
    const locked = queues.filter((queue) => {
      const key = queueKeyOf(queue.topic, queue.queueId);
      const lock = locks.get(key);
      if (lock !== undefined && lock.owner !== owner && !this.#hasExpired(lock)) return false;
      locks.set(key, { queue, owner, lockedAt });
      return true;
    });
    if (locked.length > 0) {
      this.#groups.set(group, locks);
      this.#lookAfter(LEASE_MS);
    }
    return locked;
  }

  /** No effect on what others have. */
  unlock(group: string, owner: string, queues: readonly MessageQueue[]): void {
    const locks = this.#groups.get(group);
    for (const queue of queues) {
      const key = queueKeyOf(queue.topic, queue.queueId);
      if (locks?.get(key)?.owner !== owner) continue;
      locks.delete(key);
      this.#tellFreedLater(group);
    }
    if (locks?.size === 0) this.#groups.delete(group);
    if (this.#groups.size === 0) this.close();
  }

  /** The locked queues of a group. */
  list(group: string): readonly MessageQueue[] {
    const locks = [...(this.#groups.get(group)?.values() ?? [])];
    return locks.filter((lock) => !this.#hasExpired(lock)).map(({ queue }) => queue);
  }

  close(): void {
    this.#timer?.cancel();
    this.#timer = undefined;
  }

  /** It may be within a rebalance, in which others have not dropped what they lose. */
  #tellFreedLater(group: string): void {
    if (this.#freed.size === 0) {
      this.#clock.turn(() => {
        const freed = [...this.#freed];
        this.#freed.clear();
        for (const each of freed) this.#onFreed(each);
      });
    }
    this.#freed.add(group);
  }

  #lookAfter(ms: number): void {
    // Whoever is silent for longer than its lease, and not only as long, has lost its queue.
    this.#timer ??= this.#clock.at(this.#clock.now() + ms + 1, () => {
      this.#timer = undefined;
      this.#removeExpired();
    });
  }

  #removeExpired(): void {
    const freed = new Set<string>();
    for (const [group, locks] of this.#groups) {
      for (const [key, lock] of locks) if (this.#hasExpired(lock) && locks.delete(key)) freed.add(group);
      if (locks.size === 0) this.#groups.delete(group);
    }
    const ages = [...this.#groups.values()].flatMap((locks) => [...locks.values()].map((lock) => this.#ageOf(lock)));
    if (ages.length > 0) this.#lookAfter(LEASE_MS - ages.reduce((oldest, age) => Math.max(oldest, age)));
    for (const group of freed) this.#onFreed(group);
  }

  #hasExpired(lock: QueueLock): boolean {
    return this.#ageOf(lock) > LEASE_MS;
  }

  #ageOf(lock: QueueLock): number {
    return this.#clock.now() - lock.lockedAt;
  }
}
