import type { ClockTimer, MonotonicClock } from "./clock.js";
import { type JumpListener, LEAST_JUMP_MS, STOPPED_MS, type SteadyClock } from "./steady-clock.js";

/** A laptop that wakes up delivers what is due after this time at the latest. An idle broker takes 0.02 % of a processor with it. */
const LOOK_MS = 1_000;
/** What comes between two looks at clocks that belong together. */
const DISTURBED_MS = 20;

/**
 * Of a clock that also tells how time passes. Each second it is looked whether both have gone on by the same.
 */
export class MeasuredClock implements SteadyClock {
  readonly #clock: MonotonicClock;
  /** Of this clock, when nothing had elapsed. */
  readonly #start: number;
  /** By how much the other clock is ahead of this one. */
  #ahead = 0;
  #timer: ClockTimer | undefined;

  constructor(clock: MonotonicClock) {
    this.#clock = clock;
    this.#start = clock.now() - clock.elapsed();
  }

  now(): number {
    return Math.floor(this.#start + this.#clock.elapsed());
  }

  at(dueMs: number, run: () => void): ClockTimer {
    return this.#clock.after(dueMs - this.#start - this.#clock.elapsed(), run);
  }

  turn(run: () => void): void {
    this.#clock.turn(run);
  }

  fromWall(wallMs: number): number {
    return Math.ceil(wallMs - this.#ahead);
  }

  toWall(steadyMs: number): number {
    return Math.round(steadyMs + this.#ahead);
  }

  watch(onJump: JumpListener): void {
    const dueAt = this.#clock.elapsed() + LOOK_MS;
    this.#timer = this.#clock.after(LOOK_MS, () => {
      const lateMs = this.#clock.elapsed() - dueAt;
      this.watch(onJump);
      const step = Math.round(this.#findStep());
      const stopped = lateMs >= STOPPED_MS ? Math.round(lateMs) : 0;
      // That nothing ran for so long does not make up for a clock that was set back meanwhile.
      const jumps = step < 0 ? [stopped, step] : [stopped + step];
      for (const byMs of jumps) if (Math.abs(byMs) >= LEAST_JUMP_MS) onJump(byMs);
    });
  }

  close(): void {
    this.#timer?.cancel();
  }

  /** By how much the other clock has gone on further than this one since the last look. Little by little they may part for as long as they like. */
  #findStep(): number {
    const before = this.#clock.elapsed();
    const now = this.#clock.now();
    const elapsed = this.#clock.elapsed();
    if (elapsed - before > DISTURBED_MS) return 0;
    const ahead = now - this.#start - elapsed;
    const byMs = ahead - this.#ahead;
    this.#ahead = ahead;
    return byMs;
  }
}
