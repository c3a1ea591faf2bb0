import { existsSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { tempFolder } from "../support/temp-folder.js";
import { usually } from "../support/usually.js";
import { crash, resultsIn } from "./run-harness.js";

const USUAL = [
  "alone",
  "company",
  "attached",
  "shared-group",
  "hanging",
  "orderly",
  "orderly-hanging",
  "reading",
  "hanging-readers",
  "transactions",
  "transactions-company",
  "once",
];

describe("the crash harness", { timeout: 120_000 }, () => {
  it("finds nothing wrong after a few kills in each usual workload, and leaves nothing", async () => {
    using folder = tempFolder();

    const kills = String(2 * USUAL.length);
    const { code, output } = await crash(folder, "--kills", kills, "--slice", "2", "--seed", "1");

    expect(output.replaceAll(/: 2 kills, .*/g, "").split("\n")).toEqual([
      `${kills} kills, seed 1`,
      ...USUAL.map((name, index) => `slice ${index}, ${name}`),
      expect.stringMatching(/^\d+ kills, seed 1: nothing is wrong, \d+ s$/),
      "",
    ]);
    expect(code).toBe(0);
    expect(readdirSync(folder.path)).toEqual([]);
  });

  it("goes on behind the last slice of a results file", async () => {
    using folder = tempFolder();
    const results = folder.file("results.ndjson");
    const args = ["--workloads", "alone", "--slice", "3", "--results", results];

    await crash(folder, "--kills", "3", "--seed", "5", ...args);
    const again = await crash(folder, "--kills", "6", "--resume", ...args);
    const done = await crash(folder, "--kills", "6", "--resume", ...args);
    const other = await crash(folder, "--kills", "9", "--resume", "--seed", "6", ...args);

    expect(again.code).toBe(0);
    expect(done.output).toContain("6 kills, seed 5, 6 of them made before");
    expect(other.output).toContain("was made with another seed than 6");
    const slices = resultsIn(results);
    expect(slices.map((slice) => slice.run)).toMatchObject([
      { seed: 5, slice: 0 },
      { seed: 5, slice: 1 },
    ]);
    for (const { workload, kills, moments, problems } of slices) {
      expect({ workload, kills, problems }).toEqual({ workload: "alone", kills: 3, problems: [] });
      expect(Object.values(moments).reduce((sum, count) => sum + count, 0)).toBe(3);
    }
  });

  it.each(
    usually(2, [
      ["lost-retry", "alone", /lost: message .* was never consumed by group workers: it was put off at/],
      ["seized-queues", "orderly", /reordered: message|duplicated: message|double-owned: message|resurrected: message/],
      ["offset-too-far", "alone", /checkStore: mq_sent_back: the consume offset has passed it|lost: message/],
      ["kept-original", "alone", /stored twice: (retry|the dead letter)|resurrected: message/],
      ["early-receipt", "alone", /lost: the send of \S+ was resolved, but it is not stored/],
      ["told-twice", "alone", /double-owned: message/],
    ] as const),
  )("finds the sabotage %s, and keeps the store and the journal", async (sabotage, workload, problem) => {
    using folder = tempFolder();
    const results = folder.file("results.ndjson");

    const args = ["--kills", "48", "--slice", "8", "--seed", "3", "--workloads", workload, "--results", results];
    const { code, output } = await crash(folder, ...args, "--sabotage", sabotage);

    expect(code).toBe(1);
    expect(output).toMatch(/seed 3: \d+ problems/);
    const slice = resultsIn(results).at(-1);
    expect(slice?.problems.join("\n")).toMatch(problem);
    const [kept = ""] = readdirSync(folder.path).filter((name) => name.startsWith("pocketmq-crash-"));
    expect(output).toContain(`store and journal are kept in ${join(folder.path, kept)}`);
    expect(["store.db", "journal.ndjson"].filter((name) => existsSync(join(folder.path, kept, name)))).toHaveLength(2);
  });
});
