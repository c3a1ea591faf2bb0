import type { MemberRow } from "../store/member-table.js";
import type { Store } from "../store/store.js";
import type { GroupMember } from "./broker-port.js";
import type { QueueClaims } from "./queue-claims.js";

export interface MemberRowsHooks {
  /** Something is to be written with a group commit. */
  readonly schedule: () => void;
  /** Those that take part in this engine. */
  readonly members: () => readonly GroupMember[];
  /** The row of this member is stored. */
  readonly registered: (member: GroupMember, registration: number) => void;
  /** While this engine was taken for gone another one got a member of this name. */
  readonly displaced: (member: GroupMember) => void;
}

/**
 * Keeps the rows of this engine's members like the members: with a group commit, as claims are, those of others are deleted, and missing or changed ones put.
 * As rows and members are compared, it does not matter what came of earlier attempts.
 */
export class MemberRows {
  readonly #store: Store;
  readonly #claims: QueueClaims;
  readonly #hooks: MemberRowsHooks;
  /** Whose rows are stored, and who take part in a moment. */
  readonly #joining = new Set<GroupMember>();
  readonly #changed = new Set<GroupMember>();
  #isPending = false;
  /** In the open transaction; `undefined`: nothing was compared in it. */
  #written: (readonly [GroupMember, number | "displaced"])[] | undefined;

  constructor(store: Store, claims: QueueClaims, hooks: MemberRowsHooks) {
    this.#store = store;
    this.#claims = claims;
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
    const written: (readonly [GroupMember, number | "displaced"])[] = [];
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
    for (const [member, registration] of written) {
      if (registration === "displaced") this.#hooks.displaced(member);
      else this.#hooks.registered(member, registration);
    }
  }

  /** What was written is undone, or not of the newest commit. */
  drop(): void {
    this.#written = undefined;
  }

  #present(): readonly GroupMember[] {
    return [...this.#hooks.members(), ...this.#joining];
  }

  #put(member: GroupMember): number | "displaced" {
    const engineKey = this.#claims.requireEngineKey();
    const namesake = this.findNamesake(member);
    return namesake === undefined || namesake.engineKey === engineKey ? this.#insert(member) : "displaced";
  }

  #insert({ group, clientId, messageModel, consumeType = "push", instance, subscriptions }: GroupMember): number {
    const engineKey = this.#claims.requireEngineKey();
    const registration = this.#claims.countChange();
    const instanceName = instance?.instanceName;
    this.#store.members.put({
      ...{ group, clientId, engineKey, registration, messageModel },
      ...{ consumeType, instanceName, subscriptions },
    });
    return registration;
  }
}

/** Names hold no control characters. */
function nameOf({ group, clientId }: Pick<GroupMember, "group" | "clientId">): string {
  return `${group}\u0001${clientId}`;
}
