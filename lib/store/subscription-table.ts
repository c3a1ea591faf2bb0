import { prepare, type SqliteConnection, type SqliteStatement } from "./sqlite.js";

/** Which clustering groups have ever subscribed to a topic, whether they have consumed anything of it or not. */
export class SubscriptionTable {
  readonly #find: SqliteStatement;
  readonly #listGroups: SqliteStatement<string>;
  readonly #put: SqliteStatement;

  constructor(connection: SqliteConnection) {
    this.#find = prepare(connection, "SELECT 1 FROM mq_subscription WHERE topic = ? AND consumer_group = ?");
    this.#listGroups = prepare<string>(
      connection,
      "SELECT consumer_group FROM mq_subscription WHERE topic = ? ORDER BY consumer_group",
    ).pluck();
    this.#put = prepare(
      connection,
      "INSERT INTO mq_subscription (topic, consumer_group) VALUES (?, ?) ON CONFLICT DO NOTHING",
    );
  }

  has(topic: string, group: string): boolean {
    return this.#find.get(topic, group) !== undefined;
  }

  listGroups(topic: string): readonly string[] {
    return this.#listGroups.all(topic);
  }

  put(topic: string, group: string): void {
    this.#put.run(topic, group);
  }
}
