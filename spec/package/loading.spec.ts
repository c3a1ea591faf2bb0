import { describe, expect, it } from "vitest";
import { runInApp } from "./run-app.js";

describe("loading the package", () => {
  it.each(["import", "require"])("by %s opens, starts, listens to and loads nothing", async (way) => {
    const output = await runInApp("loading", ["what-changes.cjs", way]);

    expect(JSON.parse(output)).toEqual({ changes: [], warnings: [] });
  });

  it("twice, by import and by require, gives one library", async () => {
    const output = await runInApp("loading", ["both-builds.mjs"]);

    expect(JSON.parse(output)).toEqual({ sameNames: true, sameValues: true });
  });
});
