import { type MessageQueue, queueKeyOf } from "../message/message-queue.js";
import type { Clock } from "../time/clock.js";

/** A client that does not lock a queue again loses it after this time. Source: RocketMQ, `RebalanceLockManager.java`, `REBALANCE_LOCK_MAX_LIVE_TIME`. */
const LEASE_MS = 60_000;

interface QueueLock {
  readonly queue: MessageQueue;
  clientId: string;
  lockedAt: number;
}

/**
 * Which member of a group consumes a message queue in order: one at a time, for as long as it says so.
 *
 * ```
 * free ──lock──▶ held by one client, which may lock it again ──unlock, or 60 s without a lock──▶ free
 * ```
 * In memory, as in RocketMQ: between processes the claims of their brokers (`queue-claims.ts`) see to the same, and a broker keeps its claim of a queue for as
 * long as the queue is locked here. A process that dies takes its locks with it.
 *
 * Source: RocketMQ, `broker/.../client/rebalance/RebalanceLockManager.java`.
 */
export class QueueLocks {
  readonly #clock: Clock;
  readonly #groups = new Map<string, Map<string, QueueLock>>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Whether no queue is locked. */
  get isEmpty(): boolean {
    for (const group of this.#groups.keys()) if (this.list(group).length > 0) return false;
    return true;
  }

  /** Locks the queues for the client, again where it has them, and returns those that it has now. */
  lock(group: string, clientId: string, queues: readonly MessageQueue[]): readonly MessageQueue[] {
    const locks = this.#groups.get(group) ?? new Map<string, QueueLock>();
    this.#groups.set(group, locks);
    const lockedAt = this.#clock.now();
    return queues.filter((queue) => {
      const key = queueKeyOf(queue.topic, queue.queueId);
      const lock = locks.get(key);
      if (lock !== undefined && lock.clientId !== clientId && !this.#hasExpired(lock)) return false;
      locks.set(key, { queue, clientId, lockedAt });
      return true;
    });
  }

  /** No effect on what others have. Returns whether anything is free now that was not. */
  unlock(group: string, clientId: string, queues: readonly MessageQueue[]): boolean {
    const locks = this.#groups.get(group);
    let isAnyFreed = false;
    for (const queue of queues) {
      const key = queueKeyOf(queue.topic, queue.queueId);
      if (locks?.get(key)?.clientId !== clientId) continue;
      locks.delete(key);
      isAnyFreed = true;
    }
    if (locks?.size === 0) this.#groups.delete(group);
    return isAnyFreed;
  }

  /** The locked queues of a group. */
  list(group: string): readonly MessageQueue[] {
    const locks = this.#groups.get(group);
    if (locks === undefined) return [];
    for (const [key, lock] of locks) if (this.#hasExpired(lock)) locks.delete(key);
    if (locks.size === 0) this.#groups.delete(group);
    return [...locks.values()].map(({ queue }) => queue);
  }

  #hasExpired(lock: QueueLock): boolean {
    const now = this.#clock.now();
    // The clock was set back: from now on it is seen how long the client is silent.
    lock.lockedAt = Math.min(lock.lockedAt, now);
    return now - lock.lockedAt > LEASE_MS;
  }
}
