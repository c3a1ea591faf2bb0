import { execFile } from "node:child_process";
import { readFileSync } from "node:fs";
import { promisify } from "node:util";
import type { TempFolder } from "../support/temp-folder.js";

const run = promisify(execFile);

export interface HarnessRun {
  readonly code: number;
  readonly output: string;
}

/** @param folder - where stores are made, and kept when something is wrong. */
export async function crash(folder: TempFolder, ...args: readonly string[]): Promise<HarnessRun> {
  const env = { ...process.env, TMPDIR: folder.path };
  try {
    const { stdout } = await run(process.execPath, ["spec/crash/harness/run.mjs", ...args], { env });
    return { code: 0, output: stdout };
  } catch (failure) {
    const { code, stdout, stderr } = failure as { code: number; stdout: string; stderr: string };
    return { code, output: `${stdout}${stderr}` };
  }
}

export interface SliceResult {
  readonly run: { readonly seed: number; readonly slice: number };
  readonly workload: string;
  readonly kills: number;
  readonly moments: Readonly<Record<string, number>>;
  readonly problems: readonly string[];
}

export function resultsIn(file: string): readonly SliceResult[] {
  const lines = readFileSync(file, "utf8").trim().split("\n");
  return lines.map((line) => JSON.parse(line) as SliceResult);
}
