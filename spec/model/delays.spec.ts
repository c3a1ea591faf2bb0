import fc from "fast-check";
import { describe, it } from "vitest";
import { DelaysRun, type RunOptions } from "./delays/delays-run.js";
import { STEPS } from "./delays/step.js";

/** `POCKETMQ_DELAY_RUNS=10000` runs so many of each. */
const { POCKETMQ_DELAY_RUNS = "100" } = process.env;
const TIMEOUT_MS = 600_000;

const PROFILES: readonly RunOptions[] = [
  { profile: "embedded", precisionMs: 1 },
  { profile: "rocketmq", precisionMs: 1_000 },
];

/**
 * What it finds: each of these faults was put into the library, and is found within 30 runs: a move takes what is due a few milliseconds later · one that is due
 * before all others is not noticed · those of one time come in another order · a recall takes others of the same block with it.
 */
describe("messages that are put off, recalled, and found by a broker that was away", { timeout: TIMEOUT_MS }, () => {
  it.each(PROFILES)(
    "are in their queues once, at their time to $precisionMs ms, in its order and that of the sends: $profile",
    async (options) => {
      const property = fc.asyncProperty(STEPS, (steps) => DelaysRun.run(options, steps));
      await fc.assert(property, { seed: 1, numRuns: Number(POCKETMQ_DELAY_RUNS) });
    },
  );
});
