import type { Store } from "../store/store.js";
import type { EventHub } from "./broker-events.js";
import type { ResolvedBrokerSettings } from "./broker-settings.js";
import type { Company } from "./company.js";
import type { ConsumeOffsets } from "./consume-offsets.js";
import { ConsumeProgress } from "./consume-progress.js";
import { DeadLetters } from "./dead-letters.js";
import { Dedup } from "./dedup.js";
import { DueMessages } from "./due-messages.js";
import type { DueRows, PutOffRows } from "./due-rows.js";
import type { GroupCommit } from "./group-commit.js";
import { Groups } from "./groups.js";
import { HalfMessages } from "./half-messages.js";
import { LogAppender, type WrittenBlock } from "./log-appender.js";
import { LogReader } from "./log-reader.js";
import { MessageDelays } from "./message-delays.js";
import { MessageScan } from "./message-scan.js";
import { Pops } from "./pops.js";
import type { QueueOwnership } from "./queue-claims.js";
import { QueueStates } from "./queue-states.js";
import { Recall } from "./recall.js";
import { RetryTopics } from "./retry-topics.js";
import { SendBack } from "./send-back.js";
import { SentBack } from "./sent-back.js";
import { Topics } from "./topics.js";
import { TransactionCheckers } from "./transaction-checkers.js";

/** Where nobody else can open the store. */
const EVERY_QUEUE: QueueOwnership = { holdsNow: () => true, isFreeNow: () => true };

export interface StoredStateParts {
  readonly store: Store;
  readonly settings: ResolvedBrokerSettings;
  readonly events: EventHub;
  /** `undefined` in memory. */
  readonly company: Company | undefined;
  readonly commits: Pick<GroupCommit, "enqueue" | "withdraw" | "schedule">;
}

/**
 * What the store holds, each kind with its rules, with what memory knows of it, and with what was collected within a transaction and is not written yet. All of it is dropped together
 * when what is stored turns out to be another.
 */
export class StoredState {
  readonly topics: Topics;
  readonly groups: Groups;
  readonly queues: QueueStates;
  readonly retryTopics: RetryTopics;
  readonly progress: ConsumeProgress;
  readonly sentBack: SentBack;
  readonly due: DueMessages;
  readonly delays: MessageDelays;
  readonly checkers: TransactionCheckers;
  readonly halves: HalfMessages;
  readonly dedup: Dedup;
  readonly recall: Recall;
  readonly pops: Pops;
  readonly reader: LogReader;
  readonly scan: MessageScan;
  readonly appender: LogAppender;
  readonly sendBack: SendBack;
  readonly #company: Company | undefined;
  readonly #now: () => number;

  constructor({ store, settings, events, company, commits }: StoredStateParts) {
    const { clock, steady, chance, profile, brokerName, delayLevelsMs } = settings;
    const ownership = company?.claims ?? EVERY_QUEUE;
    this.#company = company;
    this.#now = () => clock.now();
    this.topics = new Topics(store, settings);
    this.groups = new Groups(store, settings.autoCreateGroup);
    this.retryTopics = new RetryTopics(this.topics, this.groups);
    this.queues = new QueueStates(store);
    this.sentBack = new SentBack(store);
    this.progress = new ConsumeProgress({
      ...{ store, queues: this.queues, sentBack: this.sentBack, clock, steady, ownership },
      schedule: () => commits.schedule(),
      hasOtherRiders: () => company?.hasPending === true,
    });
    this.reader = new LogReader(store);
    this.scan = new MessageScan(settings, this.reader);
    this.appender = new LogAppender(store, this.queues);
    this.due = new DueMessages(store, this.appender);
    this.checkers = new TransactionCheckers(settings.transaction.checkIntervalMs);
    this.halves = new HalfMessages({
      ...{ store, topics: this.topics, appender: this.appender, checkers: this.checkers },
      ...{ settings: settings.transaction, profile, isShared: company !== undefined, now: this.#now },
    });
    this.dedup = new Dedup(store, clock);
    this.delays = new MessageDelays(profile, delayLevelsMs);
    this.recall = new Recall({
      ...{ store, topics: this.topics, due: this.due, brokerName, now: this.#now },
      isAllowed: settings.recallMessageEnable,
    });
    const deadLetters = new DeadLetters(profile, this.retryTopics, this.appender);
    this.sendBack = new SendBack({
      ...{ profile, chance, deadLetters, ownership, delayLevelsMs },
      ...{ groups: this.groups, retryTopics: this.retryTopics, queues: this.queues, due: this.due },
      ...{ sentBack: this.sentBack, offsets: this.offsets },
    });
    this.pops = new Pops({
      ...{ brokerName, store, clock, steady, chance, profile, events, deadLetters },
      ...{ groups: this.groups, topics: this.topics, retryTopics: this.retryTopics, queues: this.queues },
      ...{ scan: this.scan, sentBack: this.sentBack, offsets: this.offsets, appender: this.appender },
      enqueue: (write) => commits.enqueue(write),
      withdraw: (write) => commits.withdraw(write),
    });
  }

  /** Progress of clustering groups. */
  get offsets(): ConsumeOffsets<string> {
    return this.progress.ofGroups;
  }

  /** What is moved when its time has come. */
  get dueRows(): readonly DueRows[] {
    return [this.due, this.pops.revive, this.halves.checks];
  }

  /** What waits anew when the clock was set back. */
  get putOffRows(): readonly PutOffRows[] {
    return [this.due, ...this.pops.putOffRows, this.halves.checks];
  }

  /** What waits to be stored with whatever is committed next. */
  get hasRiders(): boolean {
    return this.progress.hasPending || this.#company?.hasPending === true;
  }

  /** Inside a transaction: writes the messages that were collected. */
  writeMessages(): readonly WrittenBlock[] {
    this.due.write();
    this.halves.write();
    return this.appender.write(this.#now());
  }

  /** Inside a transaction, at its end. */
  ride(): void {
    this.progress.write();
    this.#company?.write();
  }

  /** What is known is no longer what is stored, and what was collected is not stored. */
  drop(): void {
    this.appender.discard();
    this.queues.drop();
    this.topics.drop();
    this.groups.drop();
    this.progress.rolledBack();
    this.sentBack.drop();
    this.due.drop();
    this.halves.drop();
    this.dedup.drop();
    this.pops.drop();
    this.reader.drop();
    this.#company?.drop();
  }
}
