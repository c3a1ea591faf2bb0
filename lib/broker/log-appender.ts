import { type RecordContent, writeRecord } from "../message/record.js";
import type { LogBlock } from "../store/log-table.js";
import type { Store } from "../store/store.js";
import type { QueueState, QueueStates } from "./queue-states.js";
import { MAX_BLOCK_SIZE, nextChunk } from "./record-chunk.js";

/** A message on its way into the log; the appender fills in where it went. A message that is put off goes nowhere yet. */
export interface MessageToAppend extends RecordContent {
  queueOffset: number;
  commitLogOffset: number;
}

/** Records that were encoded before, those of several blocks while they fit into one. */
interface EncodedRun {
  readonly records: Buffer[];
  size: number;
  messageCount: number;
}

/** What is appended to one queue, in order. */
interface QueueBatch {
  readonly state: QueueState;
  readonly entries: (MessageToAppend[] | EncodedRun)[];
  /** The last of the entries, where messages can be added to it. */
  messages: MessageToAppend[] | undefined;
}

/** Collects what one transaction appends and writes it as one block a queue. */
export class LogAppender {
  readonly #store: Store;
  readonly #queues: QueueStates;
  /**
   * Another map for each commit. A map that is cleared leaves its old table behind, which points to the new one for the sake of iterators: once such a table has
   * outlived two collections, everything that was in the later ones lives until the next full collection, and a send took a fifth longer.
   */
  #batches = new Map<QueueState, QueueBatch>();

  constructor(store: Store, queues: QueueStates) {
    this.#store = store;
    this.#queues = queues;
  }

  /** Offsets follow the order of the calls. Writes nothing yet. */
  add(topic: string, queueId: number, message: MessageToAppend): void {
    const batch = this.#batchOf(topic, queueId);
    if (batch.messages === undefined) {
      batch.messages = [];
      batch.entries.push(batch.messages);
    }
    batch.messages.push(message);
  }

  /** The same for whole records. */
  addEncoded(topic: string, queueId: number, records: Buffer, messageCount: number): void {
    const batch = this.#batchOf(topic, queueId);
    const { entries } = batch;
    const last = entries.at(-1);
    batch.messages = undefined;
    if (last === undefined || Array.isArray(last) || last.size + records.length > MAX_BLOCK_SIZE) {
      entries.push({ records: [records], size: records.length, messageCount });
      return;
    }
    last.records.push(records);
    last.size += records.length;
    last.messageCount += messageCount;
  }

  /** Forgets what was collected; the caller rolls back. */
  discard(): void {
    this.#batches = new Map();
  }

  /** Writes what was collected; the blocks become visible with the caller's commit. */
  write(storeTimestamp: number): readonly WrittenBlock[] {
    const written: WrittenBlock[] = [];
    const batches = this.#batches;
    if (batches.size === 0) return written;
    for (const { state, entries } of batches.values()) {
      if (state.queueKey === 0) state.queueKey = this.#store.queues.insert(state.topic, state.queueId).queueKey;
      for (const entry of entries) {
        if (Array.isArray(entry)) this.#writeMessages(state, entry, storeTimestamp, written);
        else written.push(this.#insert(state, Buffer.concat(entry.records), entry.messageCount, storeTimestamp));
      }
    }
    this.#batches = new Map();
    return written;
  }

  #batchOf(topic: string, queueId: number): QueueBatch {
    const state = this.#queues.get(topic, queueId);
    let batch = this.#batches.get(state);
    if (batch === undefined) {
      batch = { state, entries: [], messages: undefined };
      this.#batches.set(state, batch);
    }
    return batch;
  }

  #writeMessages(
    state: QueueState,
    messages: readonly MessageToAppend[],
    storeTimestamp: number,
    written: WrittenBlock[],
  ): void {
    let from = 0;
    while (from < messages.length) {
      const { to, size } = nextChunk(messages, from);
      const records = Buffer.allocUnsafe(size);
      let position = 0;
      for (let index = from; index < to; index += 1) {
        const message = messages[index] as MessageToAppend;
        message.queueOffset = state.maxOffset + index - from;
        message.commitLogOffset = this.#queues.logEnd + position;
        position = writeRecord(records, position, message);
      }
      written.push(this.#insert(state, records, to - from, storeTimestamp));
      from = to;
    }
  }

  #insert(state: QueueState, records: Buffer, messageCount: number, storeTimestamp: number): WrittenBlock {
    const { queueKey, maxOffset: firstOffset } = state;
    const commitLogOffset = this.#queues.logEnd;
    const block: LogBlock = { commitLogOffset, queueKey, firstOffset, messageCount, storeTimestamp, records };
    this.#store.log.insert(block);
    this.#queues.logEnd = commitLogOffset + records.length;
    state.maxOffset += messageCount;
    return { state, block };
  }
}

/** A block and the queue that it extends. */
export interface WrittenBlock {
  readonly state: QueueState;
  readonly block: LogBlock;
}
