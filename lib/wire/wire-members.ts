import type { BrokerPort, MessageModel } from "../broker/broker-port.js";
import { ConnectionRoles } from "./connection-roles.js";
import type { HeartbeatConsumer } from "./heartbeat.js";
import type { WireConnection } from "./wire-connection.js";
import { WireMember } from "./wire-member.js";

type MemberPort = Pick<
  BrokerPort,
  | "checkSubscriptions"
  | "findRoute"
  | "heartbeat"
  | "holdsQueue"
  | "memberIds"
  | "registerConsumer"
  | "unregisterConsumer"
>;

/** A member that takes part, or is about to. */
interface Joined {
  readonly member: WireMember;
  readonly joining: Promise<void>;
}

/**
 * The consumers behind connections.
 *
 * Source: RocketMQ 5.3.3, `broker/.../processor/ClientManageProcessor.java`, `ConsumerManageProcessor.java`; `broker/.../client/ConsumerManager.java`.
 */
export class WireMembers {
  readonly #port: MemberPort;
  /** By group and client id: a client that comes again on another connection takes its own place. */
  readonly #joined = new Map<string, Joined>();
  readonly #ofGroups = new Map<string, Set<WireMember>>();
  readonly #roles = new ConnectionRoles();
  /** By the same: who is about to take part, though it may have left already. */
  readonly #registering = new Map<string, Promise<void>>();

  constructor(port: MemberPort) {
    this.#port = port;
  }

  has(group: string): boolean {
    return this.messageModelOf(group) !== undefined;
  }

  /** Of its members behind connections; `undefined`: there is none. */
  messageModelOf(group: string): MessageModel | undefined {
    const [member] = this.#ofGroups.get(group) ?? [];
    return member?.messageModel;
  }

  /** When a member subscribed to this topic last; `undefined`: none does. */
  subscriptionVersionOf(group: string, topic: string): number | undefined {
    let newest: number | undefined;
    for (const member of this.#ofGroups.get(group) ?? []) {
      const version = member.versionOf(topic);
      if (version !== undefined) newest = Math.max(newest ?? version, version);
    }
    return newest;
  }

  /** Its clients take part no more. */
  closed(connection: WireConnection): void {
    for (const key of this.#roles.of(connection)) this.#leave(key);
  }

  /** Resolves once it takes part, with these subscriptions. */
  async heard(clientId: string, consumer: HeartbeatConsumer, connection: WireConnection): Promise<void> {
    const key = keyOf(consumer.group, clientId);
    const known = this.#joined.get(key);
    if (
      known !== undefined &&
      known.member.connection === connection &&
      known.member.messageModel === consumer.messageModel
    ) {
      await known.joining;
      this.#port.checkSubscriptions(known.member, consumer.subscriptions);
      known.member.subscribe(consumer);
      this.#port.heartbeat(known.member);
      return;
    }
    if (known !== undefined) this.#leave(key);
    this.#roles.add(connection, key);
    const member = new WireMember(clientId, consumer, connection, this.#port, () => this.#forget(key, member));
    const joining = this.#register(key, member);
    this.#joined.set(key, { member, joining });
    this.#add(member);
    try {
      await joining;
    } catch (error) {
      this.#forget(key, member);
      throw error;
    }
  }

  left(group: string, clientId: string): void {
    this.#leave(keyOf(group, clientId));
  }

  /** Behind whoever had its name before and has not taken part yet: that one has left again when this one begins. */
  #register(key: string, member: WireMember): Promise<void> {
    const before = this.#registering.get(key) ?? Promise.resolve();
    const registering = before.catch(() => undefined).then(() => this.#registerNow(key, member));
    this.#registering.set(key, registering);
    const ended = (): void => {
      if (this.#registering.get(key) === registering) this.#registering.delete(key);
    };
    registering.then(ended, ended);
    return registering;
  }

  async #registerNow(key: string, member: WireMember): Promise<void> {
    const isWanted = (): boolean => this.#joined.get(key)?.member === member;
    if (!isWanted()) return;
    await this.#port.registerConsumer(member);
    // It has left meanwhile, or its connection was closed before it could.
    if (!isWanted()) this.#port.unregisterConsumer(member);
    else if (member.connection.isClosed) this.#leave(key);
  }

  #leave(key: string): void {
    const joined = this.#joined.get(key);
    if (joined === undefined) return;
    this.#forget(key, joined.member);
    this.#port.unregisterConsumer(joined.member);
  }

  #add(member: WireMember): void {
    const ofGroup = this.#ofGroups.get(member.group);
    if (ofGroup === undefined) this.#ofGroups.set(member.group, new Set([member]));
    else ofGroup.add(member);
  }

  #forget(key: string, member: WireMember): void {
    if (this.#joined.get(key)?.member !== member) return;
    this.#joined.delete(key);
    this.#roles.delete(member.connection, key);
    const ofGroup = this.#ofGroups.get(member.group);
    ofGroup?.delete(member);
    if (ofGroup?.size === 0) this.#ofGroups.delete(member.group);
  }
}

function keyOf(group: string, clientId: string): string {
  return `${group}\n${clientId}`;
}
