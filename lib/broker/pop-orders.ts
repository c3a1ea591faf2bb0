import type { PopOrder } from "../store/pop-order-table.js";
import type { Store } from "../store/store.js";
import type { PutOffPlace, PutOffRows } from "./due-rows.js";

const ORDERS_A_LOOK = 256;

/**
 * What orderly groups have in hand, by queue. Read and written once in a transaction, however many of its messages are acknowledged in it.
 *
 * Source: RocketMQ, `broker/.../offset/ConsumerOrderInfoManager.java`, which keeps it in memory and a file for as long as a day.
 */
export class PopOrders implements PutOffRows {
  readonly #store: Store;
  /** Of the open transaction. `undefined`: there is none. */
  #found = new Map<string, PopOrder | undefined>();
  #changed = new Set<string>();

  constructor(store: Store) {
    this.#store = store;
  }

  /** Inside a transaction. */
  find(group: string, queueKey: number): PopOrder | undefined {
    const key = keyOf(group, queueKey);
    if (this.#found.has(key)) return this.#found.get(key);
    const order = this.#store.popOrders.find(group, queueKey);
    this.#found.set(key, order);
    return order;
  }

  /** The same, unless somebody has set the group's progress since: then nothing that was popped before counts any longer. */
  current(group: string, queueKey: number, progress: number | undefined): PopOrder | undefined {
    return currentOf(this.find(group, queueKey), progress);
  }

  /** As `current`, inside a read. */
  look(group: string, queueKey: number, progress: number | undefined): PopOrder | undefined {
    return currentOf(this.#store.popOrders.find(group, queueKey), progress);
  }

  /** Inside a transaction: the group has these messages in hand now, or acknowledged some of them. */
  put(order: PopOrder): void {
    const key = keyOf(order.group, order.queueKey);
    this.#found.set(key, order);
    this.#changed.add(key);
  }

  putOffAnew(now: number): PutOffPlace | undefined {
    const stored = this.#store.popOrders.listPoppedAfter(now, ORDERS_A_LOOK);
    for (const { group, queueKey } of stored) {
      const order = this.find(group, queueKey);
      if (order !== undefined) this.put(poppedBy(order, now));
    }
    return stored.length < ORDERS_A_LOOK ? undefined : [];
  }

  /** Inside a transaction: it has no message of the queue in hand. */
  delete(group: string, queueKey: number): void {
    const key = keyOf(group, queueKey);
    this.#store.popOrders.delete(group, queueKey);
    this.#found.set(key, undefined);
    this.#changed.delete(key);
  }

  /** Inside a transaction: writes what was put. */
  write(): void {
    for (const key of this.#changed) {
      const order = this.#found.get(key);
      if (order !== undefined) this.#store.popOrders.put(order);
    }
    this.drop();
  }

  /** What is stored may be another, and what was put is not stored. */
  drop(): void {
    // New ones rather than cleared ones, as in LogAppender.
    if (this.#found.size > 0) this.#found = new Map();
    if (this.#changed.size > 0) this.#changed = new Set();
  }
}

/** The order as if it was popped now, where a clock that has been set back since says that it is popped later. */
export function poppedBy(order: PopOrder, now: number): PopOrder {
  if (order.popTime <= now) return order;
  const byMs = order.popTime - now;
  for (const message of order.messages) message.visibleAt -= byMs;
  return { ...order, popTime: now };
}

/** Until when the queue is blocked; `undefined`: it is not, as all of it is acknowledged or visible again, or it is the same attempt that asks again. */
export function blockedUntil(
  { attemptId: lastAttempt, messages }: PopOrder,
  attemptId: string | undefined,
  now: number,
): number | undefined {
  if (lastAttempt !== undefined && lastAttempt === attemptId) return undefined;
  let until: number | undefined;
  for (const { isAcknowledged, visibleAt } of messages)
    if (!isAcknowledged && visibleAt > now && (until === undefined || visibleAt > until)) until = visibleAt;
  return until;
}

/** Where the group goes on: at the first message that is not acknowledged, or behind the last one. */
export function nextInOrder({ messages }: PopOrder): number {
  const open = messages.find(({ isAcknowledged }) => !isAcknowledged);
  return open?.queueOffset ?? (messages.at(-1)?.queueOffset ?? 0) + 1;
}

/** Whether the group goes on with it: unless somebody has set its progress since. */
export function isCurrent(order: PopOrder, progress: number | undefined): boolean {
  return nextInOrder(order) === progress;
}

function currentOf(order: PopOrder | undefined, progress: number | undefined): PopOrder | undefined {
  return order !== undefined && isCurrent(order, progress) ? order : undefined;
}

function keyOf(group: string, queueKey: number): string {
  return `${queueKey} ${group}`;
}
