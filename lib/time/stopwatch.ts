import { monotonicNow } from "./monotonic.js";

/** Measures from its making on; monotonic, so that setting the machine's clock does not show. Real under fake timers. */
export class Stopwatch {
  readonly #startedAtMs: number = monotonicNow();

  /** With fractions of a millisecond. */
  get elapsedMs(): number {
    return monotonicNow() - this.#startedAtMs;
  }
}
