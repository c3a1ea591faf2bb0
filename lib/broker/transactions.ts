import { isMqError, MqError } from "../errors.js";
import { type OpenedDatabase, withBusyTimeout } from "../store/open-database.js";
import { prepare, type SqliteConnection, type SqliteStatement } from "../store/sqlite.js";
import { isBusy, isConnectionBusy, isConstraint, isDiskFull, isSnapshotOld, toMqError } from "../store/sqlite-error.js";

/**
 * - `begun`: the write lock is ours and the caches are those of the newest commit.
 * - `busy`: another process or connection holds the write lock.
 * - `blocked`: the connection is in a transaction that is not ours, or its owner has an iterator open.
 */
export type BeginOutcome = "begun" | "busy" | "blocked";

/** What the owner of the caches is told. */
export interface CacheOwner {
  /** What is held in memory is no longer what is stored: another connection has committed, or we rolled back. */
  dropCaches(): void;
  /** Another connection has committed. Called within a transaction or a read: it only notes that it has to look. */
  foreignCommitSeen(): void;
  /** Throws when another connection has made the store one that cannot be read here. */
  assertReadable(): void;
}

/** How often others may commit between our look at the store and our write: that lasts some microseconds. */
const MAX_ATTEMPTS = 3;

/**
 * The one place where transactions begin and end.
 *
 * Memory is a cache of the store as of one `PRAGMA data_version`: it is compared under the write lock of each transaction and before reads
 * that must be fresh, and everything cached is dropped when another connection has committed in between.
 *
 * The connection may be used by its owner too (`Broker.database`), whoever opened it. So a transaction that is open when ours is due belongs
 * to the owner: we neither write into it nor read its uncommitted rows.
 */
export class Transactions {
  readonly #connection: SqliteConnection;
  readonly #owned: boolean;
  readonly #mayWaitToRead: boolean;
  readonly #caches: CacheOwner;
  readonly #begin: SqliteStatement;
  readonly #beginReading: SqliteStatement;
  readonly #endReading: SqliteStatement;
  /** One that its owner has attached to the connection. */
  readonly #otherDatabase: SqliteStatement<number> | undefined;
  /** There is one, as of the last attempt to begin. */
  #hasOthers = false;
  /** Changes nothing. Absent: we begin at once, with a busy time-out of our own. */
  readonly #takeWriteLock: SqliteStatement | undefined;
  readonly #commit: SqliteStatement;
  readonly #rollback: SqliteStatement;
  readonly #dataVersion: SqliteStatement<number>;
  #seenVersion: number | undefined;
  #stopped: MqError | undefined;
  #busyCause: unknown;

  /** @param hasTables - our tables are there. */
  constructor(database: OpenedDatabase, caches: CacheOwner, hasTables: boolean = true) {
    this.#connection = database.connection;
    this.#owned = database.owned;
    this.#mayWaitToRead = database.mayWaitToRead;
    this.#caches = caches;
    this.#begin = prepare(this.#connection, "BEGIN IMMEDIATE");
    this.#beginReading = prepare(this.#connection, "BEGIN");
    this.#endReading = prepare(this.#connection, "END");
    if (!database.owned && !database.mayWaitToRead && hasTables) {
      const others = "SELECT 1 FROM pragma_database_list WHERE seq > 1";
      this.#otherDatabase = prepare<number>(this.#connection, others).pluck();
      this.#takeWriteLock = prepare(this.#connection, "DELETE FROM main.mq_meta WHERE name = ''");
    }
    this.#commit = prepare(this.#connection, "COMMIT");
    this.#rollback = prepare(this.#connection, "ROLLBACK");
    this.#dataVersion = prepare<number>(this.#connection, "PRAGMA data_version").pluck();
  }

  /** Whether a read now sees committed rows only. */
  get isFree(): boolean {
    return this.#connection.open && !this.#connection.inTransaction;
  }

  /** What SQLite said when the last transaction could not begin or end, if it was asked. */
  get busyCause(): unknown {
    return this.#busyCause;
  }

  /** Whether the owner has a transaction open. */
  get isForeign(): boolean {
    return this.#connection.inTransaction;
  }

