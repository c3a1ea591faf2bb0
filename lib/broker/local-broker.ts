import { MqError } from "../errors.js";
import type { MessageQueue } from "../message/message-queue.js";
import type { StoreHost } from "../message/message-view.js";
import type { RecallHandle } from "../message/recall-handle.js";
import type { OpenedDatabase } from "../store/open-database.js";
import { EventHub } from "./broker-events.js";
import type {
  AppendObserver,
  AppendRequest,
  BrokerPort,
  EmbeddedBrokerPort,
  GroupMember,
  TopicRoute,
  WithdrawableWrite,
} from "./broker-port.js";
import type { BrokerSurroundings, ResolvedBrokerSettings } from "./broker-settings.js";
import { ConsumerManager } from "./consumer-manager.js";
import type { DedupPort } from "./dedup-port.js";
import { DueScheduler } from "./due-scheduler.js";
import { Engine } from "./engine.js";
import type { GroupMembers, KnownMember } from "./group-members.js";
import { LocalDedup } from "./local-dedup.js";
import { Lookout } from "./lookout.js";
import { findMessageAt } from "./message-lookup.js";
import { OffsetOperations } from "./offset-operations.js";
import { endsOfQueue, searchQueue } from "./offset-search.js";
import { PopService } from "./pop-service.js";
import { PullMessage } from "./pull-message.js";
import { PullService } from "./pull-service.js";
import { RouteLookup } from "./route-lookup.js";
import { emitSentBack } from "./sent-back-events.js";
import { emitStored } from "./stored-events.js";
import { TransactionChecks } from "./transaction-checks.js";
import { Upkeep } from "./upkeep.js";

/** The broker in this process, as its clients reach it. */
export class LocalBroker implements EmbeddedBrokerPort {
  readonly brokerName: string;
  readonly clusterName: string;
  readonly storeHost: StoreHost;
  readonly events: EventHub;
  readonly engine: Engine;
  readonly messages: PullMessage;
  readonly dedup: DedupPort;
  readonly #routes: RouteLookup;
  readonly #offsets: OffsetOperations;
  readonly #consumers: ConsumerManager;
  readonly #pulls: PullService;
  readonly #pops: PopService;
  readonly #scheduler: DueScheduler;
  readonly #upkeep: Upkeep;
  readonly #lookout: Lookout;
  readonly transactions: TransactionChecks;
  #isClosing = false;
  #isClosed = false;

