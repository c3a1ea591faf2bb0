import { isMqError } from "../errors.js";
import { BEFORE_ALL_KEYS } from "../store/dedup-table.js";
import { toMqError } from "../store/sqlite-error.js";
import type { Clock } from "../time/clock.js";
import type { EventHub } from "./broker-events.js";
import type { Engine } from "./engine.js";

/** Looked at in one step, and deleted by one statement: 0.3 ms. */
const KEYS_A_STEP = 1_000;
const MIN_PAUSE_MS = 60_000;
/** A pass takes 0.2 µs for each key that it finds not expired; with such pauses that is a thousandth of the time. */
const KEYS_A_MS = 5;
/** After this time others may have stored keys of which this engine does not know. */
const LOOK_MS = 3_600_000;

export interface DedupCleaningParts {
  readonly engine: Engine;
  /** For moments. */
  readonly clock: Clock;
  readonly events: EventHub;
}

/**
 * Deletes keys that have expired, which count as absent before: now and then it walks through all of them, in steps between which everybody else goes on. The table has
 * no index of times, which would make each key twice as dear; so a pass is not made before a key that is known here expires, and seldom where there are many.
 */
export class DedupCleaning {
  readonly #parts: DedupCleaningParts;
  /** No pass is made before. */
  #notBefore: number;
  /** When the first of the keys expires that are known here. */
  #firstExpiry = Number.POSITIVE_INFINITY;
  #lookAt: number;
  /** Of a pass that goes on: the same for the keys that it leaves and those that are stored meanwhile. */
  #firstLeft = Number.POSITIVE_INFINITY;
  #isBusy = false;
  #isClosed = false;

  constructor(parts: DedupCleaningParts) {
    this.#parts = parts;
    this.#notBefore = parts.clock.now() + MIN_PAUSE_MS;
    this.#lookAt = this.#notBefore;
  }

  /** When a pass has something to do; never where no key is known here, and not known while one goes on. */
  get nextPass(): number {
    if (this.#isBusy) return Number.POSITIVE_INFINITY;
    return Math.max(this.#notBefore, this.#firstExpiry);
  }

  /** Within a transaction: a key was stored. True where {@link DedupCleaning.nextPass} comes sooner by that. */
  stored(expiresAt: number): boolean {
    if (expiresAt < this.#firstLeft) this.#firstLeft = expiresAt;
    if (expiresAt >= this.#firstExpiry) return false;
    this.#firstExpiry = expiresAt;
    return true;
  }

  close(): void {
    this.#isClosed = true;
  }

  /** Makes a pass if it is time; resolves once it is over. */
  async run(): Promise<void> {
    const { engine, clock, events } = this.#parts;
    const now = clock.now();
    const isTime = now >= this.#notBefore && (now >= this.#firstExpiry || now >= this.#lookAt);
    if (this.#isBusy || !isTime || !engine.isUsable) return;
    this.#isBusy = true;
    this.#notBefore = now + MIN_PAUSE_MS;
    this.#firstLeft = Number.POSITIVE_INFINITY;
    try {
      const count = await this.#pass(now);
      this.#notBefore = now + Math.max(MIN_PAUSE_MS, Math.ceil(count / KEYS_A_MS));
      this.#lookAt = now + LOOK_MS;
      this.#firstExpiry = this.#firstLeft;
    } catch (error) {
      // Somebody has the store locked: nobody is to wait for a pass, which can be made later.
      const isNothing = this.#isClosed || isMqError(error, "ERR_MQ_CLOSED") || isMqError(error, "ERR_MQ_SYSTEM_BUSY");
      if (!isNothing) events.error(toMqError(error, "deleting keys of messages that have expired"));
    } finally {
      this.#isBusy = false;
    }
  }

  /** Returns how many keys are left. */
  async #pass(now: number): Promise<number> {
    const { engine } = this.#parts;
    const { dedup } = engine.store;
    let count = 0;
    for (const groupNumber of engine.reads.readNow(() => dedup.listGroups())) {
      let after = BEFORE_ALL_KEYS;
      for (;;) {
        const keys = engine.reads.readNow(() => dedup.listAfter(groupNumber, after, KEYS_A_STEP));
        const last = keys.at(-1);
        if (last === undefined || this.#isClosed) break;
        const left = keys.filter(([, expiresAt]) => expiresAt > now);
        for (const [, expiresAt] of left) this.#firstLeft = Math.min(this.#firstLeft, expiresAt);
        count += left.length;
        const from = after;
        [after] = last;
        if (left.length < keys.length) await engine.write(() => dedup.deleteExpired(groupNumber, from, last[0], now));
        else await this.#turn();
        if (keys.length < KEYS_A_STEP) break;
      }
    }
    return count;
  }

  #turn(): Promise<void> {
    return new Promise((resolve) => this.#parts.clock.turn(resolve));
  }
}
