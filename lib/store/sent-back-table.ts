import { prepare, type SqliteConnection, type SqliteStatement } from "./sqlite.js";

/**
 * Which messages of a queue a group has sent back although its consume offset has not passed them: the row is the acknowledgement, written in
 * the transaction that stores the message's copy. Rows go when the offset passes them.
 */
export class SentBackTable {
  readonly #insert: SqliteStatement;
  readonly #list: SqliteStatement<number>;
  readonly #deleteBelow: SqliteStatement;

  constructor(connection: SqliteConnection) {
    this.#insert = prepare(
      connection,
      "INSERT INTO mq_sent_back (consumer_group, queue_key, queue_offset) VALUES (?, ?, ?) ON CONFLICT DO NOTHING",
    );
    this.#list = prepare<number>(
      connection,
      "SELECT queue_offset FROM mq_sent_back WHERE consumer_group = ? AND queue_key = ?",
    ).pluck();
    this.#deleteBelow = prepare(
      connection,
      "DELETE FROM mq_sent_back WHERE consumer_group = ? AND queue_key = ? AND queue_offset < ?",
    );
  }

  insert(group: string, queueKey: number, queueOffset: number): void {
    this.#insert.run(group, queueKey, queueOffset);
  }

  list(group: string, queueKey: number): readonly number[] {
    return this.#list.all(group, queueKey);
  }

  deleteBelow(group: string, queueKey: number, queueOffset: number): void {
    this.#deleteBelow.run(group, queueKey, queueOffset);
  }
}
