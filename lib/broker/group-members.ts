import { MqError } from "../errors.js";
import type { Logger } from "../logger.js";
import { retryTopic } from "../message/derived-names.js";
import type { MessageQueue } from "../message/message-queue.js";
import { describeThrown } from "../thrown.js";
import type { EventHub } from "./broker-events.js";
import type { ConsumeType, GroupMember, MessageModel, SubscriptionTable } from "./broker-port.js";
import { differences, findDisagreement, isSameTable } from "./subscriptions.js";

/** A member as the others of its group see it, whichever broker it is in. */
export interface KnownMember {
  readonly clientId: string;
  readonly messageModel: MessageModel;
  readonly consumeType: ConsumeType;
  readonly subscriptions: SubscriptionTable;
  /** Nobody in its group may subscribe otherwise. */
  readonly isStrict: boolean;
  /** Higher than that of all who registered before. */
  readonly registration: number;
}

/** One in this broker, as it registered last. */
interface OwnMember extends KnownMember {
  readonly member: GroupMember;
}

interface Membership {
  readonly group: string;
  /** In the order in which they registered last. */
  readonly members: Map<string, OwnMember>;
  /** Those in other brokers on the store. */
  others: readonly KnownMember[];
  /** Of those who share its queues, sorted, until one comes, goes or subscribes to something else. */
  ids: readonly string[] | undefined;
  /** Of all that subscribed to anything: that counts for the group. */
  last: KnownMember;
}

export interface GroupMembersOptions {
  readonly logger: Logger;
  readonly events: EventHub;
  /** Runs at once, or as soon as routes can be read: not while the owner of the connection is in a transaction. */
  readonly whenReadable: (run: () => void) => void;
  /** Queues that a member here works on, or has worked on before it left and has not ended. */
  readonly lockedQueues: (group: string) => readonly MessageQueue[];
  /** All message queues that the members of a clustering group here are to have, or have still. */
  readonly want: (group: string, queues: readonly MessageQueue[]) => void;
}

const EVERY_MESSAGE = "*";
/** Registered just now: which number that gets is not known yet. */
export const NEWEST: number = Number.POSITIVE_INFINITY;

/**
 * Who takes part in which consumer group.
 *
 * The group's subscriptions are those that were registered last, for all members: they must be the same for all.
 *
 * Source: RocketMQ, `broker/.../client/ConsumerManager.java`, `ConsumerGroupInfo.java`; `client/.../impl/consumer/RebalanceImpl.java`.
 */
export class GroupMembers {
  readonly #options: GroupMembersOptions;
  readonly #groups = new Map<string, Membership>();
  /** Numbers registrations where nobody else counts. */
  #registrations = 0;

  constructor(options: GroupMembersOptions) {
    this.#options = options;
  }

