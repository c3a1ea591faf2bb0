import type { BlockPlace } from "../store/log-table.js";
import type { Store } from "../store/store.js";
import type { QueueState, QueueStates } from "./queue-states.js";

/** What one transaction looks at and deletes: 128 blocks of 32 KiB take 2 to 4 ms. */
const BLOCKS_A_STEP = 128;
const QUEUES_A_STEP = 256;

/** Messages of one queue that are gone. */
export interface ExpiredRange {
  readonly topic: string;
  readonly queueId: number;
  readonly fromOffset: number;
  /** The first one that is left. */
  readonly toOffset: number;
  /** Groups whose progress says that they had not consumed all of them. */
  readonly unconsumedBy: readonly string[];
}

/** What a step of deleting came to. */
export interface ExpiryStep {
  readonly expired: readonly ExpiredRange[];
  /** Where the next step begins, the key of a queue; `undefined`: this was the last one. */
  readonly next: number | undefined;
}

/** A block goes that one of the two says. */
export interface Cutoff {
  readonly storedBefore: number;
  /** A position of the log: what begins before it. */
  readonly below: number;
}

export interface ExpiryParts {
  readonly store: Store;
  readonly queues: QueueStates;
  /** Whether what a group has not consumed stays. */
  readonly keepsUnconsumed: boolean;
}

/**
 * Deletes the oldest messages, block by block from the front of each queue, in many transactions.
 *
 * Source: RocketMQ, `store/.../DefaultMessageStore.java`, `CleanCommitLogService`, which deletes files of all queues together, whoever has not consumed what is in
 * them.
 */
export class Expiry {
  readonly #parts: ExpiryParts;
  readonly #cutoff: Cutoff;
  /** By queue, the lowest offset that each group has in hand. Whoever pops later pops what is not consumed yet. */
  #inHand: ReadonlyMap<number, ReadonlyMap<string, number>> | undefined;

  constructor(parts: ExpiryParts, cutoff: Cutoff) {
    this.#parts = parts;
    this.#cutoff = cutoff;
  }

  /** Inside a read: whether there is anything so old. */
  get isNeeded(): boolean {
    const first = this.#parts.store.log.first();
    return first !== undefined && this.#isOld(first);
  }

  /** Inside a transaction, perhaps several times until one is committed. @param from - the key of the queue to begin with. */
  step(from: number): ExpiryStep {
    const { store, queues, keepsUnconsumed } = this.#parts;
    const expired: ExpiredRange[] = [];
    this.#inHand ??= readInHand(store);
    const progress = new TopicProgress(store, this.#inHand);
    let room = BLOCKS_A_STEP;
    const rows = store.queues.listFrom(from, QUEUES_A_STEP);
    for (const { queueKey, topic, queueId } of rows) {
      const state = queues.get(topic, queueId);
      const fromOffset = state.minOffset;
      const readers = progress.of(topic, queueId, queueKey);
      const limit = keepsUnconsumed ? Math.min(...readers.values()) : Number.POSITIVE_INFINITY;
      const deleted = this.#deleteBlocks(state, limit, room);
      if (deleted > 0) {
        const toOffset = state.minOffset;
        const unconsumedBy = [...readers].filter(([, offset]) => offset < toOffset).map(([group]) => group);
        expired.push({ topic, queueId, fromOffset, toOffset, unconsumedBy });
      }
      room -= deleted;
      if (room === 0) return { expired, next: queueKey };
    }
    const last = rows.at(-1);
    return { expired, next: last === undefined || rows.length < QUEUES_A_STEP ? undefined : last.queueKey + 1 };
  }

  #isOld({ storeTimestamp, commitLogOffset }: BlockPlace): boolean {
    return storeTimestamp < this.#cutoff.storedBefore || commitLogOffset < this.#cutoff.below;
  }

  /** Returns how many. */
  #deleteBlocks(state: QueueState, limit: number, room: number): number {
    const { store, queues: states } = this.#parts;
    const { log, queues, meta } = store;
    const { logEnd } = states;
    let deleted = 0;
    for (const head of log.listHeads(state.queueKey, room)) {
      const end = head.firstOffset + head.messageCount;
      if (!this.#isOld(head) || end > limit) break;
      log.delete(head.commitLogOffset);
      state.minOffset = end;
      deleted += 1;
    }
    if (deleted === 0 || state.minOffset < state.maxOffset) return deleted;
    // Numbering goes on where it was.
    queues.setFloor(state.queueKey, state.maxOffset);
    meta.setLogFloor(logEnd);
    return deleted;
  }
}

/** How far groups, and instances of broadcasting groups, have come in the queues of the topics that they consume. */
class TopicProgress {
  readonly #store: Store;
  readonly #inHand: ReadonlyMap<number, ReadonlyMap<string, number>>;
  readonly #readers = new Map<string, Readers>();
  #groups: readonly string[] | undefined;

  constructor(store: Store, inHand: ReadonlyMap<number, ReadonlyMap<string, number>>) {
    this.#store = store;
    this.#inHand = inHand;
  }

  /** By group, the lowest offset that somebody of it has not consumed. A queue of a topic from which a group never consumed is at 0 for it. */
  of(topic: string, queueId: number, queueKey: number): ReadonlyMap<string, number> {
    const { consumeOffsets, broadcastOffsets } = this.#store;
    const { groups, instances } = this.#of(topic);
    const offsets = new Map<string, number>();
    const note = (group: string, offset: number): void => {
      offsets.set(group, Math.min(offset, offsets.get(group) ?? Number.POSITIVE_INFINITY));
    };
    for (const group of groups) note(group, consumeOffsets.find(group, topic, queueId) ?? 0);
    for (const instance of instances) note(instance.group, broadcastOffsets.find(instance, topic, queueId) ?? 0);
    for (const [group, offset] of this.#inHand.get(queueKey) ?? []) note(group, offset);
    return offsets;
  }

  #of(topic: string): Readers {
    const known = this.#readers.get(topic);
    if (known !== undefined) return known;
    const { consumeOffsets, broadcastOffsets, groups } = this.#store;
    this.#groups ??= groups.list().map(({ group }) => group);
    const readers = {
      groups: this.#groups.filter((group) => consumeOffsets.hasTopic(group, topic)),
      instances: broadcastOffsets.listOfTopic(topic),
    };
    this.#readers.set(topic, readers);
    return readers;
  }
}

interface Readers {
  readonly groups: readonly string[];
  readonly instances: readonly { readonly group: string; readonly instanceName: string }[];
}

function readInHand(store: Store): ReadonlyMap<number, ReadonlyMap<string, number>> {
  const inHand = new Map<number, Map<string, number>>();
  for (const [queueKey, group, offset] of store.pops.listPlaces()) {
    const ofQueue = inHand.get(queueKey) ?? new Map<string, number>();
    inHand.set(queueKey, ofQueue.set(group, Math.min(offset, ofQueue.get(group) ?? offset)));
  }
  return inHand;
}
