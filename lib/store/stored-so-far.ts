import { LogTable } from "./log-table.js";
import { MetaTable } from "./meta-table.js";
import { prepare, type SqliteConnection } from "./sqlite.js";

/** More are not counted. */
const MOST_PENDING = 65_536;

/** How far the log goes, and how much is stored that is in no queue yet: blocks of messages that are put off, and half messages. */
export function storedSoFar(connection: SqliteConnection): number {
  const logEnd = Math.max(new LogTable(connection).end(), new MetaTable(connection).logFloor());
  return ["mq_due", "mq_half"].reduce((sum, table) => sum + countIn(connection, table), logEnd);
}

function countIn(connection: SqliteConnection, table: string): number {
  const count = prepare<number>(connection, `SELECT count(*) FROM (SELECT 1 FROM ${table} LIMIT ?)`).pluck();
  return count.get(MOST_PENDING) ?? 0;
}
