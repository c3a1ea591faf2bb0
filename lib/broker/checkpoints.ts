import { statSync } from "node:fs";
import { JOURNAL_SIZE_LIMIT, type OpenedDatabase, withBusyTimeout } from "../store/open-database.js";
import { prepare, type SqliteStatement } from "../store/sqlite.js";
import { isBusy, toMqError } from "../store/sqlite-error.js";
import type { Clock } from "../time/clock.js";
import type { EventHub } from "./broker-events.js";
import type { Transactions } from "./transactions.js";

/** It is looked at its size after so many commits. */
const COMMITS_A_LOOK = 16;
/** How long this process may be blocked until others let it write. */
const WAIT_MS = 10;
/** After an attempt that others did not let through. */
const PAUSE_MS = 100;

export interface CheckpointsOptions {
  readonly database: OpenedDatabase;
  readonly realPath: string;
  readonly transactions: Transactions;
  /** For how long something takes. */
  readonly clock: Clock;
  readonly events: EventHub;
}

/**
 * Keeps the write-ahead log of a file of ours small when several processes write without a pause.
 *
 * SQLite copies the log to the database by itself after 1,000 pages, but starts it anew only when everything in it was copied, which is never so while
 * others go on writing: with four of them it had grown to 350 MB after eight seconds, and copying had blocked one of them for six. So whoever finds it too
 * large keeps the others out for the moment that the rest takes.
 */
export class Checkpoints {
  readonly #options: CheckpointsOptions;
  readonly #walPath: string;
  readonly #restart: SqliteStatement<[number]>;
  #commits = 0;
  #isComing = false;
  /** Somebody reads in the log, or writes without a pause. */
  #notBefore = Number.NEGATIVE_INFINITY;

  constructor(options: CheckpointsOptions) {
    this.#options = options;
    this.#walPath = `${options.realPath}-wal`;
    this.#restart = prepare<[number]>(options.database.connection, "PRAGMA wal_checkpoint(RESTART)").raw();
  }

  /** This engine has committed. */
  committed(): void {
    this.#commits += 1;
    if (this.#commits < COMMITS_A_LOOK || this.#isComing) return;
    this.#commits = 0;
    if (this.#options.clock.now() < this.#notBefore) return;
    const size = statSync(this.#walPath, { throwIfNoEntry: false })?.size ?? 0;
    if (size <= JOURNAL_SIZE_LIMIT) return;
    this.#isComing = true;
    this.#options.clock.turn(() => this.#startAnew());
  }

  /** Where others do not let it, it is tried again later. */
  #startAnew(): void {
    this.#isComing = false;
    const { database, transactions, clock, events } = this.#options;
    if (!transactions.isFree) return;
    try {
      const [refused] = withBusyTimeout(database.connection, WAIT_MS, () => this.#restart.get()) ?? [1];
      if (refused !== 0) this.#notBefore = clock.now() + PAUSE_MS;
    } catch (error) {
      if (!isBusy(error)) events.error(toMqError(error, "starting the write-ahead log anew"));
    }
  }
}
