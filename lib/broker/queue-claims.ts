import type { GroupQueue } from "../store/claim-table.js";
import type { ProcessIdentity } from "../store/engine-table.js";
import type { Store } from "../store/store.js";

/** From which message queues this engine may deliver to which group, and store progress. */
export interface QueueOwnership {
  /** As it is now; inside a transaction. */
  holdsNow(group: string, topic: string, queueId: number): boolean;
}

export interface QueueClaimsHooks {
  /** Something is to be written with a group commit. */
  readonly schedule: () => void;
  /** Queues of these groups are this engine's now. Called after the commit. */
  readonly granted: (groups: ReadonlySet<string>) => void;
  /** This engine has a row of this key, once the transaction is committed. */
  readonly hasRow: (engineKey: number) => void;
}

/**
 * What this engine has in the tables that all engines on the store share: its row and its claims, one for each message queue that it delivers to a
 * clustering group from.
 *
 * ```
 * wanted ──asked──▶ held ──no longer wanted──▶ released, with the offset, in one transaction
 *            └────▶ refused, until its owner lets go or is gone
 * held ──this engine was taken for gone──▶ lost: its members drop it, then it is wanted anew
 * ```
 * The engine's key is the fencing number: it only grows, and whoever takes a queue over deletes the rows of the owner. As these are compared under the
 * write lock before progress is stored, nothing that an old owner says later counts.
 *
 * Claims are written as offsets are, with whatever commit comes next. Cached for one number of changes among members.
 *
 * RocketMQ has nothing like it for concurrent consumers: there two members may have one queue for as long as they differ in what they know of each other.
 */
export class QueueClaims implements QueueOwnership {
  readonly #store: Store;
  readonly #identity: ProcessIdentity;
  readonly #leaseMs: number;
  readonly #hooks: QueueClaimsHooks;
  /** That of this engine's row, unless the row is gone. */
  #engineKey: number | undefined;
  readonly #wanted = new Map<string, ReadonlyMap<string, GroupQueue>>();
  /** With what the open transaction changed. */
  #held = new Map<string, GroupQueue>();
  /** Those of them that the members know of. */
  #granted = new Map<string, GroupQueue>();
  readonly #refused = new Map<string, GroupQueue>();
  readonly #lostGroups = new Set<string>();
  #isPending = false;
  #isLeaving = false;
  /** The open transaction deleted this engine's row. */
  #hasLeft = false;
  /** The open transaction changed rows. */
  #hasWritten = false;
  /** Row and claims are those after this change. */
  #seenChange = -1;
  /** No other connection has committed since they were compared. */
  #isFresh = false;

  constructor(store: Store, identity: ProcessIdentity, leaseMs: number, hooks: QueueClaimsHooks) {
    this.#store = store;
    this.#identity = identity;
    this.#leaseMs = leaseMs;
    this.#hooks = hooks;
  }

  get hasPending(): boolean {
    return this.#isPending && this.#engineKey !== undefined;
  }

  /** As of the last look; `undefined` when this engine has no row. */
  get engineKey(): number | undefined {
    return this.#engineKey;
  }

  /** As the members know it. */
  holds(group: string, topic: string, queueId: number): boolean {
    return this.#granted.has(keyOf({ group, topic, queueId }));
  }

  holdsNow(group: string, topic: string, queueId: number): boolean {
    this.refresh();
    return this.#held.has(keyOf({ group, topic, queueId }));
  }

