import { describe, expect, it } from "vitest";
import { usually } from "../../support/usually.js";
import { runPower } from "./power-run.js";
import { whyNot } from "./recorder.mjs";

const reason = whyNot();
const FEW = ["--one-in", "128", "--subsets", "5"];
/** What is looked for is found long before. */
const UNTIL_FOUND = ["--one-in", "16", "--subsets", "10", "--problems", "40"];
/** A run takes a second where nothing else runs. */
const OPTIONS = { timeout: 120_000 };

if (reason !== undefined) it(`the power-cut harness is left out: ${reason}`, ({ skip }) => skip(reason));

describe.runIf(reason === undefined)("the power-cut harness", OPTIONS, () => {
  it("finds a store that does not sync", async () => {
    const runs = await runPower("sends", "--synchronous", "off", ...UNTIL_FOUND);

    expect(runs).toHaveLength(1);
    expect(findings(runs)).toContainEqual(expect.stringMatching(/^unit \S+ was stored and is missing$/));
  });

  it.each(
    usually(2, [
      ["write-ahead log", "wal", "sends", /was stored and is missing$/],
      ["rollback journal", "journal", "attached-delete", /SQLITE_CORRUPT|integrity_check/],
      ["folder of a new log", "folder", "sends", /was stored and is missing$/],
      ["folder of a new journal", "folder", "attached-delete", /is there in part/],
      ["database at a checkpoint", "database", "checkpoints", /SQLITE_CORRUPT|integrity_check/],
    ] as const),
  )("finds a disk that only pretends to sync the %s", async (_what, ignored, workload, finding) => {
    const runs = await runPower(workload, "--synchronous", "full", "--ignore-syncs", ignored, ...UNTIL_FOUND);

    expect(findings(runs)).toContainEqual(expect.stringMatching(finding));
  });

  it("finds a log that is not synced before a checkpoint, where synchronous is normal", async () => {
    const runs = await runPower("checkpoints", "--synchronous", "normal", "--ignore-syncs", "wal", ...UNTIL_FOUND);

    expect(findings(runs)).toContainEqual(expect.stringMatching(/SQLITE_CORRUPT|integrity_check/));
  });

  it("tries the same cuts of the same run for a seed, and others for another", async () => {
    const ALL_PROBLEMS = ["--synchronous", "full", "--ignore-syncs", "folder", ...FEW, "--problems", "10000"];
    const of = async (seed: string) => {
      const [run] = await runPower("new-store", "--seed", seed, ...ALL_PROBLEMS);
      return { cuts: run?.cuts, states: run?.states, problems: run?.problems };
    };

    const [first, again, other] = [await of("7"), await of("7"), await of("8")];

    expect(again).toEqual(first);
    expect(other).not.toEqual(first);
  });

  it("refuses an option that it does not know", async () => {
    await expect(runPower("--synchronous", "sometimes")).rejects.toThrow(
      "--synchronous must be some of full,normal,off",
    );
  });
});

function findings(runs: Awaited<ReturnType<typeof runPower>>): readonly string[] {
  return runs.flatMap(({ problems }) => problems.flatMap(({ found }) => found));
}
