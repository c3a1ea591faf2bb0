import type { Clock, ClockTimer } from "../../lib/time/clock.js";
import { systemClock } from "../../lib/time/clock.js";

interface VirtualTimer {
  readonly dueMs: number;
  readonly run: () => void;
}

/** Settling ends after this many turns of the loop in a row in which nothing asked for another turn. */
const QUIET_TURNS = 4;

/**
 * A clock whose time stands still until the spec moves it.
 *
 * Only timers are virtual. Turns are Node's own, so that `await producer.send(...)` works without help and I/O keeps its
 * order; nothing that is due later happens before `advance`.
 */
export class VirtualClock implements Clock {
  #nowMs: number;
  #pendingTurns = 0;
  #usual = 0;
  readonly #timers: Set<VirtualTimer> = new Set();

  constructor(nowMs = 1_700_000_000_000) {
    this.#nowMs = nowMs;
  }

  /** Armed, neither run nor cancelled; without those that a broker has for as long as it is open. */
  get pendingTimers(): number {
    return Math.max(0, this.#timers.size - this.#usual);
  }

  /** So many timers are those of a broker that was opened, until what is returned is called: it is closed. */
  expectTimers(count: number): () => void {
    this.#usual += count;
    let isOver = false;
    return () => {
      if (!isOver) this.#usual -= count;
      isOver = true;
    };
  }

  now(): number {
    return this.#nowMs;
  }

  at(dueMs: number, run: () => void): ClockTimer {
    const timer: VirtualTimer = { dueMs, run };
    this.#timers.add(timer);
    return { cancel: () => void this.#timers.delete(timer) };
  }

  turn(run: () => void): void {
    this.#pendingTurns += 1;
    systemClock.turn(() => {
      this.#pendingTurns -= 1;
      run();
    });
  }

  /**
   * Lets the time pass: runs every timer that becomes due, in the order of due times, at its own time, and settles
   * after each. Timers already due run first. Rejects with what a timer throws.
   */
  async advance(ms: number): Promise<void> {
    const untilMs = this.#nowMs + ms;
    await this.settle();
    for (let timer = this.#nextDue(untilMs); timer !== undefined; timer = this.#nextDue(untilMs)) {
      this.#timers.delete(timer);
      this.#nowMs = Math.max(this.#nowMs, timer.dueMs);
      timer.run();
      await this.settle();
    }
    this.#nowMs = Math.max(this.#nowMs, untilMs);
  }

  /** Resolves when no turn is pending and promises and I/O that were under way had a few turns to finish. */
  async settle(): Promise<void> {
    for (let quietTurns = 0; quietTurns < QUIET_TURNS; quietTurns += 1) {
      await new Promise<void>((resolve) => systemClock.turn(resolve));
      if (this.#pendingTurns > 0) quietTurns = -1;
    }
  }

  /** Sets the clock, back or forth, as an administrator does. Runs nothing; `advance(0)` runs what is due then. */
  setTime(nowMs: number): void {
    this.#nowMs = nowMs;
  }

  #nextDue(untilMs: number): VirtualTimer | undefined {
    let next: VirtualTimer | undefined;
    for (const timer of this.#timers) {
      if (timer.dueMs <= untilMs && (next === undefined || timer.dueMs < next.dueMs)) next = timer;
    }
    return next;
  }
}
