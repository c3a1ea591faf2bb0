import { describe, expect, it } from "vitest";
import { tempFolder } from "../support/temp-folder.js";
import { crash, resultsIn } from "./run-harness.js";

describe("the crash harness, while messages are done once", { timeout: 120_000 }, () => {
  it("finds keys that are taken from whoever has them: effects made twice, and handlers side by side or again", async () => {
    using folder = tempFolder();
    const results = folder.file("results.ndjson");

    const args = ["--kills", "48", "--slice", "6", "--seed", "3", "--workloads", "once", "--results", results];
    const { code } = await crash(folder, ...args, "--sabotage", "seized-keys");

    expect(code).toBe(1);
    const problems = resultsIn(results).at(-1)?.problems.join("\n");
    expect(problems).toMatch(/^made twice: /m);
    expect(problems).toMatch(/^(at the same time|done again): /m);
  });
});
