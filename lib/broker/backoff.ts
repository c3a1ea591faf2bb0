import type { Chance } from "../time/chance.js";
import type { Clock } from "../time/clock.js";

/** A transaction of the owner usually ends with the current callback; looking again each turn finds that soonest. */
const TURNS = 20;
const MAX_DELAY_MS = 32;

/** When to look again for something that somebody else holds: the next turns first, then after 1 to 32 ms with jitter. */
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
    const ceiling = Math.min(MAX_DELAY_MS, 2 ** Math.min(5, this.#attempts - TURNS));
    const delay = 1 + this.#chance.nextInt(ceiling);
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
