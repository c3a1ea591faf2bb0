import { type RecordContent, recordSize, writeRecord } from "../message/record.js";
import type { LogBlock } from "../store/log-table.js";
import type { Store } from "../store/store.js";
import type { QueueState, QueueStates } from "./queue-states.js";

/** A message on its way into the log; the appender fills in where it went. */
export interface MessageToAppend extends RecordContent {
  queueOffset: number;
  commitLogOffset: number;
}

/** Larger blocks cost the same to write, but a page or a single message read from one of 250 KiB twice as much. One message may exceed it. */
const MAX_BLOCK_SIZE = 32 * 1024;

interface QueueBatch {
  readonly state: QueueState;
  readonly messages: MessageToAppend[];
}

/** Collects what one transaction appends and writes it as one block a queue. */
export class LogAppender {
  readonly #store: Store;
  readonly #queues: QueueStates;
  readonly #batches = new Map<QueueState, QueueBatch>();

  constructor(store: Store, queues: QueueStates) {
    this.#store = store;
    this.#queues = queues;
  }

  /** Offsets follow the order of the calls. Writes nothing yet. */
  add(topic: string, queueId: number, message: MessageToAppend): void {
    const state = this.#queues.get(topic, queueId);
    const batch = this.#batches.get(state);
    if (batch === undefined) this.#batches.set(state, { state, messages: [message] });
    else batch.messages.push(message);
  }

  /** Forgets what was collected; the caller rolls back. */
  discard(): void {
    this.#batches.clear();
  }

  /** Writes what was collected; the blocks become visible with the caller's commit. */
  write(storeTimestamp: number): readonly WrittenBlock[] {
    const written: WrittenBlock[] = [];
    for (const { state, messages } of this.#batches.values()) {
      if (state.queueKey === 0) state.queueKey = this.#store.queues.insert(state.topic, state.queueId).queueKey;
      let from = 0;
      while (from < messages.length) {
        const { to, size } = nextChunk(messages, from);
        const block = this.#encode(state, messages, from, to, size, storeTimestamp);
        this.#store.log.insert(block);
        this.#queues.logEnd = block.commitLogOffset + size;
        state.maxOffset += block.messageCount;
        written.push({ state, block });
        from = to;
      }
    }
    this.#batches.clear();
    return written;
  }

  #encode(
    state: QueueState,
    messages: readonly MessageToAppend[],
    from: number,
    to: number,
    size: number,
    storeTimestamp: number,
  ): LogBlock {
    const commitLogOffset = this.#queues.logEnd;
    const firstOffset = state.maxOffset;
    const records = Buffer.allocUnsafe(size);
    let position = 0;
    for (let index = from; index < to; index += 1) {
      const message = messages[index] as MessageToAppend;
      message.queueOffset = firstOffset + index - from;
      message.commitLogOffset = commitLogOffset + position;
      position = writeRecord(records, position, message);
    }
    return { commitLogOffset, queueKey: state.queueKey, firstOffset, messageCount: to - from, storeTimestamp, records };
  }
}

/** A block and the queue that it extends. */
export interface WrittenBlock {
  readonly state: QueueState;
  readonly block: LogBlock;
}

function nextChunk(messages: readonly MessageToAppend[], from: number): { to: number; size: number } {
  let size = 0;
  let to = from;
  for (; to < messages.length; to += 1) {
    const message = messages[to] as MessageToAppend;
    const next = size + recordSize(message.uniqueId, message.propertiesSize, message.bodySize);
    if (to > from && next > MAX_BLOCK_SIZE) break;
    size = next;
  }
  return { to, size };
}
