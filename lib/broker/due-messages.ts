import { type RecordContent, sizeAt, writeRecord } from "../message/record.js";
import type { DueBlock } from "../store/due-table.js";
import type { Store } from "../store/store.js";
import { type DueRows, EarliestDue, type PutOffPlace, type PutOffRows } from "./due-rows.js";
import type { LogAppender } from "./log-appender.js";
import { nextChunk } from "./record-chunk.js";

/**
 * What one transaction moves, so that a turn of the event loop stays short. A block of one message takes 4 µs of SQLite. With 100,000 that are due in one second, and a
 * consumer that shares the loop, moves of 500, 1,000 and 2,000 do alike: 99 of 100 reached it within 78 to 121, 91 to 147 and 85 to 122 ms on a slow day.
 */
const MAX_BLOCKS_A_MOVE = 1_000;
const MAX_BYTES_A_MOVE = 1024 * 1024;
/** A block of which nothing changes takes less than a microsecond, unless it is large. */
const BLOCKS_A_LOOK = 1_000;

interface DueBatch {
  readonly topic: string;
  readonly queueId: number;
  readonly dueAt: number;
  readonly delayMs: number | undefined;
  readonly messages: RecordContent[];
}

/**
 * Messages that are put off: stored in `mq_due`, and moved to their queues in one transaction each when their time has come. So none is lost and
 * none is there twice, whichever process moves them.
 *
 * Source: RocketMQ, `broker/.../schedule/ScheduleMessageService.java`, which reads a queue a level and stores how far it came every ten seconds, so
 * that a crash repeats what it delivered in between.
 */
export class DueMessages implements DueRows, PutOffRows {
  readonly #store: Store;
  readonly #appender: LogAppender;
  /** Those to which messages are added. Another map each time, as in {@link LogAppender}. */
  #batches = new Map<string, DueBatch>();
  #collected: DueBatch[] = [];
  readonly #earliest: EarliestDue;

  constructor(store: Store, appender: LogAppender) {
    this.#store = store;
    this.#appender = appender;
    this.#earliest = new EarliestDue(() => store.due.earliest());
  }

  /** Inside a transaction: collects what is put off; nothing is written yet. @param delayMs - it waits for so long; `undefined`: for a moment. */
  add(topic: string, queueId: number, dueAt: number, message: RecordContent, delayMs?: number): void {
    const key = `${dueAt} ${queueId} ${topic}`;
    let batch = this.#batches.get(key);
    // Those that are due together come in the order of the sends, whatever they wait for.
    if (batch === undefined || batch.delayMs !== delayMs) {
      batch = { topic, queueId, dueAt, delayMs, messages: [] };
      this.#batches.set(key, batch);
      this.#collected.push(batch);
    }
    batch.messages.push(message);
  }

  /** Inside a transaction: writes what was collected. */
  write(): void {
    if (this.#collected.length === 0) return;
    for (const { topic, queueId, dueAt, delayMs, messages } of this.#collected) {
      let from = 0;
      while (from < messages.length) {
        const { to, size } = nextChunk(messages, from);
        const records = Buffer.allocUnsafe(size);
        let position = 0;
        for (let index = from; index < to; index += 1)
          position = writeRecord(records, position, messages[index] as RecordContent);
        this.#store.due.insert({ dueAt, topic, queueId, messageCount: to - from, delayMs, records });
        from = to;
      }
      this.#earliest.added(dueAt);
    }
    this.#forgetCollected();
  }

  /** Inside a transaction: deletes the message that begins at this position of the block. Returns what is left of it. */
  remove(block: DueBlock, position: number): DueBlock | undefined {
    const { records } = block;
    const messageCount = block.messageCount - 1;
    if (messageCount === 0) {
      this.#store.due.delete(block);
      this.#earliest.forget();
      return undefined;
    }
    const rest = [records.subarray(0, position), records.subarray(position + sizeAt(records, position))];
    const left = { ...block, messageCount, records: Buffer.concat(rest) };
    this.#store.due.replace(block, messageCount, left.records);
    return left;
  }

  /** Gives what is due to the log. */
  moveDue(now: number): number {
    const blocks = this.#store.due.listDue(now, MAX_BLOCKS_A_MOVE, MAX_BYTES_A_MOVE);
    let moved = 0;
    for (const { topic, queueId, messageCount, records } of blocks) {
      this.#appender.addEncoded(topic, queueId, records, messageCount);
      moved += messageCount;
    }
    const last = blocks.at(-1);
    if (last !== undefined) this.#store.due.deleteUpTo(last);
    this.#earliest.forget();
    return moved;
  }

  putOffAnew(now: number, [dueAt = now, dueKey = Number.MAX_SAFE_INTEGER]: PutOffPlace): PutOffPlace | undefined {
    this.#earliest.forget();
    const last = this.#store.due.putOffAnew(now, { dueAt, dueKey }, BLOCKS_A_LOOK, MAX_BYTES_A_MOVE);
    return last && [last.dueAt, last.dueKey];
  }

  get isKnown(): boolean {
    return this.#earliest.isKnown;
  }

  earliest(): number | undefined {
    return this.#earliest.get();
  }

  forgetEarliest(): void {
    this.#earliest.forget();
  }

  /** What is stored may be another, and what was collected is not stored. */
  drop(): void {
    this.#forgetCollected();
    this.#earliest.forget();
  }

  #forgetCollected(): void {
    this.#collected = [];
    this.#batches = new Map();
  }
}
