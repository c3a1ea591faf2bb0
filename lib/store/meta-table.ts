import { prepare, type SqliteConnection, type SqliteStatement } from "./sqlite.js";

/** Single values of the whole store. */
export class MetaTable {
  readonly #find: SqliteStatement<unknown>;
  readonly #count: SqliteStatement<number>;
  readonly #reserve: SqliteStatement<number>;
  readonly #set: SqliteStatement;

  constructor(connection: SqliteConnection) {
    this.#find = prepare<unknown>(connection, "SELECT value FROM mq_meta WHERE name = ?").pluck();
    this.#count = prepare<number>(
      connection,
      "INSERT INTO mq_meta (name, value) VALUES (?, 1) ON CONFLICT DO UPDATE SET value = value + 1 RETURNING value",
    ).pluck();
    this.#reserve = prepare<number>(
      connection,
      "INSERT INTO mq_meta (name, value) VALUES (?, ?) ON CONFLICT DO UPDATE SET value = value + ? RETURNING value",
    ).pluck();
    // The column takes what it gets, which is a real number.
    this.#set = prepare(
      connection,
      "INSERT INTO mq_meta (name, value) VALUES (?, CAST(? AS INTEGER)) ON CONFLICT DO UPDATE SET value = excluded.value",
    );
  }

  formatVersion(): number {
    return this.#number("format_version");
  }

  /** How often a topic was created or changed: whoever knows this number knows whether its routes are still right. */
  topicChanges(): number {
    return this.#number("topic_changes");
  }

  /** Returns which change it is. */
  countTopicChange(): number {
    return this.#count.get("topic_changes") as number;
  }

  /** How often somebody joined or left a group, changed its subscriptions, or let go of a queue. */
  memberChanges(): number {
    return this.#number("member_changes");
  }

  /** Returns which change it is. */
  countMemberChange(): number {
    return this.#count.get("member_changes") as number;
  }

  /** A key that no engine of this store had before: whose key is the higher one has come later. */
  nextEngineKey(): number {
    return this.#count.get("engine_keys") as number;
  }

  /**
   * Takes so many keys of pops that nobody had before, and returns the highest of them.
   *
   * @param base - from where on the first keys of a store are counted.
   */
  reservePopKeys(count: number, base: number): number {
    return this.#reserve.get("pop_keys", base + count, count) as number;
  }

  /** Takes so many places for half messages that none had before, and returns the first of them. */
  reserveHalfOffsets(count: number): number {
    return (this.#reserve.get("half_offsets", count, count) as number) - count;
  }

  /** Where `commitLogOffset` goes on when the log is empty. */
  logFloor(): number {
    return this.#number("log_floor");
  }

  setLogFloor(commitLogOffset: number): void {
    this.#set.run("log_floor", commitLogOffset);
  }

  /** When the last hour began in which old messages were deleted; 0: never. */
  lastRetention(): number {
    return this.#number("last_retention");
  }

  setLastRetention(begin: number): void {
    this.#set.run("last_retention", begin);
  }

  #number(name: string): number {
    const value = this.#find.get(name);
    return typeof value === "number" ? value : 0;
  }
}
