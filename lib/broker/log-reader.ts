import { sizeAt } from "../message/record.js";
import type { LogBlock } from "../store/log-table.js";
import type { Store } from "../store/store.js";
import type { WrittenBlock } from "./log-appender.js";

/** What the runs of all queues together may take. Enough for a page of each of 64 queues; what is kept longer only costs the collector. */
const RUN_BYTES = 2 * 1024 * 1024;
/** How many small blocks are fetched with one query. */
const MAX_BLOCKS_A_QUERY = 64;

/** A block with the positions of its records, found out when it is first read. */
export class ReadableBlock {
  readonly block: LogBlock;
  #positions: Uint32Array | undefined;

  constructor(block: LogBlock) {
    this.block = block;
  }

  get endOffset(): number {
    return this.block.firstOffset + this.block.messageCount;
  }

  /** Where the record with this queue offset begins. */
  positionOf(queueOffset: number): number {
    this.#positions ??= this.#locate();
    return this.#positions[queueOffset - this.block.firstOffset] as number;
  }

  #locate(): Uint32Array {
    const { messageCount, records } = this.block;
    const positions = new Uint32Array(messageCount);
    let at = 0;
    for (let index = 0; index < messageCount; index += 1) {
      positions[index] = at;
      at += sizeAt(records, at);
    }
    return positions;
  }
}

/**
 * Reads blocks: those that were committed just now from memory, the rest from the store.
 *
 * Waiting pulls are answered within the commit that wakes them, so that its blocks are needed no longer than that. Keeping a tail of 8 MiB
 * instead made sending 5 % slower and took 25 MiB more, as everything in it outlives several garbage collections.
 */
export class LogReader {
  readonly #store: Store;
  /** Another map for each commit, as in {@link LogAppender}. */
  #fresh = new Map<number, ReadableBlock[]>();
  /** By queue: the run of blocks last read from the store, the least recently read queue first. */
  readonly #runs = new Map<number, ReadableBlock[]>();
  #runBytes = 0;

  constructor(store: Store) {
    this.#store = store;
  }

  drop(): void {
    this.#fresh = new Map();
    this.#runs.clear();
    this.#runBytes = 0;
  }

  /** Has these blocks at hand while `work` runs. */
  withFresh(written: readonly WrittenBlock[], work: () => void): void {
    for (const { block } of written) {
      const blocks = this.#fresh.get(block.queueKey);
      if (blocks === undefined) this.#fresh.set(block.queueKey, [new ReadableBlock(block)]);
      else blocks.push(new ReadableBlock(block));
    }
    try {
      work();
    } finally {
      this.#fresh = new Map();
    }
  }

  /** The block that holds this offset or the next one after it. About `wanted` messages of `bytes` together are to be read from there on. */
  findFrom(queueKey: number, offset: number, wanted: number, bytes: number): ReadableBlock | undefined {
    return (
      findIn(this.#fresh.get(queueKey), offset) ??
      findIn(this.#runs.get(queueKey), offset) ??
      this.#read(queueKey, offset, wanted, bytes)
    );
  }

  #read(queueKey: number, offset: number, wanted: number, bytes: number): ReadableBlock | undefined {
    const first = this.#store.log.findFrom(queueKey, offset);
    if (first === undefined) return undefined;
    const byCount = Math.ceil(wanted / first.messageCount) - 1;
    const bySize = Math.floor(Math.min(bytes, RUN_BYTES) / first.records.length) - 1;
    const more = Math.max(0, Math.min(MAX_BLOCKS_A_QUERY, byCount, bySize));
    const following = more === 0 ? [] : this.#store.log.listAfter(queueKey, first.firstOffset, more);
    const run = [first, ...following].map((block) => new ReadableBlock(block));
    this.#keepRun(queueKey, run);
    return run[0];
  }

  #keepRun(queueKey: number, run: ReadableBlock[]): void {
    this.#forgetRun(queueKey);
    this.#runs.set(queueKey, run);
    this.#runBytes += bytesOf(run);
    for (const oldest of this.#runs.keys()) {
      if (this.#runBytes <= RUN_BYTES || oldest === queueKey) break;
      this.#forgetRun(oldest);
    }
  }

  #forgetRun(queueKey: number): void {
    this.#runBytes -= bytesOf(this.#runs.get(queueKey) ?? []);
    this.#runs.delete(queueKey);
  }
}

/** Blocks of one queue, contiguous and in order. */
function findIn(blocks: readonly ReadableBlock[] | undefined, offset: number): ReadableBlock | undefined {
  const last = blocks?.at(-1);
  if (blocks === undefined || last === undefined || offset >= last.endOffset) return undefined;
  let low = 0;
  let high = blocks.length - 1;
  if (offset < (blocks[0] as ReadableBlock).block.firstOffset) return undefined;
  while (low < high) {
    const middle = (low + high + 1) >>> 1;
    if ((blocks[middle] as ReadableBlock).block.firstOffset <= offset) low = middle;
    else high = middle - 1;
  }
  return blocks[low];
}

function bytesOf(run: readonly ReadableBlock[]): number {
  return run.reduce((sum, { block }) => sum + block.records.length, 0);
}
