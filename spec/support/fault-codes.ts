import type { DriverCall, FaultMoment } from "./fault-driver.js";

/** Primary result codes of SQLite. */
export const FAULT_CODES = ["SQLITE_FULL", "SQLITE_BUSY", "SQLITE_IOERR", "SQLITE_NOMEM", "SQLITE_CORRUPT"] as const;
export type FaultCode = (typeof FAULT_CODES)[number];

/** `POCKETMQ_ALL_FAULTS=1`: every code at every call, which takes four times as long. Otherwise what is done again and again is tried once. */
export const TRIES_ALL: boolean = process.env["POCKETMQ_ALL_FAULTS"] === "1";
/** What is tried; having no memory and being damaged go the ways of an I/O error. */
export const USUAL_CODES: readonly FaultCode[] = TRIES_ALL
  ? FAULT_CODES
  : ["SQLITE_FULL", "SQLITE_BUSY", "SQLITE_IOERR"];

/** What is tried for seconds: an I/O error that lasts goes the way of a full disk, but at a commit, where it is tried alone. */
export const OUTAGE_CODES: readonly FaultCode[] = TRIES_ALL ? FAULT_CODES : ["SQLITE_FULL", "SQLITE_BUSY"];

/** Those that are tried in both ways; SQLite may end the transaction when it has no memory too. */
const ROLLING_BACK: readonly string[] = ["SQLITE_FULL", "SQLITE_IOERR"];
/** They touch no file, and need no schema. Asking for one of them fails as setting it does, which always follows. */
const PRAGMAS_IN_MEMORY = /^PRAGMA (?:busy_timeout|database_list|wal_autocheckpoint|journal_size_limit)\b/;

/**
 * Whether SQLite can answer this call so. Preparing writes nothing; having no memory stands for all that it can meet but a lock. A roll-back ends the transaction even where undoing it fails: `OP_AutoCommit` ignores
 * what `sqlite3RollbackAll` meets.
 */
export function canFail({ method, source }: DriverCall, code: string): boolean {
  if (source === "ROLLBACK" && method !== "prepare") return false;
  if (PRAGMAS_IN_MEMORY.test(source)) return code.startsWith("SQLITE_NOMEM") && source.includes("=");
  return method !== "prepare" || /^SQLITE_(?:NOMEM|BUSY)/.test(code);
}

/** Whether it ends a transaction for good when it succeeds. */
export function isCommit({ method, source }: DriverCall): boolean {
  return method !== "prepare" && source === "COMMIT";
}

/** Whether the store cannot know what became of it. */
export function isUnknown(call: DriverCall, code: FaultCode): boolean {
  return isCommit(call) && code !== "SQLITE_FULL" && code !== "SQLITE_BUSY";
}

/** Whether it is tried: an I/O error leaves the outcome of a commit open, at any other call it goes the way of a full disk. */
export function isTried(call: DriverCall, code: FaultCode): boolean {
  return TRIES_ALL || code === "SQLITE_FULL" || code === "SQLITE_BUSY" || isUnknown(call, code);
}

/** Somebody else's lock, which who can wait waits for. */
export function isLock({ source }: DriverCall, code: FaultCode): boolean {
  return code === "SQLITE_BUSY" && /^(?:BEGIN|COMMIT)/.test(source);
}

/** What SQLite can do: a lock changes nothing, a commit for which there was no room was not made, only a write or a commit may end the transaction. */
export function momentsOf(call: DriverCall, code: FaultCode): readonly FaultMoment[] {
  if (!canFail(call, code)) return [];
  if (isUnknown(call, code)) return ["before", "after", "rolled back"];
  const writes =
    call.method !== "prepare" && /^(?:INSERT|DELETE|UPDATE|CREATE|ALTER|SAVEPOINT|RELEASE|COMMIT)/.test(call.source);
  return writes && ROLLING_BACK.includes(code) ? ["before", "rolled back"] : ["before"];
}
