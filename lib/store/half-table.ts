import { RecentHalves } from "./recent-halves.js";
import { prepare, type SqliteConnection, type SqliteStatement, type SqliteValue } from "./sqlite.js";

/** What is known of a half message without its content. */
export interface HalfHead {
  /** Its place in RocketMQ's half queue: grows with each half message, and is never used again. */
  readonly halfOffset: number;
  readonly transactionId: string;
  readonly producerGroup: string;
  /** Where it goes when its transaction is committed. */
  readonly topic: string;
  readonly queueId: number;
  /** How often its producers were asked what became of the transaction. */
  readonly checks: number;
  /** When they are asked next. */
  readonly checkAt: number;
  /** For so long it waits until then. */
  readonly waitMs: number;
  readonly bornTimestamp: number;
  readonly storedAt: number;
  /** Bytes of its record. */
  readonly size: number;
}

/** A half message: stored, and seen by nobody, until its transaction is committed or rolled back. */
export interface HalfMessage extends HalfHead {
  /** One record, as in the log. */
  readonly record: Buffer;
}

type Head = [number, string, string, string, number, number, number, number, number, number, number];
type Row = [...Head, Buffer];

const STORED =
  "half_offset, transaction_id, producer_group, topic, queue_id, checks, check_at, wait_ms, born_timestamp, stored_at";
/** By one statement: 1.2 µs each, alone 1.8. */
const ROWS_AN_INSERT = 8;
const A_ROW = "(?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)";
/** SQLite knows the size without reading it all. */
const HEAD = `${STORED}, length(record)`;
const COLUMNS = `${HEAD}, record`;

/**
 * Half messages, by their place and by who is to be asked for them when.
 *
 * Those that end in one commit were mostly stored in one too: their rows are deleted together, neighbours by one statement, at its end or before anything else is asked of the table.
 */
export class HalfTable {
  readonly #recent = new RecentHalves();
  /** Their rows are still there. */
  #deleted: number[] = [];
  readonly #insert: SqliteStatement;
  readonly #insertMany: SqliteStatement;
  readonly #find: SqliteStatement<Row>;
  readonly #findChecked: SqliteStatement<Row>;
  readonly #listAfter: SqliteStatement<Head>;
  readonly #listDue: SqliteStatement<Row>;
  readonly #earliest: SqliteStatement<number>;
  readonly #setCheck: SqliteStatement;
  readonly #hold: SqliteStatement;
  readonly #redate: SqliteStatement;
  readonly #newest: SqliteStatement<number | null>;
  readonly #renew: SqliteStatement;
  readonly #delete: SqliteStatement;

