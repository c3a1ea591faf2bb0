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
import { ConsumeProgress } from "./consume-progress.js";
import { DeadLetters } from "./dead-letters.js";
import { DueMessages } from "./due-messages.js";
import type { DueRows, PutOffRows } from "./due-rows.js";
import type { EngineListener } from "./engine-listener.js";
import { GroupCommit } from "./group-commit.js";
import { Groups } from "./groups.js";
import { GuestAppend } from "./guest-append.js";
import { GuestWritten } from "./guest-written.js";
import { LogAppender, type WrittenBlock } from "./log-appender.js";
import { LogReader } from "./log-reader.js";
import { MessageDelays } from "./message-delays.js";
import { MessageScan } from "./message-scan.js";
import { type ForeignNews, News } from "./news.js";
import { Pops } from "./pops.js";
import type { QueueOwnership } from "./queue-claims.js";
import { QueueStates } from "./queue-states.js";
import { Reads } from "./reads.js";
import { Recall } from "./recall.js";
import { RetryTopics } from "./retry-topics.js";
import { SendBack, type SendBackRequest } from "./send-back.js";
import { SendBackWrite } from "./send-back-write.js";
import { SentBack } from "./sent-back.js";
import { Topics } from "./topics.js";
import { Transactions } from "./transactions.js";
import { WorkWrite } from "./work-write.js";

/** How long a read, or a write that nobody gave a time-out, waits for another connection. */
const BUSY_WAIT_MS = 3_000;

