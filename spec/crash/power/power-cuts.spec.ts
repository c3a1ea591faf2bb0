import { describe, expect, it } from "vitest";
import { type PowerRun, runPower } from "./power-run.js";
import { whyNot } from "./recorder.mjs";

const reason = whyNot();
/** `npm run power`, a stage of `.ci/run`, tries all of it. */
const SMOKE = ["--one-in", "128", "--subsets", "10"];
/** Thousands of stores are opened. */
const OPTIONS = { timeout: 180_000 };

if (reason !== undefined) it(`power cuts are left out: ${reason}`, ({ skip }) => skip(reason));

describe.runIf(reason === undefined)("a power cut at any moment", OPTIONS, () => {
  it("leaves a store in which nothing that was stored is missing, where synchronous is full", async () => {
    const workloads = ["new-store", "sends", "consuming", "transactions", "once", "checkpoints", "attached-delete"];

    const runs = await runPower(...workloads, "--synchronous", "full", ...SMOKE);

    expect(problemsOf(runs)).toEqual({});
    expect(new Set(runs.map(({ name }) => name))).toEqual(new Set(workloads));
    for (const { syncs, states } of runs) expect(states).toBeGreaterThan(4 * syncs);
  });

  it("leaves a sound store without the last sends, where synchronous is normal", async () => {
    const runs = await runPower("sends", "checkpoints", "--synchronous", "normal", ...SMOKE);

    expect(problemsOf(runs)).toEqual({});
    expect(runs).toHaveLength(2);
  });
});

/** By run, the first few. */
function problemsOf(runs: readonly PowerRun[]): Readonly<Record<string, PowerRun["problems"]>> {
  const failed = runs.filter(({ problems }) => problems.length > 0);
  return Object.fromEntries(
    failed.map(({ name, synchronous, problems }) => [`${name} ${synchronous}`, problems.slice(0, 5)]),
  );
}
