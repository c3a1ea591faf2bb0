// A clock whose time stands still until it is moved: a run is the same each time. Turns are Node's own.

import { setImmediate } from "node:timers";

/** Settling ends after this many turns of the loop in a row in which nothing asked for another turn. */
const QUIET_TURNS = 4;

export class StandingClock {
  #nowMs = 1_700_000_000_000;
  #pendingTurns = 0;
  #timers = new Set();

  now() {
    return this.#nowMs;
  }

  at(dueMs, run) {
    const timer = { dueMs, run };
    this.#timers.add(timer);
    return { cancel: () => void this.#timers.delete(timer) };
  }

  turn(run) {
    this.#pendingTurns += 1;
    setImmediate(() => {
      this.#pendingTurns -= 1;
      run();
    });
  }

  /** Lets the time pass: runs every timer that becomes due, in the order of due times, and settles after each. */
  async advance(ms) {
    const untilMs = this.#nowMs + ms;
    await this.settle();
    for (let timer = this.#nextDue(untilMs); timer !== undefined; timer = this.#nextDue(untilMs)) {
      this.#timers.delete(timer);
      this.#nowMs = Math.max(this.#nowMs, timer.dueMs);
      timer.run();
      await this.settle();
    }
    this.#nowMs = untilMs;
  }

  async settle() {
    for (let quietTurns = 0; quietTurns < QUIET_TURNS; quietTurns += 1) {
      await new Promise((resolve) => setImmediate(resolve));
      if (this.#pendingTurns > 0) quietTurns = -1;
    }
  }

  #nextDue(untilMs) {
    const due = [...this.#timers].filter(({ dueMs }) => dueMs <= untilMs);
    return due.reduce((first, timer) => (first === undefined || timer.dueMs < first.dueMs ? timer : first), undefined);
  }
}
