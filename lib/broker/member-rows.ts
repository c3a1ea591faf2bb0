import type { MemberRow } from "../store/member-table.js";
import type { Store } from "../store/store.js";
import type { GroupMember } from "./broker-port.js";
import type { QueueClaims } from "./queue-claims.js";

export interface MemberRowsHooks {
  /** Something is to be written with a group commit. */
  readonly schedule: () => void;
  /** The row of this member is stored. */
  readonly registered: (member: GroupMember, registration: number) => void;
  /** While this engine was taken for gone another one got a member of this name. */
  readonly displaced: (member: GroupMember) => void;
}

/** Rows of members that are to be written or deleted; they ride with the next group commit, as claims do, until it succeeds. */
export class MemberRows {
  readonly #store: Store;
  readonly #claims: QueueClaims;
  readonly #hooks: MemberRowsHooks;
  readonly #pending = new Map<GroupMember, "put" | "delete">();
  #written: (readonly [GroupMember, number | "displaced"])[] = [];

  constructor(store: Store, claims: QueueClaims, hooks: MemberRowsHooks) {
    this.#store = store;
    this.#claims = claims;
    this.#hooks = hooks;
  }

  get hasPending(): boolean {
    return this.#pending.size > 0;
  }

  put(member: GroupMember): void {
    this.#pending.set(member, "put");
    this.#hooks.schedule();
  }

  delete(member: GroupMember): void {
    this.#pending.set(member, "delete");
    this.#hooks.schedule();
  }

  /** Inside a transaction: who has the name of this member. */
  findNamesake({ group, clientId, instance }: GroupMember): MemberRow | undefined {
    const isNamesake = (row: MemberRow): boolean =>
      row.clientId === clientId || (instance !== undefined && row.instanceName === instance.instanceName);
    return this.#store.members.listOfGroup(group).find(isNamesake);
  }

  /** Inside a transaction: registers the member and returns which change that is. */
  insert(member: GroupMember): number {
    const { group, clientId, messageModel, instance, subscriptions } = member;
    const engineKey = this.#claims.requireEngineKey();
    const registration = this.#claims.countChange();
    const instanceName = instance?.instanceName;
    this.#store.members.put({
      group,
      clientId,
      engineKey,
      registration,
      messageModel,
      instanceName,
      subscriptions,
    });
    return registration;
  }

  /** Inside a transaction. */
  write(): void {
    this.#written = [];
    for (const [member, what] of this.#pending) {
      if (what === "put") this.#written.push([member, this.#put(member)]);
      else this.#delete(member);
    }
  }

  committed(): void {
    if (this.#pending.size === 0) return;
    this.#pending.clear();
    for (const [member, registration] of this.#written) {
      if (registration === "displaced") this.#hooks.displaced(member);
      else this.#hooks.registered(member, registration);
    }
  }

  #put(member: GroupMember): number | "displaced" {
    const engineKey = this.#claims.requireEngineKey();
    const namesake = this.findNamesake(member);
    return namesake === undefined || namesake.engineKey === engineKey ? this.insert(member) : "displaced";
  }

  #delete({ group, clientId }: GroupMember): void {
    this.#claims.refresh();
    const { engineKey } = this.#claims;
    if (engineKey === undefined) return;
    this.#store.members.delete(group, clientId, engineKey);
    this.#claims.countChange();
  }
}
