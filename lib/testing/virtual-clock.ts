import { runningDelivery } from "../client/delivery.js";
import { runningCheck } from "../client/running-check.js";
import { MqError } from "../errors.js";
import { describe, invalid } from "../options.js";
import { type Clock, type ClockTimer, systemClock } from "../time/clock.js";
import { holdProcess } from "../time/hold-process.js";
import { Stopwatch } from "../time/stopwatch.js";
import { parseDuration } from "./duration.js";

/** A clock whose time stands still until somebody moves it. Give it to `openBroker` as `clock`; `openTestBroker` has one of its own. */
export interface VirtualClock extends Clock {
  /**
   * Lets time pass: everything that falls due on the way runs at its own time, in order, and whatever follows from it before time goes on. Resolves when what
   * became due was delivered and its listeners have ended, their promises and I/O included.
   *
   * A listener, a local transaction or a check of one that waits for the clock itself, with `at` or in a send that `faults.slowSend` holds up, does not hold up time; nor does one any longer that has
   * not ended after a second of real time.
   *
   * @param by - milliseconds, or a text: `"90s"`, `"2h"`, `"1h30m"`, `"3d"`.
   * @throws `MqError` `ERR_MQ_INVALID_ARGUMENT` for what is no duration; rejects with what something that fell due throws.
   */
  advance(by: number | string): Promise<void>;
  /** The same, up to a moment: epoch milliseconds or a Date, not before now. */
  advanceTo(at: number | Date): Promise<void>;
}

/** Where a clock begins unless it is told otherwise. */
export const DEFAULT_START: number = Date.UTC(2026, 0, 1);

/** @param startAt - epoch milliseconds or a Date. @defaultValue 2026-01-01T00:00:00Z */
export function virtualClock(startAt: number | Date = DEFAULT_START): VirtualClock {
  return new ManualClock(timeOption("startAt", startAt));
}

export function timeOption(name: string, value: unknown): number {
  const time = value instanceof Date ? value.getTime() : value;
  if (typeof time === "number" && Number.isSafeInteger(time) && time >= 0) return time;
  throw invalid(`${name} must be a Date or epoch milliseconds from 0 on, got ${describe(time)}`);
}

interface Alarm {
  /** By what the clock says now. */
  readonly dueMs: () => number;
  readonly run: () => void;
}

/** What runs without a turn or a timer: a listener, a local transaction, or a check of one. */
interface Hold {
  readonly describe: () => string;
  /** Which delivery, transaction or check it is of, if any: what that waits for is known by it. */
  readonly delivery: object | undefined;
  /** Time no longer waits for it. */
  isGivenUp: boolean;
}

/** Everything has ended when in so many turns of the loop in a row nothing asked for another one. */
const QUIET_TURNS = 4;
/** Real time. */
const PATIENCE_MS = 1_000;

/**
 * {@link VirtualClock}. Only timers are virtual. Turns are Node's own, so that `await producer.send(…)` works without help and I/O keeps its order; nothing that is due
 * later happens before time is moved.
 */
export class ManualClock implements VirtualClock {
  #nowMs: number;
  #pendingTurns = 0;
  /** Grows with all that asks for more than the timer that led to it. */
  #activity = 0;
  #isMoving = false;
  readonly #alarms = new Set<Alarm>();
  readonly #holds = new Set<Hold>();
  /** Deliveries whose listeners wait for time, and for how many timers. */
  readonly #sleeping = new Map<object, number>();
  readonly #patienceMs: number;
  #released: (() => void)[] = [];

  /** @param patienceMs - how much real time a listener holds up time at most. */
  constructor(nowMs: number, patienceMs: number = PATIENCE_MS) {
    this.#nowMs = nowMs;
    this.#patienceMs = patienceMs;
  }

