import { accessSync, constants, lstatSync, readlinkSync, realpathSync, type Stats, statSync } from "node:fs";
import { basename, dirname, join, resolve } from "node:path";
import { MqError } from "../errors.js";
import type { DriverConstructor } from "./driver.js";
import type { SqliteConnection } from "./sqlite.js";

/** "PkMQ", at byte 68 of every file that we made. */
export const APPLICATION_ID = 0x506b4d51;

/**
 * The real path, when a database can be there: its folder exists and is writable, it is missing or a writable file. SQLite follows symbolic links too,
 * also one to a missing file, and puts its WAL beside the file that it finds.
 *
 * Looks at names and permissions only and never opens the file: closing a descriptor of it would drop SQLite's locks.
 */
export function examinePath(path: string): string {
  // The driver cuts spaces off the end, SQLite everything from the first zero on: both would open another file.
  if (path === "" || path !== path.trimEnd() || path.includes("\0")) {
    throw new MqError(
      "ERR_MQ_INVALID_ARGUMENT",
      `path must be a file name without a zero or a space at its end, got ${JSON.stringify(path)}`,
    );
  }
  return examineAbsolute(resolve(path));
}

function examineAbsolute(given: string): string {
  if (statOf(dirname(given))?.isDirectory() !== true)
    throw new MqError("ERR_MQ_STORE", `cannot open ${given}: there is no folder ${dirname(given)}`);
  // Throws when symbolic links lead in a circle.
  const stats = statOf(given);
  const folder = realpathSync(dirname(given));
  const absolute = join(folder, basename(given));
  const isLink = lstatSync(absolute, { throwIfNoEntry: false })?.isSymbolicLink() === true;
  if (isLink) return examineAbsolute(resolve(folder, readlinkSync(absolute)));
  if (stats?.isDirectory()) throw new MqError("ERR_MQ_STORE", `cannot open ${absolute}: it is a folder`);
  if (stats !== undefined && !stats.isFile())
    throw new MqError("ERR_MQ_STORE", `cannot open ${absolute}: it is not a file`);
  // SQLite would open it for reading, and leave a WAL beside it.
  requireWritable(folder, absolute, "its folder is read-only, but SQLite needs files beside it");
  if (stats !== undefined) requireWritable(absolute, absolute, "it is read-only");
  return absolute;
}

/**
 * Whether the file is a store already; `false` for one that is missing or empty, which may become one.
 *
 * Throws `ERR_MQ_STORE_FORMAT` for a database of somebody else, and SQLite's own error for what is no database.
 */
export function isOurs(driver: DriverConstructor, path: string): boolean {
  if ((statOf(path)?.size ?? 0) === 0) return false;
  // A last writable connection copies what a crash left in the WAL to the file when it closes; a read-only one does not, but leaves behind
  // the files it had to make. So: read-only only where there is something to copy. A journal must be rolled back first, though, whatever else is there: the
  // power may have gone while the file was being made.
  const hasWal = (statOf(`${path}-wal`)?.size ?? 0) > 0;
  const hasJournal = (statOf(`${path}-journal`)?.size ?? 0) > 0;
  const connection = new driver(path, { readonly: hasWal && !hasJournal, fileMustExist: true, timeout: 0 });
  try {
    return examineContent(connection);
  } finally {
    connection.close();
  }
}

function examineContent(connection: SqliteConnection): boolean {
  const applicationId = connection.pragma("application_id", { simple: true });
  const tables = connection
    .prepare("SELECT name FROM sqlite_schema WHERE name NOT LIKE 'sqlite~_%' ESCAPE '~'")
    .pluck()
    .all() as string[];
  if (applicationId === APPLICATION_ID) return true;
  const foreign = tables.find((name) => !name.startsWith("mq_"));
  if (applicationId !== 0 || foreign !== undefined) {
    const sign =
      foreign === undefined ? `its application_id is ${String(applicationId)}` : `it has a table or index ${foreign}`;
    throw new MqError(
      "ERR_MQ_STORE_FORMAT",
      `${connection.name} is a database of another application (${sign}): give PocketMQ a file of its own, or open this one yourself and pass { database }`,
    );
  }
  return tables.length > 0;
}

function requireWritable(path: string, database: string, because: string): void {
  try {
    accessSync(path, constants.W_OK);
  } catch (cause) {
    throw new MqError("ERR_MQ_STORE", `cannot open ${database}: ${because}`, { cause });
  }
}

function statOf(path: string): Stats | undefined {
  try {
    return statSync(path, { throwIfNoEntry: false });
  } catch (cause) {
    throw new MqError("ERR_MQ_STORE", `cannot open ${path}: its name or folder is not usable`, { cause });
  }
}
