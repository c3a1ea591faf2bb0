import type { GroupMember, SubscriptionTable, TransactionChecker } from "../broker/broker-port.js";
import { ClientPort, type ClientPortParts } from "./client-port.js";
import { LosingChecker } from "./losing-checker.js";

/** The way of a server to the broker, on which all of its clients come: faults of topics and groups hold for them, and none of them can be cut off alone. */
export class ServerPort extends ClientPort {
  readonly #parts: Omit<ClientPortParts, "kind" | "group">;
  /** As they are registered. */
  readonly #checkers = new Map<TransactionChecker, TransactionChecker>();

  constructor(parts: Omit<ClientPortParts, "kind" | "group">) {
    super({ ...parts, kind: "server", group: undefined });
    this.#parts = parts;
  }

  override async registerConsumer(member: GroupMember): Promise<void> {
    await this.#parts.broker.registerConsumer(member);
  }
  override checkSubscriptions(member: GroupMember, subscriptions: SubscriptionTable): void {
    this.#parts.broker.checkSubscriptions(member, subscriptions);
  }
  override heartbeat(member: GroupMember): void {
    this.#parts.broker.heartbeat(member);
  }
  override unregisterConsumer(member: GroupMember): void {
    this.#parts.broker.unregisterConsumer(member);
  }

  override registerChecker(checker: TransactionChecker): void {
    const losing = new LosingChecker(checker, this.#parts.plan);
    this.#checkers.set(checker, losing);
    this.#parts.broker.registerChecker(losing);
  }
  override unregisterChecker(checker?: TransactionChecker): void {
    for (const [known, losing] of this.#checkers) {
      if (checker !== undefined && known !== checker) continue;
      this.#checkers.delete(known);
      this.#parts.broker.unregisterChecker(losing);
    }
  }
}
