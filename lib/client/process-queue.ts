import type { MessageQueue } from "../message/message-queue.js";
import type { StoredMessageView } from "../message/message-view.js";

/** One message that was pulled and is not yet acknowledged. */
export interface CachedMessage {
  /** Another one for each delivery from here. */
  message: StoredMessageView;
  isAcknowledged: boolean;
}

/**
 * What a consumer holds of one message queue: pulled, in order of offsets, until acknowledged.
 *
 * Once dropped, because the queue went to another member, it takes and tells nothing any more.
 *
 * Source: RocketMQ, `client/.../impl/consumer/ProcessQueue.java`.
 */
export class ProcessQueue {
  readonly messageQueue: MessageQueue;
  /** The last one is not acknowledged. */
  #cached: CachedMessage[] = [];
  /** Everything before it is acknowledged, itself not. */
  #head = 0;
  #count = 0;
  #bytes = 0;
  #waiting = 0;
  #nextOffset: number | undefined;
  #reportedOffset: number | undefined;
  #isDropped = false;

  constructor(messageQueue: MessageQueue) {
    this.messageQueue = messageQueue;
  }

  get isDropped(): boolean {
    return this.#isDropped;
  }

  /** Messages not acknowledged, and the bytes they take in the log. */
  get count(): number {
    return this.#count;
  }
  get bytes(): number {
    return this.#bytes;
  }

  /** Messages that wait for a listener to be free. */
  get waiting(): number {
    return this.#waiting;
  }

  /** From the lowest to the highest offset that is not acknowledged. */
  get span(): number {
    const first = this.#cached[this.#head];
    const last = this.#cached.at(-1);
    return first === undefined || last === undefined ? 0 : last.message.queueOffset - first.message.queueOffset;
  }

  put(messages: readonly StoredMessageView[]): readonly CachedMessage[] {
    const added = messages.map((message) => ({ message, isAcknowledged: false }));
    for (const cached of added) {
      this.#cached.push(cached);
      this.#bytes += cached.message.storeSize;
    }
    this.#count += added.length;
    return added;
  }

  /** So many messages were handed to the listeners' queue (or, negative, from there to a listener). */
  addWaiting(count: number): void {
    this.#waiting += count;
  }

  /** Everything before this offset was pulled. */
  pulledUpTo(nextOffset: number): void {
    this.#nextOffset = nextOffset;
  }

  acknowledge(cached: CachedMessage): void {
    if (cached.isAcknowledged) return;
    cached.isAcknowledged = true;
    this.#count -= 1;
    this.#bytes -= cached.message.storeSize;
    while (this.#cached.at(-1)?.isAcknowledged === true) this.#cached.pop();
    while (this.#cached[this.#head]?.isAcknowledged === true) this.#head += 1;
    this.#head = Math.min(this.#head, this.#cached.length);
    if (this.#head > 64 && this.#head * 2 > this.#cached.length) {
      this.#cached = this.#cached.slice(this.#head);
      this.#head = 0;
    }
  }

  /** Takes so many out at the front, which acknowledges them; for those who acknowledge in order. */
  takeFirst(max: number): readonly StoredMessageView[] {
    const taken = this.#cached.slice(this.#head, this.#head + max);
    for (const cached of taken) this.acknowledge(cached);
    return taken.map(({ message }) => message);
  }

  /** The lowest offset that is not acknowledged: everything from there on comes again after a crash. */
  get commitOffset(): number | undefined {
    return this.#cached[this.#head]?.message.queueOffset ?? this.#nextOffset;
  }

  /** The commit offset, if it is another than the last time; `undefined` also once dropped. */
  takeChangedOffset(): number | undefined {
    const { commitOffset } = this;
    if (this.#isDropped || commitOffset === undefined || commitOffset === this.#reportedOffset) return undefined;
    this.#reportedOffset = commitOffset;
    return commitOffset;
  }

  /** This offset is known where progress is kept. */
  reported(offset: number): void {
    this.#reportedOffset = offset;
  }

  drop(): void {
    this.#isDropped = true;
    this.#cached = [];
    this.#head = 0;
    this.#count = 0;
    this.#bytes = 0;
    this.#waiting = 0;
    // What it was going to say does not hold any more.
    this.#nextOffset = undefined;
  }
}
