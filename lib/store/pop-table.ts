import { prepare, type SqliteConnection, type SqliteStatement } from "./sqlite.js";

/** Most messages in one checkpoint: `acknowledged` has a bit for each. */
export const MAX_POPPED = 32;

/** Messages of one queue that one pop handed out, of which at least one is not acknowledged. */
export interface PopCheckpoint {
  /** No other checkpoint of the store has it, or had. */
  readonly popKey: number;
  readonly group: string;
  readonly queueKey: number;
  /** Where the pop began to read the queue. */
  readonly startOffset: number;
  readonly popTime: number;
  /** When what is not acknowledged is to be delivered again. */
  readonly visibleAt: number;
  /** Queue offsets, ascending. */
  readonly offsets: readonly number[];
  /** A bit for each of the offsets, the lowest for the first. */
  acknowledged: number;
}

type PopRow = [number, string, number, number, number, number, number, number, string | null];

const COLUMNS =
  "pop_key, consumer_group, queue_key, start_offset, pop_time, visible_at, message_count, acknowledged, distances";

/**
 * What was popped and is invisible until it is acknowledged or its time is up. `distances` are those of the offsets from the start, as JSON; NULL where the
 * offsets follow each other from there on, as they do unless a filter passes over some.
 *
 * Source: RocketMQ, `store/.../pop/PopCheckPoint.java`.
 */
export class PopTable {
  readonly #insert: SqliteStatement;
  readonly #find: SqliteStatement<PopRow>;
  readonly #update: SqliteStatement;
  readonly #delete: SqliteStatement;
  readonly #listDue: SqliteStatement<PopRow>;
  readonly #countInHand: SqliteStatement<[number, number, number]>;
  readonly #firstInHand: SqliteStatement<number>;
  readonly #earliest: SqliteStatement<number>;
  readonly #newest: SqliteStatement<number | null>;
  readonly #end: SqliteStatement<number | null>;
  readonly #popAnew: SqliteStatement;

  constructor(connection: SqliteConnection) {
    this.#insert = prepare(connection, `INSERT INTO mq_pop (${COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)`);
    this.#find = prepare<PopRow>(connection, `SELECT ${COLUMNS} FROM mq_pop WHERE pop_key = ?`).raw();
    this.#update = prepare(connection, "UPDATE mq_pop SET acknowledged = ? WHERE pop_key = ?");
    this.#delete = prepare(connection, "DELETE FROM mq_pop WHERE pop_key = ?");
    this.#listDue = prepare<PopRow>(
      connection,
      `SELECT ${COLUMNS} FROM mq_pop WHERE visible_at <= ? ORDER BY visible_at, pop_key LIMIT ?`,
    ).raw();
    this.#countInHand = prepare<[number, number, number]>(
      connection,
      "SELECT queue_key, message_count, acknowledged FROM mq_pop WHERE consumer_group = ?",
    ).raw();
    this.#firstInHand = prepare<number>(
      connection,
      "SELECT start_offset FROM mq_pop WHERE consumer_group = ? AND queue_key = ? ORDER BY start_offset LIMIT 1",
    ).pluck();
    this.#earliest = prepare<number>(connection, "SELECT visible_at FROM mq_pop ORDER BY visible_at LIMIT 1").pluck();
    this.#newest = prepare<number | null>(
      connection,
      "SELECT max(pop_time) FROM (SELECT pop_time FROM mq_pop ORDER BY pop_key DESC LIMIT ?)",
    ).pluck();
    this.#end = prepare<number | null>(
      connection,
      "SELECT max(pop_key) FROM (SELECT pop_key FROM mq_pop WHERE pop_key > ? ORDER BY pop_key LIMIT ?)",
    ).pluck();
    this.#popAnew = prepare(
      connection,
      `UPDATE mq_pop SET visible_at = visible_at - pop_time + ?, pop_time = ?
       WHERE pop_key > ? AND pop_key <= ? AND pop_time > ?`,
    );
  }

  insert({ popKey, group, queueKey, startOffset, popTime, visibleAt, offsets, acknowledged }: PopCheckpoint): void {
    const isDense = offsets.every((offset, index) => offset === startOffset + index);
    const distances = isDense ? null : JSON.stringify(offsets.map((offset) => offset - startOffset));
    const { length } = offsets;
    this.#insert.run(popKey, group, queueKey, startOffset, popTime, visibleAt, length, acknowledged, distances);
  }

  find(popKey: number): PopCheckpoint | undefined {
    const row = this.#find.get(popKey);
    return row === undefined ? undefined : toCheckpoint(row);
  }

  setAcknowledged(popKey: number, acknowledged: number): void {
    this.#update.run(acknowledged, popKey);
  }

  delete(popKey: number): void {
    this.#delete.run(popKey);
  }

  /** When one of the last of them was popped, the latest. */
  newest(limit: number): number | undefined {
    return this.#newest.get(limit) ?? undefined;
  }

  /**
   * Of the next ones after this key, those that were popped after `now` are taken for popped now. Returns the key of the last one that was looked at; `undefined`: there is
   * none.
   */
  popAnew(now: number, after: number, limit: number): number | undefined {
    const end = this.#end.get(after, limit) ?? undefined;
    if (end !== undefined) this.#popAnew.run(now, now, after, end, now);
    return end;
  }

  /** Those whose time is up, the earliest first. */
  listDue(now: number, limit: number): readonly PopCheckpoint[] {
    return this.#listDue.all(now, limit).map(toCheckpoint);
  }

  /** Of each queue, by its key, how many messages the group has popped and not acknowledged. Looks at all of the group's rows, and makes nothing of them but the counts. */
  countInHand(group: string): ReadonlyMap<number, number> {
    const counts = new Map<number, number>();
    for (const [queueKey, length, acknowledged] of this.#countInHand.iterate(group))
      counts.set(queueKey, (counts.get(queueKey) ?? 0) + length - countBits(acknowledged));
    return counts;
  }

  /** Where the lowest pop of the group in this queue began that is not acknowledged. */
  firstInHand(group: string, queueKey: number): number | undefined {
    return this.#firstInHand.get(group, queueKey);
  }

  /** When the next one's time is up. */
  earliest(): number | undefined {
    return this.#earliest.get();
  }
}

function countBits(bits: number): number {
  let count = 0;
  for (let left = bits; left !== 0; left &= left - 1) count += 1;
  return count;
}

function toCheckpoint([
  popKey,
  group,
  queueKey,
  startOffset,
  popTime,
  visibleAt,
  count,
  acknowledged,
  distances,
]: PopRow): PopCheckpoint {
  const offsets =
    distances === null
      ? Array.from({ length: count }, (_, index) => startOffset + index)
      : (JSON.parse(distances) as readonly number[]).map((distance) => startOffset + distance);
  return { popKey, group, queueKey, startOffset, popTime, visibleAt, offsets, acknowledged };
}
