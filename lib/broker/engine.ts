import { MqError } from "../errors.js";
import { assertSameFormat } from "../store/migrations.js";
import type { OpenedDatabase } from "../store/open-database.js";
import { type OpenFile, registerOpenFile } from "../store/open-files.js";
import { Store } from "../store/store.js";
import { type AppendParts, AppendWrite } from "./append-write.js";
import { Backoff } from "./backoff.js";
import type { EventHub } from "./broker-events.js";
import type { AppendObserver, AppendRequest, SendBackObserver, WithdrawableWrite } from "./broker-port.js";
import type { ResolvedBrokerSettings } from "./broker-settings.js";
import { Checkpoints } from "./checkpoints.js";
import { Company } from "./company.js";
import type { ConsumeOffsets } from "./consume-offsets.js";
import type { ConsumeProgress } from "./consume-progress.js";
import type { Dedup } from "./dedup.js";
import type { DueMessages } from "./due-messages.js";
import type { DueRows, PutOffRows } from "./due-rows.js";
import { Effects } from "./effects.js";
import type { EngineListener } from "./engine-listener.js";
import { GroupCommit } from "./group-commit.js";
import type { Groups } from "./groups.js";
import { GuestAppend } from "./guest-append.js";
import { GuestWritten } from "./guest-written.js";
import type { HalfMessages } from "./half-messages.js";
import type { WrittenBlock } from "./log-appender.js";
import type { LogReader } from "./log-reader.js";
import type { MessageScan } from "./message-scan.js";
import { type ForeignNews, News } from "./news.js";
import type { Pops } from "./pops.js";
import type { QueueStates } from "./queue-states.js";
import { Reads } from "./reads.js";
import type { Recall } from "./recall.js";
import type { RetryTopics } from "./retry-topics.js";
import type { SendBackRequest } from "./send-back.js";
import { SendBackWrite } from "./send-back-write.js";
import type { SentBack } from "./sent-back.js";
import { StoredState } from "./stored-state.js";
import type { Topics } from "./topics.js";
import type { TransactionCheckers } from "./transaction-checkers.js";
import { Transactions } from "./transactions.js";
import { type WorkSize, WorkWrite } from "./work-write.js";

/** How long a read, or a write that nobody gave a time-out, waits for another connection. */
const BUSY_WAIT_MS = 3_000;

/**
 * The writing and caching half of a broker: every transaction, what is stored and known of it, and their agreement.
 *
 * ```
 * append, write ─▶ GroupCommit ─▶ StoredState ─▶ COMMIT ─▶ LogReader, listener, receipts
 * appendSync ────▶ the same at once, or GuestAppend inside the owner's transaction
 * ```
 */
export class Engine {
  readonly store: Store;
  readonly topics: Topics;
  readonly groups: Groups;
  readonly queues: QueueStates;
  readonly retryTopics: RetryTopics;
  readonly progress: ConsumeProgress;
  readonly sentBack: SentBack;
  readonly due: DueMessages;
  readonly checkers: TransactionCheckers;
  readonly halves: HalfMessages;
  readonly dedup: Dedup;
  readonly effects: Effects;
  readonly recall: Recall;
  readonly pops: Pops;
  readonly reader: LogReader;
  readonly reads: Reads;
  readonly scan: MessageScan;
  /** What is shared with other engines on the file; `undefined` in memory, where there can be none. */
  readonly company: Company | undefined;
  readonly #state: StoredState;
  readonly #news: News;
  readonly #settings: ResolvedBrokerSettings;
  readonly #database: OpenedDatabase;
  readonly #events: EventHub;
  readonly #listener: EngineListener;
  readonly #transactions: Transactions;
  readonly #commits: GroupCommit;
  readonly #appendParts: AppendParts;
  readonly #guest: GuestAppend;
  readonly #openFile: OpenFile | undefined;
  /** Of a file of ours. */
  readonly #checkpoints: Checkpoints | undefined;
  #written: WrittenBlock[] = [];
  readonly #guestWritten: GuestWritten;
  #isClosed = false;

