import { isMqError, MqError, type MqErrorCode } from "../errors.js";

/** Primary result codes that mean more than "SQLite failed"; extended codes begin with them. */
const CODES: readonly (readonly [prefix: string, code: MqErrorCode, because: string])[] = [
  ["SQLITE_FULL", "ERR_MQ_SERVICE_NOT_AVAILABLE", "the disk or the database is full"],
  ["SQLITE_BUSY", "ERR_MQ_SYSTEM_BUSY", "another connection holds the lock"],
  ["SQLITE_LOCKED", "ERR_MQ_SYSTEM_BUSY", "another connection holds the lock"],
  ["SQLITE_PROTOCOL", "ERR_MQ_SYSTEM_BUSY", "another connection holds the lock"],
  ["SQLITE_NOTADB", "ERR_MQ_STORE_FORMAT", "the file is not an SQLite database"],
  ["SQLITE_CORRUPT", "ERR_MQ_STORE", "the file is damaged"],
  ["SQLITE_READONLY", "ERR_MQ_STORE", "the file or its folder is read-only"],
  ["SQLITE_CANTOPEN", "ERR_MQ_STORE", "SQLite cannot open the file or create those beside it"],
];

/** better-sqlite3 gives these no code. */
const CONNECTION_BUSY = "This database connection is busy executing a query";
const CONNECTION_CLOSED = "The database connection is not open";

/**
 * What a failure of the driver is to a user of PocketMQ, with the failure as its `cause`. An {@link MqError} stays what it is.
 *
 * @param doing - completes "… failed": "opening app.db", "storing messages".
 */
export function toMqError(cause: unknown, doing: string): MqError {
  if (isMqError(cause)) return cause;
  if (isConnectionBusy(cause)) {
    return new MqError("ERR_MQ_SYSTEM_BUSY", `${doing} failed: a query of the connection's owner is still running`, {
      cause,
    });
  }
  if (isConnectionClosed(cause)) {
    return new MqError("ERR_MQ_CLOSED", `${doing} failed: the database connection was closed`, { cause });
  }
  const sqliteCode = codeOf(cause);
  const [, code = "ERR_MQ_STORE", because = messageOf(cause)] =
    CODES.find(([prefix]) => sqliteCode?.startsWith(prefix)) ?? [];
  return new MqError(code, `${doing} failed: ${because}${sqliteCode === undefined ? "" : ` (${sqliteCode})`}`, {
    cause,
  });
}

/** Somebody else holds the lock, or this connection cannot wait for it: the same later may succeed. */
export function isBusy(error: unknown): boolean {
  return /^SQLITE_(?:BUSY|LOCKED|PROTOCOL)/.test(codeOf(error) ?? "");
}

/** Another connection has committed since this transaction began to read: it cannot write any more. */
export function isSnapshotOld(error: unknown): boolean {
  return codeOf(error) === "SQLITE_BUSY_SNAPSHOT";
}

/** Also of what was made of SQLite's error. SQLite may have rolled back the whole transaction, an owner's too. */
export function isDiskFull(error: unknown): boolean {
  return codeOf(error)?.startsWith("SQLITE_FULL") === true || (isMqError(error) && isDiskFull(error.cause));
}

/** A row breaks a rule of its table's: nothing of what was to be done is stored. */
export function isConstraint(error: unknown): boolean {
  return codeOf(error)?.startsWith("SQLITE_CONSTRAINT") === true;
}

/** An open iterator of the connection's owner stands in the way; it is gone in a later turn. */
export function isConnectionBusy(error: unknown): boolean {
  return codeOf(error) === undefined && messageOf(error) === CONNECTION_BUSY;
}

/** The connection's owner closed it. */
export function isConnectionClosed(error: unknown): boolean {
  return codeOf(error) === undefined && messageOf(error) === CONNECTION_CLOSED;
}

/** By shape and not by class: each module registry has its own `SqliteError`. */
function codeOf(error: unknown): string | undefined {
  if (typeof error !== "object" || error === null || !("code" in error)) return undefined;
  return typeof error.code === "string" && error.code.startsWith("SQLITE_") ? error.code : undefined;
}

function messageOf(error: unknown): string {
  return typeof error === "object" && error !== null && "message" in error ? String(error.message) : String(error);
}

/** Not the fault of one row: the same would happen to any other. */
export function isWholeBatchError(error: unknown): boolean {
  return /^SQLITE_(?:FULL|IOERR|BUSY|LOCKED|PROTOCOL|CORRUPT|NOMEM|READONLY|CANTOPEN|NOTADB|INTERRUPT)/.test(
    codeOf(error) ?? "",
  );
}
