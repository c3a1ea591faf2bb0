import type { GroupMember, SubscriptionTable, TransactionChecker } from "../broker/broker-port.js";
import type { LocalBroker } from "../broker/local-broker.js";
import { ClientPort, type ClientPortParts } from "./client-port.js";

/** The way of a server to the broker, on which all of its clients come: faults of topics and groups hold for them, and none of them can be cut off alone. */
export class ServerPort extends ClientPort {
  readonly #broker: LocalBroker;
  readonly #checkers = new Set<TransactionChecker>();

  constructor(parts: Omit<ClientPortParts, "kind" | "group">) {
    super({ ...parts, kind: "server", group: undefined });
    this.#broker = parts.broker;
  }

  override async registerConsumer(member: GroupMember): Promise<void> {
    await this.#broker.registerConsumer(member);
  }
  override checkSubscriptions(member: GroupMember, subscriptions: SubscriptionTable): void {
    this.#broker.checkSubscriptions(member, subscriptions);
  }
  override heartbeat(member: GroupMember): void {
    this.#broker.heartbeat(member);
  }
  override unregisterConsumer(member: GroupMember): void {
    this.#broker.unregisterConsumer(member);
  }

  /** They are asked without an answer: what their clients say of it comes as a request of its own, which a fault may lose. */
  override registerChecker(checker: TransactionChecker): void {
    this.#checkers.add(checker);
    this.#broker.registerChecker(checker);
  }
  /** Without a checker: all of them. */
  override unregisterChecker(checker?: TransactionChecker): void {
    for (const known of checker === undefined ? this.#checkers : [checker]) {
      this.#checkers.delete(known);
      this.#broker.unregisterChecker(known);
    }
  }
}
