/**
 * `npm run differential -- [--scenarios topics,sends] [--histories FOLDER]`
 *
 * Plays every scenario against a real Apache RocketMQ and against PocketMQ, and compares what happened. README.md says how.
 */
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { missingCommands, startRocketmq } from "./apache-rocketmq/rocketmq.mjs";
import { differences, idle, judge, readRows } from "./compare.mjs";
import { startPocketmq } from "./pocketmq.mjs";
import { SCENARIOS } from "./scenarios.mjs";
import { play } from "./stage.mjs";

const { values } = parseArgs({ options: { scenarios: { type: "string" }, histories: { type: "string" } } });
/** Of transactions, on both sides. */
const CHECK_MS = 2_000;

function chosen(names) {
  const unknown = names.find((name) => !SCENARIOS.some((scenario) => scenario.name === name));
  if (unknown !== undefined) throw new Error(`no scenario is called "${unknown}"`);
  return SCENARIOS.filter(({ name }) => names.includes(name));
}

async function playAll(scenarios, served) {
  const histories = {};
  // One after the other: some tell how many messages of all there are.
  for (const scenario of scenarios) histories[scenario.name] = await play(scenario, served);
  return histories;
}

async function main() {
  const missing = missingCommands();
  if (missing.length > 0) return console.log(`differential: skipped, as there is no ${missing.join(" and no ")} here`);
  const started = performance.now();
  const scenarios = values.scenarios === undefined ? SCENARIOS : chosen(values.scenarios.split(","));
  const pocketmq = await startPocketmq({ transaction: { timeoutMs: CHECK_MS, checkIntervalMs: CHECK_MS } });
  let rocketmq;
  const end = () => Promise.all([rocketmq?.close(), pocketmq.close()]);
  for (const signal of ["SIGINT", "SIGTERM"]) process.once(signal, () => void end().then(() => process.exit(1)));
  try {
    rocketmq = await startRocketmq({ transactionTimeOut: CHECK_MS, transactionCheckInterval: CHECK_MS });
    const ready = performance.now();
    const [theirs, ours] = await Promise.all([playAll(scenarios, rocketmq), playAll(scenarios, pocketmq)]);
    report(theirs, ours);
    const seconds = (from, to) => `${((to - from) / 1_000).toFixed(1)} s`;
    console.log(`started in ${seconds(started, ready)}, played in ${seconds(ready, performance.now())}`);
  } finally {
    await end();
  }
}

function report(theirs, ours) {
  keep("rocketmq", theirs);
  keep("pocketmq", ours);
  const found = Object.keys(theirs).flatMap((name) => differences(name, theirs[name], ours[name]));
  const rows = readRows(readFileSync(new URL("../../lib/wire/COMPATIBILITY.md", import.meta.url), "utf8"));
  // Some of what differs is there only because of what was played before.
  const problems = [...judge(found, rows), ...(values.scenarios === undefined ? idle(found, rows) : [])];
  for (const problem of problems) console.error(problem);
  const steps = Object.values(theirs).reduce((sum, history) => sum + Object.keys(history).length, 0);
  console.log(
    `${Object.keys(theirs).length} scenarios, ${steps} steps, ${found.length} differences, ${rows.length} rows, ${problems.length} problems`,
  );
  if (problems.length > 0) process.exitCode = 1;
}

function keep(name, histories) {
  if (values.histories === undefined) return;
  mkdirSync(values.histories, { recursive: true });
  writeFileSync(join(values.histories, `${name}.json`), `${JSON.stringify(histories, null, 1)}\n`);
}

await main();
