import { isMqError } from "../errors.js";
import type { BroadcastInstance } from "../store/broadcast-offset-table.js";
import { toMqError } from "../store/sqlite-error.js";
import type { Store } from "../store/store.js";
import type { Clock, ClockTimer } from "../time/clock.js";
import type { EventHub } from "./broker-events.js";
import type { Engine } from "./engine.js";

const DAY = 24 * 60 * 60 * 1_000;
/** The progress of an instance is kept for 30 days; one that was killed may have been there up to a day longer than is known. */
const KEPT_MS = 31 * DAY;
/** Forgotten in one transaction: the progress of each has a row for each message queue. */
const FORGOTTEN_AT_ONCE = 8;

/** Inside a read: whether an instance has been gone for so long that it is forgotten. */
export function isAnyForgettable({ broadcastOffsets }: Store, now: number): boolean {
  return broadcastOffsets.hasNotSeenSince(now - KEPT_MS);
}

/**
 * Inside a transaction. Returns whether there may be more.
 *
 * @param present - those in this process. They, and the members of others, are there, though a clock was set forth by a month since they said so.
 */
export function forgetInstances(
  { store: { broadcastOffsets }, company }: Engine,
  present: Iterable<BroadcastInstance>,
  now: number,
): boolean {
  for (const instance of present) broadcastOffsets.touch(instance, now);
  if (!broadcastOffsets.hasNotSeenSince(now - KEPT_MS)) return false;
  company?.removeGone();
  return broadcastOffsets.deleteNotSeenSince(now - KEPT_MS, FORGOTTEN_AT_ONCE) === FORGOTTEN_AT_ONCE;
}

/** The instances of broadcasting groups that are in this process: as long as they are, their progress is kept. */
export class BroadcastInstances {
  readonly #engine: Engine;
  readonly #clock: Clock;
  readonly #events: EventHub;
  readonly #present = new Set<BroadcastInstance>();
  #timer: ClockTimer | undefined;

  constructor(engine: Engine, clock: Clock, events: EventHub) {
    this.#engine = engine;
    this.#clock = clock;
    this.#events = events;
  }

  /** Inside a transaction: the instance starts; those that have been gone for long are forgotten. */
  write(instance: BroadcastInstance): void {
    forgetInstances(this.#engine, [...this.#present, instance], this.#clock.now());
  }

  add(instance: BroadcastInstance): void {
    this.#present.add(instance);
    this.#timer ??= this.#clock.at(this.#clock.now() + DAY, () => this.#stayPresent());
  }

  /** It leaves now: from here on the days count. */
  delete(instance: BroadcastInstance): void {
    if (!this.#present.delete(instance)) return;
    this.#note(() => this.#engine.store.broadcastOffsets.touch(instance, this.#clock.now()));
    if (this.#present.size > 0) return;
    this.#timer?.cancel();
    this.#timer = undefined;
  }

  #stayPresent(): void {
    this.#timer = undefined;
    const [first] = this.#present;
    if (first === undefined) return;
    this.add(first);
    this.#note(() => this.write(first));
  }

  #note(work: () => void): void {
    this.#engine.write(work).catch((error: unknown) => {
      if (!isMqError(error, "ERR_MQ_CLOSED"))
        this.#events.error(toMqError(error, "noting which broadcasting consumers are there"));
    });
  }
}
