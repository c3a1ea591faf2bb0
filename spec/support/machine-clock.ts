import type { ClockTimer } from "../../lib/index.js";
import type { MonotonicClock } from "../../lib/time/clock.js";
import { StallingClock } from "./stalling-clock.js";

/** The same as that of the real clock. */
const LONGEST_DELAY_MS = 60_000;

/**
 * The clock of a machine, as the real one is: it tells how time passes beside what time it is. Setting it shows in the latter alone, and whoever waits for a moment learns
 * of it when he looks the next time, within a minute.
 */
export class MachineClock extends StallingClock implements MonotonicClock {
  /** How often something that was armed has rung. */
  rings = 0;
  #setBy = 0;

  elapsed(): number {
    return this.now() - this.#setBy;
  }

  override at(dueMs: number, run: () => void): ClockTimer {
    const arm = (): ClockTimer => this.after(Math.min(Math.max(dueMs - this.now(), 0), LONGEST_DELAY_MS), ring);
    const ring = (): void => {
      if (this.now() >= dueMs) run();
      else timer = arm();
    };
    let timer = arm();
    return { cancel: () => timer.cancel() };
  }

  after(delayMs: number, run: () => void): ClockTimer {
    const dueMs = this.elapsed() + delayMs;
    return this.arm(
      () => dueMs + this.#setBy,
      () => {
        this.rings += 1;
        run();
      },
    );
  }

  /** What elapses stands still, as on Linux while a machine sleeps. */
  override setTime(nowMs: number): void {
    this.#setBy += nowMs - this.now();
    super.setTime(nowMs);
  }

  /** The machine sleeps, and what elapses goes on meanwhile, as on macOS. `advance(0)` runs what is due then. */
  sleep(ms: number): void {
    super.setTime(this.now() + ms);
  }
}
