/**
 * From starting the process to its first resolved send, beside scripts that only load better-sqlite3. `import` alone does not load the driver's
 * binary: its constructor does. Measured from outside, as the time until the process writes a byte; the scripts take turns.
 */
import { spawn } from "node:child_process";
import { join } from "node:path";
import Database from "better-sqlite3";
import { storedBodies } from "../drivers/pocketmq.mjs";

const SCRIPTS = {
  pocketmq: { script: "pocketmq.mjs", path: "new" },
  "pocketmq-again": { script: "pocketmq.mjs", path: "existing" },
  "import-only": { script: "better-sqlite3-import.mjs" },
  "driver-loaded": { script: "better-sqlite3-open.mjs" },
  "bare-row": { script: "better-sqlite3-row.mjs", path: "new" },
  plainjob: { script: "plainjob.mjs", path: "new" },
};

export const coldStart = {
  name: "cold-start",
  title: "cold start",
  drivers: Object.keys(SCRIPTS),
  batch: 1,
  messages: { full: 10, normal: 10, smoke: 1 },
  /** Runs in the parent: every driver in turn, `messages` starts each. */
  async measureAll({ snapshot, folder, synchronous, messages }) {
    const times = Object.fromEntries(Object.keys(SCRIPTS).map((driver) => [driver, []]));
    const existing = join(folder, "existing.db");
    await timeToFirstByte(snapshot, SCRIPTS.pocketmq.script, existing, synchronous);
    for (let start = 0; start < messages; start += 1) {
      for (const [driver, { script, path }] of Object.entries(SCRIPTS)) {
        const file = path === "existing" ? existing : join(folder, `${driver}-${start}.db`);
        times[driver].push(await timeToFirstByte(snapshot, script, file, synchronous));
      }
      verify(join(folder, `pocketmq-${start}.db`), existing, start + 2, folder, start);
    }
    return Object.fromEntries(
      Object.entries(times).map(([driver, starts]) => [driver, { messages, startMs: median(starts) }]),
    );
  },
};

function median(numbers) {
  const sorted = numbers.toSorted((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 2)];
}

function verify(fresh, existing, expectedInExisting, folder, start) {
  const inFresh = [...storedBodies(fresh)].length;
  const inExisting = [...storedBodies(existing)].length;
  if (inFresh !== 1 || inExisting !== expectedInExisting)
    throw new Error(`${inFresh} and ${inExisting} messages are stored instead of 1 and ${expectedInExisting}`);
  const database = new Database(join(folder, `plainjob-${start}.db`), { readonly: true });
  const jobs = database.prepare("SELECT count(*) FROM plainjob_jobs").pluck().get();
  database.close();
  if (jobs !== 1) throw new Error(`${jobs} jobs are stored instead of 1`);
}

function timeToFirstByte(snapshot, script, file, synchronous) {
  return new Promise((resolve, reject) => {
    let elapsed;
    const start = performance.now();
    const child = spawn(
      process.execPath,
      [join(snapshot, "benchmarks", "scenario", "cold-start", script), file, synchronous],
      { stdio: ["ignore", "pipe", "inherit"] },
    );
    child.stdout.once("data", () => {
      elapsed = performance.now() - start;
    });
    child.once("error", reject);
    child.once("close", (code) => {
      if (code === 0 && elapsed !== undefined) resolve(elapsed);
      else reject(new Error(`${script} ended with code ${code}`));
    });
  });
}