  constructor(database: OpenedDatabase, settings: ResolvedBrokerSettings, events: EventHub, listener: EngineListener) {
    const { connection, realPath } = database;
    const { clock, steady, chance } = settings;
    this.#settings = settings;
    this.#database = database;
    this.#events = events;
    this.#listener = listener;
    this.#transactions = new Transactions(database, {
      dropCaches: () => this.#state.drop(),
      foreignCommitSeen: () => listener.foreignCommitSeen(),
      assertReadable: () => assertSameFormat(this.store.meta.formatVersion()),
    });
    this.store = new Store(connection);
    this.company =
      realPath === undefined
        ? undefined
        : new Company({
            store: this.store,
            leaseMs: settings.leaseMs,
            schedule: () => this.#commits.schedule(),
            granted: (groups) => listener.queuesGranted(groups),
            wasClosedHere: (token) => this.#openFile?.wasClosed(token) === true,
            members: () => listener.listMembers(),
            registered: (member, registration) => listener.memberRegistered(member, registration),
            refused: (member, error) => listener.memberRefused(member, error),
          });
    this.#state = new StoredState({
      ...{ store: this.store, settings, events, company: this.company },
      commits: {
        schedule: () => this.#commits.schedule(),
        enqueue: (write) => this.#commits.enqueue(write),
        withdraw: (write) => this.#commits.withdraw(write),
      },
    });
    const state = this.#state;
    ({ topics: this.topics, groups: this.groups, queues: this.queues, retryTopics: this.retryTopics } = state);
    ({ progress: this.progress, sentBack: this.sentBack, due: this.due, checkers: this.checkers } = state);
    ({
      halves: this.halves,
      dedup: this.dedup,
      recall: this.recall,
      pops: this.pops,
      reader: this.reader,
      scan: this.scan,
    } = state);
    this.reads = new Reads({
      transactions: this.#transactions,
      clock: steady,
      backoff: new Backoff(steady, chance),
      assertUsable: () => this.assertUsable(),
    });
    this.#commits = new GroupCommit(this.#transactions, connection, steady, new Backoff(steady, chance), {
      hasRiders: () => state.hasRiders,
      finish: () => {
        this.pops.write();
        this.#writeMessages();
      },
      ride: () => state.ride(),
      undone: () => this.#state.drop(),
      rolledBack: (error) => {
        listener.failed(error);
        this.#written = [];
        this.topics.takeChanged();
        if (this.isUsable) this.progress.storeLater();
      },
      ridersFailed: (error) => {
        this.#events.error(error);
        if (this.isUsable) this.progress.storeLater();
      },
      stored: () => {
        this.progress.committed();
        this.progress.storeSoon();
        this.#listener.stored(this.#written);
      },
      committed: () => this.#committed(),
    });
    this.#appendParts = { state, commits: this.#commits, now: () => clock.now() };
    this.#guestWritten = new GuestWritten({
      store: this.store,
      events,
      read: (work) => this.reads.read(work),
      stored: (written) => listener.stored(written),
    });
    this.#guest = new GuestAppend(connection, new Backoff(steady, chance), {
      drop: () => {
        this.#state.drop();
        this.#written = [];
      },
      write: () => {
        this.#writeMessages();
        this.#guestWritten.add(this.#written);
        const isTold = this.#written.length > 0;
        this.#written = [];
        return isTold;
      },
      isKnown: () => this.queues.isLogEndKnown(),
      failed: (error) => listener.failed(error),
      ended: () => this.#guestEnded(),
    });
    this.effects = new Effects({
      ...{ connection, dedup: this.dedup, progress: this.progress, steady, busyWaitMs: BUSY_WAIT_MS },
      within: (work) => this.#guest.within(work),
      undone: () => state.drop(),
      failed: (error) => listener.failed(error),
      enqueue: (write) => this.#commits.enqueue(write),
    });
    this.#news = this.reads.readNow(() => {
      this.#transactions.refresh();
      return new News(this.store, this.queues);
    });
    if (database.owned && realPath !== undefined)
      this.#checkpoints = new Checkpoints({
        ...{ database, realPath, transactions: this.#transactions, clock: steady, events },
      });
    // Last: whoever is registered can look.
    this.#openFile =
      realPath === undefined
        ? undefined
        : registerOpenFile(realPath, () => listener.lookSoon(), this.company?.claims.token);
  }

  /** What is moved when its time has come. */
  get dueRows(): readonly DueRows[] {
    return this.#state.dueRows;
  }

  /** What waits anew when the clock was set back. */
  get putOffRows(): readonly PutOffRows[] {
    return this.#state.putOffRows;
  }

  /** Progress of clustering groups. */
  get offsets(): ConsumeOffsets<string> {
    return this.#state.offsets;
  }

  /** Throws when the store was closed or stopped, or its connection was closed. */
  assertUsable(): void {
    if (this.#isClosed) throw new MqError("ERR_MQ_CLOSED", "the broker is closed");
    this.#transactions.assertUsable();
  }

  /** False once nothing can be read or written any more. */
  get isUsable(): boolean {
    try {
      this.assertUsable();
      return true;
    } catch {
      return false;
    }
  }

  /** Whether the connection is in a transaction that is not ours, or somebody fills one of ours and may have ended it. */
  get isInForeignTransaction(): boolean {
    return this.#transactions.isForeign || this.#guest.isWithin;
  }

  /** Throws when an append would be refused. */
  assertRoom(): void {
    this.#commits.assertRoom();
  }

  append(request: AppendRequest, observer: AppendObserver): WithdrawableWrite {
    if (request.isRemote !== true && this.isInForeignTransaction) {
      throw new MqError(
        "ERR_MQ_IN_TRANSACTION",
        "the connection is in a transaction, whose roll-back the promise of this call would outlive: use sendSync, which commits with it",
      );
    }
    const write = this.#appendWrite(request, observer);
    this.#commits.enqueue(write);
    return write;
  }

  #appendWrite(request: AppendRequest, observer: AppendObserver): AppendWrite {
    return new AppendWrite(request, observer, this.#appendParts);
  }

  /** Stored when it returns; throws what made it fail. */
  appendSync(request: AppendRequest): void {
    let failure: unknown;
    const write = this.#appendWrite(request, {
      stored: () => undefined,
      failed: (error) => {
        failure = error;
      },
    });
    if (this.#transactions.isForeign) this.#guest.append(write);
    else if (this.#guest.isWithin) throw endedWithin();
    else this.#commits.storeNow(write, this.#settings.busyTimeoutMs);
    if (failure !== undefined) throw failure;
  }

  /** Acknowledges the messages and stores their copies with the next group commit. */
  sendBack(request: SendBackRequest, observer: SendBackObserver): WithdrawableWrite {
    const { clock, steady } = this.#settings;
    const deadline = steady.now() + BUSY_WAIT_MS;
    const write = new SendBackWrite(request, observer, deadline, this.#state.sendBack, this.#commits, () =>
      clock.now(),
    );
    this.#commits.enqueue(write);
    return write;
  }

  /** Runs `work` inside the next group commit; resolves with its result once that is durable. */
  write<T>(work: () => T, size?: WorkSize): Promise<T> {
    return new Promise((resolve, reject) => {
      const deadline = this.#settings.steady.now() + BUSY_WAIT_MS;
      this.#commits.enqueue(new WorkWrite(work, deadline, resolve, reject, size));
    });
  }

  /**
   * Resolves once every offset given so far is durable, and others know which members and queues are here. On a store that stopped they find the latter
   * out by themselves.
   */
  async persistOffsets(): Promise<void> {
    if (this.isUsable ? this.#state.hasRiders : this.progress.hasPending) await this.write(() => undefined);
  }

  /** A transaction of the owner's, in which `sendSync` writes. */
  transaction<T>(work: () => T): T {
    if (this.isInForeignTransaction) {
      throw new MqError("ERR_MQ_IN_TRANSACTION", "transaction: the connection is in a transaction already");
    }
    this.#commits.flushSync(this.#settings.busyTimeoutMs);
    return this.#transactions.writeSync(this.#settings.busyTimeoutMs, "transaction", () => this.#guest.within(work));
  }

  /** What others have committed since the last look. */
  foreignNews(): ForeignNews {
    const news = this.#transactions.readStable(() => this.#news.look());
    this.#news.took(news);
    return news;
  }

  /** Stores what is pending, offsets included, then lets go of the file. Nothing may be appended any more. */
  async close(): Promise<void> {
    this.progress.beginClosing();
    try {
      if (this.#database.connection.open) {
        await this.#commits.drained();
        this.company?.claims.leave();
        await this.persistOffsets();
      }
    } finally {
      this.#letGo();
      this.#database.close();
      this.reads.close();
    }
  }

  /** Lets go of the store as a process does that dies. Leaves the connection open. */
  abandon(): void {
    this.#letGo();
    this.reads.close();
  }

  #letGo(): void {
    this.#commits.close();
    this.#commits.abandon(new MqError("ERR_MQ_CLOSED", "the broker was closed before this could be stored"));
    this.progress.close();
    this.#guest.close();
    this.#openFile?.close();
    this.#isClosed = true;
  }

  #guestEnded(): void {
    if (!this.#database.connection.open) return;
    this.#openFile?.committed();
    this.#listener.foreignCommitSeen();
    this.#guestWritten.ended();
  }

  #writeMessages(): void {
    this.#written.push(...this.#state.writeMessages());
  }

  #committed(): void {
    const written = this.#written;
    this.#written = [];
    this.#news.wrote(written, this.topics.takeChanges());
    this.#openFile?.committed();
    this.company?.committed();
    this.pops.committed();
    this.#listener.committed(written, this.topics.takeChanged());
    this.#listener.halvesMoved(this.halves.takeMoved());
    this.#checkpoints?.committed();
  }
}

/** What is sent here would be stored alone. */
function endedWithin(): MqError {
  return new MqError(
    "ERR_MQ_SERVICE_NOT_AVAILABLE",
    "the transaction that this is sent in was rolled back by SQLite, which it does when the disk is full, or ended by what runs in it: nothing is stored",
  );
}