  constructor(connection: SqliteConnection) {
    const insert = `INSERT INTO mq_half (${STORED}, record) VALUES`;
    this.#insert = prepare(connection, `${insert} ${A_ROW}`);
    this.#insertMany = prepare(connection, `${insert} ${Array(ROWS_AN_INSERT).fill(A_ROW).join(", ")}`);
    this.#find = prepare<Row>(connection, `SELECT ${COLUMNS} FROM mq_half WHERE half_offset = ?`).raw();
    this.#findChecked = prepare<Row>(
      connection,
      `SELECT ${COLUMNS} FROM mq_half WHERE transaction_id = ? AND checks > 0 ORDER BY half_offset LIMIT 1`,
    ).raw();
    this.#listAfter = prepare<Head>(
      connection,
      `SELECT ${HEAD} FROM mq_half WHERE half_offset > ? ORDER BY half_offset LIMIT ?`,
    ).raw();
    this.#listDue = prepare<Row>(
      connection,
      `SELECT ${COLUMNS} FROM mq_half WHERE producer_group = ? AND check_at <= ? ORDER BY check_at LIMIT ?`,
    ).raw();
    this.#earliest = prepare<number>(
      connection,
      "SELECT check_at FROM mq_half WHERE producer_group = ? ORDER BY check_at LIMIT 1",
    ).pluck();
    this.#setCheck = prepare(
      connection,
      "UPDATE mq_half SET checks = ?, check_at = ?, wait_ms = ? WHERE half_offset = ?",
    );
    this.#hold = prepare(connection, "UPDATE mq_half SET check_at = ? WHERE half_offset = ?");
    this.#redate = prepare(connection, "UPDATE mq_half SET check_at = ?, stored_at = ? WHERE half_offset = ?");
    this.#newest = prepare<number | null>(
      connection,
      "SELECT max(put_off_at) FROM (SELECT check_at - wait_ms AS put_off_at FROM mq_half ORDER BY half_offset DESC LIMIT ?)",
    ).pluck();
    this.#renew = prepare(
      connection,
      "UPDATE mq_half SET half_offset = ?, checks = ?, check_at = ?, wait_ms = ?, stored_at = ?, record = ? WHERE half_offset = ?",
    );
    this.#delete = prepare(connection, "DELETE FROM mq_half WHERE half_offset BETWEEN ? AND ?");
  }

  insertAll(halves: readonly HalfMessage[]): void {
    let next = 0;
    for (; next + ROWS_AN_INSERT <= halves.length; next += ROWS_AN_INSERT)
      this.#insertMany.run(...valuesOf(halves, next, next + ROWS_AN_INSERT));
    for (; next < halves.length; next += 1) this.#insert.run(...valuesOf(halves, next, next + 1));
    for (const half of halves) this.#recent.add(half);
  }

  find(halfOffset: number): HalfMessage | undefined {
    const recent = this.#recent.get(halfOffset);
    if (recent !== undefined) return recent;
    this.write();
    const row = this.#find.get(halfOffset);
    return row && toHalf(row);
  }

  /** One that was checked, which may have given it another place. The first one: clients of another kind may have used an id more than once. */
  findChecked(transactionId: string): HalfMessage | undefined {
    this.write();
    const row = this.#findChecked.get(transactionId);
    return row && toHalf(row);
  }

  /** In the order in which they were stored. */
  listAfter(halfOffset: number, limit: number): readonly HalfHead[] {
    this.write();
    return this.#listAfter.all(halfOffset, limit).map(toHead);
  }

  /** Those of a producer group that are to be checked by this time, the earliest first. */
  listDue(producerGroup: string, now: number, limit: number): readonly HalfMessage[] {
    this.write();
    return this.#listDue.all(producerGroup, now, limit).map(toHalf);
  }

  /** When the next one of a producer group is to be checked. */
  earliest(producerGroup: string): number | undefined {
    this.write();
    return this.#earliest.get(producerGroup);
  }

  /** Stores how often it was checked, and until when it waits. */
  setCheck({ halfOffset, checks, checkAt, waitMs }: HalfHead): void {
    this.#change(halfOffset);
    this.#setCheck.run(checks, checkAt, waitMs, halfOffset);
  }

  /** It is not checked before that. No effect where there is none. */
  hold(halfOffset: number, checkAt: number): void {
    this.#change(halfOffset);
    this.#hold.run(checkAt, halfOffset);
  }

  /** As if it had been stored then. */
  redate({ halfOffset }: HalfHead, checkAt: number, storedAt: number): void {
    this.#change(halfOffset);
    this.#redate.run(checkAt, storedAt, halfOffset);
  }

  /** When one of those that were stored last was put off, the latest. */
  newest(limit: number): number | undefined {
    this.write();
    return this.#newest.get(limit) ?? undefined;
  }

  /** A copy at another place takes its place. */
  renew(half: HalfHead, { halfOffset, checks, checkAt, waitMs, storedAt, record }: HalfMessage): void {
    this.#change(half.halfOffset);
    this.#renew.run(halfOffset, checks, checkAt, waitMs, storedAt, record, half.halfOffset);
  }

  delete({ halfOffset }: HalfHead): void {
    this.#recent.forget(halfOffset);
    this.#deleted.push(halfOffset);
  }

  /** At the end of what a transaction does here. */
  write(): void {
    if (this.#deleted.length === 0) return;
    const deleted = this.#deleted.sort((a, b) => a - b);
    this.#deleted = [];
    let first = 0;
    for (let next = 1; next <= deleted.length; next += 1) {
      if (deleted[next] === (deleted[next - 1] as number) + 1) continue;
      this.#delete.run(deleted[first] as number, deleted[next - 1] as number);
      first = next;
    }
  }

  /** What was done since is not stored, or another did it. */
  drop(): void {
    this.#recent.drop();
    this.#deleted = [];
  }

  #change(halfOffset: number): void {
    this.write();
    this.#recent.forget(halfOffset);
  }
}

function valuesOf(halves: readonly HalfMessage[], from: number, to: number): readonly SqliteValue[] {
  const values: SqliteValue[] = [];
  for (let index = from; index < to; index += 1) {
    const half = halves[index] as HalfMessage;
    values.push(half.halfOffset, half.transactionId, half.producerGroup, half.topic, half.queueId, half.checks);
    values.push(half.checkAt, half.waitMs, half.bornTimestamp, half.storedAt, half.record);
  }
  return values;
}

function toHead(row: Head | Row): HalfHead {
  return {
    halfOffset: row[0],
    transactionId: row[1],
    producerGroup: row[2],
    topic: row[3],
    queueId: row[4],
    checks: row[5],
    checkAt: row[6],
    waitMs: row[7],
    bornTimestamp: row[8],
    storedAt: row[9],
    size: row[10],
  };
}

function toHalf(row: Row): HalfMessage {
  return Object.assign(toHead(row), { record: row[11] });
}
