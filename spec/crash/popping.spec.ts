import { describe, expect, it } from "vitest";
import { tempFolder } from "../support/temp-folder.js";
import { crash, resultsIn } from "./run-harness.js";

// What a process had in hand comes again ten seconds after it was killed: they wait for that side by side.
describe.concurrent("the crash harness, while processes receive and acknowledge", { timeout: 120_000 }, () => {
  it.each(["popping", "popping-in-order"])("finds nothing wrong after a few kills in %s", async (workload) => {
    using folder = tempFolder();
    const results = folder.file("results.ndjson");

    const args = ["--kills", "4", "--slice", "4", "--seed", "1", "--workloads", workload, "--results", results];
    const { code, output } = await crash(folder, ...args);

    expect(resultsIn(results)).toMatchObject([{ workload, kills: 4, problems: [] }]);
    expect([code, output]).toEqual([0, expect.stringContaining("4 kills, seed 1: nothing is wrong")]);
  });

  it("finds the sabotage popped-twice", async () => {
    using folder = tempFolder();
    const results = folder.file("results.ndjson");

    const args = ["--kills", "48", "--slice", "8", "--seed", "3", "--workloads", "popping", "--results", results];
    const { code } = await crash(folder, ...args, "--sabotage", "popped-twice");

    expect(code).toBe(1);
    expect(resultsIn(results).at(-1)?.problems.join("\n")).toMatch(/stored twice: retry|double-owned: message/);
  });
});
