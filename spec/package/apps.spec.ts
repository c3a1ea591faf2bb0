import { join } from "node:path";
import { describe, expect, inject, it } from "vitest";
import { runInApp } from "./run-app.js";

describe("the installed package", () => {
  it.each([
    ["an ESM app", "esm", "main.mjs"],
    ["a CommonJS app", "commonjs", "main.cjs"],
  ])("keeps every message over restarts in %s", async (_, app, main) => {
    const store = join(inject("installedPackage").folder, `${app}.db`);

    const output = await runInApp(app, [main, store]);

    expect(JSON.parse(output)).toEqual({ consumed: 120, lag: 0 });
  });

  it("works in a CommonJS Jest suite, with real and with fake timers", async () => {
    const jest = join(inject("installedPackage").folder, "node_modules", "jest", "bin", "jest.js");

    const output = await runInApp("jest", [jest, "--runInBand", "--json", "--silent"], 50_000);

    expect(JSON.parse(output)).toMatchObject({ success: true, numTotalTests: 5, numPassedTests: 5 });
  });
});
