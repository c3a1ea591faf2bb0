import { MqError } from "../errors.js";
import type { Logger } from "../logger.js";
import { retryTopic } from "../message/derived-names.js";
import { describeThrown } from "../thrown.js";
import type { EventHub } from "./broker-events.js";
import type { GroupMember, MessageModel, SubscriptionTable } from "./broker-port.js";

interface Membership {
  readonly members: Map<string, GroupMember>;
  /** Of the member that registered last, as its message model. */
  subscriptions: SubscriptionTable;
  messageModel: MessageModel;
}

const EVERY_MESSAGE = "*";

/**
 * Who takes part in which consumer group here.
 *
 * The group's subscriptions are those that were registered last, for all members: they must be the same for all.
 *
 * Source: RocketMQ, `broker/.../client/ConsumerManager.java`, `ConsumerGroupInfo.java`; `client/.../impl/consumer/RebalanceImpl.java`.
 */
export class GroupMembers {
  readonly #logger: Logger;
  readonly #events: EventHub;
  /** Runs at once, or as soon as routes can be read: not while the owner of the connection is in a transaction. */
  readonly #whenReadable: (run: () => void) => void;
  readonly #groups = new Map<string, Membership>();

  constructor(logger: Logger, events: EventHub, whenReadable: (run: () => void) => void) {
    this.#logger = logger;
    this.#events = events;
    this.#whenReadable = whenReadable;
  }

  get count(): number {
    let count = 0;
    for (const { members } of this.#groups.values()) count += members.size;
    return count;
  }

  countOf(group: string): number {
    return this.#groups.get(group)?.members.size ?? 0;
  }

  /** Of the clustering members, sorted: a broadcasting one takes no share of theirs. */
  ids(group: string): readonly string[] {
    const members = [...(this.#groups.get(group)?.members.values() ?? [])];
    return members
      .filter(({ messageModel }) => messageModel === "clustering")
      .map(({ clientId }) => clientId)
      .sort();
  }

  messageModelOf(group: string): MessageModel | undefined {
    return this.#groups.get(group)?.messageModel;
  }

  subscriptionsOf(group: string): SubscriptionTable {
    return this.#groups.get(group)?.subscriptions ?? new Map();
  }

  /** Throws as a broker answers a pull of a group it does not know or of a topic the group no longer subscribes to. */
  subscriptionOf(group: string, topic: string): string {
    const membership = this.#groups.get(group);
    const expression = membership?.subscriptions.get(topic);
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

  join(member: GroupMember): void {
    let membership = this.#groups.get(member.group);
    if (membership === undefined) {
      membership = { members: new Map(), subscriptions: member.subscriptions, messageModel: member.messageModel };
      this.#groups.set(member.group, membership);
    }
    if (membership.members.has(member.clientId)) {
      throw new MqError(
        "ERR_MQ_ALREADY_CREATED",
        `consumer group ${member.group} has a member ${member.clientId} already: give this one an instanceName of its own`,
      );
    }
    membership.members.set(member.clientId, member);
    this.#heartbeat(membership, member);
    this.#rebalance(membership);
  }

  changed(member: GroupMember): void {
    const membership = this.#groups.get(member.group);
    if (membership?.members.get(member.clientId) !== member) return;
    // The order is that of the last registration.
    membership.members.delete(member.clientId);
    membership.members.set(member.clientId, member);
    this.#heartbeat(membership, member);
    this.#rebalance(membership);
  }

  /** What the member subscribed to goes with it: the last one registered of those that stay counts. */
  leave(member: GroupMember): void {
    const membership = this.#groups.get(member.group);
    if (membership?.members.get(member.clientId) !== member) return;
    membership.members.delete(member.clientId);
    const last = [...membership.members.values()].at(-1);
    if (last === undefined) {
      this.#groups.delete(member.group);
      return;
    }
    membership.subscriptions = last.subscriptions;
    membership.messageModel = last.messageModel;
    this.#rebalance(membership);
  }

  /** Topics or their queues changed. */
  rebalanceAll(): void {
    for (const membership of this.#groups.values()) this.#rebalance(membership);
  }

  brokerFailed(error: MqError): void {
    for (const { members } of [...this.#groups.values()])
      for (const member of [...members.values()]) member.brokerFailed(error);
  }

  #heartbeat(membership: Membership, member: GroupMember): void {
    const { group, clientId, subscriptions, messageModel } = member;
    const others = [...membership.members.values()].filter((other) => other !== member);
    const topics = [...new Set(others.flatMap((other) => differences(group, other.subscriptions, subscriptions)))];
    if (topics.length > 0) {
      this.#logger.warn("members of a consumer group differ in their subscriptions; the last one wins for all", {
        group,
        clientId,
        topics,
      });
      this.#events.emit("group:conflict", { group, clientId, topics: topics.sort() });
    }
    if (others.some((other) => other.messageModel !== messageModel)) {
      this.#logger.warn("members of a consumer group differ in their message model", { group, clientId, messageModel });
    }
    membership.subscriptions = subscriptions;
    membership.messageModel = messageModel;
  }

  /** What goes wrong in one member must not keep the others from their queues. */
  #tell({ group, clientId }: GroupMember, step: () => void): void {
    try {
      step();
    } catch (error) {
      this.#logger.error(`rebalancing failed for a member: ${describeThrown(error)}`, { group, clientId });
    }
  }

  #rebalance({ members }: Membership): void {
    this.#whenReadable(() => {
      const present = [...members.values()];
      for (const member of present) this.#tell(member, () => member.dropLostQueues());
      for (const member of present) this.#tell(member, () => member.takeNewQueues());
    });
  }
}

/** Topics to which only one of two members subscribes, or each with another expression; that of retries aside, to which nobody subscribes by himself. */
function differences(group: string, a: SubscriptionTable, b: SubscriptionTable): readonly string[] {
  const topics = new Set([...a.keys(), ...b.keys()]);
  topics.delete(retryTopic(group));
  return [...topics].filter((topic) => a.get(topic) !== b.get(topic));
}
