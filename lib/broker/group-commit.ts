import { isMqError, MqError } from "../errors.js";
import { prepare, type SqliteConnection, type SqliteStatement } from "../store/sqlite.js";
import { isConstraint, isWholeBatchError, toMqError } from "../store/sqlite-error.js";
import type { Clock } from "../time/clock.js";
import { holdProcess, type ProcessHold } from "../time/hold-process.js";
import type { Backoff } from "./backoff.js";
import { PendingWrites, type Write } from "./pending-writes.js";
import type { Transactions } from "./transactions.js";

/** What the group commit asks of its broker around each transaction. */
export interface CommitHooks {
  /** Whether something waits to ride along with the next commit. */
  hasRiders(): boolean;
  /** Inside the transaction, after writes: what they collected. */
  finish(): void;
  /** Inside the transaction, at its end: what rides along. */
  ride(): void;
  /** A savepoint was undone: forget what was collected since, and what is cached. */
  undone(): void;
  /** The whole transaction was rolled back, for this reason. */
  rolledBack(error: unknown): void;
  /** The transaction was only for what rides along, so that nobody else is told. It is tried again. */
  ridersFailed(error: MqError): void;
  /** What was written is stored: before anybody is told. */
  stored(): void;
  /** After the writes were told. Those who wait for their promises go on in a later microtask. */
  committed(): void;
}

/**
 * Pending writes, stored together in one transaction at the end of the turn. The number of commits decides the speed, not the number of rows.
 *
 * ```
 * idle ──enqueue──▶ turn coming ──▶ flush ──▶ idle, or a turn comes again while writes are left
 *                        ▲            │ locked by somebody else
 *                        └── waiting ◀┘ writes past their deadline fail
 * ```
 */
export class GroupCommit {
  readonly #transactions: Transactions;
  readonly #clock: Clock;
  readonly #hooks: CommitHooks;
  readonly #backoff: Backoff;
  readonly #savepoint: SqliteStatement;
  readonly #release: SqliteStatement;
  readonly #undo: SqliteStatement;
  readonly #pending = new PendingWrites();
  /** A turn, or a timer while somebody else has the lock, will look at what is pending: never more than one. */
  #isTurnComing = false;
  /** The last turn found the connection in the hands of its owner. */
  #isBlocked = false;
  #isClosed = false;
  #hold: ProcessHold | undefined;
  #drainWaiters: (() => void)[] = [];

  constructor(
    transactions: Transactions,
    connection: SqliteConnection,
    clock: Clock,
    backoff: Backoff,
    hooks: CommitHooks,
  ) {
    this.#transactions = transactions;
    this.#clock = clock;
    this.#hooks = hooks;
    this.#backoff = backoff;
    this.#savepoint = prepare(connection, "SAVEPOINT mq_write");
    this.#release = prepare(connection, "RELEASE mq_write");
    this.#undo = prepare(connection, "ROLLBACK TO mq_write");
  }

