import type {
  AppendObserver,
  AppendRequest,
  EmbeddedBrokerPort,
  GroupMember,
  OffsetRule,
  PopObserver,
  PopRequest,
  PullRequest,
  PullResult,
  QueueProgress,
  ReceiptHandle,
  ReceiptRequest,
  TopicRoute,
  TransactionChecker,
  WithdrawableWrite,
} from "../broker/broker-port.js";
import type { LocalBroker } from "../broker/local-broker.js";
import { runningDelivery } from "../client/delivery.js";
import type { ClientKind } from "../embedded-broker.js";
import { MqError } from "../errors.js";
import type { MessageQueue } from "../message/message-queue.js";
import type { StoreHost } from "../message/message-view.js";
import type { BroadcastInstance } from "../store/broadcast-offset-table.js";
import type { Clock } from "../time/clock.js";
import { ClientDedup } from "./client-dedup.js";
import { DelayedAppends } from "./delayed-append.js";
import { DeliveredAgain } from "./delivered-again.js";
import type { FaultPlan } from "./faults.js";
import { Link } from "./link.js";
import { LosingChecker } from "./losing-checker.js";
import type { MessageRecorder } from "./message-recorder.js";

export interface ClientPortParts {
  readonly broker: LocalBroker;
  readonly plan: FaultPlan;
  readonly recorder: MessageRecorder;
  /** In which faults wait. */
  readonly clock: Clock;
  /** A delivery of before a reset. */
  readonly isOfBefore: (delivery: object) => boolean;
  readonly kind: ClientKind;
  /** Of the client, where it has one. */
  readonly group: string | undefined;
}

/** One client's way to the broker, on which things can go wrong; writes down what passes. */
export class ClientPort implements EmbeddedBrokerPort {
  /** Of a consumer, whose broker stays the same. */
  readonly dedup: ClientDedup;
  readonly #plan: FaultPlan;
  readonly #recorder: MessageRecorder;
  readonly #kind: ClientKind;
  readonly #group: string | undefined;
  readonly #appends: DelayedAppends;
  readonly #again = new DeliveredAgain();
  readonly #acksWithoutEffect = new Set<string>();
  readonly #clock: Clock;
  readonly #isOfBefore: (delivery: object) => boolean;
  #broker: LocalBroker;
  #link: Link | undefined;
  /** Of a transaction producer that was started. */
  #checker: TransactionChecker | undefined;
  /** Sends that were not settled. */
  #pendingSends = 0;
  #isDead = false;

  constructor({ broker, plan, recorder, clock, isOfBefore, kind, group }: ClientPortParts) {
    this.#broker = broker;
    this.#plan = plan;
    this.#recorder = recorder;
    this.#clock = clock;
    this.#isOfBefore = isOfBefore;
    this.#kind = kind;
    this.#group = group;
    this.dedup = new ClientDedup({
      dedup: broker.dedup,
      isLost: () => this.#isLost(),
      losesAck: (ofGroup) => plan.losesAck(ofGroup),
      timedOut,
      failLater: (observer, error) => this.#failLater(observer, error),
    });
    this.#appends = new DelayedAppends(clock, (request, observer) => this.#broker.append(request, observer));
  }

  get pendingSends(): number {
    return this.#pendingSends;
  }

  /** What can be cut, once the client has registered. */
  get link(): Link | undefined {
    return this.#link;
  }

  /** A consumer that was started and not closed. */
  get isTakingPart(): boolean {
    return this.#link?.hasLeft === false;
  }

