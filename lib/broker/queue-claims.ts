import type { GroupQueue } from "../store/claim-table.js";
import type { ProcessIdentity } from "../store/engine-table.js";
import type { Store } from "../store/store.js";
import { systemChance } from "../time/chance.js";

/** From which message queues this engine may deliver to which group, and store progress. */
export interface QueueOwnership {
  /** As it is now; inside a transaction. */
  holdsNow(group: string, topic: string, queueId: number): boolean;
  /** The same, or nobody who is there has it: for clients that may take part in the group no longer, or not yet. Inside a transaction. */
  isFreeNow(group: string, topic: string, queueId: number): boolean;
}

export interface QueueClaimsHooks {
  /** Something is to be written with a group commit. */
  readonly schedule: () => void;
  /** Queues of these groups are this engine's now. Called after the commit. */
  readonly granted: (groups: ReadonlySet<string>) => void;
  /** This engine was taken for gone: its row is no more. Called within a transaction or a read. */
  readonly rowLost: () => void;
  /** Whether the engine of this key provably is no more. Called within a transaction. */
  readonly isGone: (engineKey: number) => boolean;
}

/** How many queues one transaction takes. */
const MAX_CLAIMS_A_COMMIT = 1_000;

/** By group, then by topic and queue id. */
type Queues = Map<string, Map<string, GroupQueue>>;

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
  /** By which its row is known. */
  readonly token: number = systemChance.nextInt(2 ** 32) * 2 ** 20 + systemChance.nextInt(2 ** 20);
  /** That of this engine's row, unless the row is gone. */
  #engineKey: number | undefined;
  /** The row was committed. */
  #hasStoredRow = false;
  readonly #wanted: Map<string, ReadonlyMap<string, GroupQueue>> = new Map();
  /** With what the open transaction changed. */
  #held: Queues = new Map();
  /** Those of them that the members know of. */
  #granted: Queues = new Map();
  readonly #refused: Queues = new Map();
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
    return this.#granted.get(group)?.has(keyOf(topic, queueId)) === true;
  }

  holdsNow(group: string, topic: string, queueId: number): boolean {
    this.refresh();
    return this.#held.get(group)?.has(keyOf(topic, queueId)) === true;
  }

  /** What a process that was killed has left counts no more: its clients find the next one before anybody there takes part. */
  isFreeNow(group: string, topic: string, queueId: number): boolean {
    if (this.holdsNow(group, topic, queueId)) return true;
    const owner = this.#store.claims.findOwner({ group, topic, queueId });
    return owner === undefined || this.#hooks.isGone(owner);
  }

  /** All queues that the members of the group here are to have. Those that they no longer have are given up. */
  want(group: string, queues: Iterable<Omit<GroupQueue, "group">>): void {
    const wanted = new Map<string, GroupQueue>();
    for (const { topic, queueId } of queues) wanted.set(keyOf(topic, queueId), { group, topic, queueId });
    if (wanted.size === 0) this.#wanted.delete(group);
    else this.#wanted.set(group, wanted);
    this.#lostGroups.delete(group);
    const refused = this.#refused.get(group);
    for (const key of refused?.keys() ?? []) if (!wanted.has(key)) refused?.delete(key);
    if (this.#isUnsettled(group)) this.#setPending();
  }

  /** No member is left here: everything of this engine goes, once the offsets are stored. */
  leave(): void {
    this.#wanted.clear();
    this.#refused.clear();
    this.#lostGroups.clear();
    this.#isLeaving = true;
    this.#setPending();
  }

  /** Inside a read: asks again for what others have let go of meanwhile. */
  askAgain(): void {
    for (const queues of this.#refused.values()) {
      for (const [key, queue] of queues) {
        if (this.#store.claims.findOwner(queue) !== undefined) continue;
        queues.delete(key);
        this.#setPending();
      }
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
      this.#hasLeft = false;
      this.countChange();
      const engineKey = this.#store.meta.nextEngineKey();
      this.#store.engines.insert({ ...this.#identity, engineKey, token: this.token, leaseMs: this.#leaseMs });
      this.#engineKey = engineKey;
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
      this.#held = new Map();
      this.#hasLeft = true;
      return;
    }
    this.#release(this.#engineKey);
    this.#ask(this.#engineKey);
  }

  committed(): void {
    if (!this.#isPending && !this.#hasWritten) return;
    this.#hasWritten = false;
    // Something was undone since: what is held is found out with the next look.
    if (!this.#isFresh) return;
    if (this.#hasLeft) this.#engineKey = undefined;
    this.#hasLeft = false;
    this.#hasStoredRow = this.#engineKey !== undefined;
    const before = this.#granted;
    this.#granted = new Map([...this.#held].map(([group, queues]) => [group, new Map(queues)]));
    const groups = new Set<string>();
    for (const [group, queues] of this.#granted)
      for (const key of queues.keys()) if (before.get(group)?.has(key) !== true) groups.add(group);
    this.#isPending = this.#isAnyUnsettled;
    if (this.hasPending) this.#hooks.schedule();
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
    const isThere = this.#store.engines.find(this.#engineKey)?.token === this.token;
    const stored = isThere ? this.#store.claims.listOfEngine(this.#engineKey) : [];
    this.#held = new Map();
    for (const queue of stored) queuesOf(this.#held, queue.group).set(keyOf(queue.topic, queue.queueId), queue);
    if (!isThere) {
      this.#engineKey = undefined;
      if (this.#hasStoredRow) this.#hooks.rowLost();
      this.#hasStoredRow = false;
    }
    for (const [group, queues] of this.#granted) {
      for (const key of queues.keys()) {
        if (this.#held.get(group)?.has(key) === true) continue;
        queues.delete(key);
        this.#lostGroups.add(group);
      }
    }
  }

  get #isAnyUnsettled(): boolean {
    if (this.#isLeaving && this.#engineKey !== undefined) return true;
    return [...new Set([...this.#held.keys(), ...this.#wanted.keys()])].some((group) => this.#isUnsettled(group));
  }

  /** What is held is not what is wanted. */
  #isUnsettled(group: string): boolean {
    const [held, wanted, refused] = [this.#held.get(group), this.#wanted.get(group), this.#refused.get(group)];
    for (const key of held?.keys() ?? []) if (wanted?.has(key) !== true) return true;
    if (this.#lostGroups.has(group)) return false;
    for (const key of wanted?.keys() ?? []) if (held?.has(key) !== true && refused?.has(key) !== true) return true;
    return false;
  }

  #setPending(): void {
    this.#isPending = true;
    this.#hooks.schedule();
  }

  #release(engineKey: number): void {
    let count = 0;
    for (const [group, queues] of this.#held) {
      for (const [key, queue] of queues) {
        if (this.#wanted.get(group)?.has(key) === true) continue;
        this.#store.claims.delete(queue, engineKey);
        queues.delete(key);
        count += 1;
      }
      if (queues.size === 0) this.#held.delete(group);
    }
    if (count > 0) this.countChange();
  }

  #ask(engineKey: number): void {
    const { claims } = this.#store;
    let left = MAX_CLAIMS_A_COMMIT;
    for (const [group, queues] of this.#wanted) {
      // Its members have to drop what they had before.
      if (this.#lostGroups.has(group)) continue;
      for (const [key, queue] of queues) {
        if (this.#held.get(group)?.has(key) === true || this.#refused.get(group)?.has(key) === true) continue;
        if (left === 0) return;
        left -= 1;
        this.#hasWritten = true;
        claims.insert(queue, engineKey);
        queuesOf(claims.findOwner(queue) === engineKey ? this.#held : this.#refused, group).set(key, queue);
      }
    }
  }
}

function queuesOf(queues: Queues, group: string): Map<string, GroupQueue> {
  let ofGroup = queues.get(group);
  if (ofGroup === undefined) {
    ofGroup = new Map();
    queues.set(group, ofGroup);
  }
  return ofGroup;
}

/** Names hold no control characters. */
function keyOf(topic: string, queueId: number): string {
  return `${topic}\u0001${queueId}`;
}
