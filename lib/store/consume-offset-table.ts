import { prepare, type SqliteConnection, type SqliteStatement } from "./sqlite.js";

/** Progress of one group on one message queue. */
export interface ConsumeOffsetRow {
  readonly topic: string;
  readonly queueId: number;
  readonly nextOffset: number;
}

/**
 * Consume progress: per consumer group and message queue, the next queue offset to deliver.
 *
 * Only the consumer knows whether it means to go back: hence two ways to write.
 *
 * Source: RocketMQ, `broker/.../offset/ConsumerOffsetManager.java`, `commitOffset`.
 */
export class ConsumeOffsetTable {
  readonly #find: SqliteStatement<number>;
  readonly #listOfGroup: SqliteStatement<[string, number, number]>;
  readonly #groupAfter: SqliteStatement<string>;
  readonly #put: SqliteStatement;
  readonly #raise: SqliteStatement;

  constructor(connection: SqliteConnection) {
    this.#find = prepare<number>(
      connection,
      "SELECT next_offset FROM mq_consume_offset WHERE consumer_group = ? AND topic = ? AND queue_id = ?",
    ).pluck();
    this.#listOfGroup = prepare<[string, number, number]>(
      connection,
      "SELECT topic, queue_id, next_offset FROM mq_consume_offset WHERE consumer_group = ? ORDER BY topic, queue_id",
    ).raw();
    this.#groupAfter = prepare<string>(
      connection,
      "SELECT consumer_group FROM mq_consume_offset WHERE topic = ? AND consumer_group > ? ORDER BY consumer_group LIMIT 1",
    ).pluck();
    this.#put = prepare(
      connection,
      `INSERT INTO mq_consume_offset (consumer_group, topic, queue_id, next_offset) VALUES (?, ?, ?, ?)
       ON CONFLICT DO UPDATE SET next_offset = excluded.next_offset`,
    );
    this.#raise = prepare(
      connection,
      `INSERT INTO mq_consume_offset (consumer_group, topic, queue_id, next_offset) VALUES (?, ?, ?, ?)
       ON CONFLICT DO UPDATE SET next_offset = max(next_offset, excluded.next_offset)`,
    );
  }

  find(group: string, topic: string, queueId: number): number | undefined {
    return this.#find.get(group, topic, queueId);
  }

  listOfGroup(group: string): readonly ConsumeOffsetRow[] {
    return this.#listOfGroup.all(group).map(([topic, queueId, nextOffset]) => ({ topic, queueId, nextOffset }));
  }

  /** Groups that have progress in any queue of the topic, however many queues it has. */
  listGroups(topic: string): readonly string[] {
    const groups: string[] = [];
    const next = (after: string): string | undefined => this.#groupAfter.get(topic, after);
    for (let group = next(""); group !== undefined; group = next(group)) groups.push(group);
    return groups;
  }

  put(group: string, topic: string, queueId: number, nextOffset: number): void {
    this.#put.run(group, topic, queueId, nextOffset);
  }

  /** Stores it unless a higher one is stored. */
  raise(group: string, topic: string, queueId: number, nextOffset: number): void {
    this.#raise.run(group, topic, queueId, nextOffset);
  }
}
