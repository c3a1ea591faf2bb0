import { describe, expect, it } from "vitest";
import { runInApp } from "./run-app.js";

describe("loading the package", () => {
  it.each([
    ["import", "pocketmq"],
    ["require", "pocketmq"],
    ["import", "pocketmq/testing"],
    ["require", "pocketmq/testing"],
    ["import", "pocketmq/wire"],
    ["require", "pocketmq/wire"],
  ])(
    "by %s of %s opens, starts, listens to and loads nothing, other entry points included",
    async (way, entryPoint) => {
      const output = await runInApp("loading", ["what-changes.cjs", way, entryPoint]);

      expect(JSON.parse(output)).toEqual({ changes: [], warnings: [] });
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
