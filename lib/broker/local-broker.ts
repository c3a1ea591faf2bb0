import { isMqError, MqError } from "../errors.js";
import type { MessageQueue } from "../message/message-queue.js";
import type { StoreHost } from "../message/message-view.js";
import type { BroadcastInstance } from "../store/broadcast-offset-table.js";
import type { OpenedDatabase } from "../store/open-database.js";
import { BroadcastInstances } from "./broadcast-instances.js";
import { EventHub } from "./broker-events.js";
import type {
  AppendObserver,
  AppendRequest,
  BrokerPort,
  EmbeddedBrokerPort,
  GroupMember,
  GroupProgress,
  OffsetRule,
  PullRequest,
  PullResult,
  QueueOffset,
  QueueProgress,
  SendBackObserver,
  TopicRoute,
  WithdrawableWrite,
} from "./broker-port.js";
import type { ResolvedBrokerSettings } from "./broker-settings.js";
import { DueScheduler } from "./due-scheduler.js";
import { Engine } from "./engine.js";
import { GroupMembers, type KnownMember } from "./group-members.js";
import type { WrittenBlock } from "./log-appender.js";
import { Lookout } from "./lookout.js";
import { MemberRegistry } from "./member-registry.js";
import { OffsetOperations } from "./offset-operations.js";
import { searchOffset } from "./offset-search.js";
import { Peers } from "./peers.js";
import { PopService } from "./pop-service.js";
import { PullHold } from "./pull-hold.js";
import { PullMessage } from "./pull-message.js";
import { QueueLocks } from "./queue-locks.js";
import { RouteLookup } from "./route-lookup.js";
import type { SendBackRequest } from "./send-back.js";
import { emitSentBack } from "./sent-back-events.js";
import { emitStored } from "./stored-events.js";

/** The broker in this process, as its clients reach it. */
export class LocalBroker implements EmbeddedBrokerPort {
  readonly brokerName: string;
  readonly clusterName: string;
  readonly storeHost: StoreHost;
  readonly events: EventHub;
  readonly engine: Engine;
  readonly members: GroupMembers;
  readonly messages: PullMessage;
  readonly #routes: RouteLookup;
  readonly #offsets: OffsetOperations;
  readonly #locks: QueueLocks;
  readonly #hold: PullHold;
  readonly #pops: PopService;
  readonly #scheduler: DueScheduler;
  readonly #instances: BroadcastInstances;
  readonly #peers: Peers | undefined;
  /** Absent where nobody else can open the store. */
  readonly #registry: MemberRegistry | undefined;
  readonly #lookout: Lookout;
  #isClosing = false;
  #isClosed = false;