  /** Throws `ERR_MQ_TOO_MANY_REQUESTS` instead of queueing without bound. */
  enqueue(write: Write): void {
    if (this.#isClosed) throw new MqError("ERR_MQ_CLOSED", "the broker is closed");
    this.#pending.add(write);
    // The owner's transaction may be over since.
    if (this.#isBlocked && this.#backoff.cancel()) this.#clock.turn(this.#onTurn);
    else this.schedule();
  }

  /** Throws when a write would be refused. */
  assertRoom(): void {
    this.#pending.assertRoom(0);
  }

  /** Takes a write out again; false when it is being stored or was. */
  withdraw(write: Write): boolean {
    return this.#pending.remove(write);
  }

  /** Makes sure that a flush comes with the next turn, also when only riders are waiting for one. */
  schedule(): void {
    if (this.#isTurnComing) return;
    this.#isTurnComing = true;
    this.#clock.turn(this.#onTurn);
  }

  /** Resolves once nothing is pending. */
  async drained(): Promise<void> {
    while (!this.#pending.isEmpty) await new Promise<void>((resolve) => this.#drainWaiters.push(resolve));
  }

  /** Nothing is stored any more; the caller has drained what was pending. */
  close(): void {
    this.#isClosed = true;
    this.#backoff.cancel();
    this.#stopWaiting();
  }

  /** Stores all that is pending before it returns; throws when the lock cannot be had within `busyTimeoutMs`. */
  flushSync(busyTimeoutMs: number): void {
    const { last } = this.#pending;
    if (last !== undefined) this.#flushThrough(last, busyTimeoutMs);
  }

  /** Stores this write after everything that is pending, in the same transaction where it fits, before it returns. */
  storeNow(write: Write, busyTimeoutMs: number): void {
    this.#pending.addAnyway(write);
    try {
      this.#flushThrough(write, busyTimeoutMs);
    } catch (error) {
      this.withdraw(write);
      throw error;
    }
  }

  /** What a commit makes others write, a pop that waited for example, is left to the next turn: that it fails is not this write's fault. */
  #flushThrough(write: Write, busyTimeoutMs: number): void {
    while (this.#pending.has(write)) {
      this.#requireBegin(busyTimeoutMs);
      if (this.#store(this.#pending.takeForFlush(), busyTimeoutMs) === "waiting") {
        throw new MqError("ERR_MQ_SYSTEM_BUSY", "another connection kept the store locked", {
          cause: this.#transactions.busyCause,
        });
      }
    }
  }

  /** Fails everything that is pending. */
  abandon(error: MqError): void {
    failAll(this.#pending.takeAll(), error);
  }

  #requireBegin(busyTimeoutMs: number): void {
    const outcome = this.#transactions.tryBegin(busyTimeoutMs);
    if (outcome !== "begun") throw this.#transactions.refusal(outcome, "storing what is pending", busyTimeoutMs);
  }

  readonly #onTurn = (): void => {
    this.#isTurnComing = false;
    this.#isBlocked = false;
    if (this.#flush() === "done") this.#stopWaiting();
    if (!this.#pending.isEmpty) this.schedule();
    else this.#tellDrained();
  };

  #tellDrained(): void {
    const waiters = this.#drainWaiters;
    this.#drainWaiters = [];
    for (const resolve of waiters) resolve();
  }

  #flush(): "done" | "waiting" {
    if (this.#isClosed || (this.#pending.isEmpty && !this.#hooks.hasRiders())) return "done";
    try {
      const outcome = this.#transactions.tryBegin(0);
      if (outcome !== "begun") return this.#wait(outcome);
    } catch (error) {
      this.#hooks.rolledBack(error);
      this.#failed(this.#pending.takeAll(), error);
      return "done";
    }
    const state = this.#store(this.#pending.takeForFlush(), 0);
    if (state === "done") this.#backoff.reset();
    return state;
  }

  /** Looks again later. A foreign transaction usually ends within a few turns, a lock of another process within milliseconds. */
  #wait(outcome: "busy" | "blocked"): "waiting" {
    this.#isBlocked = outcome === "blocked";
    this.#expire(outcome);
    this.#hold ??= holdProcess();
    if (!this.#isTurnComing) {
      this.#isTurnComing = true;
      this.#backoff.next(this.#onTurn);
    }
    return "waiting";
  }

  #stopWaiting(): void {
    this.#hold?.release();
    this.#hold = undefined;
  }

  /** Only after an attempt that failed: a loop that was blocked for long does not by itself fail a send. */
  #expire(outcome: "busy" | "blocked"): void {
    const expired = this.#pending.takeExpired(this.#clock.now());
    if (expired.length === 0) return;
    failAll(
      expired,
      outcome === "busy"
        ? new MqError(
            "ERR_MQ_SYSTEM_BUSY",
            "another writer held the store's lock until the time-out; nothing was stored",
            { cause: this.#transactions.busyCause },
          )
        : new MqError(
            "ERR_MQ_TIMEOUT",
            "the connection's owner kept a transaction or an iterator open until the time-out; nothing was stored",
            { cause: this.#transactions.busyCause },
          ),
    );
  }

  /** The transaction has begun. */
  #store(writes: readonly Write[], busyTimeoutMs: number): "done" | "waiting" {
    let outcome: Outcome;
    try {
      outcome = this.#applyTogether(writes);
    } catch (error) {
      this.#transactions.rollback();
      this.#hooks.rolledBack(error);
      if (writes.length > 0 && !isWholeBatchError(error)) return this.#storeEachAlone(writes, busyTimeoutMs);
      this.#failed(writes, error);
      return "done";
    }
    return this.#commit(writes, outcome, busyTimeoutMs);
  }

  #applyTogether(writes: readonly Write[]): Outcome {
    const outcome: Outcome = { stored: [], refused: [] };
    for (const write of writes) {
      try {
        write.apply();
        outcome.stored.push(write);
      } catch (error) {
        if (!isMqError(error)) throw error;
        outcome.refused.push({ write, error });
      }
    }
    this.#hooks.finish();
    this.#hooks.ride();
    return outcome;
  }

