import { describe, expect, it } from "vitest";
import { checkHistory, type MessageState } from "../../lib/testing/index.js";
import { GROUPS, liveThrough, type Year, type YearPlan } from "./year/simulated-year.js";

/** A month by default; a whole year, twice, in CI. */
const IS_WHOLE = process.env["POCKETMQ_YEAR"] !== undefined;
const SIZE = IS_WHOLE
  ? { days: 365, messagesADay: 550, restarts: 50, clockJumps: 20 }
  : { days: 30, messagesADay: 100, restarts: 8, clockJumps: 4 };
const PLANS: readonly YearPlan[] = [
  { ...SIZE, seed: 1, profile: "embedded" },
  { ...SIZE, ...(IS_WHOLE ? { days: 30, restarts: 8, clockJumps: 4 } : {}), seed: 2, profile: "rocketmq" },
];

/** Of those that were lived through before: a year takes a minute. */
const digests = new Map<YearPlan, string>();

function count({ history }: Year, state: MessageState): number {
  return history.filter((event) => event.state === state).length;
}

describe("a simulated stretch of an application's life", () => {
  it.each(PLANS)(
    "loses nothing, delivers nothing early and keeps no more than it must: $days days as $profile",
    async (plan) => {
      const year = await liveThrough(plan);
      digests.set(plan, year.digest);

      expect(checkHistory(year.checkable).slice(0, 10)).toEqual([]);
      expect({ problems: year.problems, lag: year.lag }).toEqual({ problems: [], lag: 0 });
      expect(count(year, "stored")).toBeGreaterThanOrEqual(plan.days * plan.messagesADay);
      // What was stored in the last days, and nothing of the weeks before.
      expect(year.kept).toBeLessThan(8 * plan.messagesADay);
      for (const state of ["retried", "dead-lettered"] as const) expect(count(year, state)).toBeGreaterThan(0);
      expect(count(year, "expired")).toBeGreaterThan(year.recalls);
      for (const group of GROUPS)
        expect(
          year.history.filter((event) => event.state === "consumed" && event.group === group).length,
        ).toBeGreaterThan(0.9 * count(year, "stored"));
    },
    300_000,
  );

  it("is the same again with the same seed", async () => {
    const [plan] = PLANS as [YearPlan];

    const first = digests.get(plan) ?? (await liveThrough(plan)).digest;
    const again = await liveThrough(plan);

    expect(again.digest).toBe(first);
  }, 300_000);
});
