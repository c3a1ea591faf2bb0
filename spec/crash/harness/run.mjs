/**
 * `npm run crash -- [--kills 200] [--seed S] [--workloads alone,company] [--slice 25] [--results FILE] [--resume] [--sabotage NAME]`
 *
 * Kills processes that work on a store, and looks whether anything was lost. Choices come from the seed; when the machine runs what, does not, so a seed finds
 * its way back to a problem, not always to the same one. README.md says what is tried and checked.
 */
import { randomInt } from "node:crypto";
import { parseArgs } from "node:util";
import { ChildPool } from "./child-pool.mjs";
import { appendResult, describeVersions, readResults } from "./results.mjs";
import { Slice } from "./slice.mjs";
import { findWorkload, WORKLOADS } from "./workloads/all.mjs";

const { values } = parseArgs({
  options: {
    kills: { type: "string", default: "200" },
    seed: { type: "string" },
    slice: { type: "string", default: "25" },
    workloads: { type: "string" },
    results: { type: "string" },
    resume: { type: "boolean", default: false },
    sabotage: { type: "string" },
  },
});

function integer(name, text, min) {
  const number = Number(text);
  if (!Number.isSafeInteger(number) || number < min)
    throw new Error(`--${name} must be an integer from ${min} on, got ${text}`);
  return number;
}

const wanted = integer("kills", values.kills, 1);
const killsASlice = integer("slice", values.slice, 1);
const names = values.workloads?.split(",") ?? WORKLOADS.filter(({ isUsual }) => isUsual).map(({ name }) => name);
for (const name of names) findWorkload(name);
if (values.resume && values.results === undefined)
  throw new Error("--resume continues a results file: give --results FILE");
const before = values.resume ? readResults(values.results) : [];
const seed = values.seed === undefined ? (before[0]?.run.seed ?? randomInt(2 ** 31)) : integer("seed", values.seed, 0);
if (before.some(({ run }) => run.seed !== seed))
  throw new Error(`${values.results} was made with another seed than ${seed}`);

let kills = before.reduce((sum, result) => sum + result.kills, 0);
let failed = 0;
const versions = describeVersions();
const pool = new ChildPool(2);
const started = performance.now();
process.stdout.write(`${wanted} kills, seed ${seed}${before.length === 0 ? "" : `, ${kills} of them made before`}\n`);
try {
  for (let index = before.length; kills < wanted && failed === 0; index += 1) {
    const slice = new Slice({
      ...{ pool, workload: names[index % names.length], seed: (seed * 1_000_003 + index) % 2 ** 32 },
      ...{ kills: Math.min(killsASlice, wanted - kills), sabotage: values.sabotage },
    });
    const result = await slice.run();
    kills += result.kills;
    failed = result.problems.length;
    appendResult(values.results, { run: { seed, slice: index, at: new Date().toISOString() }, ...result, versions });
    report(index, result);
  }
} finally {
  await pool.close();
}
const seconds = Math.round((performance.now() - started) / 1_000);
process.stdout.write(
  `${kills} kills, seed ${seed}: ${failed === 0 ? "nothing is wrong" : `${failed} problems`}, ${seconds} s\n`,
);
if (failed > 0) process.exitCode = 1;

function report(index, { workload, kills: made, messages, problems, durationMs, kept }) {
  const { stored, delivered, retried, deadLettered } = messages ?? {};
  process.stdout.write(
    `slice ${index}, ${workload}: ${made} kills, ${stored} messages, ${delivered} deliveries, ${retried} retries, ${deadLettered} dead letters, ${durationMs} ms\n`,
  );
  for (const problem of problems.slice(0, 20)) process.stdout.write(`  ${problem}\n`);
  if (problems.length > 20) process.stdout.write(`  … and ${problems.length - 20} more\n`);
  if (kept !== undefined) process.stdout.write(`  store and journal are kept in ${kept}\n`);
}
