import { AsyncLocalStorage } from "node:async_hooks";
import type { BroadcastInstance, DedupPort } from "../broker/broker-port.js";
import type { MessageQueue } from "../message/message-queue.js";
import type { DeliveryContext } from "./consume-result.js";
import type { CachedMessage, ProcessQueue } from "./process-queue.js";
import { runningCheck } from "./running-check.js";

/** Which delivery the running code was called from, over all consumers of the process. */
export const runningDelivery: AsyncLocalStorage<Delivery | undefined> = new AsyncLocalStorage();

/** What is called for no listener, of messages or of transactions, though one may have led to it. */
export function outsideOfDelivery<T>(run: () => T): T {
  return runningDelivery.run(undefined, () => runningCheck.run(undefined, run));
}

/** A close that is called from inside a listener, and perhaps awaited there, must not wait for that listener. */
export function excuseRunningDelivery(closing: Promise<unknown>): void {
  runningDelivery.getStore()?.excuseUntil(closing);
}

/** To whom messages are delivered. */
export interface DeliveryAddress {
  readonly group: string;
  readonly clientId: string;
  /** Of the broker, if that is in this process. */
  readonly dedup?: DedupPort | undefined;
  /** Of a broadcasting group. */
  readonly instance?: BroadcastInstance | undefined;
}

/** Messages that go to a listener in one call, and the context of that call. */
export abstract class Delivery implements DeliveryContext {
  readonly group: string;
  readonly clientId: string;
  readonly dedup: DedupPort | undefined;
  readonly instance: BroadcastInstance | undefined;
  readonly processQueue: ProcessQueue;
  readonly batch: readonly CachedMessage[];
  /** By the clock for how long something takes. */
  readonly startedAt: number;
  /** It ran out of time. */
  hasTimedOut = false as boolean;
  /** Of messages, with which something was to happen once. Most have one, or none. */
  #usedKey: string | undefined;
  #usedKeys: Set<string> | undefined;
  /** What its listener waits for, if it has nothing else to do and nothing afterwards when it returns this very promise: a transaction that is shared with others. */
  effect: Promise<unknown> | undefined;
  /** Its listener does just that. */
  isParked = false as boolean;
  /** Nobody waits for its listener any more, who waited for it in time that is moved by hand. */
  endHold: (() => void) | undefined;
  readonly #onExcused: () => void;
  #pendingCloses = 0;
  #controller: AbortController | undefined;
  #abortReason: unknown;

  constructor(
    { group, clientId, dedup, instance }: DeliveryAddress,
    processQueue: ProcessQueue,
    batch: readonly CachedMessage[],
    startedAt: number,
    onExcused: () => void,
  ) {
    this.#onExcused = onExcused;
    this.group = group;
    this.clientId = clientId;
    this.dedup = dedup;
    this.instance = instance;
    this.processQueue = processQueue;
    this.batch = batch;
    this.startedAt = startedAt;
  }

  get messageQueue(): MessageQueue {
    return this.processQueue.messageQueue;
  }

  /** False: it was used before. */
  useKey(key: string): boolean {
    if (this.#usedKey === undefined) {
      this.#usedKey = key;
      return true;
    }
    this.#usedKeys ??= new Set([this.#usedKey]);
    const { size } = this.#usedKeys;
    return this.#usedKeys.add(key).size > size;
  }

  /** Whether the messages of a listener that is successful are acknowledged by that. */
  get isAcknowledgedBySuccess(): boolean {
    return true;
  }

  /** Made when first asked for: most listeners never do. */
  get signal(): AbortSignal {
    if (this.#controller === undefined) {
      this.#controller = new AbortController();
      if (this.#abortReason !== undefined) this.#controller.abort(this.#abortReason);
    }
    return this.#controller.signal;
  }

  abort(reason: unknown): void {
    this.#abortReason = reason;
    this.#controller?.abort(reason);
  }

  /** It may be waiting for a close: nobody who closes waits for it. */
  get isExcused(): boolean {
    return this.#pendingCloses > 0;
  }

  excuseUntil(closing: Promise<unknown>): void {
    this.#pendingCloses += 1;
    const settled = (): void => {
      this.#pendingCloses -= 1;
    };
    closing.then(settled, settled);
    this.#onExcused();
  }
}
