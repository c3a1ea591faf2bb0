import { prepare, type SqliteConnection, type SqliteStatement } from "./sqlite.js";

/** The records that one commit wrote to one queue. */
export interface LogBlock {
  /** Byte position of the first record in the whole log. */
  readonly commitLogOffset: number;
  readonly queueKey: number;
  /** Queue offset of the first record. */
  readonly firstOffset: number;
  readonly messageCount: number;
  readonly storeTimestamp: number;
  readonly records: Buffer;
}

/** A block without its records: SQLite reads no overflow page for it. */
export interface LogBlockHead {
  readonly firstOffset: number;
  readonly messageCount: number;
  readonly storeTimestamp: number;
}

/** Where a block begins, and when it was stored. */
export interface BlockPlace {
  readonly commitLogOffset: number;
  readonly storeTimestamp: number;
}

/** A head, where its block begins and how many bytes of records it has. */
export interface LocatedHead extends LogBlockHead, BlockPlace {
  readonly size: number;
}

type BlockRow = [number, number, number, number, number, Buffer];
type HeadRow = [number, number, number];

const BLOCK = "commit_log_offset, queue_key, first_offset, message_count, store_timestamp, records";
const HEAD = "first_offset, message_count, store_timestamp";

/** The log: blocks of records, appended, read in ranges of one queue, cut off at the front. */
export class LogTable {
  readonly #insert: SqliteStatement;
  readonly #atOrBefore: SqliteStatement<BlockRow>;
  readonly #atOrBeforePosition: SqliteStatement<BlockRow>;
  readonly #listAfter: SqliteStatement<BlockRow>;
  readonly #listQueuesFromPosition: SqliteStatement<number>;
  readonly #listFromPosition: SqliteStatement<BlockRow>;
  readonly #headAtOrBefore: SqliteStatement<HeadRow>;
  readonly #firstHead: SqliteStatement<HeadRow>;
  readonly #lastHead: SqliteStatement<HeadRow>;
  readonly #end: SqliteStatement<number>;
  readonly #listHeads: SqliteStatement<[number, number, ...HeadRow]>;
  readonly #delete: SqliteStatement;
  readonly #firstFrom: SqliteStatement<[number, number]>;
  readonly #last: SqliteStatement<[number, number]>;

