import { MqError } from "../errors.js";
import type { EngineRow } from "../store/engine-table.js";
import type { MemberRow } from "../store/member-table.js";
import type { Store } from "../store/store.js";
import type { GroupMember } from "./broker-port.js";
import type { QueueClaims } from "./queue-claims.js";
import { findDisagreement } from "./subscriptions.js";

export interface MemberRowsHooks {
  /** Something is to be written with a group commit. */
  readonly schedule: () => void;
  /** Those that take part in this engine. */
  readonly members: () => readonly GroupMember[];
  /** The row of this member is stored. */
  readonly registered: (member: GroupMember, registration: number) => void;
  /** Another engine has, since this one was taken for gone or at the same moment, a member beside which this one cannot be. */
  readonly refused: (member: GroupMember, error: MqError) => void;
}

/**
 * Keeps the rows of this engine's members like the members: with a group commit, as claims are, those of others are deleted, and missing or changed ones put.
 * As rows and members are compared, it does not matter what came of earlier attempts.
 */
export class MemberRows {
  readonly #store: Store;
  readonly #claims: QueueClaims;
  readonly #hooks: MemberRowsHooks;
  readonly #isGone: (engine: EngineRow) => boolean;
  /** Whose rows are stored, and who take part in a moment. */
  readonly #joining = new Set<GroupMember>();
  readonly #changed = new Set<GroupMember>();
  #isPending = false;
  /** In the open transaction; `undefined`: nothing was compared in it. */
  #written: (readonly [GroupMember, number | MqError])[] | undefined;

  /** @param isGone - whether the process of an engine provably is no more. */
  constructor(store: Store, claims: QueueClaims, isGone: (engine: EngineRow) => boolean, hooks: MemberRowsHooks) {
    this.#store = store;
    this.#claims = claims;
    this.#isGone = isGone;
    this.#hooks = hooks;
  }

  get hasPending(): boolean {
    return this.#isPending;
  }

  /** Members or rows have changed. @param member - it subscribes to something else. */
  compareSoon(member?: GroupMember): void {
    if (member !== undefined) this.#changed.add(member);
    this.#isPending = true;
    this.#hooks.schedule();
  }

  /** Inside a transaction: registers a member that is about to take part, and returns which change that is. */
  join(member: GroupMember): number {
    this.#joining.add(member);
    return this.#insert(member);
  }

  /** It takes part now, or does not. */
  joined(member: GroupMember): void {
    this.#joining.delete(member);
  }

  /** Inside a transaction: who has the name of this member. */
  findNamesake({ group, clientId, instance }: GroupMember): MemberRow | undefined {
    const isNamesake = (row: MemberRow): boolean =>
      row.clientId === clientId || (instance !== undefined && row.instanceName === instance.instanceName);
    return this.#store.members.listOfGroup(group).find(isNamesake);
  }

  /** Inside a read: members of the group in other engines, those aside of which the process is provably gone. */
  listOthers(group: string): readonly MemberRow[] {
    const { engineKey } = this.#claims;
    const others = this.#store.members.listOfGroup(group).filter((other) => other.engineKey !== engineKey);
    if (others.length === 0) return others;
    const gone = new Set<number>();
    for (const row of this.#store.engines.list()) if (this.#isGone(row)) gone.add(row.engineKey);
    return others.filter((other) => !gone.has(other.engineKey));
  }

  /** Inside a transaction: those of the group whose rows this engine has stored, and which take part in a moment. */
  listJoining(group: string): readonly MemberRow[] {
    const present = new Set(this.#hooks.members().map(nameOf));
    const { engineKey } = this.#claims;
    const own = this.#store.members.listOfGroup(group).filter((row) => row.engineKey === engineKey);
    return own.filter((row) => !present.has(nameOf(row)));
  }

  /** Inside a transaction: rows of those who have left. */
  deleteStale(): void {
    const { engineKey } = this.#claims;
    if (engineKey === undefined) return;
    const present = new Set(this.#present().map(nameOf));
    for (const row of this.#store.members.listOfEngine(engineKey)) {
      if (present.has(nameOf(row))) continue;
      this.#store.members.delete(row.group, row.clientId, engineKey);
      this.#claims.countChange();
    }
  }

  /** Inside a transaction. */
  write(): void {
    if (!this.#isPending) return;
    const written: (readonly [GroupMember, number | MqError])[] = [];
    this.#claims.refresh();
    this.deleteStale();
    const { engineKey } = this.#claims;
    const rows = engineKey === undefined ? [] : this.#store.members.listOfEngine(engineKey);
    const stored = new Set(rows.map(nameOf));
    for (const member of this.#present())
      if (!stored.has(nameOf(member)) || this.#changed.has(member)) written.push([member, this.#put(member)]);
    this.#written = written;
  }

  committed(): void {
    const written = this.#written;
    if (written === undefined) return;
    this.#written = undefined;
    this.#isPending = false;
    this.#changed.clear();
    for (const [member, outcome] of written) {
      if (typeof outcome === "number") this.#hooks.registered(member, outcome);
      else this.#hooks.refused(member, outcome);
    }
  }

  /** What was written is undone, or not of the newest commit. */
  drop(): void {
    this.#written = undefined;
  }

  #present(): readonly GroupMember[] {
    return [...this.#hooks.members(), ...this.#joining];
  }

  #put(member: GroupMember): number | MqError {
    const { group, clientId } = member;
    const engineKey = this.#claims.requireEngineKey();
    const namesake = this.findNamesake(member);
    if (namesake !== undefined && namesake.engineKey !== engineKey) {
      return new MqError(
        "ERR_MQ_ALREADY_CREATED",
        `nothing was heard of this process for longer than its lease, and another one has a member ${clientId} of group ${group} now`,
      );
    }
    return findDisagreement(group, member, this.listOthers(group))?.error ?? this.#insert(member);
  }

  #insert(member: GroupMember): number {
    const engineKey = this.#claims.requireEngineKey();
    const registration = this.#claims.countChange();
    const { group, clientId, messageModel, consumeType = "push", instance, subscriptions, isStrict = false } = member;
    this.#store.members.put({
      ...{ group, clientId, engineKey, registration, messageModel, consumeType },
      ...{ instanceName: instance?.instanceName, subscriptions, isStrict },
    });
    return registration;
  }
}

/** Names hold no control characters. */
function nameOf({ group, clientId }: Pick<GroupMember, "group" | "clientId">): string {
  return `${group}\u0001${clientId}`;
}
