import fc from "fast-check";
import { describe, it } from "vitest";
import { COMMANDS, type Command } from "./consuming/command.js";
import { runConsuming } from "./consuming/consuming-run.js";
import { filePlace, memoryPlace, type Place } from "./consuming/places.js";

/** `POCKETMQ_MODEL_SEEDS=10` runs so many, also with two engines on a file. */
const { POCKETMQ_MODEL_SEEDS } = process.env;
const SEEDS = Array.from({ length: Number(POCKETMQ_MODEL_SEEDS ?? 2) }, (_, index) => index + 1);
/** Of many seeds, where a counterexample is looked for that is as small as possible. */
const TIMEOUT_MS = 600_000;

/** The seed, and the path to what was shrunk, are in the error. */
async function checkRuns(createPlace: () => Place, seed: number, numRuns: number): Promise<void> {
  const property = fc.asyncProperty(COMMANDS, async (commands: readonly Command[]) => {
    using place = createPlace();
    await runConsuming(place, commands);
  });
  await fc.assert(property, { seed, numRuns });
}

describe("groups of all kinds beside their model", { timeout: TIMEOUT_MS }, () => {
  it.each(SEEDS)("deliver, repeat, bury and end as it says, in one broker, seed %i", async (seed) => {
    await checkRuns(memoryPlace, seed, 20);
  });

  if (POCKETMQ_MODEL_SEEDS !== undefined) {
    it.each(SEEDS)("deliver, repeat, bury and end as it says, in two brokers on a file, seed %i", async (seed) => {
      await checkRuns(filePlace, seed, 5);
    });
  }
});
