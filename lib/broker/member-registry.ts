import { isMqError, type MqError } from "../errors.js";
import type { EngineRow } from "../store/engine-table.js";
import { toMqError } from "../store/sqlite-error.js";
import type { EventHub } from "./broker-events.js";
import type { GroupMember, SubscriptionTable } from "./broker-port.js";
import type { Company } from "./company.js";
import type { Engine } from "./engine.js";
import { type GroupMembers, type KnownMember, NEWEST, nameTaken } from "./group-members.js";
import type { Peers } from "./peers.js";
import type { QueueLocks } from "./queue-locks.js";
import { findDisagreement, isSameTable } from "./subscriptions.js";

/** Who was there when a member registered. */
interface Registration {
  readonly registration: number;
  readonly subscriptions: SubscriptionTable;
  readonly others: readonly KnownMember[];
}

/** A member of this engine, which may be gone, is in the way. */
interface Conflict {
  readonly occupant: EngineRow;
  readonly engines: readonly EngineRow[];
  readonly error: MqError;
}

export interface MemberRegistryParts {
  readonly engine: Engine;
  readonly company: Company;
  readonly members: GroupMembers;
  readonly locks: QueueLocks;
  readonly peers: Peers;
  readonly events: EventHub;
  /** Throws when the broker closes. */
  readonly assertOpen: () => void;
  /** Has {@link MemberRegistry.lookAgain} called, as soon as something can be read. */
  readonly look: () => void;
}

/**
 * Members as rows that all engines on the store see: registers those of this engine, and tells {@link GroupMembers} of those in others.
 *
 * Source: RocketMQ, `broker/.../client/ConsumerManager.java`, `registerConsumer`; `DefaultConsumerIdsChangeListener.java`.
 */
export class MemberRegistry {
  readonly #parts: MemberRegistryParts;
  #joining = 0;
  #seenChange = -1;

  constructor(parts: MemberRegistryParts) {
    this.#parts = parts;
  }

  /** Whether a member is about to join. */
  get isBusy(): boolean {
    return this.#joining > 0;
  }

  /**
   * The member takes part, and has those queues of its share that nobody else had, when this resolves.
   *
   * @param prepare - runs in the transaction that stores the member.
   */
  async join(member: GroupMember, prepare: () => void): Promise<void> {
    const { company, members, assertOpen, look } = this.#parts;
    members.assertFree(member);
    this.#joining += 1;
    try {
      const { registration, subscriptions, others } = await this.#register(member, prepare);
      assertOpen();
      members.join(member, registration, others);
      // It may have subscribed to something else since.
      if (!isSameTable(subscriptions, member.subscriptions)) company.memberRows.compareSoon(member);
    } finally {
      this.#joining -= 1;
      company.memberRows.joined(member);
      company.memberRows.compareSoon();
      this.leaveWhenEmpty();
      // Whoever was gone went with the registration, in a commit that is no news here.
      this.#seenChange = -1;
      look();
    }
    await this.#claimed();
  }

  /** Subscriptions of the member may have changed. */
  changed(member: GroupMember): void {
    const { company, members } = this.#parts;
    if (members.changed(member, NEWEST)) company.memberRows.compareSoon(member);
  }

  left(member: GroupMember): void {
    const { company, members } = this.#parts;
    members.leave(member);
    company.memberRows.compareSoon();
    this.leaveWhenEmpty();
  }

  /** As others are known to be now. What cannot be read is found out with the commit. */
  assertAgrees(member: GroupMember, subscriptions: SubscriptionTable): void {
    const { engine, company, members, events } = this.#parts;
    let others: readonly KnownMember[] | undefined;
    try {
      others = engine.reads.readNow(() => company.memberRows.listOthers(member.group));
    } catch (error) {
      if (!isMqError(error, "ERR_MQ_SYSTEM_BUSY") && engine.isUsable)
        events.error(toMqError(error, "looking for members in other processes"));
    }
    members.assertAgrees(member, subscriptions, others);
  }

  /** It takes part no more. */
  refused(member: GroupMember, error: MqError): void {
    this.left(member);
    member.brokerFailed(error);
    this.#parts.events.error(error);
  }

  /** Nothing of this engine is left for others to see, once nobody here has anything to do with a queue. */
  leaveWhenEmpty(): void {
    const { company, members, locks } = this.#parts;
    if (this.#joining === 0 && members.count === 0 && locks.isEmpty) company.claims.leave();
  }

  /** Inside a read: finds out who came and went in other engines, and which queues they let go of. */
  lookAgain(): void {
    const { engine, company, members, peers } = this.#parts;
    const { store } = engine;
    const { claims } = company;
    const change = store.meta.memberChanges();
    if (change === this.#seenChange && claims.lostGroups.size === 0) return;
    claims.refresh();
    peers.met(store.engines.list());
    for (const group of members.groups) members.setOthers(group, company.memberRows.listOthers(group));
    for (const group of claims.lostGroups) {
      members.rebalance(group);
    }
    claims.askAgain();
    // Last, as reading may fail.
    this.#seenChange = change;
  }

  /** Claims ride with the next commit; where it fails they are tried again. */
  async #claimed(): Promise<void> {
    const { engine, events } = this.#parts;
    try {
      await engine.write(() => undefined);
    } catch (error) {
      if (isMqError(error, "ERR_MQ_CLOSED")) throw error;
      events.error(toMqError(error, "taking message queues"));
    }
  }

  async #register(member: GroupMember, prepare: () => void): Promise<Registration> {
    const { engine, peers, assertOpen } = this.#parts;
    for (;;) {
      assertOpen();
      const outcome = await engine.write(() => {
        prepare();
        return this.#insert(member);
      });
      if ("registration" in outcome) return outcome;
      peers.met(outcome.engines);
      if (await peers.isThere(outcome.occupant)) throw outcome.error;
    }
  }

  #insert(member: GroupMember): Registration | Conflict {
    const { engine, company, members } = this.#parts;
    const { store } = engine;
    const { claims, memberRows } = company;
    const { group, clientId } = member;
    const engineKey = claims.requireEngineKey();
    for (const row of store.engines.list())
      if (row.engineKey !== engineKey && company.isGone(row)) claims.removeEngine(row.engineKey);
    // Who has just left here may have had the name.
    memberRows.deleteStale();
    const namesake = memberRows.findNamesake(member);
    if (namesake?.engineKey === engineKey) throw nameTaken(group, clientId);
    const engines = store.engines.list();
    const occupant = engines.find((row) => row.engineKey === namesake?.engineKey);
    if (occupant !== undefined) return { occupant, engines, error: nameTaken(group, clientId) };
    members.assertAgrees(member, member.subscriptions, memberRows.listJoining(group));
    const others = memberRows.listOthers(group);
    const disagreement = findDisagreement(group, member, others);
    const opponent = engines.find((row) => row.engineKey === disagreement?.other.engineKey);
    if (disagreement !== undefined && opponent !== undefined)
      return { occupant: opponent, engines, error: disagreement.error };
    const subscriptions = new Map(member.subscriptions);
    return { registration: memberRows.join(member), subscriptions, others };
  }
}
