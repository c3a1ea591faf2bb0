import type { Clock } from "../time/clock.js";

/** A backlog in 64 queues kept the longest turn of the loop busy for 250 ms of processor time without this bound, for 20 ms with it. */
const PULLS_PER_TURN = 32;

/** Lets so many pulls of one consumer through in one turn of the event loop; the others wait for the next turns, in the order they came. */
export class PullTurns {
  readonly #clock: Clock;
  #left = PULLS_PER_TURN;
  #isTurnAwaited = false;
  readonly #waiting: (() => void)[] = [];

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** `undefined`: go on at once. */
  enter(): Promise<void> | undefined {
    this.#awaitTurn();
    if (this.#left === 0) return new Promise((resolve) => this.#waiting.push(resolve));
    this.#left -= 1;
    return undefined;
  }

  #awaitTurn(): void {
    if (this.#isTurnAwaited) return;
    this.#isTurnAwaited = true;
    this.#clock.turn(() => {
      this.#isTurnAwaited = false;
      const next = this.#waiting.splice(0, PULLS_PER_TURN);
      this.#left = PULLS_PER_TURN - next.length;
      if (next.length > 0) this.#awaitTurn();
      for (const resolve of next) resolve();
    });
  }
}
