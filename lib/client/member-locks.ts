import type { BrokerPort } from "../broker/broker-port.js";
import { type MessageQueue, queueKeyOf } from "../message/message-queue.js";
import type { Clock, ClockTimer } from "../time/clock.js";

/** Source: RocketMQ, `ProcessQueue.java`, `REBALANCE_LOCK_INTERVAL` and `REBALANCE_LOCK_MAX_LIVE_TIME`. */
const RENEW_MS = 20_000;
const TRUSTED_MS = 30_000;

export interface MemberLocksOptions {
  readonly group: string;
  /** Tells this consumer from all others, those that had its client id before among them: a listener of such a one may still work on a queue. */
  readonly owner: string;
  readonly port: BrokerPort;
  /** For how long something takes. */
  readonly clock: Clock;
  /** Another member has it: what is here of the queue is to be dropped. */
  readonly onLost: (queue: MessageQueue) => void;
}

interface HeldLock {
  readonly queue: MessageQueue;
  lockedAt: number;
  isRenewed: boolean;
}

/**
 * The message queues that an orderly member has locked at its broker. Renewed every 20 s; a lock that is older than 30 s, because the process was
 * stopped for example, is not trusted but asked for again.
 *
 * Source: RocketMQ, `client/.../impl/consumer/RebalanceImpl.java`, `lockAll`; `ProcessQueue.java`, `isLockExpired`.
 */
export class MemberLocks {
  readonly #options: MemberLocksOptions;
  readonly #held = new Map<string, HeldLock>();
  #timer: ClockTimer | undefined;

  constructor(options: MemberLocksOptions) {
    this.#options = options;
  }

  /** Whether the queue is this member's now: asks for it where that is not known, and tells nobody when it was lost. */
  acquire(queue: MessageQueue): boolean {
    const key = queueKeyOf(queue.topic, queue.queueId);
    const held = this.#held.get(key);
    const age = this.#options.clock.now() - (held?.lockedAt ?? Number.NEGATIVE_INFINITY);
    if (held?.isRenewed === true && age <= TRUSTED_MS) return true;
    const isLocked = this.#lock([queue]).length > 0;
    if (!isLocked) this.#held.delete(key);
    return isLocked;
  }

  /**
   * A listener still works on what it got of the queue: the lock stays for one more lease, and is renewed no more. Locked again, as it may have
   * ended while this process was stopped: whoever takes the queue next waits.
   */
  leave(queue: MessageQueue): void {
    const key = queueKeyOf(queue.topic, queue.queueId);
    if (!this.#held.delete(key)) return;
    this.#lock([queue]);
    const held = this.#held.get(key);
    if (held !== undefined) held.isRenewed = false;
  }

  /** That listener has ended: the queue is unlocked, unless it was taken again since. */
  leftEnded(queue: MessageQueue): void {
    if (this.#held.get(queueKeyOf(queue.topic, queue.queueId))?.isRenewed === false) this.release(queue);
  }

  release(queue: MessageQueue): void {
    const { port, group, owner } = this.#options;
    if (this.#held.delete(queueKeyOf(queue.topic, queue.queueId))) port.unlockQueues(group, owner, [queue]);
  }

  /** Nothing is renewed any more. */
  close(): void {
    this.#timer?.cancel();
    this.#timer = undefined;
  }

  #lock(queues: readonly MessageQueue[]): readonly MessageQueue[] {
    const { port, group, owner, clock } = this.#options;
    const locked = port.lockQueues(group, owner, queues);
    for (const queue of locked) {
      const { topic, queueId } = queue;
      this.#held.set(queueKeyOf(topic, queueId), { queue, lockedAt: clock.now(), isRenewed: true });
    }
    if (locked.length > 0) this.#renewLater();
    return locked;
  }

  #renewLater(): void {
    const { clock } = this.#options;
    this.#timer ??= clock.at(clock.now() + RENEW_MS, () => {
      this.#timer = undefined;
      this.#renew();
    });
  }

  #renew(): void {
    const renewed = [...this.#held.values()].filter(({ isRenewed }) => isRenewed).map(({ queue }) => queue);
    const locked = new Set(this.#lock(renewed));
    for (const queue of renewed) {
      if (locked.has(queue)) continue;
      this.#held.delete(queueKeyOf(queue.topic, queue.queueId));
      this.#options.onLost(queue);
    }
  }
}
