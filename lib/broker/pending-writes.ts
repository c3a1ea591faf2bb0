import { MqError } from "../errors.js";
import { Lanes } from "./lanes.js";

/** Something that is stored with the next group commit. */
export interface Write {
  /** How much of a flush it takes beside the queues that the flush writes to already; 1 is about 2 µs. */
  cost(lanes: Lanes): number;
  readonly bytes: number;
  /** No other write is in its flush. Absent: it shares one. */
  readonly isAlone?: boolean | undefined;
  /** When it is given up if the store stays locked; by the clock for how long something takes. */
  readonly deadline: number;
  /** It is stored in parts where it cannot be stored as a whole: others that take its place. */
  split?(): readonly Write[];
  /** Runs inside the transaction. An `MqError` thrown before anything is written refuses this write alone. */
  apply(): void;
  /** Runs after the commit. */
  committed(): void;
  /** Nothing of this write is stored, unless the error is `ERR_MQ_OUTCOME_UNKNOWN`. */
  failed(error: unknown): void;
}

/**
 * What one flush takes, so that a turn of the event loop stays short: at most 1,000 writes (300,000 in one flush block the loop for 0.8 s) and
 * 1 MiB. Counted rather than timed, so that a run repeats exactly.
 */
const MAX_FLUSH_COST = 1_000;
const MAX_FLUSH_BYTES = 1024 * 1024;
/** RocketMQ refuses in the same way when its send queue is full. */
const MAX_WRITES = 10_000;
const MAX_BYTES = 64 * 1024 * 1024;

/** Writes in the order in which they came, bounded. */
export class PendingWrites {
  #writes: Write[] = [];
  #bytes = 0;

  get isEmpty(): boolean {
    return this.#writes.length === 0;
  }

  /** The one that came last. */
  get last(): Write | undefined {
    return this.#writes.at(-1);
  }

  /** Whether it is among them still; found at once when it came late. */
  has(write: Write): boolean {
    return this.#writes.lastIndexOf(write) !== -1;
  }

  /** Throws `ERR_MQ_TOO_MANY_REQUESTS` instead of queueing without bound. */
  assertRoom(bytes: number): void {
    if (this.#writes.length < MAX_WRITES && this.#bytes + bytes <= MAX_BYTES) return;
    throw new MqError(
      "ERR_MQ_TOO_MANY_REQUESTS",
      `${this.#writes.length} writes of ${this.#bytes} bytes are pending, the limits are ${MAX_WRITES} and ${MAX_BYTES}: await earlier sends`,
    );
  }

  add(write: Write): void {
    this.assertRoom(write.bytes);
    this.addAnyway(write);
  }

  /** Whoever waits for it synchronously adds no more than this one. */
  addAnyway(write: Write): void {
    this.#writes.push(write);
    this.#bytes += write.bytes;
  }

  /** False when it is not among them any more. */
  remove(write: Write): boolean {
    const index = this.#writes.indexOf(write);
    if (index === -1) return false;
    this.#writes.splice(index, 1);
    this.#bytes -= write.bytes;
    return true;
  }

  /** As many from the front as one flush takes, at least one. */
  takeForFlush(): readonly Write[] {
    const lanes = new Lanes();
    const isAlone = this.#writes[0]?.isAlone === true;
    let [count, cost, bytes] = [0, 0, 0];
    for (const write of this.#writes) {
      if (count > 0 && (isAlone || write.isAlone === true)) break;
      cost += write.cost(lanes);
      if (count > 0 && (cost > MAX_FLUSH_COST || bytes + write.bytes > MAX_FLUSH_BYTES)) break;
      count += 1;
      bytes += write.bytes;
    }
    const taken = this.#writes;
    this.#writes = count === taken.length ? [] : taken.slice(count);
    this.#bytes -= bytes;
    return count === taken.length ? taken : taken.slice(0, count);
  }

  /** What was taken goes back to the front. */
  putBack(writes: readonly Write[]): void {
    this.#writes = [...writes, ...this.#writes];
    for (const write of writes) this.#bytes += write.bytes;
  }

  takeExpired(now: number): readonly Write[] {
    const expired = this.#writes.filter((write) => write.deadline <= now);
    if (expired.length > 0) this.#writes = this.#writes.filter((write) => write.deadline > now);
    for (const write of expired) this.#bytes -= write.bytes;
    return expired;
  }

  takeAll(): readonly Write[] {
    const all = this.#writes;
    this.#writes = [];
    this.#bytes = 0;
    return all;
  }
}