/** Where nobody else can open the store. */
const EVERY_QUEUE: QueueOwnership = { holdsNow: () => true };

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
  readonly retryTopics: RetryTopics;
  readonly progress: ConsumeProgress;
  readonly sentBack: SentBack;
  readonly due: DueMessages;
  readonly recall: Recall;
  readonly pops: Pops;
  readonly reader: LogReader;
  readonly reads: Reads;
  readonly scan: MessageScan;
  /** What is shared with other engines on the file; `undefined` in memory, where there can be none. */
  readonly company: Company | undefined;
  readonly #news: News;
  readonly #settings: ResolvedBrokerSettings;
  readonly #database: OpenedDatabase;
  readonly #events: EventHub;
  readonly #listener: EngineListener;
  readonly #transactions: Transactions;
  readonly #commits: GroupCommit;
  readonly #appender: LogAppender;
  readonly #appendParts: AppendParts;
  readonly #sendBack: SendBack;
  readonly #guest: GuestAppend;
  readonly #openFile: OpenFile | undefined;
  /** Of a file of ours. */
  readonly #checkpoints: Checkpoints | undefined;
  #written: WrittenBlock[] = [];
  readonly #guestWritten: GuestWritten;
  #isClosed = false;

  constructor(database: OpenedDatabase, settings: ResolvedBrokerSettings, events: EventHub, listener: EngineListener) {
    const { connection, realPath } = database;
    const { clock, steady, chance, profile } = settings;
    this.#settings = settings;
    this.#database = database;
    this.#events = events;
    this.#listener = listener;
    this.#transactions = new Transactions(database, {
      dropCaches: () => this.#dropCaches(),
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
    const ownership = this.company?.claims ?? EVERY_QUEUE;
    this.topics = new Topics(this.store, settings);
    this.groups = new Groups(this.store, settings.autoCreateGroup);
    this.retryTopics = new RetryTopics(this.topics, this.groups);
    this.queues = new QueueStates(this.store);
    this.sentBack = new SentBack(this.store);
    this.progress = new ConsumeProgress({
      store: this.store,
      queues: this.queues,
      sentBack: this.sentBack,
      clock,
      steady,
      schedule: () => this.#commits.schedule(),
      ownership,
      hasOtherRiders: () => this.company?.hasPending === true,
    });
    this.reader = new LogReader(this.store);
    this.scan = new MessageScan(settings, this.reader);
    this.#appender = new LogAppender(this.store, this.queues);
    this.due = new DueMessages(this.store, this.#appender);
    const delays = new MessageDelays(profile, settings.delayLevelsMs);
    this.recall = new Recall({
      ...{ store: this.store, topics: this.topics, due: this.due, delays, brokerName: settings.brokerName },
      isAllowed: settings.recallMessageEnable,
      now: () => clock.now(),
    });
    const deadLetters = new DeadLetters(profile, this.retryTopics, this.#appender);
    this.#sendBack = new SendBack({
      ...{ profile, chance, deadLetters, ownership, delayLevelsMs: settings.delayLevelsMs },
      ...{ groups: this.groups, retryTopics: this.retryTopics, queues: this.queues, due: this.due },
      ...{ sentBack: this.sentBack, offsets: this.offsets },
    });
    this.pops = new Pops({
      ...{ brokerName: settings.brokerName, store: this.store, clock, steady, chance, profile, events, deadLetters },
      ...{ groups: this.groups, topics: this.topics, retryTopics: this.retryTopics, queues: this.queues },
      ...{ scan: this.scan, sentBack: this.sentBack, offsets: this.offsets, appender: this.#appender },
      enqueue: (write) => this.#commits.enqueue(write),
      withdraw: (write) => this.#commits.withdraw(write),
    });
    this.reads = new Reads({
      transactions: this.#transactions,
      clock: steady,
      backoff: new Backoff(steady, chance),
      assertUsable: () => this.assertUsable(),
    });
    this.#commits = new GroupCommit(this.#transactions, connection, steady, new Backoff(steady, chance), {
      hasRiders: () => this.#hasRiders,
      finish: () => {
        this.pops.write();
        this.due.write();
        this.#writeMessages();
      },
      ride: () => {
        this.progress.write();
        this.company?.write();
      },
      undone: () => this.#dropCaches(),
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
    this.#appendParts = {
      ...{ topics: this.topics, retryTopics: this.retryTopics, appender: this.#appender, due: this.due, delays },
      commits: this.#commits,
      now: () => clock.now(),
    };
    this.#guestWritten = new GuestWritten({
      store: this.store,
      events,
      read: (work) => this.reads.read(work),
      stored: (written) => listener.stored(written),
    });
    this.#guest = new GuestAppend(connection, new Backoff(steady, chance), {
      drop: () => {
        this.#dropCaches();
        this.#written = [];
      },
      write: () => {
        this.due.write();
        this.#writeMessages();
        this.#guestWritten.add(this.#written);
      },
      failed: (error) => listener.failed(error),
      ended: () => this.#guestEnded(),
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
    return [this.due, this.pops.revive];
  }

  /** What waits anew when the clock was set back. */
  get putOffRows(): readonly PutOffRows[] {
    return [this.due, ...this.pops.putOffRows];
  }

  /** Progress of clustering groups. */
  get offsets(): ConsumeOffsets<string> {
    return this.progress.ofGroups;
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

  /** Whether the connection is in a transaction that is not ours. */
  get isInForeignTransaction(): boolean {
    return this.#transactions.isForeign;
  }

  /** Throws when an append would be refused. */
  assertRoom(): void {
    this.#commits.assertRoom();
  }

  append(request: AppendRequest, observer: AppendObserver): WithdrawableWrite {
    if (this.#transactions.isForeign) {
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
    else this.#commits.storeNow(write, this.#settings.busyTimeoutMs);
    if (failure !== undefined) throw failure;
  }

  /** Acknowledges the messages and stores their copies with the next group commit. */
  sendBack(request: SendBackRequest, observer: SendBackObserver): WithdrawableWrite {
    const { clock, steady } = this.#settings;
    const deadline = steady.now() + BUSY_WAIT_MS;
    const write = new SendBackWrite(request, observer, deadline, this.#sendBack, this.#commits, () => clock.now());
    this.#commits.enqueue(write);
    return write;
  }

  /** Runs `work` inside the next group commit; resolves with its result once that is durable. */
  write<T>(work: () => T): Promise<T> {
    return new Promise((resolve, reject) => {
      const deadline = this.#settings.steady.now() + BUSY_WAIT_MS;
      this.#commits.enqueue(new WorkWrite(work, deadline, resolve, reject));
    });
  }

  /**
   * Resolves once every offset given so far is durable, and others know which members and queues are here. On a store that stopped they find the latter
   * out by themselves.
   */
  async persistOffsets(): Promise<void> {
    if (this.isUsable ? this.#hasRiders : this.progress.hasPending) await this.write(() => undefined);
  }

  get #hasRiders(): boolean {
    return this.progress.hasPending || this.company?.hasPending === true;
  }

  /** A transaction of the owner's, in which `sendSync` writes. */
  transaction<T>(work: () => T): T {
    if (this.#transactions.isForeign) {
      throw new MqError("ERR_MQ_IN_TRANSACTION", "transaction: the connection is in a transaction already");
    }
    this.#commits.flushSync(this.#settings.busyTimeoutMs);
    return this.#transactions.writeSync(this.#settings.busyTimeoutMs, "transaction", work);
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
    this.#dropCaches();
    this.#openFile?.committed();
    this.#listener.foreignCommitSeen();
    this.#guestWritten.ended();
  }

  #writeMessages(): void {
    this.#written.push(...this.#appender.write(this.#settings.clock.now()));
  }

  #committed(): void {
    const written = this.#written;
    this.#written = [];
    this.#news.wrote(written, this.topics.takeChanges());
    this.#openFile?.committed();
    this.company?.committed();
    this.pops.committed();
    this.#listener.committed(written, this.topics.takeChanged());
    this.#checkpoints?.committed();
  }

  #dropCaches(): void {
    this.#appender.discard();
    this.queues.drop();
    this.topics.drop();
    this.groups.drop();
    this.progress.rolledBack();
    this.sentBack.drop();
    this.due.drop();
    this.pops.drop();
    this.reader.drop();
    this.company?.drop();
  }
}
