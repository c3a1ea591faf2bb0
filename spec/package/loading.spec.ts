import { describe, expect, it } from "vitest";
import { runInApp } from "./run-app.js";

describe("loading the package", () => {
  it.each([
    ["import", "pocketmq"],
    ["require", "pocketmq"],
    ["import", "pocketmq/wire"],
    ["require", "pocketmq/wire"],
  ])(
    "by %s of %s opens, starts, listens to and loads nothing, other entry points included",
    async (way, entryPoint) => {
      const output = await runInApp("loading", ["what-changes.cjs", way, entryPoint]);

      expect(JSON.parse(output)).toEqual({ changes: [], warnings: [] });
    },
  );

  it.each(["import", "require"])(
    "by %s of pocketmq/testing loads SQLite, as opening a test broker is to be quick, and does nothing else",
    async (way) => {
      const output = await runInApp("loading", ["what-changes.cjs", way, "pocketmq/testing"]);

      const { changes, warnings } = JSON.parse(output) as { changes: string[]; warnings: string[] };
      const others = changes.filter((change) => !/^(driver|addons): .*[/]better-sqlite3[/]/.test(change));
      expect(changes).toContainEqual(expect.stringMatching(/^addons: .*better_sqlite3[.]node$/));
      expect({ others, warnings }).toEqual({ others: [], warnings: [] });
    },
  );

  it.each(["pocketmq", "pocketmq/testing", "pocketmq/wire"])(
    "twice, by import and by require of %s, gives one library",
    async (entryPoint) => {
      const output = await runInApp("loading", ["both-builds.mjs", entryPoint]);

      expect(JSON.parse(output)).toEqual({ sameNames: true, sameValues: true });
    },
  );
});
