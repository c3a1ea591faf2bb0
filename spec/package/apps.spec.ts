import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
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

    expect(JSON.parse(output)).toMatchObject({ success: true, numTotalTests: 8, numPassedTests: 8 });
  });

  it("works in a Vitest suite, with real and with fake timers", async () => {
    const output = await runInApp("vitest", [vitest(), "run", "--reporter=json", "kit.test.mjs"], 50_000);

    expect(JSON.parse(output)).toMatchObject({ success: true, numTotalTests: 3, numPassedTests: 3 });
  });

  it("runs the recipes of its testing kit as they stand", async () => {
    const page = readFileSync(join(import.meta.dirname, "../../lib/testing/README.md"), "utf8");
    const recipes = [...page.slice(page.indexOf("## Recipes")).matchAll(/^### ([^\n]*)\n\n```js\n(.*?)```$/gms)];
    const folder = join(inject("installedPackage").folder, "apps", "vitest", "recipes");
    mkdirSync(folder, { recursive: true });
    for (const [index, [, , code]] of recipes.entries())
      writeFileSync(join(folder, `${index}.test.mjs`), code as string);

    const output = await runInApp("vitest", [vitest(), "run", "--reporter=json", "recipes"], 50_000);

    expect(recipes.map(([, title]) => title)).toEqual([
      "An order that is not paid in time",
      "A failure that passes",
      "A failure that does not",
      "An idempotent consumer under duplicates",
      "A consumer that is lost, and another one that takes over",
      "A transaction whose commit is lost",
    ]);
    expect(JSON.parse(output)).toMatchObject({ success: true, numTotalTests: 6, numPassedTests: 6 });
  });
});

function vitest(): string {
  return join(inject("installedPackage").folder, "node_modules", "vitest", "vitest.mjs");
}
