import { realpathSync } from "node:fs";
import { MqError } from "../errors.js";
import { assertOneDriverCopy } from "./driver-copies.js";
import { refuseNetworkFileSystem } from "./network-file-system.js";
import type { OpenedDatabase, Synchronous } from "./open-database.js";
import { claimConnection } from "./open-files.js";
import type { SqliteConnection, SqliteDatabase } from "./sqlite.js";
import { isConnectionBusy, isConnectionClosed, toMqError } from "./sqlite-error.js";

const DATABASE_METHODS = ["prepare", "exec", "pragma"] as const;
const STATEMENT_METHODS = ["run", "get", "all", "iterate", "pluck", "raw", "safeIntegers"] as const;

export interface AdoptOptions {
  /** Whether the file may lie on a network file system. @defaultValue false */
  readonly allowNetworkFileSystem?: boolean;
}

/** Takes somebody's connection as it is: nothing about it is changed, nor does closing close it. */
export function adopt(database: SqliteDatabase, options: AdoptOptions = {}): OpenedDatabase {
  const connection = checkConnection(database);
  assertOneDriverCopy();
  return new AdoptedDatabase(connection, options);
}

class AdoptedDatabase implements OpenedDatabase {
  readonly owned: boolean = false;
  readonly connection: SqliteConnection;
  readonly realPath: string | undefined;
  readonly mayWaitToRead: boolean;
  readonly #release: () => void;
  #lastSynchronous: Synchronous;

  constructor(connection: SqliteConnection, options: AdoptOptions) {
    this.connection = connection;
    this.#release = claimConnection(connection);
    try {
      this.realPath = findRealPath(connection);
      const isAllowed = this.realPath === undefined || options.allowNetworkFileSystem === true;
      if (!isAllowed) refuseNetworkFileSystem(this.realPath);
      this.mayWaitToRead = this.realPath !== undefined && this.#readJournalMode() !== "wal";
      this.#lastSynchronous = this.#readSynchronous();
    } catch (error) {
      this.#release();
      throw toMqError(error, "attaching to the database");
    }
  }

  get synchronous(): Synchronous {
    try {
      this.#lastSynchronous = this.#readSynchronous();
    } catch (error) {
      // While its owner iterates, or after he closed it, the connection cannot be asked.
      if (!isConnectionBusy(error) && !isConnectionClosed(error))
        throw toMqError(error, "reading the synchronous setting");
    }
    return this.#lastSynchronous;
  }

  close(): void {
    // Whoever opened it closes it; another broker may be opened on it now.
    this.#release();
  }

  #readSynchronous(): Synchronous {
    if (this.realPath === undefined) return "off";
    const journalMode = this.#readJournalMode();
    // Without a journal, a crash in the middle of a transaction leaves a damaged file.
    if (journalMode === "memory" || journalMode === "off") return "off";
    const level = Number(this.connection.pragma("main.synchronous", { simple: true }));
    return promiseOf(journalMode, level);
  }

  #readJournalMode(): string {
    return String(this.connection.pragma("main.journal_mode", { simple: true }));
  }
}

/**
 * What survives with each level (0 off, 1 normal, 2 full, 3 extra), as cutting the power at every write has shown (spec/crash/power).
 *
 * With a rollback journal: `normal` may damage the file. `full` does not sync the folder when the journal is deleted, by which SQLite commits: it may be back
 * and undo the last transaction. `extra` does that too; where the journal is cut or overwritten instead there is no such thing.
 */
function promiseOf(journalMode: string, level: number): Synchronous {
  if (level === 0) return "off";
  if (journalMode === "wal") return level === 1 ? "normal" : "full";
  if (level === 1) return "off";
  return journalMode === "delete" && level === 2 ? "normal" : "full";
}

function checkConnection(database: SqliteDatabase): SqliteConnection {
  requireMethods(database, DATABASE_METHODS, "database");
  if (!database.open)
    throw new MqError("ERR_MQ_INVALID_ARGUMENT", "database must be an open connection, got a closed one");
  if (database.readonly)
    throw new MqError("ERR_MQ_INVALID_ARGUMENT", "database must be writable, got a read-only connection");
  if (database.inTransaction) {
    throw new MqError("ERR_MQ_IN_TRANSACTION", "database must not be in a transaction when a broker is opened on it");
  }
  try {
    requireMethods(database.prepare("SELECT 1"), STATEMENT_METHODS, "a statement of database");
  } catch (error) {
    throw toMqError(error, "attaching to the database");
  }
  return database as SqliteConnection;
}

function requireMethods(value: unknown, names: readonly string[], what: string): void {
  const methods = (typeof value === "object" && value !== null ? value : {}) as Readonly<Record<string, unknown>>;
  const missing = names.find((name) => typeof methods[name] !== "function");
  if (missing === undefined) return;
  throw new MqError(
    "ERR_MQ_INVALID_ARGUMENT",
    `database must be a Database of better-sqlite3: ${what} has no method ${missing}`,
  );
}

function findRealPath(connection: SqliteConnection): string | undefined {
  const databases = connection.pragma("database_list") as readonly { readonly name: string; readonly file: string }[];
  const file = databases.find(({ name }) => name === "main")?.file;
  return file === undefined || file === "" ? undefined : realpathSync(file);
}
