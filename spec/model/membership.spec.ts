import { describe, expect, it } from "vitest";
import { runMembership } from "./membership-run.js";

/** `POCKETMQ_SEEDS=100` runs so many, `POCKETMQ_SEED=7` that one alone. */
const { POCKETMQ_SEEDS = "2", POCKETMQ_SEED } = process.env;
const SEEDS =
  POCKETMQ_SEED === undefined
    ? Array.from({ length: Number(POCKETMQ_SEEDS) }, (_, index) => index + 1)
    : [Number(POCKETMQ_SEED)];

describe("a group whose members come and go", () => {
  it.each(SEEDS)("loses and strands nothing in 1,000 joins and leaves and 20,000 messages, seed %i", async (seed) => {
    const { consumed, joins, leaves, repeats, ignoredResults, retries, timeouts, mostMembers } = await runMembership({
      seed,
      changes: 1_000,
      messages: 20_000,
    });

    expect(consumed).toBe(20_000);
    expect(joins + leaves).toBe(1_000);
    expect(repeats).toBeGreaterThan(0);
    expect(ignoredResults).toBeGreaterThan(0);
    expect(retries).toBeGreaterThan(100);
    expect(timeouts).toBeGreaterThan(0);
    expect(mostMembers).toBeGreaterThan(8);
    expect(mostMembers).toBeLessThanOrEqual(32);
  });
});
