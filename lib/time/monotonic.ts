import { performance } from "node:perf_hooks";

/**
 * Milliseconds since some moment, with fractions; setting the machine's clock does not show. While the machine sleeps it stands still on Linux, and goes on elsewhere.
 *
 * The global `performance` is what fake timers replace; this one is Node's, taken when this module is loaded.
 */
export const monotonicNow: () => number = performance.now.bind(performance);