  constructor(
    database: OpenedDatabase,
    settings: ResolvedBrokerSettings,
    { events = new EventHub(settings.logger), watchesDisk = true }: BrokerSurroundings = {},
  ) {
    this.brokerName = settings.brokerName;
    this.clusterName = settings.clusterName;
    this.storeHost = settings.storeHost;
    this.events = events;
    this.engine = new Engine(database, settings, this.events, {
      committed: (written, topicsChanged) => {
        this.#lookout.wrote();
        this.#upkeep.disk?.committed(written);
        this.#scheduler.look();
        this.#pulls.committed(written);
        this.#pops.committed(written, topicsChanged);
        if (topicsChanged) this.members.rebalanceAll();
      },
      halvesMoved: (moved) => this.transactions.moved(moved),
      stored: (written) => emitStored(events, settings.storeHost, written),
      failed: (error) => this.#upkeep.disk?.failed(error),
      foreignCommitSeen: () => this.#lookout.announce(),
      lookSoon: () => this.#lookout.lookSoon(),
      queuesGranted: (groups) => {
        for (const group of groups) this.members.takeNewQueues(group);
      },
      listMembers: () => this.members.list(),
      memberRegistered: (member, registration) => this.members.numbered(member, registration),
      memberRefused: (member, error) => this.#consumers.refused(member, error),
    });
    this.dedup = new LocalDedup({
      ...{ engine: this.engine, connection: database.connection, events, assertOpen: () => this.assertOpen() },
    });
    this.#lookout = new Lookout({
      ...{ engine: this.engine, database, clock: settings.steady, events, leaseMs: settings.leaseMs },
      isNeeded: () => this.#isWaitingForOthers,
      isLeaseFresh: () => this.#consumers.isLeaseFresh,
      renewLease: (then) => this.#consumers.renewLease(then),
      onNews: () => this.#actOnNews(),
      onStale: () => this.#lookEverywhere(),
      onFailed: (error) => {
        this.#consumers.failed(error);
        this.#failHeld(error);
      },
    });
    this.#routes = new RouteLookup(this.engine, () => this.#lookout.noteStale());
    this.#offsets = new OffsetOperations(this.engine, database.connection);
    this.#consumers = new ConsumerManager({
      ...{ engine: this.engine, settings, events },
      assertOpen: () => this.assertOpen(),
      keepLooking: () => this.#lookout.keepLooking(),
      attempt: (read, doing) => this.#lookout.attempt(read, doing),
      groupLeft: (group) => {
        this.messages.forget(group);
        this.engine.sentBack.forget(group);
      },
    });
    this.messages = new PullMessage(this.engine, this.members);
    this.#pulls = new PullService({
      ...{ engine: this.engine, messages: this.messages, clock: settings.steady },
      onUnread: () => this.#lookout.noteStale(),
      onWaiting: () => this.#lookout.keepLooking(),
    });
    this.#pops = new PopService({
      ...{ engine: this.engine, clock: settings.clock, steady: settings.steady, events: this.events },
      assertOpen: () => this.assertOpen(),
      onWaiting: () => this.#lookout.keepLooking(),
    });
    this.#scheduler = new DueScheduler(this.engine, settings, this.events);
    this.transactions = new TransactionChecks({
      ...{ engine: this.engine, checkers: this.engine.checkers, events },
      look: () => this.#scheduler.look(),
    });
    this.#scheduler.look();
    this.#upkeep = new Upkeep({
      ...{ engine: this.engine, settings, database, events, watchesDisk },
      presentInstances: () => this.members.list().flatMap(({ instance }) => instance ?? []),
      clockJumped: () => {
        this.#scheduler.clockJumped();
        this.#pops.lookAgain();
      },
    });
    this.#upkeep.start();
  }

  get members(): GroupMembers {
    return this.#consumers.members;
  }

  /** For what other processes store. */
  get #isWaitingForOthers(): boolean {
    const { checkers } = this.engine;
    return this.#pulls.count > 0 || this.#pops.count > 0 || this.#consumers.hasMembers || !checkers.isEmpty;
  }

  get isInTransaction(): boolean {
    return this.engine.isInForeignTransaction;
  }

  getRoute(topic: string): TopicRoute {
    // That the broker is closed is told by what comes of the route, the append.
    return this.engine.topics.findCachedRoute(topic) ?? this.#readRoute(topic);
  }

  #readRoute(topic: string): TopicRoute {
    this.assertOpen();
    return this.#routes.get(topic);
  }

  findRoute(topic: string): TopicRoute | undefined {
    return this.#routes.find(topic);
  }

  queryRoute(topic: string): Promise<TopicRoute> {
    return this.#routes.query(topic);
  }

  assertRoom(): void {
    this.engine.assertRoom();
  }

  append(request: AppendRequest, observer: AppendObserver): WithdrawableWrite {
    this.assertOpen();
    return this.engine.append(request, this.#upkeep.disk?.admit(request, observer) ?? observer);
  }

  appendSync(request: AppendRequest): void {
    this.assertOpen();
    this.#upkeep.disk?.assertRoom(request, this.isInTransaction);
    this.engine.appendSync(request);
    // What is in a transaction of the owner's may never be stored.
    if (!this.isInTransaction) this.#upkeep.disk?.sendStored();
  }

  transaction<T>(work: () => T): T {
    try {
      return this.engine.transaction(work);
    } catch (error) {
      this.#upkeep.disk?.failed(error);
      throw error;
    }
  }

  async recall(topic: string, handle: RecallHandle): Promise<void> {
    this.assertOpen();
    await this.engine.write(() => this.engine.recall.apply(topic, handle));
  }

  async endTransaction(...[transaction]: Parameters<BrokerPort["endTransaction"]>): Promise<boolean> {
    this.assertOpen();
    return this.transactions.end(transaction);
  }

  registerChecker(...[checker]: Parameters<BrokerPort["registerChecker"]>): void {
    this.assertOpen();
    this.transactions.register(checker);
    this.#lookout.keepLooking();
  }

  unregisterChecker(...[checker]: Parameters<BrokerPort["unregisterChecker"]>): void {
    this.transactions.unregister(checker);
  }

  async pull(...pull: Parameters<BrokerPort["pull"]>): ReturnType<BrokerPort["pull"]> {
    this.assertOpen();
    return this.#pulls.pull(...pull);
  }

  sendBack(...[request, observer]: Parameters<BrokerPort["sendBack"]>): WithdrawableWrite {
    this.assertOpen();
    return this.engine.sendBack(request, {
      sentBack: (outcomes) => {
        emitSentBack(this.events, request, outcomes);
        observer.sentBack(outcomes);
      },
      failed: (error) => observer.failed(error),
    });
  }

  pop(...pop: Parameters<BrokerPort["pop"]>): WithdrawableWrite {
    this.assertOpen();
    return this.#pops.pop(...pop);
  }

  acknowledge(...message: Parameters<BrokerPort["acknowledge"]>): Promise<void> {
    return this.#pops.acknowledge(...message);
  }

  changeInvisible(...change: Parameters<BrokerPort["changeInvisible"]>): ReturnType<BrokerPort["changeInvisible"]> {
    return this.#pops.changeInvisible(...change);
  }

  registerConsumer(member: GroupMember): Promise<void> {
    return this.#consumers.register(member);
  }

  checkSubscriptions(...subscribing: Parameters<BrokerPort["checkSubscriptions"]>): void {
    this.#consumers.checkSubscriptions(...subscribing);
  }

  heartbeat(member: GroupMember): void {
    this.#consumers.heartbeat(member);
  }

  rebalance(group: string): void {
    this.members.rebalance(group);
  }

  unregisterConsumer(member: GroupMember): void {
    this.#consumers.unregister(member);
  }

  memberIds(group: string): readonly string[] {
    return this.members.ids(group);
  }

  catchUp(then: () => void): boolean {
    return this.#lookout.catchUp(then);
  }

  holdsQueue(group: string, queue: MessageQueue): boolean {
    return this.#consumers.holdsQueue(group, queue);
  }
  lockQueues(group: string, owner: string, queues: readonly MessageQueue[]): readonly MessageQueue[] {
    return this.#consumers.lockQueues(group, owner, queues);
  }
  unlockQueues(group: string, owner: string, queues: readonly MessageQueue[]): void {
    this.#consumers.unlockQueues(group, owner, queues);
  }
  hasLocks(group: string): boolean {
    return this.#consumers.hasLocks(group);
  }

  /** Inside a read: all members of a group, in whatever process, those first that registered first. */
  listMembers(group: string): readonly KnownMember[] {
    return this.#consumers.list(group);
  }

  /** The settings of a group are others than before: what kept a pop of it waiting may be over. */
  groupChanged(): void {
    this.#pops.lookAgain();
  }

  queryOffset(group: string, topic: string, queueId: number): ReturnType<BrokerPort["queryOffset"]> {
    return this.#offsets.query(group, topic, queueId);
  }

  updateOffset(...offset: Parameters<BrokerPort["updateOffset"]>): void {
    this.#offsets.update(...offset);
  }

  async commitOffsets(...commit: Parameters<BrokerPort["commitOffsets"]>): Promise<void> {
    this.assertOpen();
    await this.#offsets.commit(...commit);
  }

  queryBroadcastOffset(
    ...place: Parameters<BrokerPort["queryBroadcastOffset"]>
  ): ReturnType<BrokerPort["queryBroadcastOffset"]> {
    return this.#offsets.queryOfInstance(...place);
  }

  updateBroadcastOffset(...offset: Parameters<BrokerPort["updateBroadcastOffset"]>): void {
    this.#offsets.updateOfInstance(...offset);
  }

  async persistOffsets(): Promise<void> {
    if (!this.#isClosing) await this.engine.persistOffsets();
  }

  /** The clients are about to be closed, and then the broker: their offsets are stored together at the end. */
  beginClosing(): void {
    this.#isClosing = true;
  }

  searchOffset(topic: string, queueId: number, timestamp: number, boundary: "lower" | "upper"): Promise<number> {
    return this.engine.reads.read(() => searchQueue(this.engine, topic, queueId, timestamp, boundary));
  }

  findMessage(commitLogOffset: number): ReturnType<BrokerPort["findMessage"]> {
    return this.engine.reads.read(() => findMessageAt(this.engine, this.messages, commitLogOffset));
  }

  queueEnds(topic: string, queueId: number): ReturnType<BrokerPort["queueEnds"]> {
    return this.engine.reads.read(() => endsOfQueue(this.engine, topic, queueId));
  }

  /** Throws once the broker closes or can go on no longer. */
  assertOpen(): void {
    if (this.#isClosed) throw closedError();
    this.engine.assertUsable();
  }

  /** From now on nothing is taken; what was taken is finished. The clients are closed by then. */
  async close(): Promise<void> {
    this.#stop();
    await this.engine.close();
  }

  /** Lets go of the store at once, as a process does that dies: what is not committed is lost, and clients can go on no longer. Closes no connection. */
  abandon(): void {
    this.#consumers.failed(closedError());
    this.#stop();
    this.engine.abandon();
  }

  #stop(): void {
    this.#isClosed = true;
    this.#lookout.close();
    this.#scheduler.close();
    this.transactions.close();
    this.#upkeep.close();
    this.#consumers.close();
    this.#failHeld(closedError());
  }

  /** Pulls and pops that wait. */
  #failHeld(error: unknown): void {
    this.#pulls.failAll(error);
    this.#pops.failAll(error);
  }

  /** What others have committed: waiting pulls look again where messages came, and topics, members or what is due may be new. */
  #actOnNews(): void {
    const { queues, topicsChanged } = this.engine.foreignNews();
    this.#pulls.othersCommitted(queues);
    this.#pops.othersCommitted(queues, topicsChanged);
    if (topicsChanged) this.members.rebalanceAll();
    this.#scheduler.look();
    this.#consumers.commitSeen();
  }

  #lookEverywhere(): void {
    this.#scheduler.look();
    this.#pulls.lookAgain();
    this.#pops.lookAgain();
    this.members.rebalanceAll();
    this.#consumers.look();
  }
}

function closedError(): MqError {
  return new MqError("ERR_MQ_CLOSED", "the broker is closed");
}
