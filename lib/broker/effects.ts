import type { Clock } from "../time/clock.js";
import type { Effect } from "./dedup-port.js";
import { type EffectParts, EffectSavepoint, EffectWrite } from "./effect-write.js";
import type { Write } from "./pending-writes.js";

/**
 * What one transaction takes: an effect takes 10 µs, and what its user does in it. A sync of 1 to 3 ms blocks the event loop as long as some hundred of them do; with 20 or 200 a transaction it
 * took half or a quarter of the time.
 */
const MAX_EFFECTS = 500;

export interface EffectsParts extends EffectParts {
  readonly steady: Clock;
  /** How long an effect waits for the lock of another writer. */
  readonly busyWaitMs: number;
  readonly enqueue: (write: Write) => void;
}

/** Collects the effects of one turn for one transaction. */
export class Effects {
  readonly #parts: EffectsParts;
  readonly #savepoint: EffectSavepoint;
  #write: EffectWrite | undefined;

  constructor(parts: EffectsParts) {
    this.#parts = parts;
    this.#savepoint = new EffectSavepoint(parts.connection);
  }

  /** Throws `ERR_MQ_TOO_MANY_REQUESTS` as other writes do. */
  run(effect: Effect): void {
    this.#current().add(effect);
  }

  #current(): EffectWrite {
    const { steady, busyWaitMs, enqueue } = this.#parts;
    const current = this.#write;
    if (current?.isOpen === true && current.count < MAX_EFFECTS) return current;
    const write = new EffectWrite(steady.now() + busyWaitMs, this.#parts, this.#savepoint);
    enqueue(write);
    this.#write = write;
    // While the store is locked it may wait for longer than those of later turns should.
    steady.turn(() => write.close());
    return write;
  }
}