  /** Throws once the store can no longer be used: stopped after a failed sync, or its connection closed by its owner. */
  assertUsable(): void {
    if (this.#stopped !== undefined) throw this.#stopped;
    if (!this.#connection.open)
      throw new MqError("ERR_MQ_CLOSED", "the database connection of this broker was closed by its owner");
  }

  /** Takes the write lock, waiting at most `busyTimeoutMs` (blocking). */
  tryBegin(busyTimeoutMs: number): BeginOutcome {
    this.assertUsable();
    this.#busyCause = undefined;
    if (this.#connection.inTransaction) return "blocked";
    try {
      if (this.#takeWriteLock === undefined) this.#run(this.#begin, busyTimeoutMs);
      else this.#beginAsGuest(this.#takeWriteLock, busyTimeoutMs);
    } catch (error) {
      this.#busyCause = error;
      // It has begun, and then a guest could not put the owner's busy time-out back.
      if (this.#connection.inTransaction) this.rollback();
      if (isBusy(error)) return "busy";
      if (isConnectionBusy(error)) return "blocked";
      throw toMqError(error, "beginning a transaction");
    }
    try {
      this.refresh();
    } catch (error) {
      this.rollback();
      throw toMqError(error, "reading the data version");
    }
    return "begun";
  }

  /**
   * Reads without blocking. With a write-ahead log a read never waits; with a rollback journal, which an owner may have, it is `ERR_MQ_SYSTEM_BUSY`
   * while another connection commits.
   */
  readNow<T>(work: () => T): T {
    try {
      return this.#mayWaitToRead ? this.#readWithoutWaiting(work) : work();
    } catch (error) {
      throw toMqError(error, "reading the store");
    }
  }

  /** Reads without another connection committing meanwhile: what `work` sees and what is cached are of one commit. */
  readStable<T>(work: () => T): T {
    return this.readNow(() => {
      for (;;) {
        this.refresh();
        const result = work();
        if (this.#dataVersion.get() === this.#seenVersion) return result;
      }
    });
  }

  /**
   * Reads what one commit has stored, however many statements that takes and however often others commit meanwhile, whom it does not keep waiting. To be called
   * while {@link Transactions.isFree}.
   */
  readSnapshot<T>(work: () => T): T {
    return this.readNow(() => {
      const isOurs = this.#tryBeginSnapshot();
      try {
        this.refresh();
        return work();
      } finally {
        if (isOurs) this.#endSnapshot();
      }
    });
  }

  /** False: its owner iterates, and while that goes on the connection sees one commit anyway. */
  #tryBeginSnapshot(): boolean {
    try {
      this.#beginReading.run();
      return true;
    } catch (error) {
      if (isConnectionBusy(error)) return false;
      throw error;
    }
  }

  /** Nothing was written, and what is cached stays good. */
  #endSnapshot(): void {
    try {
      this.#endReading.run();
    } catch (error) {
      this.rollback();
      throw error;
    }
  }

  #readWithoutWaiting<T>(work: () => T): T {
    try {
      return withBusyTimeout(this.#connection, 0, work);
    } catch (error) {
      // While its owner iterates a connection takes no pragma, but it can be read.
      if (!isConnectionBusy(error)) throw error;
      return work();
    }
  }

  /** Whether another connection has committed since; then the caches are dropped. */
  refresh(): boolean {
    const version = this.#dataVersion.get();
    if (version === this.#seenVersion) return false;
    const isFirstLook = this.#seenVersion === undefined;
    this.#seenVersion = version;
    this.#caches.dropCaches();
    if (isFirstLook) return false;
    this.#caches.foreignCommitSeen();
    this.#assertReadable();
    return true;
  }

  #assertReadable(): void {
    try {
      this.#caches.assertReadable();
    } catch (error) {
      if (isMqError(error, "ERR_MQ_STORE_FORMAT")) this.#stopped = error;
      throw error;
    }
  }

  /**
   * On a guest's connection, whose busy time-out is its owner's, while nobody else writes: within a transaction that reads SQLite waits for no lock. To set another time-out for a moment takes three
   * statements, 7 µs, as many as it takes to begin. With other databases attached it is taken as usual: theirs are to be locked too.
   */
  #beginAsGuest(takeWriteLock: SqliteStatement, busyTimeoutMs: number): void {
    this.#hasOthers = false;
    try {
      for (let attempt = 0; attempt < MAX_ATTEMPTS; attempt += 1) {
        if (this.#tryBeginByReading(takeWriteLock)) return;
        if (this.#hasOthers) break;
      }
    } catch (error) {
      if (busyTimeoutMs === 0 || !isBusy(error)) throw error;
    }
    // Compiled now: it locks the databases that are attached when it is.
    withBusyTimeout(this.#connection, busyTimeoutMs, () => this.#connection.exec("BEGIN IMMEDIATE"));
  }

  /** False: another connection has committed between the two steps, or there are other databases. */
  #tryBeginByReading(takeWriteLock: SqliteStatement): boolean {
    this.#beginReading.run();
    try {
      this.#dataVersion.get();
      this.#hasOthers = this.#otherDatabase?.get() !== undefined;
      if (!this.#hasOthers) {
        takeWriteLock.run();
        return true;
      }
    } catch (error) {
      if (!isSnapshotOld(error)) {
        if (this.#connection.inTransaction) this.#endReading.run();
        throw error;
      }
    }
    this.#endReading.run();
    return false;
  }

  /**
   * Our own connection has a busy time-out of 0, which is changed only to wait for a lock that is taken, and so it is with a commit that nobody can hold up. Otherwise a guest sets the owner's for each
   * run and puts it back.
   */
  #run(statement: SqliteStatement, busyTimeoutMs: number): void {
    if (!this.#owned && (this.#takeWriteLock === undefined || this.#hasOthers)) {
      withBusyTimeout(this.#connection, busyTimeoutMs, () => statement.run());
      return;
    }
    try {
      statement.run();
    } catch (error) {
      if (busyTimeoutMs === 0 || !isBusy(error)) throw error;
      withBusyTimeout(this.#connection, busyTimeoutMs, () => statement.run());
    }
  }

  /**
   * Throws `ERR_MQ_SYSTEM_BUSY` (with a rollback journal a reader can hold up a commit), `ERR_MQ_SERVICE_NOT_AVAILABLE`, and what the driver said of a constraint of the owner's that is
   * deferred to the commit, when nothing was committed. Any other failure leaves open whether the commit reached the disk: it is `ERR_MQ_OUTCOME_UNKNOWN`, and the store takes no
   * further writes.
   */
  commit(busyTimeoutMs: number): void {
    try {
      this.#run(this.#commit, busyTimeoutMs);
    } catch (error) {
      this.rollback();
      this.#busyCause = error;
      if (isBusy(error) || isDiskFull(error)) throw toMqError(error, "the commit");
      if (isConstraint(error)) throw error;
      this.#stopped = new MqError(
        "ERR_MQ_SERVICE_NOT_AVAILABLE",
        "the store stopped after a commit whose outcome is unknown; close the broker and open it again",
        { cause: error },
      );
      throw new MqError("ERR_MQ_OUTCOME_UNKNOWN", "the commit failed while it was being made durable", {
        cause: error,
      });
    }
  }

  /** SQLite may have rolled back by itself (disk full, out of memory). Never throws: a store that cannot roll back stops. */
  rollback(): void {
    this.#caches.dropCaches();
    if (!this.#connection.open || !this.#connection.inTransaction) return;
    try {
      this.#rollback.run();
    } catch (cause) {
      this.#stopped ??= new MqError(
        "ERR_MQ_SERVICE_NOT_AVAILABLE",
        "the store stopped because it could not roll back; close the broker and open it again",
        { cause },
      );
    }
  }

  /** Why a transaction could not begin, for a caller that does not wait any longer. */
  refusal(outcome: Exclude<BeginOutcome, "begun">, doing: string, busyTimeoutMs: number): MqError {
    if (outcome === "busy") {
      return new MqError(
        "ERR_MQ_SYSTEM_BUSY",
        `${doing}: another writer held the store's lock for ${busyTimeoutMs} ms`,
        { cause: this.#busyCause },
      );
    }
    if (this.isForeign)
      return new MqError("ERR_MQ_IN_TRANSACTION", `${doing}: the connection is in a transaction already`);
    return new MqError(
      "ERR_MQ_SYSTEM_BUSY",
      `${doing}: the connection has an open iterator, SQLite accepts no write on it until that is finished`,
      { cause: this.#busyCause },
    );
  }

  /** Runs `work` under the write lock, entirely or not at all; blocks at most `busyTimeoutMs` for another writer. */
  writeSync<T>(busyTimeoutMs: number, doing: string, work: () => T): T {
    const outcome = this.tryBegin(busyTimeoutMs);
    if (outcome !== "begun") throw this.refusal(outcome, doing, busyTimeoutMs);
    let result: T;
    try {
      result = work();
    } catch (error) {
      this.rollback();
      throw error;
    }
    if (!this.#connection.inTransaction) {
      this.#caches.dropCaches();
      throw new MqError(
        "ERR_MQ_SERVICE_NOT_AVAILABLE",
        `${doing}: SQLite ended the transaction and rolled it back, which it does when the disk is full; or the work ended it itself`,
      );
    }
    this.commit(busyTimeoutMs);
    return result;
  }
}
