/**
 * Redis with an append-only file. `appendfsync always` and `everysec` are set by the driver when it opens, as one trial needs both. No snapshots:
 * they would only add work.
 */
import { execFileSync } from "node:child_process";
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { findFolderOf } from "./binaries.mjs";
import { findFreePort, startProcess } from "./server-process.mjs";

export function findRedis() {
  const folder = findFolderOf("redis-server");
  if (folder === undefined) return { missing: "no redis-server on this machine" };
  const command = join(folder, "redis-server");
  const [version] = /(?<=v=)[\d.]+/.exec(execFileSync(command, ["--version"], { encoding: "utf8" }));
  return { version, start: (trialFolder) => start(command, trialFolder), remove: () => undefined };
}

async function start(command, trialFolder) {
  const data = join(trialFolder, "redis");
  mkdirSync(data);
  const port = await findFreePort();
  const settings = { bind: "127.0.0.1", port, dir: data, save: "", appendonly: "yes", appendfsync: "everysec" };
  const args = Object.entries(settings).flatMap(([name, value]) => [`--${name}`, String(value)]);
  const { pid, stop } = await startProcess(command, args, {
    ready: /Ready to accept connections/,
    stopSignal: "SIGTERM",
  });
  return { port, pid, stop };
}
