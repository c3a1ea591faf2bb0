import { execFile } from "node:child_process";
import { join } from "node:path";
import { promisify } from "node:util";
import { inject } from "vitest";

const execFileAsync = promisify(execFile);

/** A user's process does not inherit what the test runner sets for itself. */
function userEnvironment(): NodeJS.ProcessEnv {
  return Object.fromEntries(Object.entries(process.env).filter(([name]) => !/^(NODE_|VITEST|JEST|TEST$)/.test(name)));
}

/**
 * Runs Node in one of the apps and resolves with what it printed. A process that fails, or that does not end by itself
 * because something was left open, rejects.
 */
export async function runInApp(app: string, args: readonly string[], timeoutMs = 30_000): Promise<string> {
  const cwd = join(inject("installedPackage").folder, "apps", app);
  const { stdout } = await execFileAsync(process.execPath, args, { cwd, env: userEnvironment(), timeout: timeoutMs });
  return stdout;
}
