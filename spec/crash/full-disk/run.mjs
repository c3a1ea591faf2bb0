/**
 * `npm run full-disk`
 *
 * Fills a real disk, a tmpfs of 48 MiB, while a broker works on it, once for each of the scenarios. Needs to mount one, as root or in a user namespace; where it
 * may not it says so and does nothing. Ends with 1 when something is wrong.
 */
import { spawnSync } from "node:child_process";
import { mkdtempSync, rmdirSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { SCENARIOS } from "./scenarios.mjs";

const scenario = fileURLToPath(new URL("scenario.mjs", import.meta.url));
/** Mounts, then becomes the process behind it. What is mounted in a namespace is gone with it. */
const MOUNT = 'mount -t tmpfs -o size=48m none "$1" && shift && exec "$@"';
const inNamespace = (folder, command) => ["-rm", "sh", "-c", MOUNT, "sh", folder, ...command];

function withFolder(use) {
  const folder = mkdtempSync(join(tmpdir(), "pocketmq-full-"));
  try {
    return use(folder);
  } finally {
    rmdirSync(folder);
  }
}

const refused = withFolder((folder) => {
  const { status, stderr, error } = spawnSync("unshare", inNamespace(folder, ["true"]), { encoding: "utf8" });
  return status === 0 ? undefined : (error?.message ?? stderr.trim().split("\n").at(-1));
});
if (refused === undefined) {
  for (const name of Object.keys(SCENARIOS)) {
    const command = (folder) => inNamespace(folder, [process.execPath, scenario, name, folder]);
    const { status } = withFolder((folder) => spawnSync("unshare", command(folder), { stdio: "inherit" }));
    if (status !== 0) process.exitCode = 1;
  }
} else process.stdout.write(`left out: no tmpfs can be mounted here (${refused})\n`);
