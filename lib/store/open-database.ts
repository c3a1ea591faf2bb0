import { realpathSync } from "node:fs";
import { MqError } from "../errors.js";
import { systemChance } from "../time/chance.js";
import { systemClock } from "../time/clock.js";
import { holdProcess } from "../time/hold-process.js";
import { Stopwatch } from "../time/stopwatch.js";
import { AUTO_CHECKPOINT_PAGES } from "./auto-checkpoint.js";
import { APPLICATION_ID, examinePath, isOurs } from "./database-file.js";
import { type DriverConstructor, loadDriver } from "./driver.js";
import { assertOneDriverCopy } from "./driver-copies.js";
import { refuseNetworkFileSystem } from "./network-file-system.js";
import { createPrivate, makePrivate } from "./private-file.js";
import type { SqliteConnection } from "./sqlite.js";
import { isBusy, toMqError } from "./sqlite-error.js";

/** What survives: "full" a power failure after each commit, "normal" a crash of the process, "off" nothing is promised. */
export type Synchronous = "full" | "normal" | "off";

/** A database with its connection, before any table is looked at. */
export interface OpenedDatabase {
  readonly connection: SqliteConnection;
  /** Whether the connection is ours, to configure and to close. */
  readonly owned: boolean;
  /** Of the file, with symbolic links resolved; `undefined` for a database in memory or a temporary one. */
  readonly realPath: string | undefined;
  /** Whether another connection can keep this one from reading, and from committing once it writes, as with a rollback journal. As it was when it was opened. */
  readonly mayWaitToRead: boolean;
  /** What holds now: an attached connection's owner may change it. "off" where nothing outlives the process. */
  readonly synchronous: Synchronous;
  /** Closes the connection if it is ours. May be called again. */
  close(): void;
}

export interface OpenOwnedOptions {
  /** A file, created for its owner alone (mode 0600) if it is missing, or `:memory:`. */
  readonly path: string;
  readonly synchronous: Synchronous;
  /** How long opening waits for another process that is opening the same file, at least. */
  readonly busyTimeoutMs: number;
  /** Whether the file may lie on a network file system. @defaultValue false */
  readonly allowNetworkFileSystem?: boolean;
}

/** Two processes that create one file at once exclude each other for a few milliseconds; a large WAL takes longer to recover. */
const OPENING_MS = 5_000;

/**
 * Opens a file of our own, or makes one. A file that is not ours is refused and left as it was, byte for byte.
 *
 * What is in the file is found out through SQLite alone: a descriptor of `node:fs` would, when it is closed, drop the locks that
 * other connections of this process hold.
 */
export async function openOwned(options: OpenOwnedOptions): Promise<OpenedDatabase> {
  const driver = await loadDriver();
  assertOneDriverCopy();
  if (options.path === ":memory:") return openMemory(driver);
  const path = examinePath(options.path);
  if (options.allowNetworkFileSystem !== true) refuseNetworkFileSystem(path);
  const stopwatch = new Stopwatch();
  for (;;) {
    try {
      return openFile(driver, path, options.synchronous);
    } catch (error) {
      if (!isBusy(error) || stopwatch.elapsedMs > Math.max(OPENING_MS, options.busyTimeoutMs)) {
        throw toMqError(error, `opening ${path}`);
      }
    }
    await pause(5 + systemChance.nextInt(15));
  }
}

function openMemory(driver: DriverConstructor): OpenedDatabase {
  const connection = new driver(":memory:");
  const close = (): void => void connection.close();
  return { connection, owned: true, realPath: undefined, mayWaitToRead: false, synchronous: "off", close };
}

