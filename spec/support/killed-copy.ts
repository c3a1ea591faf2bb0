import Database from "better-sqlite3";
import type { SqliteDatabase, SqliteStatement } from "../../lib/store/sqlite.js";

/** No process has it. */
const NOBODY = 2 ** 22;

/** Writes to a new file what is stored now, as a process leaves it that is killed. */
export function copyAsKilled(database: SqliteDatabase, path: string): void {
  (database.prepare("VACUUM INTO ?") as SqliteStatement).run(path);
  const copy = new Database(path);
  copy.prepare("UPDATE mq_engine SET process_id = ?").run(NOBODY);
  copy.close();
}