  constructor(database: OpenedDatabase, settings: ResolvedBrokerSettings) {
    this.brokerName = settings.brokerName;
    this.clusterName = settings.clusterName;
    this.storeHost = settings.storeHost;
    this.#locks = new QueueLocks(settings.clock, (group) => this.#shareFreed(group));
    this.events = new EventHub(settings.logger);
    this.engine = new Engine(database, settings, this.events, {
      committed: (written, topicsChanged) => {
        this.#lookout.wrote();
        this.#scheduler.look();
        if (this.#hold.count > 0) this.engine.reader.withFresh(written, () => this.#wake(written));
        this.#pops.committed(written, topicsChanged);
        if (topicsChanged) this.members.rebalanceAll();
      },
      stored: (written) => emitStored(this.events, settings.storeHost, written),
      foreignCommitSeen: () => this.#lookout.announce(),
      lookSoon: () => this.#lookout.lookSoon(),
      queuesGranted: (groups) => {
        for (const group of groups) this.members.takeNewQueues(group);
      },
      listMembers: () => this.members.list(),
      memberRegistered: (member, registration) => this.members.numbered(member, registration),
      memberDisplaced: (member) => this.#registry?.displaced(member),
    });
    this.#lookout = new Lookout({
      engine: this.engine,
      database,
      clock: settings.clock,
      events: this.events,
      leaseMs: settings.leaseMs,
      isNeeded: () => this.#hold.count > 0 || this.#pops.count > 0 || this.#hasMembers,
      isLeaseFresh: () => this.#peers?.isLeaseFresh !== false,
      renewLease: (then) => this.#peers?.renewLease(then),
      onNews: () => this.#actOnNews(),
      onStale: () => this.#lookEverywhere(),
      onFailed: (error) => {
        this.members.brokerFailed(error);
        this.#failHeld(error);
      },
    });
    this.#routes = new RouteLookup(this.engine, () => this.#lookout.noteStale());
    this.#offsets = new OffsetOperations(this.engine, database.connection);
    const { company } = this.engine;
    this.members = new GroupMembers({
      logger: settings.logger,
      events: this.events,
      whenReadable: (run) => this.engine.whenFree(run),
      lockedQueues: (group) => this.#locks.list(group),
      want: (group, queues) => company?.claims.want(group, queues),
    });
    this.messages = new PullMessage(this.engine, this.members);
    this.#hold = new PullHold((request) => this.#readNow(request), settings.clock);
    this.#pops = new PopService({
      ...{ engine: this.engine, clock: settings.clock, events: this.events },
      assertOpen: () => this.assertOpen(),
      onWaiting: () => this.#lookout.keepLooking(),
    });
    this.#instances = new BroadcastInstances(this.engine, settings.clock, this.events);
    this.#scheduler = new DueScheduler(this.engine, settings.clock, this.events);
    if (company !== undefined) {
      const { clock, leaseMs } = settings;
      this.#peers = new Peers({
        engine: this.engine,
        company,
        clock,
        events: this.events,
        leaseMs,
        isNeeded: () => this.#hasMembers,
        onGone: () => this.#lookAtMembers(),
      });
      const { engine, members, events } = this;
      const [locks, peers] = [this.#locks, this.#peers];
      const assertOpen = (): void => this.assertOpen();
      const look = (): void => this.#lookAtMembers();
      const parts = { engine, company, members, locks, peers, events };
      this.#registry = new MemberRegistry({ ...parts, assertOpen, look });
    }
    this.#scheduler.look();
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
    return this.engine.append(request, observer);
  }

  appendSync(request: AppendRequest): void {
    this.assertOpen();
    this.engine.appendSync(request);
  }

  async pull(request: PullRequest, signal: AbortSignal): Promise<PullResult> {
    this.assertOpen();
    let result = this.#readNow(request);
    while (result === undefined) {
      await this.engine.read(() => undefined);
      result = this.#readNow(request);
    }
    // In the same step as the read: nothing can be committed in between.
    if (result.status !== "NO_NEW_MSG" || request.suspendMs <= 0 || signal.aborted) return result;
    const held = this.#hold.hold(request, result, signal);
    this.#lookout.keepLooking();
    return held;
  }

  sendBack(request: SendBackRequest, observer: SendBackObserver): WithdrawableWrite {
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

  async registerConsumer(member: GroupMember): Promise<void> {
    this.assertOpen();
    const { group, instance } = member;
    const { retryTopics } = this.engine;
    const prepare = (): void => {
      retryTopics.requireForConsumer(group);
      if (instance !== undefined) this.#instances.write(instance);
    };
    this.#lookout.keepLooking();
    if (this.#registry !== undefined) await this.#registry.join(member, prepare);
    else {
      this.members.assertFree(member);
      const isKnown = await this.engine.read(() => retryTopics.isComplete(group));
      if (!isKnown || instance !== undefined) await this.engine.write(prepare);
      this.assertOpen();
      this.members.join(member);
    }
    if (instance !== undefined) this.#instances.add(instance);
    this.#lookout.keepLooking();
  }

  heartbeat(member: GroupMember): void {
    if (this.#registry !== undefined) this.#registry.changed(member);
    else this.members.changed(member);
  }

  unregisterConsumer(member: GroupMember): void {
    if (this.#registry !== undefined) this.#registry.left(member);
    else this.members.leave(member);
    if (member.instance !== undefined) this.#instances.delete(member.instance);
    if (this.members.countOf(member.group) > 0) return;
    this.messages.forget(member.group);
    this.engine.sentBack.forget(member.group);
  }

  memberIds(group: string): readonly string[] {
    return this.members.ids(group);
  }

  catchUp(then: () => void): boolean {
    return this.#lookout.catchUp(then);
  }

  holdsQueue(group: string, { topic, queueId }: MessageQueue): boolean {
    const { company } = this.engine;
    return company === undefined || company.claims.holds(group, topic, queueId);
  }

  lockQueues(group: string, owner: string, queues: readonly MessageQueue[]): readonly MessageQueue[] {
    const ours = queues.filter((queue) => this.holdsQueue(group, queue));
    return this.#locks.lock(group, owner, ours);
  }

  unlockQueues(group: string, owner: string, queues: readonly MessageQueue[]): void {
    this.#locks.unlock(group, owner, queues);
  }

  /** Inside a read: all members of a group, in whatever process, those first that registered first. */
  listMembers(group: string): readonly KnownMember[] {
    const others = this.#registry?.listOthers(group) ?? [];
    return [...this.members.own(group), ...others].sort((a, b) => a.registration - b.registration);
  }

  queryOffset(group: string, topic: string, queueId: number): Promise<GroupProgress> {
    return this.#offsets.query(group, topic, queueId);
  }

  updateOffset(...offset: Parameters<BrokerPort["updateOffset"]>): void {
    this.#offsets.update(...offset);
  }

  async commitOffsets(group: string, offsets: readonly QueueOffset[], rule: OffsetRule): Promise<void> {
    this.assertOpen();
    await this.#offsets.commit(group, offsets, rule);
  }

  queryBroadcastOffset(instance: BroadcastInstance, topic: string, queueId: number): Promise<QueueProgress> {
    return this.#offsets.queryOfInstance(instance, topic, queueId);
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

  async searchOffset(topic: string, queueId: number, timestamp: number, boundary: "lower" | "upper"): Promise<number> {
    const { store, queues } = this.engine;
    return this.engine.read(() => searchOffset(store.log, queues.get(topic, queueId), timestamp, boundary));
  }

  /** Throws once the broker closes or can go on no longer. */
  assertOpen(): void {
    if (this.#isClosed) throw new MqError("ERR_MQ_CLOSED", "the broker is closed");
    this.engine.assertUsable();
  }

  /** From now on nothing is taken; what was taken is finished. The clients are closed by then. */
  async close(): Promise<void> {
    this.#isClosed = true;
    this.#lookout.close();
    this.#scheduler.close();
    this.#peers?.close();
    this.#locks.close();
    this.#failHeld(new MqError("ERR_MQ_CLOSED", "the broker is closed"));
    await this.engine.close();
  }

  /** Pulls and pops that wait. */
  #failHeld(error: unknown): void {
    this.#hold.failAll(error);
    this.#pops.failAll(error);
  }

  /** `undefined` while the connection's owner or another connection is in the way. */
  #readNow(request: PullRequest): PullResult | undefined {
    if (this.isInTransaction) {
      this.#lookout.noteStale();
      return undefined;
    }
    try {
      return this.engine.readNow(() => this.messages.read(request));
    } catch (error) {
      if (!isMqError(error, "ERR_MQ_SYSTEM_BUSY")) throw error;
      this.#lookout.noteStale();
      return undefined;
    }
  }

  #wake(written: readonly WrittenBlock[]): void {
    for (const { state } of written) this.#hold.wake(state.topic, state.queueId);
  }

  /** What others have committed: waiting pulls look again where messages came, and topics, members or what is due may be new. */
  #actOnNews(): void {
    const { queues, topicsChanged } = this.engine.foreignNews();
    for (const { topic, queueId } of queues) this.#hold.wake(topic, queueId);
    this.#pops.othersCommitted(queues, topicsChanged);
    if (topicsChanged) this.members.rebalanceAll();
    this.#scheduler.look();
    this.#lookAtMembers();
    this.#peers?.commitSeen();
  }

  /** Queues of the group are not locked any more. */
  #shareFreed(group: string): void {
    if (this.#isClosed || !this.engine.isUsable) return;
    this.members.rebalance(group);
    this.#registry?.leaveWhenEmpty();
  }

  #lookEverywhere(): void {
    this.#scheduler.look();
    this.#hold.wakeAll();
    this.#pops.lookAgain();
    this.members.rebalanceAll();
    this.#lookAtMembers();
  }

  /** Who came and went in other engines. */
  #lookAtMembers(): void {
    const registry = this.#registry;
    if (this.#isClosed || registry === undefined || !this.#hasMembers) return;
    this.#lookout.attempt(
      () => this.engine.readNow(() => registry.lookAgain()),
      "looking for members in other processes",
    );
  }

  /** Or one that is about to join, or one that left while its listener was busy. */
  get #hasMembers(): boolean {
    return this.members.count > 0 || this.#registry?.isBusy === true || !this.#locks.isEmpty;
  }
}
