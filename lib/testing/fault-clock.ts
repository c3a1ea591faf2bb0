import type { Clock, ClockTimer } from "../time/clock.js";
import type { SteadyClock } from "../time/steady-clock.js";
import type { ManualClock } from "./virtual-clock.js";

/** For how long faults last, as its users reckon it: time goes on when the clock is set. Unlike theirs it knows which listener waits for it. */
export class FaultClock implements Clock {
  readonly #clock: ManualClock;
  readonly #steady: SteadyClock;

  constructor(clock: ManualClock, steady: SteadyClock) {
    this.#clock = clock;
    this.#steady = steady;
  }

  now(): number {
    return this.#steady.now();
  }

  at(dueMs: number, run: () => void): ClockTimer {
    return this.#clock.arm(() => this.#steady.toWall(dueMs), run);
  }

  turn(run: () => void): void {
    this.#clock.turn(run);
  }
}
