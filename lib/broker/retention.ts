import { isMqError } from "../errors.js";
import { AutoCheckpoint } from "../store/auto-checkpoint.js";
import type { BroadcastInstance } from "../store/broadcast-offset-table.js";
import { FreePages } from "../store/free-pages.js";
import { toMqError } from "../store/sqlite-error.js";
import type { Clock } from "../time/clock.js";
import type { DeleteHours } from "../time/delete-hours.js";
import { forgetInstances, isAnyForgettable } from "./broadcast-instances.js";
import type { EventHub } from "./broker-events.js";
import type { BrokerParts } from "./broker-parts.js";
import type { DiskGuard } from "./disk-guard.js";
import type { Engine } from "./engine.js";
import { Expiry } from "./expiry.js";
import { forciblyDeletedUpTo } from "./forced-deletion.js";
import { GiveBack } from "./give-back.js";

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
  /** `undefined` in memory. */
  readonly disk: DiskGuard | undefined;
  /** Broadcasting consumers of this broker. */
  readonly presentInstances: () => readonly BroadcastInstance[];
  /** Of a file of ours, as is the next. */
  readonly pages: FreePages | undefined;
  readonly autoCheckpoint: AutoCheckpoint | undefined;
}

/** What a look says that is to be done. */
interface FoundOld {
  readonly expiry: Expiry;
  /** Messages are old. */
  readonly isNeeded: boolean;
  readonly isTime: boolean;
  /** It is noted that this hour of deleting was. */
  readonly isDue: boolean;
  /** Broadcasting instances are gone for so long that they are forgotten. */
  readonly isAnyGone: boolean;
}

/**
 * Deletes messages that have been kept for long enough, at certain hours of the day and while the disk is short of room, in steps between which everybody else goes
 * on, and gives the space back; and, by RocketMQ's steps, others too. Several processes on a file each do it, and what one has deleted is gone for the others.
 */
export class Retention {
  readonly #parts: RetentionParts;
  /** The beginning of the last hour of deleting that was looked at: it is made up for once, not whenever something becomes old. */
  #seenBegin: number | undefined;
  #isBusy = false;
  #isClosed = false;

  static of({
    settings: { retention, clock },
    database,
    ...parts
  }: BrokerParts & Pick<RetentionParts, "disk" | "presentInstances">): Retention {
    const ofFile = { pages: FreePages.of(database), autoCheckpoint: AutoCheckpoint.of(database) };
    return new Retention({ ...parts, ...ofFile, settings: retention, clock });
  }

  constructor(parts: RetentionParts) {
    this.#parts = parts;
  }

  isHour(now: number): boolean {
    return this.#parts.settings.deleteWhen.includes(now);
  }

  nextHour(now: number): number {
    return this.#parts.settings.deleteWhen.nextBegin(now);
  }

  close(): void {
    this.#isClosed = true;
  }

  /** Deletes if it is time; while that goes on nothing is begun. Resolves with false when it is to be tried again soon. */
  async run(): Promise<boolean> {
    if (this.#isBusy) return true;
    this.#isBusy = true;
    try {
      await this.#delete(this.#parts.clock.now());
      return true;
    } catch (error) {
      return this.#failed(error);
    } finally {
      this.#isBusy = false;
    }
  }

  #failed(error: unknown): boolean {
    const { engine, events } = this.#parts;
    if (this.#isClosed || isMqError(error, "ERR_MQ_CLOSED")) return true;
    events.error(toMqError(error, "deleting messages that have been kept for long enough"));
    return !engine.isUsable;
  }

  async #delete(now: number): Promise<void> {
    const { engine, settings, disk } = this.#parts;
    const { store, queues } = engine;
    const begin = settings.deleteWhen.lastBegin(now);
    const isHour = this.isHour(now);
    const isShort = disk?.isShort === true;
    const excessBytes = disk?.excessBytes ?? 0;
    const catchesUp = settings.catchesUp && begin !== this.#seenBegin;
    if (!isHour && !isShort && excessBytes === 0 && !catchesUp) return;
    const found = await engine.reads.read(() => {
      const last = store.meta.lastRetention();
      // One that is still to come was noted by a clock that has been set back since.
      const lastBegin = last > now ? 0 : last;
      const isTime = isHour || isShort || (catchesUp && begin > lastBegin);
      const first = excessBytes === 0 ? undefined : store.log.first();
      const cutoff = {
        now,
        storedBefore: isTime ? now - settings.reservedMs : Number.NEGATIVE_INFINITY,
        below: first === undefined ? 0 : forciblyDeletedUpTo(first.commitLogOffset, queues.logEnd, excessBytes),
      };
      const made = new Expiry({ store, queues, keepsUnconsumed: settings.keepsUnconsumed }, cutoff);
      const isAnyGone = isTime && isAnyForgettable(store, now);
      return { expiry: made, isNeeded: made.isNeeded, isTime, isDue: isTime && begin > lastBegin, isAnyGone };
    });
    const { autoCheckpoint } = this.#parts;
    const work = (): Promise<void> => this.#deleteFound(found, now, begin, isHour);
    await (autoCheckpoint === undefined ? work() : autoCheckpoint.inSmallSteps(work));
  }

  async #deleteFound(
    { expiry, isNeeded, isTime, isDue, isAnyGone }: FoundOld,
    now: number,
    begin: number,
    isHour: boolean,
  ): Promise<void> {
    const { engine, presentInstances } = this.#parts;
    // Whoever is gone for so long holds up nothing.
    let hasMore = isAnyGone;
    while (hasMore && !this.#isClosed)
      hasMore = await engine.write(() => forgetInstances(engine, presentInstances(), now));
    let next = isNeeded ? 0 : undefined;
    while (next !== undefined && !this.#isClosed) next = await this.#step(expiry, next);
    // What was not finished is made up for by whoever opens the store next.
    if (this.#isClosed) return;
    // What is made up for in vain costs no commit.
    if (isDue && (isHour || isNeeded)) await engine.write(() => engine.store.meta.setLastRetention(begin));
    this.#seenBegin = begin;
    if (isTime || isNeeded) await this.#giveBack();
  }

  /** Returns where the next one begins. */
  async #step(expiry: Expiry, from: number): Promise<number | undefined> {
    const { engine, events } = this.#parts;
    const { expired, next } = await engine.write(() => expiry.step(from));
    for (const range of expired) events.emit("message:expired", range);
    return next;
  }

  async #giveBack(): Promise<void> {
    const { engine, pages } = this.#parts;
    if (pages !== undefined) await new GiveBack({ engine, pages, isStopped: () => this.#isClosed }).run();
  }
}
