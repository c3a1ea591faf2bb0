import type { TagExpression } from "../filter/tag-expression.js";
import { type MessageOrigin, type PullStamp, StoredMessageView, type StoreHost } from "../message/message-view.js";
import { sizeAt, tagsCodeAt } from "../message/record.js";
import type { LogReader } from "./log-reader.js";
import type { QueueState } from "./queue-states.js";

/** A filter may pass over this many messages in one scan before the caller gets a turn again, at least. */
const MIN_SCAN = 800;

/** Where messages say they come from. */
export interface BrokerAddress {
  readonly brokerName: string;
  readonly clusterName: string;
  readonly storeHost: StoreHost;
}

/** What is to be read of a queue. */
export interface ScanRange {
  /** Not before the first one of the queue. */
  readonly offset: number;
  readonly maxMessages: number;
  /** At least one message is read, however large it is. */
  readonly maxBytes: number;
  /** By their tags' codes; `undefined`: all. */
  readonly filter?: TagExpression | undefined;
  /** Offsets that are passed over. */
  readonly skipped?: ReadonlySet<number> | undefined;
  /** What each message gets. */
  readonly stamp?: PullStamp | undefined;
}

export interface ScanResult {
  readonly messages: readonly StoredMessageView[];
  /** What they take in the log. */
  readonly bytes: number;
  /** Everything before it was read or passed over. */
  readonly nextOffset: number;
}

/** Reads messages of one queue in order, as they are wanted. */
export class MessageScan {
  readonly #address: BrokerAddress;
  readonly #reader: LogReader;
  readonly #origins = new Map<string, MessageOrigin[]>();

  constructor({ brokerName, clusterName, storeHost }: BrokerAddress, reader: LogReader) {
    this.#address = { brokerName, clusterName, storeHost };
    this.#reader = reader;
  }

  read(queue: QueueState, { offset: from, maxMessages, maxBytes, filter, skipped, stamp }: ScanRange): ScanResult {
    const origin = this.#origin(queue.topic, queue.queueId);
    const messages: StoredMessageView[] = [];
    const scanEnd = Math.min(queue.maxOffset, from + Math.max(MIN_SCAN, maxMessages));
    let offset = from;
    let bytes = 0;
    // A full answer fetches no further block: it could be 4 MiB that are not returned.
    const isFull = (): boolean => messages.length >= maxMessages || (messages.length > 0 && bytes >= maxBytes);
    while (offset < scanEnd && !isFull()) {
      const readable = this.#reader.findFrom(queue.queueKey, offset, maxMessages - messages.length, maxBytes - bytes);
      if (readable === undefined) break;
      const { block, endOffset } = readable;
      offset = Math.max(offset, block.firstOffset);
      for (; offset < endOffset && offset < scanEnd && messages.length < maxMessages; offset += 1) {
        if (skipped?.has(offset) === true) continue;
        const at = readable.positionOf(offset);
        if (filter !== undefined && !filter.matchesCode(tagsCodeAt(block.records, at))) continue;
        const size = sizeAt(block.records, at);
        if (messages.length > 0 && bytes + size > maxBytes) return { messages, bytes, nextOffset: offset };
        bytes += size;
        messages.push(new StoredMessageView(origin, block, at, offset, stamp));
      }
    }
    return { messages, bytes, nextOffset: offset };
  }

  #origin(topic: string, queueId: number): MessageOrigin {
    let ofTopic = this.#origins.get(topic);
    if (ofTopic === undefined) {
      ofTopic = [];
      this.#origins.set(topic, ofTopic);
    }
    let origin = ofTopic[queueId];
    if (origin === undefined) {
      origin = { topic, queueId, ...this.#address };
      ofTopic[queueId] = origin;
    }
    return origin;
  }
}
