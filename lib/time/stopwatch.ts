import { performance } from "node:perf_hooks";

// The global `performance` is what fake timers replace; this one is Node's, taken when this module is loaded.
const readMs: () => number = performance.now.bind(performance);

/** Measures from its making on; monotonic, so that setting the machine's clock does not show. Real under fake timers. */
export class Stopwatch {
  readonly #startedAtMs: number = readMs();

  /** With fractions of a millisecond. */
  get elapsedMs(): number {
    return readMs() - this.#startedAtMs;
  }
}
