import { prepare, type SqliteConnection, type SqliteStatement } from "./sqlite.js";

/** A message queue that has been written to. */
export interface QueueRow {
  /** Stands for (topic, queueId) in the log. */
  readonly queueKey: number;
  /** Where offsets go on when the log holds no message of this queue. */
  readonly floorOffset: number;
}

/** Which message queues exist in the log. A queue gets its row with its first message. */
export class QueueTable {
  readonly #find: SqliteStatement<[number, number]>;
  readonly #findByKey: SqliteStatement<[string, number, number]>;
  readonly #insert: SqliteStatement<number>;
  readonly #listFrom: SqliteStatement<[number, string, number]>;
  readonly #setFloor: SqliteStatement;

  constructor(connection: SqliteConnection) {
    this.#find = prepare<[number, number]>(
      connection,
      "SELECT queue_key, floor_offset FROM mq_queue WHERE topic = ? AND queue_id = ?",
    ).raw();
    this.#findByKey = prepare<[string, number, number]>(
      connection,
      "SELECT topic, queue_id, floor_offset FROM mq_queue WHERE queue_key = ?",
    ).raw();
    this.#insert = prepare<number>(
      connection,
      "INSERT INTO mq_queue (topic, queue_id, floor_offset) VALUES (?, ?, 0) RETURNING queue_key",
    ).pluck();
    this.#listFrom = prepare<[number, string, number]>(
      connection,
      "SELECT queue_key, topic, queue_id FROM mq_queue WHERE queue_key >= ? ORDER BY queue_key LIMIT ?",
    ).raw();
    this.#setFloor = prepare(connection, "UPDATE mq_queue SET floor_offset = ? WHERE queue_key = ?");
  }

  /** In the order of their keys, from this one on. */
  listFrom(
    queueKey: number,
    limit: number,
  ): readonly { readonly queueKey: number; readonly topic: string; readonly queueId: number }[] {
    return this.#listFrom.all(queueKey, limit).map(([key, topic, queueId]) => ({ queueKey: key, topic, queueId }));
  }

  /** Where offsets go on. */
  setFloor(queueKey: number, floorOffset: number): void {
    this.#setFloor.run(floorOffset, queueKey);
  }

  find(topic: string, queueId: number): QueueRow | undefined {
    const row = this.#find.get(topic, queueId);
    return row === undefined ? undefined : { queueKey: row[0], floorOffset: row[1] };
  }

  findByKey(
    queueKey: number,
  ): { readonly topic: string; readonly queueId: number; readonly floorOffset: number } | undefined {
    const row = this.#findByKey.get(queueKey);
    return row === undefined ? undefined : { topic: row[0], queueId: row[1], floorOffset: row[2] };
  }

  insert(topic: string, queueId: number): QueueRow {
    return { queueKey: this.#insert.get(topic, queueId) as number, floorOffset: 0 };
  }
}
