import { isMqError, MqError } from "../errors.js";
import type { OpenedDatabase } from "../store/open-database.js";
import { type OpenFile, registerOpenFile } from "../store/open-files.js";
import { Store } from "../store/store.js";
import type { ClockTimer } from "../time/clock.js";
import { AppendWrite } from "./append-write.js";
import { Backoff } from "./backoff.js";
import type { AppendObserver, AppendRequest, PendingAppend } from "./broker-port.js";
import type { ResolvedBrokerSettings } from "./broker-settings.js";
import { ConsumeOffsets } from "./consume-offsets.js";
import { GroupCommit } from "./group-commit.js";
import { Groups } from "./groups.js";
import { GuestAppend } from "./guest-append.js";
import { LogAppender, type WrittenBlock } from "./log-appender.js";
import { LogReader } from "./log-reader.js";
import { type ForeignNews, News } from "./news.js";
import { QueueStates } from "./queue-states.js";
import { Topics } from "./topics.js";
import { Transactions } from "./transactions.js";
import { WorkWrite } from "./work-write.js";

/** How long consumed messages may be repeated after a crash; an offset never causes a commit sooner. */
const OFFSET_DELAY_MS = 50;
/** Offsets that could not be stored, because the disk is full for example, are tried again. */
const FAILED_OFFSET_DELAY_MS = 1_000;
/** How long a read, or a write that nobody gave a time-out, waits for another connection. */
const BUSY_WAIT_MS = 3_000;

/** Who is told what became visible. */
export interface EngineListener {
  /** These blocks were committed by this engine, and whether topics were. */
  committed(written: readonly WrittenBlock[], topicsChanged: boolean): void;
  /** Somebody else has committed: another process or engine, or the owner of the connection. Only to be noted: it may come within a transaction. */
  foreignCommitSeen(): void;
  /** Another engine of this process says that it has committed to the same file. */
  lookSoon(): void;
}

/**
 * The writing and caching half of a broker: every transaction, every cache of what is stored, and their agreement.
 *
 * ```
 * append, write ─▶ GroupCommit ─▶ Topics, LogAppender, ConsumeOffsets ─▶ COMMIT ─▶ LogReader, listener, receipts
 * appendSync ────▶ the same at once, or GuestAppend inside the owner's transaction
 * ```
 */
export class Engine {
  readonly store: Store;
  readonly topics: Topics;
  readonly groups: Groups;
  readonly queues: QueueStates;
  readonly offsets: ConsumeOffsets;
  readonly reader: LogReader;
  readonly #news: News;
  readonly #settings: ResolvedBrokerSettings;
  readonly #database: OpenedDatabase;
  readonly #listener: EngineListener;
  readonly #transactions: Transactions;
  readonly #commits: GroupCommit;
  readonly #appender: LogAppender;
  readonly #guest: GuestAppend;
  readonly #freeBackoff: Backoff;
  readonly #openFile: OpenFile | undefined;
  #written: WrittenBlock[] = [];
  #offsetTimer: ClockTimer | undefined;
  #whenFree: (() => void)[] = [];
  #isClosing = false;
  #isClosed = false;