  /** Members in this broker. */
  get count(): number {
    let count = 0;
    for (const { members } of this.#groups.values()) count += members.size;
    return count;
  }

  /** Whether there are members here among whom queues are shared. */
  get isSharing(): boolean {
    return this.#sharingGroups().length > 0;
  }

  /** Members of the group in this broker. */
  countOf(group: string): number {
    return this.#groups.get(group)?.members.size ?? 0;
  }

  /** Groups with members in this broker. */
  get groups(): readonly string[] {
    return [...this.#groups.keys()];
  }

  /** All members in this broker. */
  list(): readonly GroupMember[] {
    return [...this.#groups.values()].flatMap(({ members }) => [...members.values()].map(({ member }) => member));
  }

  /** Members of the group in this broker. */
  own(group: string): readonly KnownMember[] {
    return [...(this.#groups.get(group)?.members.values() ?? [])];
  }

  /** As it registered last; `undefined` when it takes no part. */
  find(member: GroupMember): KnownMember | undefined {
    return this.#membershipOf(member)?.members.get(member.clientId);
  }

  /** Of the clustering members, sorted. A broadcasting one takes no share of theirs, nor does one that pops, or that subscribes to nothing. */
  ids(group: string): readonly string[] {
    const membership = this.#groups.get(group);
    if (membership === undefined) return [];
    membership.ids ??= [...membership.members.values(), ...membership.others]
      .filter(takesShare)
      .map(({ clientId }) => clientId)
      .sort();
    return membership.ids;
  }

  messageModelOf(group: string): MessageModel | undefined {
    return this.#groups.get(group)?.last.messageModel;
  }

  /** Throws as a broker answers a pull of a group it does not know or of a topic the group no longer subscribes to. */
  subscriptionOf(group: string, topic: string): string {
    const membership = this.#groups.get(group);
    const expression = membership?.last.subscriptions.get(topic);
    if (expression !== undefined) return expression;
    // The last member may be a broadcasting one, which has no retries of its own.
    if (membership !== undefined && topic === retryTopic(group)) return EVERY_MESSAGE;
    throw new MqError(
      "ERR_MQ_SUBSCRIPTION",
      membership === undefined
        ? `consumer group ${group} has no members`
        : `consumer group ${group} does not subscribe to topic ${topic}`,
    );
  }

  /** Throws when this broker has a member of that name. */
  assertFree({ group, clientId }: GroupMember): void {
    if (this.#groups.get(group)?.members.has(clientId) === true) throw nameTaken(group, clientId);
  }

  /**
   * Throws when a strict member of the group, or this member itself if it is strict, forbids that it subscribes so.
   *
   * @param others - in other brokers on the store.
   */
  assertAgrees(
    { group, clientId, isStrict }: GroupMember,
    subscriptions: SubscriptionTable,
    others: readonly KnownMember[] = this.#groups.get(group)?.others ?? [],
  ): void {
    const present = [...this.own(group), ...others];
    const disagreement = findDisagreement(group, { clientId, isStrict, subscriptions }, present);
    if (disagreement !== undefined) throw disagreement.error;
  }

  /** @param others - of the group, in other brokers on the store. */
  join(member: GroupMember, registration: number = this.#next(), others: readonly KnownMember[] = []): void {
    this.assertFree(member);
    this.assertAgrees(member, member.subscriptions, others);
    const { group, clientId } = member;
    const own = asRegistered(member, registration);
    const known = this.#groups.get(group);
    const membership = known ?? { group, members: new Map(), others, ids: undefined, last: own };
    if (known === undefined) this.#groups.set(group, membership);
    membership.others = others;
    membership.members.set(clientId, own);
    membership.ids = undefined;
    this.#registered(membership, own);
    this.#rebalance(membership);
  }

  /**
   * Returns whether the member subscribes to something else than before.
   *
   * @param registration - of the change, {@link NEWEST} until it is known.
   */
  changed(member: GroupMember, registration: number = this.#next()): boolean {
    const membership = this.#membershipOf(member);
    const known = membership?.members.get(member.clientId);
    if (membership === undefined || known === undefined || isSameTable(known.subscriptions, member.subscriptions)) {
      return false;
    }
    const own = asRegistered(member, registration);
    membership.members.delete(member.clientId);
    membership.members.set(member.clientId, own);
    membership.ids = undefined;
    this.#registered(membership, own);
    this.#rebalance(membership);
    return true;
  }

  /** It has become known which registration the member's last one was. */
  numbered(member: GroupMember, registration: number): void {
    const membership = this.#membershipOf(member);
    const own = membership?.members.get(member.clientId);
    if (membership === undefined || own === undefined) return;
    membership.members.set(member.clientId, { ...own, registration });
    membership.last = lastOf(membership);
  }

  /** What the member subscribed to goes with it: the last one registered of those that stay counts. */
  leave(member: GroupMember): void {
    const membership = this.#membershipOf(member);
    if (membership === undefined) return;
    membership.members.delete(member.clientId);
    membership.ids = undefined;
    if (membership.members.size === 0) {
      this.#groups.delete(member.group);
      this.#want(member.group, []);
      return;
    }
    membership.last = lastOf(membership);
    this.#rebalance(membership);
  }

  /** Members in other brokers may have come, gone or changed. */
  setOthers(group: string, others: readonly KnownMember[]): void {
    const membership = this.#groups.get(group);
    if (membership === undefined || isSame(membership.others, others)) return;
    membership.others = others;
    membership.ids = undefined;
    membership.last = lastOf(membership);
    this.#rebalance(membership);
  }

  /** Queues of the group were lost to another broker, or may be had now; or some member failed to take its share. */
  rebalance(group: string): void {
    const membership = this.#groups.get(group);
    if (membership !== undefined) this.#rebalance(membership);
    else this.#want(group, []);
  }

  /** Topics or their queues changed. */
  rebalanceAll(): void {
    for (const membership of this.#groups.values()) this.#rebalance(membership);
  }

  /** Something may have changed of which nobody tells. */
  shareAgain(): void {
    for (const membership of this.#sharingGroups()) this.#rebalance(membership);
  }

  /** Queues that the group's members here want are theirs now. */
  takeNewQueues(group: string): void {
    const present = this.#groups.get(group)?.members.values() ?? [];
    for (const { member } of [...present]) this.#tell(member, () => member.takeNewQueues());
  }

  brokerFailed(error: MqError): void {
    for (const member of this.list()) member.brokerFailed(error);
  }

  #next(): number {
    this.#registrations += 1;
    return this.#registrations;
  }

  #sharingGroups(): readonly Membership[] {
    return [...this.#groups.values()].filter(({ members }) => [...members.values()].some(takesShare));
  }

  /** `undefined` when it does not take part. */
  #membershipOf(member: GroupMember): Membership | undefined {
    const membership = this.#groups.get(member.group);
    return membership?.members.get(member.clientId)?.member === member ? membership : undefined;
  }

  #registered(membership: Membership, own: OwnMember): void {
    membership.last = lastOf(membership);
    if (!subscribes(own)) return;
    const { member, subscriptions, messageModel, consumeType } = own;
    const { group, clientId } = member;
    const { logger, events } = this.#options;
    const others = [...membership.members.values(), ...membership.others].filter(
      (other) => other.clientId !== clientId && subscribes(other),
    );
    const differing = others.flatMap((other) => differences(group, other.subscriptions, subscriptions));
    const topics = [...new Set(differing)].sort();
    if (topics.length > 0) {
      logger.warn("members of a consumer group differ in their subscriptions; the last one wins for all", {
        group,
        clientId,
        topics,
      });
      events.emit("group:conflict", { group, clientId, topics });
    }
    if (others.some((other) => (other.consumeType === "pop") !== (consumeType === "pop"))) {
      logger.warn(
        "members of a consumer group differ in how they consume: what one that pulls has in hand is popped, too",
        {
          ...{ group, clientId, consumeType },
        },
      );
    }
    if (others.some((other) => other.messageModel !== messageModel)) {
      logger.warn("members of a consumer group differ in their message model", { group, clientId, messageModel });
    }
  }

  /** What goes wrong in one member must not keep the others from their queues. */
  #tell({ group, clientId }: GroupMember, step: () => void): void {
    try {
      step();
    } catch (error) {
      this.#options.logger.error(`rebalancing failed for a member: ${describeThrown(error)}`, { group, clientId });
    }
  }

  #want(group: string, queues: readonly MessageQueue[]): void {
    this.#options.want(group, [...queues, ...this.#options.lockedQueues(group)]);
  }

  #rebalance(membership: Membership): void {
    const { group, members } = membership;
    const { whenReadable } = this.#options;
    whenReadable(() => {
      if (this.#groups.get(group) !== membership) return;
      const present = [...members.values()].map(({ member }) => member);
      for (const member of present) this.#tell(member, () => member.dropLostQueues());
      const sharing = present.filter(({ messageModel }) => messageModel === "clustering");
      this.#want(
        group,
        sharing.flatMap(({ wantedQueues }) => [...wantedQueues]),
      );
      for (const member of present) this.#tell(member, () => member.takeNewQueues());
    });
  }
}

/** What a broker answers to a consumer whose name another one has. */
export function nameTaken(group: string, clientId: string): MqError {
  return new MqError(
    "ERR_MQ_ALREADY_CREATED",
    `consumer group ${group} has a member ${clientId} already: give this one an instanceName of its own`,
  );
}

function asRegistered(member: GroupMember, registration: number): OwnMember {
  const { clientId, messageModel, consumeType = "push", isStrict = false } = member;
  const subscriptions = new Map(member.subscriptions);
  return { member, clientId, messageModel, consumeType, subscriptions, isStrict, registration };
}

function lastOf({ members, others, last }: Membership): KnownMember {
  return lastSubscribed([...members.values(), ...others]) ?? [...members.values()][0] ?? last;
}

/** Which of them counts for the group: whoever registered last of those that subscribe to anything. */
export function lastSubscribed(members: Iterable<KnownMember>): KnownMember | undefined {
  let highest: KnownMember | undefined;
  for (const known of members)
    if (subscribes(known) && known.registration >= (highest?.registration ?? Number.NEGATIVE_INFINITY)) highest = known;
  return highest;
}

/** Whether it is one of those among whom the queues of their group are shared. */
function takesShare(member: KnownMember): boolean {
  return member.messageModel === "clustering" && member.consumeType !== "pop" && subscribes(member);
}

function subscribes({ subscriptions }: KnownMember): boolean {
  return subscriptions.size > 0;
}

/** Both in the order of their client ids. */
function isSame(a: readonly KnownMember[], b: readonly KnownMember[]): boolean {
  return (
    a.length === b.length &&
    a.every(({ clientId, registration }, index) => {
      const other = b[index];
      return other?.clientId === clientId && other.registration === registration;
    })
  );
}
