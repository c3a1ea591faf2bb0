import { isMqError, MqError } from "../errors.js";
import type { EngineRow } from "../store/engine-table.js";
import { toMqError } from "../store/sqlite-error.js";
import type { EventHub } from "./broker-events.js";
import type { GroupMember } from "./broker-port.js";
import type { Company } from "./company.js";
import type { Engine } from "./engine.js";
import { type GroupMembers, type KnownMember, NEWEST, nameTaken } from "./group-members.js";
import type { Peers } from "./peers.js";

/** Who was there when a member registered. */
interface Registration {
  readonly registration: number;
  readonly others: readonly KnownMember[];
  readonly engines: readonly EngineRow[];
}

/** The name is taken by a member of this engine, which may be gone. */
interface Conflict {
  readonly occupant: EngineRow;
  readonly engines: readonly EngineRow[];
}

export interface MemberRegistryParts {
  readonly engine: Engine;
  readonly company: Company;
  readonly members: GroupMembers;
  readonly peers: Peers;
  readonly events: EventHub;
}

/**
 * Members as rows that all engines on the store see: registers those of this engine, and tells {@link GroupMembers} of those in others.
 *
 * Source: RocketMQ, `broker/.../client/ConsumerManager.java`, `registerConsumer`; `DefaultConsumerIdsChangeListener.java`.
 */
export class MemberRegistry {
  readonly #events: EventHub;
  readonly #engine: Engine;
  readonly #company: Company;
  readonly #members: GroupMembers;
  readonly #peers: Peers;
  #joining = 0;
  #seenChange = -1;

  constructor({ engine, company, members, peers, events }: MemberRegistryParts) {
    this.#events = events;
    this.#engine = engine;
    this.#company = company;
    this.#members = members;
    this.#peers = peers;
  }

  /** Whether a member is about to join. */
  get isBusy(): boolean {
    return this.#joining > 0;
  }

  /**
   * The member takes part, and has those queues of its share that nobody else had, when this resolves.
   *
   * @param prepare - runs in the transaction that stores the member.
   * @param assertOpen - throws when the broker closes.
   */
  async join(member: GroupMember, prepare: () => void, assertOpen: () => void): Promise<void> {
    this.#members.assertFree(member);
    this.#joining += 1;
    try {
      const { registration, others, engines } = await this.#register(member, prepare);
      try {
        assertOpen();
        this.#members.join(member, registration, others);
      } catch (error) {
        this.#company.memberRows.delete(member);
        throw error;
      }
      this.#peers.met(engines);
    } finally {
      this.#joining -= 1;
      this.#leaveWhenEmpty();
    }
    await this.#claimed();
  }

  /** Claims ride with the next commit; where it fails they are tried again. */
  async #claimed(): Promise<void> {
    try {
      await this.#engine.write(() => undefined);
    } catch (error) {
      if (isMqError(error, "ERR_MQ_CLOSED")) throw error;
      this.#events.error(toMqError(error, "taking message queues"));
    }
  }

  changed(member: GroupMember): void {
    this.#members.changed(member, NEWEST);
    this.#company.memberRows.put(member);
  }

  left(member: GroupMember): void {
    this.#members.leave(member);
    this.#company.memberRows.delete(member);
    this.#leaveWhenEmpty();
  }

  /** Another process has a member of this name, as nothing was heard of this one for long: it takes part no more. */
  displaced(member: GroupMember): void {
    const { group, clientId } = member;
    this.#members.leave(member);
    this.#leaveWhenEmpty();
    member.brokerFailed(
      new MqError(
        "ERR_MQ_ALREADY_CREATED",
        `nothing was heard of this process for longer than its lease, and another one has a member ${clientId} of group ${group} now`,
      ),
    );
  }

  /** Inside a read: finds out who came and went in other engines, and which queues they let go of. */
  lookAgain(): void {
    const { store } = this.#engine;
    const { claims, memberRows } = this.#company;
    const change = store.meta.memberChanges();
    if (change === this.#seenChange && claims.lostGroups.size === 0) return;
    claims.refresh();
    this.#peers.met(store.engines.list());
    // This engine was taken for gone.
    if (claims.engineKey === undefined) for (const member of this.#members.list()) memberRows.put(member);
    for (const group of this.#members.groups) this.#members.setOthers(group, this.listOthers(group));
    for (const group of claims.lostGroups) this.#members.rebalance(group);
    claims.askAgain();
    // Last, as reading may fail.
    this.#seenChange = change;
  }

  /** Inside a read: members of the group in other engines. */
  listOthers(group: string): readonly KnownMember[] {
    const { engineKey } = this.#company.claims;
    return this.#engine.store.members.listOfGroup(group).filter((other) => other.engineKey !== engineKey);
  }

  async #register(member: GroupMember, prepare: () => void): Promise<Registration> {
    for (;;) {
      const outcome = await this.#engine.write(() => {
        prepare();
        return this.#insert(member);
      });
      if ("registration" in outcome) return outcome;
      const { occupant, engines } = outcome;
      this.#peers.met(engines);
      if (await this.#peers.isThere(occupant)) throw nameTaken(member.group, member.clientId);
    }
  }

  #insert(member: GroupMember): Registration | Conflict {
    const { store } = this.#engine;
    const { claims, memberRows } = this.#company;
    const { group, clientId } = member;
    const engineKey = claims.requireEngineKey();
    for (const row of store.engines.list())
      if (row.engineKey !== engineKey && this.#company.isGone(row)) claims.removeEngine(row.engineKey);
    // Who has just left here may have had the name.
    memberRows.write();
    const occupant = memberRows.findNamesake(member);
    if (occupant?.engineKey === engineKey) throw nameTaken(group, clientId);
    const engines = store.engines.list();
    const ofOccupant = engines.find((row) => row.engineKey === occupant?.engineKey);
    if (ofOccupant !== undefined) return { occupant: ofOccupant, engines };
    return { registration: memberRows.insert(member), others: this.listOthers(group), engines };
  }

  #leaveWhenEmpty(): void {
    if (this.#joining === 0 && this.#members.count === 0) this.#company.claims.leave();
  }
}
