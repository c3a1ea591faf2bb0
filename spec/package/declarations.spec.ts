import { execFile } from "node:child_process";
import { join } from "node:path";
import { promisify } from "node:util";
import { describe, expect, inject, it } from "vitest";

const run = promisify(execFile);
const tsc = join("node_modules", "typescript", "bin", "tsc");

/** What a command printed, whether it succeeded or not: its complaints are what a failing spec shows. */
async function outputOf(args: readonly string[]): Promise<string> {
  const settled: unknown = await run(process.execPath, args).catch((failure: unknown) => failure);
  const { stdout, stderr } = settled as { readonly stdout: string; readonly stderr: string };
  return `${stdout}${stderr}`.trim();
}

describe("the declarations", () => {
  it.each(["node16", "bundler"])("type-check in an app that resolves by %s, libraries included", async (resolution) => {
    const project = join(inject("installedPackage").folder, "apps", "typescript", `tsconfig.${resolution}.json`);

    expect(await outputOf([tsc, "-p", project, "--pretty", "false"])).toBe("");
  });

  it("agree with the contract in both directions", async () => {
    expect(await outputOf([".ci/contract.mjs"])).toMatch(/^\d+ exported names agree with the contract$/);
  });

  it.each(["api-extractor.json", "api-extractor.testing.json", "api-extractor.wire.json"])(
    "are the ones in the reviewed API report of %s",
    async (config) => {
      const extractor = join("node_modules", "@microsoft", "api-extractor", "bin", "api-extractor");

      expect(await outputOf([extractor, "run", "--config", join(".ci", config)])).toContain(
        "API Extractor completed successfully",
      );
    },
  );
});
