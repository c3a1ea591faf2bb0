import type { BlockPlace } from "../store/log-table.js";
import type { Store } from "../store/store.js";
import type { QueueState, QueueStates } from "./queue-states.js";
import { TopicReaders } from "./topic-readers.js";

/**
 * What one transaction does at most, in small statements: 2 to 4 ms. Looking at a queue is one of them, and at each group that consumes it two; deleting a block is one
 * for each 8 KiB: 128 of 32 KiB, 640 of single messages.
 */
const STEP_COST = 640;
const BYTES_A_STATEMENT = 8 * 1024;
const QUEUES_A_STEP = 256;
const HEADS_A_LOOK = 32;

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
  /** What it is, by the clock. */
  readonly now: number;
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

/** A stretch of the log that was stored by a clock that was ahead. */
interface Ahead {
  readonly begin: number;
  readonly end: number;
  /** What lies behind it was stored at this time. */
  readonly storedBefore: number;
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
  /** The one that was looked at last. */
  #ahead: Ahead | undefined;

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
    const readers = new TopicReaders(store);
    const rows = store.queues.listFrom(from, QUEUES_A_STEP);
    let room = STEP_COST;
    for (const { queueKey, topic, queueId } of rows) {
      if (room <= 0) return { expired, next: queueKey };
      room -= 1;
      const [first] = store.log.listHeads(queueKey, 1);
      if (first === undefined || !this.#isOld(first)) continue;
      const offsets = readers.offsetsIn(topic, queueId, queueKey);
      room -= 2 * offsets.size;
      const state = queues.get(topic, queueId);
      const limit = keepsUnconsumed ? Math.min(...offsets.values()) : Number.POSITIVE_INFINITY;
      const { cost, isDone } = this.#deleteBlocks(state, limit, Math.max(room, HEADS_A_LOOK));
      if (cost > 0) {
        const toOffset = state.minOffset;
        const unconsumedBy = [...offsets].filter(([, offset]) => offset < toOffset).map(([group]) => group);
        expired.push({ topic, queueId, fromOffset: first.firstOffset, toOffset, unconsumedBy });
      }
      room -= cost;
      if (!isDone) return { expired, next: queueKey };
    }
    const last = rows.at(-1);
    return { expired, next: last === undefined || rows.length < QUEUES_A_STEP ? undefined : last.queueKey + 1 };
  }

  #isOld({ storeTimestamp, commitLogOffset }: BlockPlace): boolean {
    const { now, storedBefore, below } = this.#cutoff;
    if (commitLogOffset < below) return true;
    if (storeTimestamp <= now) return storeTimestamp < storedBefore;
    return this.#aheadAt(commitLogOffset).storedBefore < storedBefore;
  }

  /**
   * A clock that was ahead has stored the block at this position. It is older than what was stored behind it, once the clock was right again: so it does not stay, and all
   * behind it in its queue, until the time has come that it says.
   */
  #aheadAt(position: number): Ahead {
    const known = this.#ahead;
    if (known !== undefined && position >= known.begin && position < known.end) return known;
    const { log } = this.#parts.store;
    const isAhead = (block: BlockPlace | undefined): boolean => (block?.storeTimestamp ?? 0) > this.#cutoff.now;
    const last = log.last();
    let [from, to] = [position + 1, last === undefined || isAhead(last) ? position : last.commitLogOffset];
    while (from < to) {
      const middle = Math.floor((from + to) / 2);
      const block = log.firstFrom(middle);
      if (block !== undefined && isAhead(block)) from = block.commitLogOffset + 1;
      else to = middle;
    }
    const behind = log.firstFrom(from);
    this.#ahead =
      behind === undefined || isAhead(behind)
        ? { begin: position, end: Number.POSITIVE_INFINITY, storedBefore: Number.POSITIVE_INFINITY }
        : { begin: position, end: behind.commitLogOffset, storedBefore: behind.storeTimestamp };
    return this.#ahead;
  }

  /** Returns what it took, and whether nothing is left that may go. */
  #deleteBlocks(state: QueueState, limit: number, room: number): { readonly cost: number; readonly isDone: boolean } {
    const { log } = this.#parts.store;
    let cost = 0;
    let isDone = false;
    while (!isDone && cost < room) {
      const heads = log.listHeads(state.queueKey, HEADS_A_LOOK);
      if (heads.length === 0) isDone = true;
      for (const head of heads) {
        const end = head.firstOffset + head.messageCount;
        isDone = !this.#isOld(head) || end > limit;
        if (isDone || cost >= room) break;
        log.delete(head.commitLogOffset);
        state.minOffset = end;
        cost += 1 + Math.floor(head.size / BYTES_A_STATEMENT);
      }
    }
    if (cost > 0 && state.minOffset === state.maxOffset) this.#emptied(state);
    return { cost, isDone };
  }

  /** Numbering goes on where it was. */
  #emptied({ queueKey, maxOffset }: QueueState): void {
    const { store, queues } = this.#parts;
    store.queues.setFloor(queueKey, maxOffset);
    store.meta.setLogFloor(queues.logEnd);
  }
}