  /** SQLite refused a row: again in one transaction, each write behind its own savepoint, so that only the guilty one fails. */
  #storeEachAlone(writes: readonly Write[], busyTimeoutMs: number): "done" | "waiting" {
    const outcome: Outcome = { stored: [], refused: [] };
    try {
      if (this.#transactions.tryBegin(0) !== "begun") return this.#putBack(writes);
      for (const write of writes) {
        this.#savepoint.run();
        try {
          write.apply();
          this.#hooks.finish();
          outcome.stored.push(write);
        } catch (error) {
          if (isWholeBatchError(error)) throw error;
          this.#undo.run();
          this.#hooks.undone();
          outcome.refused.push({ write, error: toMqError(error, "storing a message") });
        }
        this.#release.run();
      }
      this.#rideAlone();
    } catch (error) {
      this.#transactions.rollback();
      this.#hooks.rolledBack(error);
      this.#failed(writes, error);
      return "done";
    }
    return this.#commit(writes, outcome, busyTimeoutMs);
  }

  /** Last, outside of what may be undone for a write; what goes wrong with it is no write's fault. */
  #rideAlone(): void {
    this.#savepoint.run();
    try {
      this.#hooks.ride();
    } catch (error) {
      if (isWholeBatchError(error)) throw error;
      this.#undo.run();
      this.#hooks.undone();
      this.#hooks.ridersFailed(toMqError(error, "storing consume offsets and members"));
    }
    this.#release.run();
  }

  #failed(writes: readonly Write[], error: unknown): void {
    failAll(writes, toMqError(error, "storing messages"));
    if (writes.length === 0) this.#hooks.ridersFailed(toMqError(error, "storing consume offsets"));
  }

  /** Somebody else took the lock between two attempts, or reads where that holds up a commit. */
  #putBack(writes: readonly Write[]): "waiting" {
    this.#pending.putBack(writes);
    return this.#wait("busy");
  }

  #commit(writes: readonly Write[], { stored, refused }: Outcome, busyTimeoutMs: number): "done" | "waiting" {
    try {
      this.#transactions.commit(busyTimeoutMs);
    } catch (error) {
      this.#hooks.rolledBack(error);
      if (isMqError(error, "ERR_MQ_SYSTEM_BUSY")) return this.#putBack(writes);
      // One of them breaks a constraint that only a commit looks at: each by itself.
      const parts = isConstraint(error) ? stored.flatMap((write) => write.split?.() ?? []) : [];
      if (parts.length > 1) this.#pending.putBack(parts);
      else this.#failed(stored, error);
      for (const refusal of refused) refusal.write.failed(refusal.error);
      return "done";
    }
    this.#hooks.stored();
    for (const write of stored) write.committed();
    for (const refusal of refused) refusal.write.failed(refusal.error);
    this.#hooks.committed();
    return "done";
  }
}

interface Outcome {
  readonly stored: Write[];
  readonly refused: { readonly write: Write; readonly error: MqError }[];
}

function failAll(writes: readonly Write[], error: unknown): void {
  for (const write of writes) write.failed(error);
}
