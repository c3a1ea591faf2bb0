import { prepare, type SqliteConnection, type SqliteStatement } from "./sqlite.js";

/** Single values of the whole store. */
export class MetaTable {
  readonly #find: SqliteStatement<unknown>;
  readonly #countTopicChange: SqliteStatement<number>;

  constructor(connection: SqliteConnection) {
    this.#find = prepare<unknown>(connection, "SELECT value FROM mq_meta WHERE name = ?").pluck();
    this.#countTopicChange = prepare<number>(
      connection,
      `INSERT INTO mq_meta (name, value) VALUES ('topic_changes', 1) ON CONFLICT DO UPDATE SET value = value + 1 RETURNING value`,
    ).pluck();
  }

  /** How often a topic was created or changed: whoever knows this number knows whether its routes are still right. */
  topicChanges(): number {
    return this.#number("topic_changes");
  }

  /** Returns which change it is. */
  countTopicChange(): number {
    return this.#countTopicChange.get() as number;
  }

  /** Where `commitLogOffset` goes on when the log is empty. */
  logFloor(): number {
    return this.#number("log_floor");
  }

  #number(name: string): number {
    const value = this.#find.get(name);
    return typeof value === "number" ? value : 0;
  }
}