  /** The broker of before is gone, and with it what was on its way. The client goes on with another one. */
  moveTo(broker: LocalBroker): void {
    this.#appends.fail(gone());
    this.#broker = broker;
    if (this.#checker !== undefined) broker.registerChecker(this.#checker);
  }

  /** What is on its way arrives at once. */
  hurry(): void {
    this.#appends.hurry();
  }

  /** The process of the client has died. */
  die(): void {
    this.#isDead = true;
    this.#appends.fail(gone());
    this.unregisterChecker();
    this.#link?.close();
  }

  get brokerName(): string {
    return this.#broker.brokerName;
  }
  get clusterName(): string {
    return this.#broker.clusterName;
  }
  get storeHost(): StoreHost {
    return this.#broker.storeHost;
  }
  get isInTransaction(): boolean {
    return this.#broker.isInTransaction;
  }

  getRoute(topic: string): TopicRoute {
    return this.#broker.getRoute(topic);
  }
  findRoute(topic: string): TopicRoute | undefined {
    return this.#broker.findRoute(topic);
  }
  async queryRoute(topic: string): Promise<TopicRoute> {
    await this.#link?.whole();
    return this.#broker.queryRoute(topic);
  }
  assertRoom(): void {
    this.#broker.assertRoom();
  }

  append(request: AppendRequest, observer: AppendObserver): WithdrawableWrite {
    this.#assertMaySend();
    const fault = this.#plan.takeSendFault(request.topic);
    if (fault !== undefined) return this.#failLater(observer, fault);
    this.#pendingSends += 1;
    const ended = (): void => {
      this.#pendingSends -= 1;
    };
    const watched: AppendObserver = {
      stored: () => {
        ended();
        this.#recorder.sent(request);
        observer.stored();
      },
      failed: (error) => {
        ended();
        observer.failed(error);
      },
    };
    this.#recorder.sending(request, this.#group);
    const write = this.#appends.append(request, watched, this.#plan.delayOf(request.topic));
    return {
      withdraw: () => {
        const isWithdrawn = write.withdraw();
        if (isWithdrawn) ended();
        return isWithdrawn;
      },
    };
  }

  appendSync(request: AppendRequest): void {
    this.#assertMaySend();
    const fault = this.#plan.takeSendFault(request.topic);
    if (fault !== undefined) throw fault;
    this.#recorder.sending(request, this.#group);
    this.#broker.appendSync(request);
    if (this.#broker.isInTransaction) this.#recorder.sentInTransaction(request);
    else this.#recorder.sent(request);
  }

  async recall(...[topic, handle]: Parameters<EmbeddedBrokerPort["recall"]>): Promise<void> {
    await this.#broker.recall(topic, handle);
    this.#recorder.recalled(handle.messageId);
  }

  async endTransaction(...[transaction]: Parameters<EmbeddedBrokerPort["endTransaction"]>): Promise<boolean> {
    if (this.#plan.takeLostEnd(transaction.producerGroup))
      throw new MqError("ERR_MQ_TIMEOUT", `faults.loseEndTransaction: the ${transaction.end} did not reach the broker`);
    return this.#broker.endTransaction(transaction);
  }
  registerChecker(checker: TransactionChecker): void {
    this.#checker = new LosingChecker(checker, this.#plan);
    this.#broker.registerChecker(this.#checker);
  }
  unregisterChecker(_checker?: TransactionChecker): void {
    if (this.#checker !== undefined) this.#broker.unregisterChecker(this.#checker);
    this.#checker = undefined;
  }

  async pull(request: PullRequest, signal: AbortSignal): Promise<PullResult> {
    for (;;) {
      await this.#link?.whole(signal);
      const found = await this.#again.whileHeld(request, signal, (ended) => this.#broker.pull(request, ended));
      // What was answered while nothing passed did not arrive.
      if (this.#link?.isCut === true && !signal.aborted) continue;
      const again = signal.aborted ? undefined : this.#again.take(request, found);
      if (again !== undefined) return again;
      this.#pulled(request, found);
      return found;
    }
  }

  sendBack(...[request, observer]: Parameters<EmbeddedBrokerPort["sendBack"]>): WithdrawableWrite {
    return this.#link?.isCut === true ? this.#timeOut(observer) : this.#broker.sendBack(request, observer);
  }

  pop(request: PopRequest, observer: PopObserver): WithdrawableWrite {
    if (this.#link?.isCut === true) return this.#timeOut(observer);
    return this.#broker.pop(request, {
      popped: (messages) => {
        // They stay invisible until their time is up.
        if (this.#link?.isCut === true) {
          observer.failed(timedOut());
          return;
        }
        for (const message of messages) {
          this.#recorder.saw(request.group, message);
          const { receiptHandle } = message;
          if (receiptHandle !== undefined && this.#plan.takeDuplicate(request.group))
            this.#acksWithoutEffect.add(keyOf(receiptHandle));
        }
        observer.popped(messages);
      },
      failed: (error) => observer.failed(error),
    });
  }

  async acknowledge(request: ReceiptRequest): Promise<void> {
    if (this.#acksWithoutEffect.delete(keyOf(request.handle))) return;
    if (this.#isLost() || this.#plan.takeLostAck(request.group)) throw timedOut();
    await this.#broker.acknowledge(request);
  }

  async changeInvisible(request: ReceiptRequest, invisibleMs: number): Promise<ReceiptHandle> {
    if (this.#isLost()) throw timedOut();
    const handle = await this.#broker.changeInvisible(request, invisibleMs);
    if (this.#acksWithoutEffect.delete(keyOf(request.handle))) this.#acksWithoutEffect.add(keyOf(handle));
    return handle;
  }

  async registerConsumer(member: GroupMember): Promise<void> {
    this.#link ??= new Link(member, this.#broker, this.#clock);
    await this.#broker.registerConsumer(this.#link.member);
  }

  checkSubscriptions(...[, subscriptions]: Parameters<EmbeddedBrokerPort["checkSubscriptions"]>): void {
    const member = this.#link?.member;
    if (member !== undefined) this.#broker.checkSubscriptions(member, subscriptions);
  }

  heartbeat(_member?: GroupMember): void {
    if (!this.#isLost()) this.#link?.heartbeat();
  }

  rebalance(group: string): void {
    if (!this.#isLost()) this.#broker.rebalance(group);
  }

  unregisterConsumer(_member?: GroupMember): void {
    this.#link?.leave();
  }

  memberIds(group: string): readonly string[] {
    return this.#broker.memberIds(group);
  }
  catchUp(then: () => void): boolean {
    return this.#broker.catchUp(then);
  }
  holdsQueue(group: string, queue: MessageQueue): boolean {
    return this.#broker.holdsQueue(group, queue);
  }
  lockQueues(group: string, owner: string, queues: readonly MessageQueue[]): readonly MessageQueue[] {
    return this.#isLost() ? [] : this.#broker.lockQueues(group, owner, queues);
  }
  unlockQueues(group: string, owner: string, queues: readonly MessageQueue[]): void {
    if (!this.#isLost()) this.#broker.unlockQueues(group, owner, queues);
  }
  hasLocks(group: string): boolean {
    return this.#broker.hasLocks(group);
  }

  async queryOffset(group: string, topic: string, queueId: number): ReturnType<EmbeddedBrokerPort["queryOffset"]> {
    await this.#link?.whole();
    return this.#broker.queryOffset(group, topic, queueId);
  }

  updateOffset(group: string, topic: string, queueId: number, nextOffset: number, rule: OffsetRule): void {
    this.#again.consumed(group, topic, queueId, nextOffset);
    if (this.#isLost() || this.#plan.takeLostAck(group)) return;
    this.#broker.updateOffset(group, topic, queueId, nextOffset, rule);
  }

  async commitOffsets(...[group, offsets, rule]: Parameters<EmbeddedBrokerPort["commitOffsets"]>): Promise<void> {
    if (this.#isLost() || this.#plan.takeLostAck(group)) return;
    await this.#broker.commitOffsets(group, offsets, rule);
  }

  async queryBroadcastOffset(instance: BroadcastInstance, topic: string, queueId: number): Promise<QueueProgress> {
    await this.#link?.whole();
    return this.#broker.queryBroadcastOffset(instance, topic, queueId);
  }

  /** RocketMQ's broadcasting consumers keep their progress themselves: no acknowledgement is on the way that could be lost. */
  updateBroadcastOffset(
    instance: BroadcastInstance,
    topic: string,
    queueId: number,
    nextOffset: number,
    rule: OffsetRule,
  ): void {
    this.#again.consumed(instance.group, topic, queueId, nextOffset);
    this.#broker.updateBroadcastOffset(instance, topic, queueId, nextOffset, rule);
  }

  async persistOffsets(): Promise<void> {
    if (!this.#isDead) await this.#broker.persistOffsets();
  }

  async findMessage(commitLogOffset: number): ReturnType<EmbeddedBrokerPort["findMessage"]> {
    await this.#link?.whole();
    return this.#broker.findMessage(commitLogOffset);
  }

  async queueEnds(topic: string, queueId: number): ReturnType<EmbeddedBrokerPort["queueEnds"]> {
    await this.#link?.whole();
    return this.#broker.queueEnds(topic, queueId);
  }

  async searchOffset(topic: string, queueId: number, timestamp: number, boundary: "lower" | "upper"): Promise<number> {
    await this.#link?.whole();
    return this.#broker.searchOffset(topic, queueId, timestamp, boundary);
  }

  #assertMaySend(): void {
    this.#broker.assertOpen();
    const delivery = runningDelivery.getStore();
    if (delivery !== undefined && this.#isOfBefore(delivery)) throw gone();
  }

  #isLost(): boolean {
    return this.#link?.isCut === true;
  }

  #pulled(request: PullRequest, { messages }: PullResult): void {
    const { group } = request;
    const isPull = this.#kind === "pull consumer";
    for (const message of messages) {
      this.#recorder.saw(group, message);
      if (this.#plan.takeDuplicate(group)) this.#again.add(request, message, isPull);
    }
  }

  #timeOut(observer: { failed(error: unknown): void }): WithdrawableWrite {
    return this.#failLater(observer, timedOut());
  }

  #failLater(observer: { failed(error: unknown): void }, error: MqError): WithdrawableWrite {
    let isOver = false;
    this.#clock.turn(() => {
      if (isOver) return;
      isOver = true;
      observer.failed(error);
    });
    return {
      withdraw: () => {
        if (isOver) return false;
        isOver = true;
        return true;
      },
    };
  }
}

function keyOf({ popKey, queueId, queueOffset }: ReceiptHandle): string {
  return `${popKey} ${queueId} ${queueOffset}`;
}

function timedOut(): MqError {
  return new MqError("ERR_MQ_TIMEOUT", "the broker did not answer: the fault that a test has set keeps it from it");
}

function gone(): MqError {
  return new MqError("ERR_MQ_CLOSED", "the broker is closed");
}
