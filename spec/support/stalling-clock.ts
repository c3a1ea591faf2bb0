import type { ClockTimer } from "../../lib/index.js";
import { VirtualClock } from "./virtual-clock.js";

/** The clock of a process that can be stopped, as by SIGSTOP, and go on later as if nothing had been. */
export class StallingClock extends VirtualClock {
  #isStalled = false;
  #kept: (() => void)[] = [];

  override turn(run: () => void): void {
    super.turn(() => this.#runOrKeep(run));
  }

  override arm(dueMs: () => number, run: () => void): ClockTimer {
    let isCancelled = false;
    const timer = super.arm(dueMs, () =>
      this.#runOrKeep(() => {
        if (!isCancelled) run();
      }),
    );
    return {
      cancel: () => {
        isCancelled = true;
        timer.cancel();
      },
    };
  }

  stall(): void {
    this.#isStalled = true;
  }

  resume(): void {
    this.#isStalled = false;
    const kept = this.#kept;
    this.#kept = [];
    for (const run of kept) super.turn(run);
  }

  #runOrKeep(run: () => void): void {
    if (this.#isStalled) this.#kept.push(run);
    else run();
  }
}
