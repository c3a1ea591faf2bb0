import { tableNames } from "./migrations.js";
import { prepare, type SqliteConnection } from "./sqlite.js";

/** Deletes everything that is stored, so that offsets, too, begin anew; tables of somebody else's stay. To be called within a transaction, with no caches afterwards. */
export function emptyStore(connection: SqliteConnection): void {
  const tables = prepare<string>(connection, "SELECT name FROM main.sqlite_schema WHERE type = 'table'").pluck().all();
  const ours = tableNames();
  for (const table of tables) {
    if (ours.has(table))
      connection.exec(`DELETE FROM ${table}${table === "mq_meta" ? " WHERE name <> 'format_version'" : ""}`);
  }
}
