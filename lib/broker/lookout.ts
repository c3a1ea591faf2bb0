import { isMqError, type MqError } from "../errors.js";
import type { OpenedDatabase } from "../store/open-database.js";
import { toMqError } from "../store/sqlite-error.js";
import type { Clock, ClockTimer } from "../time/clock.js";
import type { EventHub } from "./broker-events.js";
import type { Engine } from "./engine.js";
import { WalWatch } from "./wal-watch.js";

/** How often it is looked for commits of other processes, and whether the connection is still there. */
const LOOK_INTERVAL_MS = 50;
/** The same while the write-ahead log is watched. An idle consumer takes 0.1 % of a processor with it, 0.4 % with 50 ms. */
const WATCHED_LOOK_INTERVAL_MS = 250;

export interface LookoutOptions {
  readonly engine: Engine;
  readonly database: OpenedDatabase;
  /** For how long something takes. */
  readonly clock: Clock;
  readonly events: EventHub;
  /** How long this process may be silent before others take its queues. */
  readonly leaseMs: number;
  /** Whether anybody waits for what others commit. */
  readonly isNeeded: () => boolean;
  /** Whether other processes have heard of this one lately, if there are any. */
  readonly isLeaseFresh: () => boolean;
  /** Tells them, and calls `then` afterwards, or later when that failed. */
  readonly renewLease: (then: () => void) => void;
  /** Others have committed: look what is new. Committed rows can be read. */
  readonly onNews: () => void;
  /** Something could not be read when it was time: look at everything again. */
  readonly onStale: () => void;
  /** The store can be used no longer. */
  readonly onFailed: (error: MqError) => void;
}

/** Looks for commits of other connections: with each own transaction, when somebody writes to the file, and now and then while it is needed. */
export class Lookout {
  readonly #options: LookoutOptions;
  readonly #watch: WalWatch | undefined;
  #timer: ClockTimer | undefined;
  #isAnnouncing = false;
  #isStale = false;
  #isFailing = false;
  #isOver = false;
  /** Called when the lease is renewed; `undefined`: it is not being renewed. */
  #renewing: Set<() => void> | undefined;
  /** When everything that others had committed was last acted on. */
  #upToDateAt: number;

  constructor(options: LookoutOptions) {
    this.#options = options;
    this.#upToDateAt = options.clock.now();
    const { realPath } = options.database;
    if (realPath !== undefined) this.#watch = new WalWatch(`${realPath}-wal`, () => this.#look());
  }

  /** As long as it is needed. */
  keepLooking(): void {
    const { clock, isNeeded } = this.#options;
    if (this.#isAlone) return;
    this.#watch?.start();
    const interval = this.#watch?.isOn === true ? WATCHED_LOOK_INTERVAL_MS : LOOK_INTERVAL_MS;
    this.#timer ??= clock.at(clock.now() + interval, () => {
      this.#timer = undefined;
      this.#look();
      if (!this.#isOver && isNeeded()) this.keepLooking();
      else this.#watch?.stop();
    });
  }

  /**
   * Before anything is done for which it matters what others did: where this process was stopped, or slept, for long, it is acted on that first, and its lease is
   * renewed, which may run out any moment. False: that takes a commit, or the end of a transaction of the connection's owner, and `then` is called after it.
   */
  catchUp(then: () => void): boolean {
    const { engine, clock, leaseMs, isLeaseFresh, renewLease } = this.#options;
    // Once it is over no member has a queue.
    if (this.#isAlone || this.#isOver) return true;
    if (this.#renewing !== undefined) {
      this.#renewing.add(then);
      return false;
    }
    const hasSlept = clock.now() - this.#upToDateAt >= leaseMs / 2;
    if (!hasSlept && isLeaseFresh()) return true;
    if (engine.isInForeignTransaction) {
      engine.reads.whenFree(then);
      return false;
    }
    if (hasSlept && (this.#look() || this.#isAnnouncing)) this.#tell();
    if (isLeaseFresh()) return true;
    renewLease(() => this.#renewed());
    this.#renewing = new Set([then]);
    return false;
  }

  #renewed(): void {
    const waiting = this.#renewing ?? new Set();
    this.#renewing = undefined;
    for (const then of waiting) then();
  }

  /** Nothing can commit behind a memory database of our own. */
  get #isAlone(): boolean {
    const { owned, realPath } = this.#options.database;
    return owned && realPath === undefined;
  }

  /** In the next turn. */
  lookSoon(): void {
    this.#options.clock.turn(() => this.#look());
  }

  /** Something could not be read: everybody is to look again once that is possible. */
  noteStale(): void {
    this.#isStale = true;
  }

  /** This engine has committed. */
  wrote(): void {
    this.#watch?.wrote();
  }

  /** Another connection has committed: tells of it in a turn of its own, once committed rows can be read. */
  announce(): void {
    if (this.#isAnnouncing) return;
    this.#isAnnouncing = true;
    const { clock, engine, database } = this.#options;
    clock.turn(() => {
      engine.reads.whenFree(() => {
        this.#isAnnouncing = false;
        if (!this.#isOver && database.connection.open) this.#tell();
      });
    });
  }

  #tell(): void {
    const { clock, isNeeded, onNews } = this.#options;
    this.#upToDateAt = clock.now();
    if (isNeeded()) this.keepLooking();
    this.attempt(onNews, "looking for what others stored");
  }

  /** Reads; what could not be read because of another connection is read again. */
  attempt(read: () => void, doing: string): void {
    try {
      read();
    } catch (error) {
      if (!isMqError(error, "ERR_MQ_SYSTEM_BUSY")) this.#options.events.error(toMqError(error, doing));
      this.#isStale = true;
    }
  }

  close(): void {
    this.#isOver = true;
    this.#timer?.cancel();
    this.#watch?.stop();
  }

  /** Whether somebody else has committed since the last look. */
  #look(): boolean {
    if (this.#isOver) return false;
    const { engine, clock, onStale } = this.#options;
    // Before it is looked: this process may be stopped right behind.
    const now = clock.now();
    try {
      const isNews = engine.reads.lookForForeignCommits();
      if (!isNews && !this.#isAnnouncing && !engine.isInForeignTransaction) this.#upToDateAt = now;
      this.#isFailing = false;
      if (this.#isStale && !engine.isInForeignTransaction) {
        this.#isStale = false;
        onStale();
      }
      return isNews;
    } catch (error) {
      this.#failed(error);
      return false;
    }
  }

  #failed(error: unknown): void {
    if (isMqError(error, "ERR_MQ_SYSTEM_BUSY")) return;
    const { engine, events, onFailed } = this.#options;
    const failure = toMqError(error, "looking for what others stored");
    if (engine.isUsable) {
      // Once, and not again with each look until one succeeds.
      if (!this.#isFailing) events.error(failure);
      this.#isFailing = true;
      return;
    }
    this.close();
    onFailed(failure);
  }
}
