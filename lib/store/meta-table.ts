import { prepare, type SqliteConnection, type SqliteStatement } from "./sqlite.js";

/** Single values of the whole store. */
export class MetaTable {
  readonly #find: SqliteStatement<unknown>;

  constructor(connection: SqliteConnection) {
    this.#find = prepare<unknown>(connection, "SELECT value FROM mq_meta WHERE name = ?").pluck();
  }

  /** Where `commitLogOffset` goes on when the log is empty. */
  logFloor(): number {
    const value = this.#find.get("log_floor");
    return typeof value === "number" ? value : 0;
  }
}
