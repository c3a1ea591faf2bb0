import { describe, expect, it } from "vitest";
import { runBroadcasting } from "./broadcasting-run.js";

/** `POCKETMQ_SEEDS=100` runs so many, `POCKETMQ_SEED=7` that one alone. */
const { POCKETMQ_SEEDS = "8", POCKETMQ_SEED } = process.env;
const SEEDS =
  POCKETMQ_SEED === undefined
    ? Array.from({ length: Number(POCKETMQ_SEEDS) }, (_, index) => index + 1)
    : [Number(POCKETMQ_SEED)];

describe("broadcasting groups whose instances come and go", () => {
  it.each(SEEDS)("lose nothing, and repeat only what was not done, in 100 steps, seed %i", async (seed) => {
    const outcome = await runBroadcasting({ seed, steps: 100 });

    expect(outcome.heard).toBeGreaterThan(500);
    expect(outcome.repeats).toBeGreaterThan(0);
    expect(outcome.failed).toBeGreaterThan(0);
    expect(outcome.joins).toBeGreaterThan(10);
  });
});