  /** All queues that the members of the group here are to have. Those that they no longer have are given up. */
  want(group: string, queues: Iterable<Omit<GroupQueue, "group">>): void {
    const wanted = new Map<string, GroupQueue>();
    for (const { topic, queueId } of queues) {
      const queue = { group, topic, queueId };
      wanted.set(keyOf(queue), queue);
    }
    if (wanted.size === 0) this.#wanted.delete(group);
    else this.#wanted.set(group, wanted);
    this.#lostGroups.delete(group);
    for (const [key, queue] of this.#refused) if (queue.group === group && !wanted.has(key)) this.#refused.delete(key);
    if (this.#isUnsettled) this.#setPending();
  }

  /** No member is left here: everything of this engine goes, once the offsets are stored. */
  leave(): void {
    this.#wanted.clear();
    this.#refused.clear();
    this.#isLeaving = true;
    this.#setPending();
  }

  /** Inside a read: asks again for what others have let go of meanwhile. */
  askAgain(): void {
    for (const [key, queue] of this.#refused) {
      if (this.#store.claims.findOwner(queue) !== undefined) continue;
      this.#refused.delete(key);
      this.#setPending();
    }
  }

  /** Groups that lost queues, because this engine was taken for gone, and have not said since what they want. */
  get lostGroups(): ReadonlySet<string> {
    return this.#lostGroups;
  }

  /** Inside a transaction: the key of this engine's row, which is made where it is missing. */
  requireEngineKey(): number {
    this.refresh();
    this.#isLeaving = false;
    if (this.#engineKey === undefined || this.#hasLeft) {
      const { meta, engines } = this.#store;
      this.#hasLeft = false;
      this.countChange();
      this.#engineKey = meta.nextEngineKey();
      engines.insert(this.#engineKey, this.#identity, this.#leaseMs);
      this.#hooks.hasRow(this.#engineKey);
    }
    return this.#engineKey;
  }

  /** Inside a transaction: somebody joined or left, or let go of a queue. Returns which change it is. */
  countChange(): number {
    this.refresh();
    this.#hasWritten = true;
    this.#seenChange = this.#store.meta.countMemberChange();
    return this.#seenChange;
  }

  /** Inside a transaction: everything of an engine that is gone. */
  removeEngine(engineKey: number): void {
    const { engines, members, claims } = this.#store;
    this.countChange();
    members.deleteOfEngine(engineKey);
    claims.deleteOfEngine(engineKey);
    engines.delete(engineKey);
  }

  /** Inside a transaction, after the offsets: lets go of queues and asks for others. */
  write(): void {
    if (!this.#isPending) return;
    this.refresh();
    if (this.#engineKey === undefined) return;
    if (this.#isLeaving) {
      this.removeEngine(this.#engineKey);
      this.#held.clear();
      this.#hasLeft = true;
      return;
    }
    this.#release(this.#engineKey);
    this.#ask(this.#engineKey);
  }

  committed(): void {
    if (!this.#isPending && !this.#hasWritten) return;
    this.#hasWritten = false;
    if (this.#hasLeft) this.#engineKey = undefined;
    this.#hasLeft = false;
    this.#isPending = this.#isUnsettled;
    const before = this.#granted;
    this.#granted = new Map(this.#held);
    const groups = new Set<string>();
    for (const [key, { group }] of this.#granted) if (!before.has(key)) groups.add(group);
    if (groups.size > 0) this.#hooks.granted(groups);
  }

  /** Another connection has committed, or what was written is undone. */
  drop(): void {
    this.#isFresh = false;
    this.#hasLeft = false;
    if (this.#hasWritten) this.#seenChange = -1;
  }

  /** Inside a transaction or a read: compares own row and claims with the store. */
  refresh(): void {
    if (this.#isFresh) return;
    const change = this.#store.meta.memberChanges();
    if (change !== this.#seenChange) this.#reload();
    // Last, as reading may fail.
    this.#seenChange = change;
    this.#isFresh = true;
  }

  #reload(): void {
    if (this.#engineKey === undefined) return;
    const isThere = this.#store.engines.find(this.#engineKey) !== undefined;
    const stored = isThere ? this.#store.claims.listOfEngine(this.#engineKey) : [];
    if (!isThere) this.#engineKey = undefined;
    this.#held = new Map(stored.map((queue) => [keyOf(queue), queue]));
    for (const [key, { group }] of this.#granted) {
      if (this.#held.has(key)) continue;
      this.#granted.delete(key);
      this.#lostGroups.add(group);
    }
  }

  get #isUnsettled(): boolean {
    for (const [key, { group }] of this.#held) if (this.#wanted.get(group)?.has(key) !== true) return true;
    for (const [group, queues] of this.#wanted) {
      if (this.#lostGroups.has(group)) continue;
      for (const key of queues.keys()) if (!this.#held.has(key) && !this.#refused.has(key)) return true;
    }
    return this.#isLeaving && this.#engineKey !== undefined;
  }

  #setPending(): void {
    this.#isPending = true;
    this.#hooks.schedule();
  }

  #release(engineKey: number): void {
    let count = 0;
    for (const [key, queue] of this.#held) {
      if (this.#wanted.get(queue.group)?.has(key) === true) continue;
      this.#store.claims.delete(queue, engineKey);
      this.#held.delete(key);
      count += 1;
    }
    if (count > 0) this.countChange();
  }

  #ask(engineKey: number): void {
    const { claims } = this.#store;
    for (const [group, queues] of this.#wanted) {
      // Its members have to drop what they had before.
      if (this.#lostGroups.has(group)) continue;
      for (const [key, queue] of queues) {
        if (this.#held.has(key) || this.#refused.has(key)) continue;
        this.#hasWritten = true;
        claims.insert(queue, engineKey);
        if (claims.findOwner(queue) === engineKey) this.#held.set(key, queue);
        else this.#refused.set(key, queue);
      }
    }
  }
}

/** Names hold no control characters. */
function keyOf({ group, topic, queueId }: GroupQueue): string {
  return `${group}\u0001${topic}\u0001${queueId}`;
}
