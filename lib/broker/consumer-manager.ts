import type { MqError } from "../errors.js";
import type { MessageQueue } from "../message/message-queue.js";
import { describeThrown } from "../thrown.js";
import { BroadcastInstances } from "./broadcast-instances.js";
import type { EventHub } from "./broker-events.js";
import type { GroupMember, SubscriptionTable } from "./broker-port.js";
import type { ResolvedBrokerSettings } from "./broker-settings.js";
import type { Engine } from "./engine.js";
import { GroupMembers, type KnownMember } from "./group-members.js";
import { HeartbeatScan } from "./heartbeat-scan.js";
import { MemberRegistry } from "./member-registry.js";
import { Peers } from "./peers.js";
import { QueueLocks } from "./queue-locks.js";
import { RebalanceRounds } from "./rebalance-rounds.js";
import { SubscribedTopics } from "./subscribed-topics.js";

export interface ConsumerManagerParts {
  readonly engine: Engine;
  readonly settings: ResolvedBrokerSettings;
  readonly events: EventHub;
  /** Throws when the broker closes. */
  readonly assertOpen: () => void;
  /** Somebody here has to hear of what other engines commit. */
  readonly keepLooking: () => void;
  /** Reads what others stored, again when another connection is in the way. */
  readonly attempt: (read: () => void, doing: string) => void;
  /** No member of the group is left here. */
  readonly groupLeft: (group: string) => void;
}

/**
 * The consumers of this broker: who takes part in which group, which queues they may have, and which they have locked.
 *
 * Source: RocketMQ, `broker/.../client/ConsumerManager.java`.
 */
export class ConsumerManager {
  readonly members: GroupMembers;
  readonly #parts: ConsumerManagerParts;
  readonly #locks: QueueLocks;
  readonly #instances: BroadcastInstances;
  readonly #rounds: RebalanceRounds;
  readonly #scan: HeartbeatScan;
  readonly #subscribed: SubscribedTopics;
  /** Absent where nobody else can open the store. */
  readonly #peers: Peers | undefined;
  readonly #registry: MemberRegistry | undefined;
  #isClosed = false;

