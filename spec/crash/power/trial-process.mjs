// One run in a process of its own, so that several use as many processors. Started as a script it does the work.

import { fork } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { Recorder } from "./recorder.mjs";
import { tryCuts } from "./trial.mjs";
import { WORKLOADS } from "./workloads/all.mjs";

const script = fileURLToPath(import.meta.url);
if (process.argv[1] === script) await main(JSON.parse(process.argv[2]));

/** Resolves with what {@link tryCuts} returned, without files. */
export function inProcess(trial) {
  return new Promise((resolve, reject) => {
    let result;
    const child = fork(script, [JSON.stringify(trial)]);
    child.once("message", (message) => {
      result = message;
    });
    child.once("error", reject);
    child.once("exit", (code, signal) => {
      if (code === 0 && result !== undefined) resolve(result);
      else reject(new Error(`the run of ${trial.name} ended with ${signal ?? `code ${code}`}`));
    });
  });
}

async function main({ name, level, root, library, keep, ignoredSyncs, ...options }) {
  const startedAt = performance.now();
  const workload = WORKLOADS.find((candidate) => candidate.name === name);
  const folder = mkdtempSync(join(root, "run-"));
  const events = await new Recorder(folder, library).record(workload, level.synchronous, options.seed);
  const ignores = (event) => ignoredSyncs.includes(syncedBy(event));
  const outcome = await tryCuts({ events, workload, level, folder, options: { ...options, ignores } });
  rmSync(folder, { recursive: true });
  if (keep !== undefined)
    for (const problem of outcome.problems) keepFiles(join(keep, `${name}-${level.synchronous}`), problem);
  const problems = outcome.problems.map(({ cut, found }) => ({ cut, found }));
  const seconds = (performance.now() - startedAt) / 1_000;
  process.send({ name, ...level, seed: options.seed, seconds, ...outcome, problems });
}

function syncedBy({ kind, name }) {
  if (kind === "sync-folder") return "folder";
  if (name.endsWith("-wal")) return "wal";
  return name.endsWith("-journal") ? "journal" : "database";
}

function keepFiles(folder, { cut, files }) {
  if (files === undefined) return;
  const place = join(folder, cut.replace(/[^a-z0-9]+/g, "-"));
  mkdirSync(place, { recursive: true });
  for (const [name, bytes] of files) writeFileSync(join(place, name), bytes);
}
