import { isMqError } from "../errors.js";
import { toMqError } from "../store/sqlite-error.js";
import type { Clock, ClockTimer } from "../time/clock.js";
import type { Clocks } from "../time/clocks.js";
import type { EventHub } from "./broker-events.js";
import type { Engine } from "./engine.js";

/**
 * So many calls a listener gets in a turn of the event loop. More is moved when what was moved can have been handed out: moving takes as long as handing out, and who moves what he finds in each turn
 * makes many small transactions, and hands out little. Of 100,000 that are due within a second 99 of 100 reached a listener in the same process within 22 to 54 ms this way, with 50 a turn within 25 to
 * 65, with 200 within 190 to 310, and within 400 to 540 where none of it waited.
 */
const MESSAGES_A_TURN = 100;
/** After something failed. RocketMQ's schedule service pauses for 10 s. */
const FAILED_MS = 1_000;

/**
 * Moves what is due, of all kinds, with one timer for the earliest. What is due is in the store, so that after a restart it simply looks again; whichever
 * process moves something first has moved it.
 */
export class DueScheduler {
  readonly #engine: Engine;
  readonly #clock: Clock;
  readonly #steady: Clock;
  readonly #events: EventHub;
  #timer: ClockTimer | undefined;
  #armedFor: number | undefined;
  #isBusy = false;
  #isClosed = false;

  constructor(engine: Engine, { clock, steady }: Clocks, events: EventHub) {
    this.#engine = engine;
    this.#clock = clock;
    this.#steady = steady;
    this.#events = events;
  }

  /** What is due next may be another now. */
  look(): void {
    this.#look((dueAt) => this.#arm(dueAt));
  }

  /** The clock was set: what is due at some moment may be due sooner than it was. */
  clockJumped(): void {
    this.#armedFor = undefined;
    this.look();
  }

  /** The time has come: unless what was due was deleted meanwhile. */
  #rang(): void {
    this.#armedFor = undefined;
    for (const rows of this.#engine.dueRows) rows.forgetEarliest();
    this.#look(this.#moveOrArm);
  }

  readonly #moveOrArm = (dueAt: number | undefined): void => {
    if (isDue(dueAt, this.#clock.now())) this.#move();
    else this.#arm(dueAt);
  };

  #look(found: (dueAt: number | undefined) => void): void {
    if (this.#isBusy || this.#isClosed) return;
    this.#isBusy = true;
    this.#engine.reads.whenFree(() => {
      this.#isBusy = false;
      // Whoever uses a store that is gone or stopped is told; nothing is due in it.
      if (this.#isClosed || !this.#engine.isUsable) return;
      try {
        // A read on a connection of the owner's costs three pragmas; after most commits nothing has to be read.
        const isKnown = this.#engine.dueRows.every((rows) => rows.isKnown);
        found(isKnown ? this.#earliest() : this.#engine.reads.readNow(() => this.#earliest()));
      } catch (error) {
        if (!isMqError(error, "ERR_MQ_SYSTEM_BUSY")) this.#events.error(toMqError(error, "looking for what is due"));
        this.#lookLater();
      }
    });
  }

  close(): void {
    this.#isClosed = true;
    this.#timer?.cancel();
  }

  #earliest(): number | undefined {
    let earliest: number | undefined;
    for (const rows of this.#engine.dueRows) {
      const dueAt = rows.earliest();
      if (dueAt !== undefined && (earliest === undefined || dueAt < earliest)) earliest = dueAt;
    }
    return earliest;
  }

  #arm(dueAt: number | undefined): void {
    if (dueAt === this.#armedFor) return;
    this.#timer?.cancel();
    this.#armedFor = dueAt;
    this.#timer = dueAt === undefined ? undefined : this.#clock.at(dueAt, () => this.#rang());
  }

  #lookLater(): void {
    this.#timer?.cancel();
    this.#armedFor = undefined;
    this.#timer = this.#steady.at(this.#steady.now() + FAILED_MS, () => this.look());
  }

  /** Resolves with how many messages came into their queues. */
  async #moveThose(isAlone: boolean): Promise<number> {
    const those = this.#engine.dueRows.filter((rows) => (rows.isAlone ?? false) === isAlone);
    // Reads nothing.
    const mayBeDue = those.some((rows) => !rows.isKnown || isDue(rows.earliest(), this.#clock.now()));
    if (!mayBeDue) return 0;
    const move = (): number => {
      const now = this.#clock.now();
      let moved = 0;
      for (const rows of those) if (isDue(rows.earliest(), now)) moved += rows.moveDue(now);
      return moved;
    };
    return this.#engine.write(move, { isAlone });
  }

  #move(): void {
    this.#isBusy = true;
    Promise.all([this.#moveThose(false), this.#moveThose(true)]).then(
      ([messages, checks]) => this.#goOn(Math.floor((messages + checks) / MESSAGES_A_TURN)),
      (error: unknown) => {
        this.#isBusy = false;
        if (this.#isClosed || isMqError(error, "ERR_MQ_CLOSED")) return;
        this.#events.error(toMqError(error, "delivering what is due"));
        this.#lookLater();
      },
    );
  }

  /** What was too much for one transaction waits for no timer, whose shortest is a millisecond. */
  #goOn(afterTurns: number): void {
    if (afterTurns > 0) {
      this.#clock.turn(() => this.#goOn(afterTurns - 1));
      return;
    }
    this.#isBusy = false;
    this.#look(this.#moveOrArm);
  }
}

function isDue(dueAt: number | undefined, now: number): boolean {
  return dueAt !== undefined && dueAt <= now;
}