  constructor(parts: ConsumerManagerParts) {
    this.#parts = parts;
    const { engine, settings, events, assertOpen } = parts;
    const { clock, steady, logger, leaseMs } = settings;
    const { company } = engine;
    this.#locks = new QueueLocks(steady, (group) => this.#shareFreed(group));
    this.members = new GroupMembers({
      logger,
      events,
      whenReadable: (run) => engine.reads.whenFree(run),
      lockedQueues: (group) => this.#locks.list(group),
      want: (group, queues) => company?.claims.want(group, queues),
    });
    const { members } = this;
    this.#instances = new BroadcastInstances(engine, clock, events);
    this.#subscribed = new SubscribedTopics(engine, events);
    this.#rounds = new RebalanceRounds({
      clock: steady,
      isNeeded: () => members.isSharing && engine.isUsable,
      share: () => members.shareAgain(),
    });
    this.#scan = new HeartbeatScan(steady, (silent) => this.#expire(silent));
    if (company === undefined) return;
    const look = (): void => this.look();
    const peers = new Peers({
      ...{ engine, company, clock: steady, events, leaseMs },
      isNeeded: () => this.hasMembers,
      onGone: look,
    });
    this.#peers = peers;
    const locks = this.#locks;
    this.#registry = new MemberRegistry({ engine, company, members, locks, peers, events, assertOpen, look });
  }

  /** Whether there is a member, one that is about to join, or one that left while its listener was busy. */
  get hasMembers(): boolean {
    return this.members.count > 0 || this.#registry?.isBusy === true || !this.#locks.isEmpty;
  }

  /** As {@link Peers.isLeaseFresh}. */
  get isLeaseFresh(): boolean {
    return this.#peers?.isLeaseFresh !== false;
  }

  renewLease(then: () => void): void {
    this.#peers?.renewLease(then);
  }

  async register(member: GroupMember): Promise<void> {
    const { engine, assertOpen, keepLooking } = this.#parts;
    assertOpen();
    const { group, instance } = member;
    const { retryTopics } = engine;
    const prepare = (): void => {
      retryTopics.requireForConsumer(group);
      this.#subscribed.write(member);
      if (instance !== undefined) this.#instances.write(instance);
    };
    keepLooking();
    if (this.#registry !== undefined) await this.#registry.join(member, prepare);
    else {
      this.members.assertFree(member);
      this.members.assertAgrees(member, member.subscriptions);
      const isKnown = await engine.reads.read(
        () => retryTopics.isComplete(group) && this.#subscribed.isComplete(member),
      );
      if (!isKnown || instance !== undefined) await engine.write(prepare);
      assertOpen();
      this.members.join(member);
    }
    if (instance !== undefined) this.#instances.add(instance);
    this.#scan.heard(member);
    keepLooking();
    this.#rounds.look();
  }

  checkSubscriptions(member: GroupMember, subscriptions: SubscriptionTable): void {
    if (this.members.find(member) === undefined) return;
    if (this.#registry !== undefined) this.#registry.assertAgrees(member, subscriptions);
    else this.members.assertAgrees(member, subscriptions);
  }

  heartbeat(member: GroupMember): void {
    if (this.members.find(member) === undefined) return;
    this.#scan.heard(member);
    if (this.#registry !== undefined) this.#registry.changed(member);
    else this.members.changed(member);
    this.#subscribed.changed(member);
    this.#rounds.look();
  }

  unregister(member: GroupMember): void {
    if (this.#registry !== undefined) this.#registry.left(member);
    else this.members.leave(member);
    this.#left(member);
  }

  /** It cannot be beside a member in another process. */
  refused(member: GroupMember, error: MqError): void {
    this.#registry?.refused(member, error);
    this.#left(member);
  }

  holdsQueue(group: string, { topic, queueId }: MessageQueue): boolean {
    const { company } = this.#parts.engine;
    return company === undefined || company.claims.holds(group, topic, queueId);
  }

  lockQueues(group: string, owner: string, queues: readonly MessageQueue[]): readonly MessageQueue[] {
    const ours = queues.filter((queue) => this.holdsQueue(group, queue));
    return this.#locks.lock(group, owner, ours);
  }

  unlockQueues(group: string, owner: string, queues: readonly MessageQueue[]): void {
    this.#locks.unlock(group, owner, queues);
  }

  hasLocks(group: string): boolean {
    return this.#locks.list(group).length > 0;
  }

  /** Inside a read: all members of a group, in whatever process, those first that registered first. */
  list(group: string): readonly KnownMember[] {
    const others = this.#parts.engine.company?.memberRows.listOthers(group) ?? [];
    return [...this.members.own(group), ...others].sort((a, b) => a.registration - b.registration);
  }

  /** Who came and went in other engines. */
  look(): void {
    const registry = this.#registry;
    if (this.#isClosed || registry === undefined || !this.hasMembers) return;
    const { engine, attempt } = this.#parts;
    attempt(() => engine.reads.readNow(() => registry.lookAgain()), "looking for members in other processes");
  }

  /** Somebody else has committed. */
  commitSeen(): void {
    this.look();
    this.#peers?.commitSeen();
  }

  /** The store can be used no longer. */
  failed(error: MqError): void {
    this.#scan.close();
    this.#rounds.close();
    this.members.brokerFailed(error);
  }

  close(): void {
    this.#isClosed = true;
    this.#scan.close();
    this.#rounds.close();
    this.#peers?.close();
    this.#locks.close();
  }

  #left(member: GroupMember): void {
    const { group, instance } = member;
    this.#scan.forget(member);
    this.#rounds.look();
    if (instance !== undefined) this.#instances.delete(instance);
    if (this.members.countOf(group) === 0) this.#parts.groupLeft(group);
  }

  /** Queues of the group are not locked any more. */
  #shareFreed(group: string): void {
    if (this.#isClosed || !this.#parts.engine.isUsable) return;
    this.members.rebalance(group);
    this.#registry?.leaveWhenEmpty();
  }

  /** All of them have left before any is told. */
  #expire(silent: readonly GroupMember[]): void {
    const { logger } = this.#parts.settings;
    for (const member of silent) this.unregister(member);
    for (const { group, clientId, remote } of silent) {
      logger.warn("nothing was heard of a consumer for longer than it may be silent: it takes part no more", {
        group,
        clientId,
      });
      try {
        remote?.expired();
      } catch (error) {
        logger.error(`telling a consumer that it expired failed: ${describeThrown(error)}`, { group, clientId });
      }
    }
  }
}
