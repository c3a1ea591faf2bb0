import { isMqError } from "../errors.js";
import { toMqError } from "../store/sqlite-error.js";
import type { Clock, ClockTimer } from "../time/clock.js";
import type { DeleteHours } from "../time/delete-hours.js";
import type { EventHub } from "./broker-events.js";
import type { Engine } from "./engine.js";
import { Expiry } from "./expiry.js";

/** Within an hour of deleting. Source: RocketMQ, `MessageStoreConfig.java`, `cleanResourceInterval`. */
const INTERVAL_MS = 10_000;
/** After something failed. */
const FAILED_MS = 1_000;

/** How long messages are kept. */
export interface RetentionSettings {
  readonly reservedMs: number;
  readonly deleteWhen: DeleteHours;
  readonly keepsUnconsumed: boolean;
  /** Whether an hour in which nobody had the store open is made up for. */
  readonly catchesUp: boolean;
}

export interface RetentionParts {
  readonly engine: Engine;
  readonly settings: RetentionSettings;
  readonly clock: Clock;
  readonly events: EventHub;
}

/**
 * Deletes messages that have been kept for long enough, at certain hours of the day, in steps between which everybody else goes on. With one timer; several
 * processes on a file each do it, and what one has deleted is gone for the others.
 */
export class Retention {
  readonly #parts: RetentionParts;
  #timer: ClockTimer | undefined;
  #isBusy = false;
  #isClosed = false;

  constructor(parts: RetentionParts) {
    this.#parts = parts;
  }

  /** Looks whether it is time, and from then on by itself. */
  start(): void {
    this.#arm();
    void this.#run();
  }

  close(): void {
    this.#isClosed = true;
    this.#timer?.cancel();
  }

  #arm(): void {
    const { settings, clock } = this.#parts;
    const now = clock.now();
    const isHour = settings.deleteWhen.includes(now);
    this.#armFor(isHour ? now + INTERVAL_MS : settings.deleteWhen.nextBegin(now));
  }

  #armFor(time: number): void {
    this.#timer?.cancel();
    this.#timer = this.#parts.clock.at(time, () => {
      this.#arm();
      void this.#run();
    });
  }

  async #run(): Promise<void> {
    if (this.#isBusy) return;
    this.#isBusy = true;
    try {
      await this.#deleteOld(this.#parts.clock.now());
    } catch (error) {
      this.#failed(error);
    } finally {
      this.#isBusy = false;
    }
  }

  #failed(error: unknown): void {
    const { engine, events, clock } = this.#parts;
    if (this.#isClosed || isMqError(error, "ERR_MQ_CLOSED")) return;
    events.error(toMqError(error, "deleting messages that have been kept for long enough"));
    if (engine.isUsable) this.#armFor(clock.now() + FAILED_MS);
  }

  async #deleteOld(now: number): Promise<void> {
    const { engine, settings } = this.#parts;
    const { store, queues } = engine;
    const begin = settings.deleteWhen.lastBegin(now);
    const isHour = settings.deleteWhen.includes(now);
    if (!isHour && !settings.catchesUp) return;
    const expiry = new Expiry({ store, queues, keepsUnconsumed: settings.keepsUnconsumed }, now - settings.reservedMs);
    const { isNeeded, last } = await engine.reads.read(() => {
      return { isNeeded: expiry.isNeeded, last: store.meta.lastRetention() };
    });
    if (!isHour && begin <= last) return;
    let next = isNeeded ? 0 : undefined;
    while (next !== undefined && !this.#isClosed) next = await this.#step(expiry, next);
    // What is made up for in vain costs no commit.
    if (begin > last && (isHour || isNeeded)) await engine.write(() => store.meta.setLastRetention(begin));
  }

  /** Returns where the next one begins. */
  async #step(expiry: Expiry, from: number): Promise<number | undefined> {
    const { engine, events } = this.#parts;
    const { expired, next } = await engine.write(() => expiry.step(from));
    for (const range of expired) events.emit("message:expired", range);
    return next;
  }
}
