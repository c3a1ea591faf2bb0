import { execFile } from "node:child_process";
import { fileURLToPath } from "node:url";

/** A workload with one setting of `synchronous`. */
export interface PowerRun {
  readonly name: string;
  readonly synchronous: string;
  readonly promise: "full" | "normal";
  readonly events: number;
  readonly syncs: number;
  /** How many cuts were tried, by family. */
  readonly cuts: Readonly<Record<string, number>>;
  readonly states: number;
  readonly problems: readonly { readonly cut: string; readonly found: readonly string[] }[];
}

/** What run.mjs finds with these arguments; the command is the same as that of `npm run power`. */
export function runPower(...args: readonly string[]): Promise<readonly PowerRun[]> {
  const script = fileURLToPath(new URL("run.mjs", import.meta.url));
  return new Promise((resolve, reject) => {
    execFile(process.execPath, [script, "--json", ...args], { maxBuffer: 2 ** 26 }, (error, stdout, stderr) => {
      // 1 says that there are problems.
      if (error !== null && error.code !== 1) reject(new Error(`run.mjs ${args.join(" ")} failed: ${stderr}`));
      else resolve(JSON.parse(stdout).results);
    });
  });
}