  /** Whose listeners run now. */
  get runningDeliveries(): readonly object[] {
    return [...this.#holds].flatMap(({ delivery }) => delivery ?? []);
  }

  /** Timers that are armed. */
  get armed(): number {
    return this.#alarms.size;
  }

  now(): number {
    return this.#nowMs;
  }

  at(dueMs: number, run: () => void): ClockTimer {
    if (typeof dueMs !== "number" || Number.isNaN(dueMs))
      throw invalid(`at: dueMs must be epoch milliseconds, got ${describe(dueMs)}`);
    if (typeof run !== "function") throw invalid(`at: run must be a function, got ${describe(run)}`);
    return this.arm(() => dueMs, run);
  }

  /** @param dueMs - by what the clock says then, as it may be set meanwhile. */
  arm(dueMs: () => number, run: () => void): ClockTimer {
    const wakeUp = this.#fallAsleep(runningDelivery.getStore() ?? runningCheck.getStore());
    const alarm: Alarm = {
      dueMs,
      run: () => {
        wakeUp();
        run();
      },
    };
    this.#alarms.add(alarm);
    return {
      cancel: () => {
        if (this.#alarms.delete(alarm)) wakeUp();
      },
    };
  }

  turn(run: () => void): void {
    this.#activity += 1;
    this.#pendingTurns += 1;
    systemClock.turn(() => {
      this.#pendingTurns -= 1;
      run();
    });
  }

  hold(describeHold: () => string, delivery?: object): () => void {
    const hold: Hold = { describe: describeHold, delivery, isGivenUp: false };
    this.#activity += 1;
    this.#holds.add(hold);
    return () => {
      if (this.#holds.delete(hold)) this.#tellReleased();
    };
  }

  /** Nobody waits any more for what runs now. */
  forgetRunning(): void {
    this.#holds.clear();
    this.#tellReleased();
  }

  async advance(by: number | string): Promise<void> {
    const time = this.#nowMs + parseDuration("by", by);
    if (!Number.isSafeInteger(time))
      throw invalid(`by must lead to a time that a number can hold, got ${describe(by)}`);
    await this.#moveTo(time);
  }

  async advanceTo(at: number | Date): Promise<void> {
    const time = timeOption("at", at);
    if (time < this.#nowMs) throw invalid(`at must not be before ${this.#nowMs}, which is now, got ${time}`);
    await this.#moveTo(time);
  }

  /** Sets the clock, back or forth, as an administrator does. Runs nothing; what is due then runs when time is moved next, if only by 0. */
  setTime(nowMs: number): void {
    this.#nowMs = nowMs;
  }

  /** Runs what is due now, and what follows from it, until nothing does. Throws `ERR_MQ_TIMEOUT`, naming who is busy, after this much real time. */
  async runUntilIdle(timeoutMs: number): Promise<void> {
    const limit = new Limit(timeoutMs);
    await this.#exclusively("runUntilIdle", () => this.#runDue(this.#nowMs, limit));
  }

  /** Resolves when no turn is pending and promises and I/O that were under way had a few turns to finish. */
  async settle(): Promise<void> {
    await this.#settle(undefined);
  }

  async #moveTo(untilMs: number): Promise<void> {
    await this.#exclusively("advance", async () => {
      await this.#runDue(untilMs, undefined);
      this.#nowMs = Math.max(this.#nowMs, untilMs);
    });
  }

  async #exclusively(what: string, work: () => Promise<void>): Promise<void> {
    if (this.#isMoving)
      throw invalid(
        `${what}: an earlier advance or runUntilIdle has not ended: await it first, and do not move time in a listener`,
      );
    this.#isMoving = true;
    const hold = holdProcess();
    try {
      await this.#refuseWithinListener(what);
      await work();
    } finally {
      hold.release();
      this.#isMoving = false;
    }
  }

  /** It would wait for its own end. A transaction may move time, which then does not wait for it. */
  async #refuseWithinListener(what: string): Promise<void> {
    const delivery = runningDelivery.getStore();
    const transaction = runningCheck.getStore();
    if (delivery === undefined && transaction === undefined) return;
    // It holds up time once it has returned its promise; what it only started may go on after it has ended.
    await Promise.resolve();
    for (const hold of this.#holds) {
      if (hold.delivery === undefined) continue;
      if (hold.delivery === delivery)
        throw invalid(`${what}: do not move time in a listener: this is ${hold.describe()}`);
      if (hold.delivery === transaction) this.#holds.delete(hold);
    }
  }

