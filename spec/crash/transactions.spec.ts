import { describe, expect, it } from "vitest";
import { tempFolder } from "../support/temp-folder.js";
import { usually } from "../support/usually.js";
import { crash, resultsIn } from "./run-harness.js";

describe("the crash harness, while processes send in transactions", { timeout: 120_000 }, () => {
  it("finds nothing wrong after a few kills where checks come in rounds", async () => {
    using folder = tempFolder();
    const results = folder.file("results.ndjson");

    const args = ["--kills", "6", "--slice", "6", "--seed", "1", "--workloads", "transactions-rounds"];
    const { code, output } = await crash(folder, ...args, "--results", results);

    expect(resultsIn(results)).toMatchObject([{ workload: "transactions-rounds", kills: 6, problems: [] }]);
    expect([code, output]).toEqual([0, expect.stringContaining("6 kills, seed 1: nothing is wrong")]);
  });

  it.each(
    usually(1, [
      ["unfounded-commit", /half done: the effect of \S+ is not there, its message is stored|visible: /],
      ["lost-half", /half done: the effect of \S+ is there, its message is not stored/],
      ["kept-half", /stored twice: message/],
    ] as const),
  )("finds the sabotage %s", async (sabotage, problem) => {
    using folder = tempFolder();
    const results = folder.file("results.ndjson");

    const args = ["--kills", "48", "--slice", "8", "--seed", "3", "--workloads", "transactions", "--results", results];
    const { code } = await crash(folder, ...args, "--sabotage", sabotage);

    expect(code).toBe(1);
    expect(resultsIn(results).at(-1)?.problems.join("\n")).toMatch(problem);
  });
});