  constructor(connection: SqliteConnection) {
    this.#insert = prepare(connection, `INSERT INTO mq_log (${BLOCK}) VALUES (?, ?, ?, ?, ?, ?)`);
    this.#atOrBefore = prepare<BlockRow>(
      connection,
      `SELECT ${BLOCK} FROM mq_log WHERE queue_key = ? AND first_offset <= ? ORDER BY first_offset DESC LIMIT 1`,
    ).raw();
    this.#atOrBeforePosition = prepare<BlockRow>(
      connection,
      `SELECT ${BLOCK} FROM mq_log WHERE commit_log_offset <= ? ORDER BY commit_log_offset DESC LIMIT 1`,
    ).raw();
    this.#listAfter = prepare<BlockRow>(
      connection,
      `SELECT ${BLOCK} FROM mq_log WHERE queue_key = ? AND first_offset > ? ORDER BY first_offset LIMIT ?`,
    ).raw();
    this.#listQueuesFromPosition = prepare<number>(
      connection,
      "SELECT queue_key FROM mq_log WHERE commit_log_offset >= ?",
    ).pluck();
    this.#listFromPosition = prepare<BlockRow>(
      connection,
      `SELECT ${BLOCK} FROM mq_log WHERE commit_log_offset >= ? ORDER BY commit_log_offset LIMIT ?`,
    ).raw();
    this.#headAtOrBefore = prepare<HeadRow>(
      connection,
      `SELECT ${HEAD} FROM mq_log WHERE queue_key = ? AND first_offset <= ? ORDER BY first_offset DESC LIMIT 1`,
    ).raw();
    this.#firstHead = prepare<HeadRow>(
      connection,
      `SELECT ${HEAD} FROM mq_log WHERE queue_key = ? ORDER BY first_offset LIMIT 1`,
    ).raw();
    this.#lastHead = prepare<HeadRow>(
      connection,
      `SELECT ${HEAD} FROM mq_log WHERE queue_key = ? ORDER BY first_offset DESC LIMIT 1`,
    ).raw();
    this.#end = prepare<number>(
      connection,
      "SELECT commit_log_offset + length(records) FROM mq_log ORDER BY commit_log_offset DESC LIMIT 1",
    ).pluck();
    // The length of a blob stands before it.
    this.#listHeads = prepare<[number, number, ...HeadRow]>(
      connection,
      `SELECT commit_log_offset, length(records), ${HEAD} FROM mq_log WHERE queue_key = ? ORDER BY first_offset LIMIT ?`,
    ).raw();
    this.#delete = prepare(connection, "DELETE FROM mq_log WHERE commit_log_offset = ?");
    this.#firstFrom = prepare<[number, number]>(
      connection,
      "SELECT commit_log_offset, store_timestamp FROM mq_log WHERE commit_log_offset >= ? ORDER BY commit_log_offset LIMIT 1",
    ).raw();
    this.#last = prepare<[number, number]>(
      connection,
      "SELECT commit_log_offset, store_timestamp FROM mq_log ORDER BY commit_log_offset DESC LIMIT 1",
    ).raw();
  }

  insert(block: LogBlock): void {
    this.#insert.run(
      block.commitLogOffset,
      block.queueKey,
      block.firstOffset,
      block.messageCount,
      block.storeTimestamp,
      block.records,
    );
  }

  /** The block that holds this queue offset or, where there is none, the next one after it. */
  findFrom(queueKey: number, offset: number): LogBlock | undefined {
    const row = this.#atOrBefore.get(queueKey, offset);
    if (row !== undefined && row[2] + row[3] > offset) return toBlock(row);
    return this.listAfter(queueKey, offset, 1)[0];
  }

  /** The block that begins at this position of the log, or the last one before it. */
  findAtOrBefore(commitLogOffset: number): LogBlock | undefined {
    const row = this.#atOrBeforePosition.get(commitLogOffset);
    return row && toBlock(row);
  }

  /** The next blocks after the one that begins at this offset. */
  listAfter(queueKey: number, firstOffset: number, limit: number): readonly LogBlock[] {
    return this.#listAfter.all(queueKey, firstOffset, limit).map(toBlock);
  }

  /** Keys of the queues that got messages at or after this position. */
  listQueuesFromPosition(commitLogOffset: number): ReadonlySet<number> {
    return new Set(this.#listQueuesFromPosition.iterate(commitLogOffset));
  }

  /** Blocks of all queues in the order in which they were stored. */
  listFromPosition(commitLogOffset: number, limit: number): readonly LogBlock[] {
    return this.#listFromPosition.all(commitLogOffset, limit).map(toBlock);
  }

  findHeadAtOrBefore(queueKey: number, offset: number): LogBlockHead | undefined {
    return toHead(this.#headAtOrBefore.get(queueKey, offset));
  }

  findFirstHead(queueKey: number): LogBlockHead | undefined {
    return toHead(this.#firstHead.get(queueKey));
  }

  findLastHead(queueKey: number): LogBlockHead | undefined {
    return toHead(this.#lastHead.get(queueKey));
  }

  /** The first blocks of a queue. */
  listHeads(queueKey: number, limit: number): readonly LocatedHead[] {
    return this.#listHeads
      .all(queueKey, limit)
      .map(([commitLogOffset, size, firstOffset, messageCount, storeTimestamp]) => {
        return { commitLogOffset, size, firstOffset, messageCount, storeTimestamp };
      });
  }

  delete(commitLogOffset: number): void {
    this.#delete.run(commitLogOffset);
  }

  /** The first block of all. */
  first(): BlockPlace | undefined {
    return this.firstFrom(0);
  }

  /** The first block that begins at this position or behind it. */
  firstFrom(position: number): BlockPlace | undefined {
    return toPlace(this.#firstFrom.get(position));
  }

  /** The last block of all. */
  last(): BlockPlace | undefined {
    return toPlace(this.#last.get());
  }

  /** The byte position behind the last record, 0 when the table is empty. */
  end(): number {
    return this.#end.get() ?? 0;
  }
}

function toBlock([commitLogOffset, queueKey, firstOffset, messageCount, storeTimestamp, records]: BlockRow): LogBlock {
  return { commitLogOffset, queueKey, firstOffset, messageCount, storeTimestamp, records };
}

function toHead(row: HeadRow | undefined): LogBlockHead | undefined {
  return row === undefined ? undefined : { firstOffset: row[0], messageCount: row[1], storeTimestamp: row[2] };
}

function toPlace(row: [number, number] | undefined): BlockPlace | undefined {
  return row === undefined ? undefined : { commitLogOffset: row[0], storeTimestamp: row[1] };
}