function openFile(driver: DriverConstructor, path: string, synchronous: Synchronous): OpenedDatabase {
  const isPrivate = createPrivate(path) !== "impossible";
  const hasLayout = isOurs(driver, path);
  const connection = new driver(path, { timeout: 0 });
  try {
    // SQLite has made the file and writes to it in the next statement.
    if (!isPrivate) makePrivate(path);
    if (!hasLayout) layOut(connection);
    configure(connection, synchronous);
    const close = (): void => void connection.close();
    return { connection, owned: true, realPath: realpathSync(path), mayWaitToRead: false, synchronous, close };
  } catch (error) {
    connection.close();
    throw error;
  }
}

/**
 * Makes the file ours. Every step may be repeated, so that a crash between them does no harm.
 *
 * `page_size` and `auto_vacuum` cannot be changed later without rewriting the file. A database without tables that somebody made with
 * others is rewritten here, where it costs nothing.
 */
function layOut(connection: SqliteConnection): void {
  connection.exec(LAYOUT);
  const isLaidOut =
    connection.pragma("page_size", { simple: true }) === PAGE_SIZE &&
    connection.pragma("auto_vacuum", { simple: true }) === 2;
  if (!isLaidOut) connection.exec(`PRAGMA journal_mode = DELETE; ${LAYOUT} VACUUM;`);
  connection.pragma("journal_mode = WAL");
  connection.pragma(`application_id = ${APPLICATION_ID}`);
}

function configure(connection: SqliteConnection, synchronous: Synchronous): void {
  const mode = connection.pragma("journal_mode = WAL", { simple: true });
  if (mode !== "wal") {
    throw new MqError(
      "ERR_MQ_STORE",
      `SQLite cannot use a write-ahead log for ${connection.name}, only ${String(mode)}: is it on a network drive?`,
    );
  }
  connection.pragma(`synchronous = ${synchronous}`);
  connection.pragma(`wal_autocheckpoint = ${AUTO_CHECKPOINT_PAGES}`);
  connection.pragma(`journal_size_limit = ${JOURNAL_SIZE_LIMIT}`);
  connection.pragma(`cache_size = -${CACHE_KIB}`);
  proveWritable(connection);
}

/** What it may not write SQLite opens for reading, and says so at the first write only: not even `BEGIN IMMEDIATE` fails. */
function proveWritable(connection: SqliteConnection): void {
  const version = Number(connection.pragma("user_version", { simple: true }));
  connection.exec("BEGIN IMMEDIATE");
  try {
    connection.pragma(`user_version = ${version}`);
  } finally {
    // A full disk has ended it already.
    if (connection.inTransaction) connection.exec("ROLLBACK");
  }
}

/**
 * `INCREMENTAL` lets a file give space back in small steps (`free-pages.ts`). Every page then says who points to it: CPU of a bare loop of commits on our own log,
 * against `NONE`, medians of nine pairs at `normal`: 1.02 with one message a commit, 1.11 with 16, 1.04 with 64.
 */
const PAGE_SIZE = 4096;
const LAYOUT = `PRAGMA page_size = ${PAGE_SIZE}; PRAGMA auto_vacuum = INCREMENTAL;`;

/** Of SQLite's pages. better-sqlite3's default of 16 MiB was no faster and stays resident. */
const CACHE_KIB = 4 * 1024;

/** A WAL that a burst made larger is cut to this size when it starts again from the front. */
export const JOURNAL_SIZE_LIMIT: number = 16 * 1024 * 1024;

/** Runs `work` with another busy time-out and puts back the one that was there. It is set by scripts, which leave no statements behind for the garbage collector. */
export function withBusyTimeout<T>(connection: SqliteConnection, ms: number, work: () => T): T {
  const before = Number(connection.pragma("busy_timeout", { simple: true }));
  if (before === ms) return work();
  connection.exec(`PRAGMA busy_timeout = ${ms}`);
  try {
    return work();
  } finally {
    if (connection.open) connection.exec(`PRAGMA busy_timeout = ${before}`);
  }
}

async function pause(ms: number): Promise<void> {
  const hold = holdProcess();
  await new Promise<void>((resolve) => systemClock.at(systemClock.now() + ms, resolve));
  hold.release();
}
