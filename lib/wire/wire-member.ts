import type { BrokerPort, GroupMember, MessageModel, RemoteMember } from "../broker/broker-port.js";
import { allocateAveragely } from "../client/allocate-message-queue.js";
import { isMqError, type MqError } from "../errors.js";
import type { MessageQueue } from "../message/message-queue.js";
import type { HeartbeatConsumer } from "./heartbeat.js";
import { REQUEST_CODES } from "./request-codes.js";
import type { WireConnection } from "./wire-connection.js";

/** As RocketMQ's broker, `channelExpiredTimeout`. */
const EXPIRES_AFTER_MS = 120_000;

/** A consumer behind a connection, as its broker knows it. It shares the queues by itself, and is told when it is to do so. */
export class WireMember implements GroupMember {
  readonly clientId: string;
  readonly group: string;
  readonly messageModel: MessageModel;
  readonly instance: undefined = undefined;
  readonly remote: RemoteMember;
  readonly connection: WireConnection;
  readonly #port: Pick<BrokerPort, "findRoute" | "holdsQueue" | "memberIds">;
  #subscriptions: ReadonlyMap<string, string>;
  #versions: ReadonlyMap<string, number>;
  #wantedQueues: readonly MessageQueue[] = [];
  /** What the client was told of last. */
  #toldOf: string | undefined;

  /** @param expired - it was silent for too long. */
  constructor(
    clientId: string,
    { group, messageModel, subscriptions, versions }: HeartbeatConsumer,
    connection: WireConnection,
    port: Pick<BrokerPort, "findRoute" | "holdsQueue" | "memberIds">,
    expired: (member: WireMember) => void,
  ) {
    this.clientId = clientId;
    this.group = group;
    this.messageModel = messageModel;
    this.connection = connection;
    this.remote = { expiresAfterMs: EXPIRES_AFTER_MS, expired: () => expired(this) };
    this.#port = port;
    this.#subscriptions = subscriptions;
    this.#versions = versions;
  }

  get subscriptions(): ReadonlyMap<string, string> {
    return this.#subscriptions;
  }

  get wantedQueues(): Iterable<MessageQueue> {
    return this.#wantedQueues;
  }

  /** When it subscribed to this topic as it does; `undefined`: it does not. */
  versionOf(topic: string): number | undefined {
    return this.#versions.get(topic);
  }

  subscribe({ subscriptions, versions }: Pick<HeartbeatConsumer, "subscriptions" | "versions">): void {
    this.#subscriptions = subscriptions;
    this.#versions = versions;
  }

  dropLostQueues(): void {
    try {
      this.#wantedQueues = this.#share();
    } catch (error) {
      // While the store cannot be read it wants what it wanted; the group shares its queues anew when it can be.
      if (!isMqError(error, "ERR_MQ_SYSTEM_BUSY")) throw error;
    }
  }

  /** The client finds it out from the same members by the same rule, RocketMQ's default. */
  #share(): readonly MessageQueue[] {
    const ids = this.#port.memberIds(this.group);
    return [...this.#subscriptions.keys()].flatMap((topic) => {
      const queues = this.#port.findRoute(topic)?.readQueues ?? [];
      const isShared = this.messageModel === "clustering" && queues.length > 0 && ids.length > 0;
      return isShared ? allocateAveragely(this.group, this.clientId, queues, ids) : [];
    });
  }

  /**
   * Who broadcasts has every queue, and is told nothing. On a file the others are told when their queues are this process's: a lock that is asked for before is refused, and asked for again after 20 s.
   */
  takeNewQueues(): void {
    if (this.messageModel === "broadcasting") return;
    if (this.#wantedQueues.some((queue) => !this.#port.holdsQueue(this.group, queue))) return;
    const members = this.#port.memberIds(this.group).join("\n");
    if (members === this.#toldOf) return;
    this.#toldOf = members;
    this.connection.tell({
      code: REQUEST_CODES.NOTIFY_CONSUMER_IDS_CHANGED,
      fields: new Map([["consumerGroup", this.group]]),
    });
  }

  brokerFailed(error: MqError): void {
    this.connection.destroy(error.message);
  }
}
