import { type MessageQueue, queueKeyOf } from "../message/message-queue.js";
import type { Clock } from "../time/clock.js";

/** As in the broker's own locks. Source: RocketMQ, `RebalanceLockManager.java`, `REBALANCE_LOCK_MAX_LIVE_TIME`. */
const LEASE_MS = 60_000;

interface Lock {
  readonly owner: string;
  readonly lockedAt: number;
}

/**
 * Which groups consume in order: those of which a client has a queue locked. Whose a queue is, the broker alone says.
 *
 * Source: RocketMQ 5.3.3, `broker/.../client/rebalance/RebalanceLockManager.java`, `isLockAllExpired`.
 */
export class WireLocks {
  readonly #steady: Clock;
  readonly #groups = new Map<string, Map<string, Lock>>();
  #lookedAt: number;

  constructor(steady: Clock) {
    this.#steady = steady;
    this.#lookedAt = steady.now();
  }

  /** These queues are its now, perhaps again. */
  locked(group: string, owner: string, queues: readonly MessageQueue[]): void {
    this.#removeExpired();
    if (queues.length === 0) return;
    const locks = this.#groups.get(group) ?? new Map<string, Lock>();
    const lock = { owner, lockedAt: this.#steady.now() };
    for (const { topic, queueId } of queues) locks.set(queueKeyOf(topic, queueId), lock);
    this.#groups.set(group, locks);
  }

  unlocked(group: string, owner: string, queues: readonly MessageQueue[]): void {
    const locks = this.#groups.get(group);
    for (const { topic, queueId } of queues) {
      const key = queueKeyOf(topic, queueId);
      if (locks?.get(key)?.owner === owner) locks.delete(key);
    }
    if (locks?.size === 0) this.#groups.delete(group);
  }

  isOrderly(group: string): boolean {
    const locks = [...(this.#groups.get(group)?.values() ?? [])];
    return locks.some((lock) => !this.#hasExpired(lock));
  }

  /** Of clients that are gone, once in the time of a lease. */
  #removeExpired(): void {
    const now = this.#steady.now();
    if (now - this.#lookedAt <= LEASE_MS) return;
    this.#lookedAt = now;
    for (const [group, locks] of this.#groups) {
      for (const [key, lock] of locks) if (this.#hasExpired(lock)) locks.delete(key);
      if (locks.size === 0) this.#groups.delete(group);
    }
  }

  #hasExpired({ lockedAt }: Lock): boolean {
    return this.#steady.now() - lockedAt > LEASE_MS;
  }
}
