import type { MessageQueue } from "../message/message-queue.js";
import type { StoredMessageView } from "../message/message-view.js";

/** One message that was pulled and is not yet acknowledged. */
export interface CachedMessage {
  /** Another one for each delivery from here. */
  message: StoredMessageView;
  readonly place: Place;
}

/**
 * Of a message in its queue. It is kept until everything before it is acknowledged; the message itself, with the block that it was read from, is not:
 * behind one that is stuck 1,500 of 50 KB took 76 MB.
 */
interface Place {
  readonly queueOffset: number;
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
  #places: Place[] = [];
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
    const first = this.#places[this.#head];
    const last = this.#places.at(-1);
    return first === undefined || last === undefined ? 0 : last.queueOffset - first.queueOffset;
  }

  put(messages: readonly StoredMessageView[]): readonly CachedMessage[] {
    this.#count += messages.length;
    return messages.map((message) => {
      const place = { queueOffset: message.queueOffset, isAcknowledged: false };
      this.#places.push(place);
      this.#bytes += message.storeSize;
      return { message, place };
    });
  }

  /** So many messages were handed to the listeners' queue (or, negative, from there to a listener). */
  addWaiting(count: number): void {
    this.#waiting += count;
  }

  /** Everything before this offset was pulled. */
  pulledUpTo(nextOffset: number): void {
    this.#nextOffset = nextOffset;
  }

  acknowledge({ place, message }: CachedMessage): void {
    if (place.isAcknowledged) return;
    place.isAcknowledged = true;
    this.#count -= 1;
    this.#bytes -= message.storeSize;
    while (this.#places.at(-1)?.isAcknowledged === true) this.#places.pop();
    while (this.#places[this.#head]?.isAcknowledged === true) this.#head += 1;
    this.#head = Math.min(this.#head, this.#places.length);
    if (this.#head > 64 && this.#head * 2 > this.#places.length) {
      this.#places = this.#places.slice(this.#head);
      this.#head = 0;
    }
  }

  /** The lowest offset that is not acknowledged: everything from there on comes again after a crash. */
  get commitOffset(): number | undefined {
    return this.#places[this.#head]?.queueOffset ?? this.#nextOffset;
  }

  /** The commit offset that it has once these of its {@link CachedMessage.place}s are acknowledged besides, where that is not reported yet; `undefined` also once dropped. */
  commitOffsetWith(places: ReadonlySet<object>): number | undefined {
    if (this.#isDropped) return undefined;
    let index = this.#head;
    for (let place = this.#places[index]; place !== undefined; place = this.#places[index]) {
      if (!place.isAcknowledged && !places.has(place)) break;
      index += 1;
    }
    const offset = this.#places[index]?.queueOffset ?? this.#nextOffset;
    return offset === this.#reportedOffset ? undefined : offset;
  }

  /** The commit offset, if it is another than the last time; `undefined` also once dropped. */
  takeChangedOffset(): number | undefined {
    const { commitOffset } = this;
    if (this.#isDropped || commitOffset === undefined || commitOffset === this.#reportedOffset) return undefined;
    this.#reportedOffset = commitOffset;
    return commitOffset;
  }

  /** Whether the commit offset is what was known last where progress is kept. */
  get isReported(): boolean {
    return this.commitOffset === this.#reportedOffset;
  }

  /** This offset is known where progress is kept. */
  reported(offset: number): void {
    this.#reportedOffset = offset;
  }

  drop(): void {
    this.#isDropped = true;
    this.#places = [];
    this.#head = 0;
    this.#count = 0;
    this.#bytes = 0;
    this.#waiting = 0;
    // What it was going to say does not hold any more.
    this.#nextOffset = undefined;
  }
}
