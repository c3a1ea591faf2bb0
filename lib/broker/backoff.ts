import type { Chance } from "../time/chance.js";
import type { Clock } from "../time/clock.js";

/** A transaction of the owner usually ends with the current callback; looking again each turn finds that soonest. */
const TURNS = 20;
/** Others that write all the time let go of the lock for 0.1 ms now and then. With pauses of up to 32 ms one of four writers waited for 1.6 s, with these for 0.3 s. */
const SHORT_PAUSES = 500;
const SHORT_PAUSE_MS = 2;
/** Whoever holds it for seconds has it for long. */
const LONG_PAUSE_MS = 32;

/** When to look again for something that somebody else holds: the next turns first, then after 1 to 2 ms for about a second, then after 1 to 32 ms. */
export class Backoff {
  readonly #clock: Clock;
  readonly #chance: Chance;
  #attempts = 0;
  #timer: { cancel(): void } | undefined;

  constructor(clock: Clock, chance: Chance) {
    this.#clock = clock;
    this.#chance = chance;
  }

  next(run: () => void): void {
    this.#attempts += 1;
    if (this.#attempts <= TURNS) {
      this.#clock.turn(run);
      return;
    }
    const delay = 1 + this.#chance.nextInt(this.#attempts <= TURNS + SHORT_PAUSES ? SHORT_PAUSE_MS : LONG_PAUSE_MS);
    this.#timer = this.#clock.at(this.#clock.now() + delay, () => {
      this.#timer = undefined;
      run();
    });
  }

  reset(): void {
    this.#attempts = 0;
  }

  /** Whether a pause was going on, which is over now. */
  cancel(): boolean {
    const isPausing = this.#timer !== undefined;
    this.#timer?.cancel();
    this.#timer = undefined;
    return isPausing;
  }
}
