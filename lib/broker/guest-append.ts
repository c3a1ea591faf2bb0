import { MqError } from "../errors.js";
import { prepare, type SqliteConnection, type SqliteStatement } from "../store/sqlite.js";
import { toMqError } from "../store/sqlite-error.js";
import type { Backoff } from "./backoff.js";
import type { Write } from "./pending-writes.js";

export interface GuestHooks {
  /** Forget everything cached and collected: what the owner's transaction shows may never be committed. */
  drop(): void;
  /** Write what was collected. False: what is cached cannot tell afterwards whether that was undone. */
  write(): boolean;
  /** Whether what is cached is what is stored, also when something was undone since. */
  isKnown(): boolean;
  /** Nothing of it is stored. */
  failed(error: unknown): void;
  /** The owner's transaction is over, one way or the other. */
  ended(): void;
}

/**
 * Writes inside a transaction that belongs to the owner of the connection, so that they commit or roll back with it.
 *
 * Counters are read from the rows and no cache outlives the call: the owner may roll back the transaction or a savepoint in it, which leaves
 * neither a hole nor a ghost. Only within {@link GuestAppend.within}, where the transaction itself is ours, what is cached is kept while the log still ends where it
 * is known to end: a savepoint that was rolled back shows there. SQLite has no commit hook here, so each following turn looks whether the transaction is over; only
 * then are the messages delivered.
 */
export class GuestAppend {
  readonly #connection: SqliteConnection;
  readonly #backoff: Backoff;
  readonly #hooks: GuestHooks;
  readonly #savepoint: SqliteStatement;
  readonly #release: SqliteStatement;
  readonly #undo: SqliteStatement;
  #isWatching = false;
  /** We began the transaction that is open, and end it. */
  #isOurs = false;
  /** Something was written in a transaction of the owner's, of which it was not seen yet that it is over. */
  #hasWrittenInOwners = false;

  constructor(connection: SqliteConnection, backoff: Backoff, hooks: GuestHooks) {
    this.#connection = connection;
    this.#backoff = backoff;
    this.#hooks = hooks;
    this.#savepoint = prepare(connection, "SAVEPOINT mq_guest");
    this.#release = prepare(connection, "RELEASE mq_guest");
    this.#undo = prepare(connection, "ROLLBACK TO mq_guest");
  }

  /** Whether {@link GuestAppend.within} runs. Its transaction may be over: SQLite rolls back when the disk is full, and `work` may have done it. */
  get isWithin(): boolean {
    return this.#isOurs;
  }

  /** In a transaction of ours, which `work` of the owner's fills. */
  within<T>(work: () => T): T {
    this.#isOurs = true;
    try {
      const result = work();
      if (!this.#hooks.isKnown()) this.#hooks.drop();
      return result;
    } finally {
      this.#isOurs = false;
    }
  }

  append(write: Write): void {
    let isSet = false;
    let isKept = false;
    try {
      if (!this.#isOurs || !this.#hooks.isKnown()) this.#hooks.drop();
      this.#savepoint.run();
      isSet = true;
      write.apply();
      const isTold = this.#hooks.write();
      this.#release.run();
      isKept = isTold && this.#isOurs;
    } catch (error) {
      const failure = toMqError(error, "storing in the open transaction");
      // Without the savepoint there is nothing to undo: the owner has an iterator open, for example.
      if (isSet) this.#undoAppend();
      this.#hooks.failed(error);
      if (this.#connection.inTransaction) throw failure;
      const text = `SQLite rolled back the whole transaction, which it does when the disk is full for example: nothing of it is stored; ${failure.message}`;
      throw new MqError(failure.code, text, { cause: error, responseCode: failure.responseCode });
    } finally {
      if (!isKept) this.#hooks.drop();
    }
    write.committed();
    this.#watch();
  }

  /** Ends the looking. */
  close(): void {
    this.#backoff.cancel();
    this.#isWatching = false;
  }

  #undoAppend(): void {
    if (!this.#connection.inTransaction) return;
    try {
      this.#undo.run();
      this.#release.run();
    } catch (error) {
      if (this.#connection.inTransaction) throw toMqError(error, "undoing what was stored in the open transaction");
    }
  }

  #watch(): void {
    if (!this.#isOurs) this.#hasWrittenInOwners = true;
    if (this.#isWatching) return;
    this.#isWatching = true;
    this.#backoff.reset();
    this.#backoff.next(this.#look);
  }

  readonly #look = (): void => {
    if (!this.#isWatching) return;
    if (this.#connection.open && this.#connection.inTransaction) {
      this.#backoff.next(this.#look);
      return;
    }
    this.#isWatching = false;
    if (this.#hasWrittenInOwners) this.#hooks.drop();
    this.#hasWrittenInOwners = false;
    this.#hooks.ended();
  };
}