  async #runDue(untilMs: number, limit: Limit | undefined): Promise<void> {
    await this.#settle(limit);
    for (let alarm = this.#nextDue(untilMs); alarm !== undefined; alarm = this.#nextDue(untilMs)) {
      const activity = this.#activity;
      this.#alarms.delete(alarm);
      this.#nowMs = Math.max(this.#nowMs, alarm.dueMs());
      alarm.run();
      await nextTurn();
      // Most look whether there is something to do, and there is not: then a year has passed four times as soon.
      const isDone = this.#activity === activity && limit?.isOver !== true;
      if (!isDone) await this.#settle(limit);
    }
    await this.#settle(limit);
  }

  async #settle(limit: Limit | undefined): Promise<void> {
    for (let quietTurns = 0; quietTurns < QUIET_TURNS; quietTurns += 1) {
      await nextTurn();
      if (this.#pendingTurns > 0) quietTurns = -1;
      else if (this.#holds.size > 0 && (await this.#waitForHolds(limit))) quietTurns = -1;
      if (limit?.isOver === true && quietTurns < QUIET_TURNS - 1) throw this.#busyError(limit);
    }
  }

  /** Real time passes, until one of those who hold up time has ended. False: there is none. */
  async #waitForHolds(limit: Limit | undefined): Promise<boolean> {
    const awaited = [...this.#holds].filter((hold) => limit !== undefined || !this.#mayGoOnWithout(hold));
    if (awaited.length === 0) return false;
    const patienceMs = limit?.leftMs ?? this.#patienceMs;
    const isOneLess = patienceMs > 0 && (await this.#someReleased(patienceMs));
    // Whoever has a limit says so when it is over: it is no reason for others to go on without them.
    if (!isOneLess && limit === undefined) for (const hold of awaited) hold.isGivenUp = true;
    return true;
  }

  #mayGoOnWithout({ isGivenUp, delivery }: Hold): boolean {
    return isGivenUp || (delivery !== undefined && this.#sleeping.has(delivery));
  }

  #someReleased(patienceMs: number): Promise<boolean> {
    return new Promise((resolve) => {
      const timer = systemClock.at(systemClock.now() + patienceMs, () => resolve(false));
      this.#released.push(() => {
        timer.cancel();
        resolve(true);
      });
    });
  }

  #tellReleased(): void {
    const waiting = this.#released;
    this.#released = [];
    for (const tell of waiting) tell();
  }

  /** @returns what ends it; may be called again. */
  #fallAsleep(delivery: object | undefined): () => void {
    if (delivery === undefined) return nothing;
    this.#sleeping.set(delivery, (this.#sleeping.get(delivery) ?? 0) + 1);
    this.#tellReleased();
    let isAwake = false;
    return () => {
      if (isAwake) return;
      isAwake = true;
      // Its listener goes on from here, perhaps with I/O: time waits for it again.
      this.#activity += 1;
      const left = (this.#sleeping.get(delivery) ?? 1) - 1;
      if (left === 0) this.#sleeping.delete(delivery);
      else this.#sleeping.set(delivery, left);
    };
  }

  #busyError({ timeoutMs }: Limit): MqError {
    const who = [...this.#holds].map((hold) => hold.describe());
    if (this.#pendingTurns > 0) who.push(`${this.#pendingTurns} turns of the broker's own that follow each other`);
    if (who.length === 0) who.push("timers that fall due again and again");
    return new MqError("ERR_MQ_TIMEOUT", `not idle after ${timeoutMs} ms of real time; busy: ${who.join("; ")}`);
  }

  /** Of several that are due at once the one that was armed first. */
  #nextDue(untilMs: number): Alarm | undefined {
    let next: Alarm | undefined;
    let earliestMs = untilMs;
    for (const alarm of this.#alarms) {
      const dueMs = alarm.dueMs();
      if (dueMs > earliestMs || (next !== undefined && dueMs === earliestMs)) continue;
      next = alarm;
      earliestMs = dueMs;
    }
    return next;
  }
}

function nextTurn(): Promise<void> {
  return new Promise((resolve) => systemClock.turn(resolve));
}

/** Real time that may pass. */
class Limit {
  readonly timeoutMs: number;
  readonly #stopwatch = new Stopwatch();

  constructor(timeoutMs: number) {
    this.timeoutMs = timeoutMs;
  }

  get leftMs(): number {
    return Math.max(0, this.timeoutMs - this.#stopwatch.elapsedMs);
  }

  get isOver(): boolean {
    return this.leftMs === 0;
  }
}

function nothing(): void {
  // It is not of a listener.
}
