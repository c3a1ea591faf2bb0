import type { ClockTimer } from "../../lib/index.js";
import { VirtualClock } from "./virtual-clock.js";

/** Keeps what callbacks of the clock throw, which ends the process of an application. */
export class GuardedClock extends VirtualClock {
  readonly thrown: unknown[] = [];

  override turn(run: () => void): void {
    super.turn(() => this.#guard(run));
  }

  override at(dueMs: number, run: () => void): ClockTimer {
    return super.at(dueMs, () => this.#guard(run));
  }

  #guard(run: () => void): void {
    try {
      run();
    } catch (error) {
      this.thrown.push(error);
    }
  }
}