  constructor(database: OpenedDatabase, settings: ResolvedBrokerSettings, listener: EngineListener) {
    const { connection, realPath } = database;
    const { clock, chance } = settings;
    this.#settings = settings;
    this.#database = database;
    this.#listener = listener;
    this.#transactions = new Transactions(database, {
      dropCaches: () => this.#dropCaches(),
      foreignCommitSeen: () => listener.foreignCommitSeen(),
    });
    this.store = new Store(connection);
    this.topics = new Topics(this.store, settings);
    this.groups = new Groups(this.store, settings.autoCreateGroup);
    this.queues = new QueueStates(this.store);
    this.offsets = new ConsumeOffsets(this.store);
    this.reader = new LogReader(this.store);
    this.#appender = new LogAppender(this.store, this.queues);
    this.#freeBackoff = new Backoff(clock, chance);
    this.#commits = new GroupCommit(this.#transactions, connection, clock, new Backoff(clock, chance), {
      hasRiders: () => this.offsets.hasPending,
      finish: () => {
        this.offsets.write();
        this.#writeMessages();
      },
      undone: () => this.#dropCaches(),
      rolledBack: () => {
        this.#written = [];
        this.topics.takeChanged();
        if (!this.#isClosing) this.#storeOffsetsAfter(FAILED_OFFSET_DELAY_MS);
      },
      committed: () => this.#committed(),
    });
    this.#guest = new GuestAppend(connection, new Backoff(clock, chance), {
      drop: () => {
        this.#dropCaches();
        this.#written = [];
      },
      write: () => this.#writeMessages(),
      ended: () => this.#guestEnded(),
    });
    this.#news = this.readNow(() => {
      this.#transactions.refresh();
      return new News(this.store, this.queues);
    });
    // Last: whoever is registered can look.
    this.#openFile = realPath === undefined ? undefined : registerOpenFile(realPath, () => listener.lookSoon());
  }

  /** Throws when the store was closed or stopped, or its connection was closed. */
  assertUsable(): void {
    if (this.#isClosed) throw new MqError("ERR_MQ_CLOSED", "the broker is closed");
    this.#transactions.assertUsable();
  }

  /** Whether the connection is in a transaction that is not ours. */
  get isInForeignTransaction(): boolean {
    return this.#transactions.isForeign;
  }

  /** Throws when an append would be refused. */
  assertRoom(): void {
    this.#commits.assertRoom();
  }

  append(request: AppendRequest, observer: AppendObserver): PendingAppend {
    if (this.#transactions.isForeign) {
      throw new MqError(
        "ERR_MQ_IN_TRANSACTION",
        "the connection is in a transaction, whose roll-back the promise of this call would outlive: use sendSync, which commits with it",
      );
    }
    const write = new AppendWrite(request, observer, this.topics, this.#appender, this.#commits);
    this.#commits.enqueue(write);
    return write;
  }

  /** Stored when it returns; throws what made it fail. */
  appendSync(request: AppendRequest): void {
    let failure: unknown;
    const write = new AppendWrite(
      request,
      {
        stored: () => undefined,
        failed: (error) => {
          failure = error;
        },
      },
      this.topics,
      this.#appender,
      this.#commits,
    );
    if (this.#transactions.isForeign) this.#guest.append(write);
    else this.#commits.storeNow(write, this.#settings.busyTimeoutMs);
    if (failure !== undefined) throw failure;
  }

  /** Runs `work` inside the next group commit; resolves with its result once that is durable. */
  write<T>(work: () => T): Promise<T> {
    return new Promise((resolve, reject) => {
      const deadline = this.#settings.clock.now() + BUSY_WAIT_MS;
      this.#commits.enqueue(new WorkWrite(work, deadline, resolve, reject));
    });
  }

  /** Kept in memory and written with the next group commit, at the latest 50 ms later. */
  updateOffset(group: string, topic: string, queueId: number, nextOffset: number, increaseOnly: boolean): void {
    this.offsets.update(group, topic, queueId, nextOffset, increaseOnly);
    this.#storeOffsetsAfter(OFFSET_DELAY_MS);
  }

  #storeOffsetsAfter(ms: number): void {
    if (!this.offsets.hasPending || this.#offsetTimer !== undefined) return;
    this.#offsetTimer = this.#settings.clock.at(this.#settings.clock.now() + ms, () => {
      this.#offsetTimer = undefined;
      this.#commits.schedule();
    });
  }

  /** A transaction of the owner's, in which `sendSync` writes. */
  transaction<T>(work: () => T): T {
    if (this.#transactions.isForeign) {
      throw new MqError("ERR_MQ_IN_TRANSACTION", "transaction: the connection is in a transaction already");
    }
    this.#commits.flushSync(this.#settings.busyTimeoutMs);
    return this.#transactions.writeSync(this.#settings.busyTimeoutMs, "transaction", work);
  }

  /** Calls at once, or as soon as a read sees committed rows only. */
  whenFree(run: () => void): void {
    if (this.#transactions.isFree && this.#whenFree.length === 0) {
      run();
      return;
    }
    this.#waitForFree(run);
  }

  #waitForFree(run: () => void): void {
    this.#whenFree.push(run);
    if (this.#whenFree.length === 1) this.#freeBackoff.next(this.#lookWhetherFree);
  }

  /**
   * Runs `work` at once, or as soon as it sees committed rows only; those of every commit so far. Rejects with `ERR_MQ_SYSTEM_BUSY` when another
   * connection keeps readers out for seconds.
   */
  read<T>(work: () => T): Promise<T> {
    return new Promise((resolve, reject) => {
      this.assertUsable();
      const deadline = this.#settings.clock.now() + BUSY_WAIT_MS;
      const attempt = (): void => {
        try {
          this.lookForForeignCommits();
          resolve(this.readNow(work));
        } catch (error) {
          if (!isMqError(error, "ERR_MQ_SYSTEM_BUSY") || this.#settings.clock.now() >= deadline) reject(error);
          else this.#waitForFree(attempt);
        }
      };
      this.whenFree(attempt);
    });
  }

  /** Runs `work` now, whatever it sees; throws `ERR_MQ_SYSTEM_BUSY` rather than wait for another connection. */
  readNow<T>(work: () => T): T {
    return this.#transactions.readNow(work);
  }

  /** What others have committed since the last look. */
  foreignNews(): ForeignNews {
    const news = this.#transactions.readStable(() => this.#news.look());
    this.#news.took(news);
    return news;
  }

  /** Drops the caches when another connection has committed, and says so; throws when the connection is gone. */
  lookForForeignCommits(): void {
    this.assertUsable();
    if (this.#transactions.isFree) this.readNow(() => this.#transactions.refresh());
  }

  /** Stores what is pending, offsets included, then lets go of the file. Nothing may be appended any more. */
  async close(): Promise<void> {
    this.#isClosing = true;
    try {
      if (this.#database.connection.open) {
        await this.#commits.drained();
        if (this.offsets.hasPending) await this.write(() => undefined);
      }
    } finally {
      this.#commits.close();
      this.#commits.abandon(new MqError("ERR_MQ_CLOSED", "the broker was closed before this could be stored"));
      this.#offsetTimer?.cancel();
      this.#freeBackoff.cancel();
      this.#guest.close();
      this.#openFile?.close();
      this.#isClosed = true;
      this.#database.close();
      this.#runWaiting();
    }
  }

  readonly #lookWhetherFree = (): void => {
    if (this.#transactions.isForeign) {
      this.#freeBackoff.next(this.#lookWhetherFree);
      return;
    }
    this.#runWaiting();
    // Some of them may have to wait again.
    if (this.#whenFree.length === 0) this.#freeBackoff.reset();
  };

  #runWaiting(): void {
    const waiting = this.#whenFree;
    this.#whenFree = [];
    for (const run of waiting) run();
  }

  #guestEnded(): void {
    if (!this.#database.connection.open) return;
    this.#dropCaches();
    this.#openFile?.committed();
    this.#listener.foreignCommitSeen();
  }

  #writeMessages(): void {
    this.#written.push(...this.#appender.write(this.#settings.clock.now()));
  }

  #committed(): void {
    const written = this.#written;
    this.#written = [];
    this.offsets.committed();
    this.#news.wrote(written);
    this.#openFile?.committed();
    this.#listener.committed(written, this.topics.takeChanged());
  }

  #dropCaches(): void {
    this.#appender.discard();
    this.queues.drop();
    this.topics.drop();
    this.groups.drop();
    this.offsets.rolledBack();
    this.reader.drop();
  }
}
