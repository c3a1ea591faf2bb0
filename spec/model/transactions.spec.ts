import fc from "fast-check";
import { describe, it } from "vitest";
import { STEPS } from "./transactions/step.js";
import { type RunOptions, TransactionsRun } from "./transactions/transactions-run.js";

/** `POCKETMQ_TRANSACTION_RUNS=10000` runs so many of each; `POCKETMQ_TRANSACTION_SEED` begins elsewhere. */
const { POCKETMQ_TRANSACTION_RUNS = "36", POCKETMQ_TRANSACTION_SEED = "1" } = process.env;
const TIMEOUT_MS = 1_800_000;

const RUNS: readonly RunOptions[] = [
  { profile: "embedded", place: "file", brokers: 1 },
  { profile: "embedded", place: "file", brokers: 2 },
  { profile: "embedded", place: "memory", brokers: 1 },
  { profile: "rocketmq", place: "file", brokers: 1 },
  { profile: "rocketmq", place: "memory", brokers: 1 },
];

/**
 * What it finds: each of these faults was put into the library, and is found: a check that comes a millisecond late · one more or one less than there may be · an interval that begins with a late answer · a round that
 * takes what is a millisecond too young · a check that another process makes while one is not answered yet · an end that does not find a half message that a check has moved, or that is taken though it comes too late · checks counted for producers that another process may have ·
 * and two that were there: a time below zero, and one too large for a number, in which nobody is to be asked.
 */
describe("transactions whose producers vanish, answer late, twice, otherwise or never", { timeout: TIMEOUT_MS }, () => {
  it.each(RUNS)(
    "are asked for when they are to be, and end once, as who came first said, or are given up: $profile, $brokers on $place",
    async (options) => {
      const property = fc.asyncProperty(STEPS, (steps) => TransactionsRun.run(options, steps));
      const [seed, numRuns] = [Number(POCKETMQ_TRANSACTION_SEED), Number(POCKETMQ_TRANSACTION_RUNS)];
      await fc.assert(property, { seed, numRuns });
    },
  );
});
