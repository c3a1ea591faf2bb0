/** Tables from results. `node benchmarks/harness/report.mjs [--in FILE] [--write]`: prints them, or puts them into benchmarks/README.md. */
import { readFileSync, writeFileSync } from "node:fs";
import { fileURLToPath, pathToFileURL } from "node:url";
import { parseArgs } from "node:util";
import { SCENARIOS } from "../scenario/all.mjs";
import { durabilityOf } from "./durability.mjs";
import { figuresOf, medians, ratio } from "./statistics.mjs";
import { judge } from "./targets.mjs";

export const RESULTS = fileURLToPath(new URL("../results/scenarios.json", import.meta.url));
const README = fileURLToPath(new URL("../README.md", import.meta.url));
const BEGIN = "<!-- results -->";
const END = "<!-- results end -->";

const COLUMNS = [
  ["rate", "messages/s", (value) => grouped(Math.round(value))],
  ["cpuMicroseconds", "CPU µs a message", (value) => digits(value)],
  ["aloneP99Ms", "in its queue after p99 ms, nobody consumes", (value) => digits(value)],
  ["aloneMaxMs", "at most ms, nobody consumes", (value) => digits(value)],
  ["queuedP99Ms", "in its queue after p99 ms", (value) => digits(value)],
  ["queuedMaxMs", "in its queue after at most ms", (value) => digits(value)],
  ["p50Ms", "p50 ms", (value) => digits(value)],
  ["p99Ms", "p99 ms", (value) => digits(value)],
  ["p999Ms", "p99.9 ms", (value) => digits(value)],
  ["maxMs", "longest ms", (value) => digits(value)],
  ["memoryP50Ms", "in memory p50 ms", (value) => digits(value)],
  ["memoryMaxMs", "in memory longest ms", (value) => digits(value)],
  ["syncP50Ms", "fdatasync p50 ms", (value) => digits(value)],
  ["syncP99Ms", "fdatasync p99 ms", (value) => digits(value)],
  ["backP50Ms", "retried after p50 ms", (value) => digits(value)],
  ["backP99Ms", "retried after p99 ms", (value) => digits(value)],
  ["extraDeliveries", "deliveries too many", (value) => String(value)],
  ["loopDelayP99Ms", "loop late p99 ms", (value) => digits(value)],
  ["loopDelayMaxMs", "loop late longest ms", (value) => digits(value)],
  ["putOffRate", "put off/s", (value) => grouped(Math.round(value))],
  ["ofRateWithout", "of its rate without", (value) => digits(value)],
  ["statementP99Ms", "statement p99 ms", (value) => digits(value)],
  ["statementMaxMs", "longest statement ms", (value) => digits(value)],
  ["statementCpuMaxMs", "most CPU ms of a statement", (value) => digits(value)],
  ["commitP99Ms", "commit p99 ms", (value) => digits(value)],
  ["commitMaxMs", "longest commit ms", (value) => digits(value)],
  ["commitCpuMaxMs", "most CPU ms of a commit", (value) => digits(value)],
  ["sendMaxMs", "longest send ms", (value) => digits(value)],
  ["fileMB", "file MB", (value) => digits(value)],
  ["emptiedMB", "emptied MB", (value) => digits(value)],
  ["refilledMB", "filled again MB", (value) => digits(value)],
  ["idleCpuPercent", "CPU while idle %", (value) => digits(value)],
  ["tickCpuPercent", "CPU of an empty timer, once a second %", (value) => digits(value)],
  ["longestMs", "longest wait ms", (value) => digits(value)],
  ["slowestShare", "slowest of the fastest", (value) => digits(value)],
  ["ofOneProcess", "of one process alone", (value) => digits(value)],
  ["walMB", "WAL at most MB", (value) => digits(value)],
  ["rssMB", "MB at the end", (value) => digits(value)],
  ["peakRssMB", "MB at most", (value) => digits(value)],
  ["heapMiB", "of it heap", (value) => digits(value)],
  ["externalMiB", "of it buffers", (value) => digits(value)],
  ["startMs", "ms to the first", (value) => digits(value)],
];

export function toMarkdown({ machine, settings, trials }) {
  const loads = settings.loads.map((load) => load.toFixed(1)).join(", ");
  const rivals = Object.entries(machine.rivals).map(([name, version]) => `${name} ${version}`);
  const header = [
    `${machine.cpu}, ${machine.memoryGiB} GiB, ${machine.disk}, ${machine.platform} · Node ${machine.node}, better-sqlite3 ${machine.betterSqlite3},`,
    `SQLite ${machine.sqlite} · ${rivals.join(", ")} ·`,
    `commit ${machine.commit} · bodies of ${settings.bodyBytes} bytes · medians of ${settings.trials}`,
    `Load average before, and after each round: ${loads}. Above 1, something else ran.`,
    ...Object.entries(settings.skipped).map(([driver, reason]) => `Skipped: ${driver}, ${reason}.`),
  ].join("\n");
  const tables = SCENARIOS.flatMap((scenario) => scenarioTable(scenario, trials));
  return [header, targetTable(trials), ...tables].join("\n\n");
}

function targetTable(trials) {
  const rows = judge(trials).map(({ what, synchronous, found, target, isMet }) => [
    what,
    synchronous,
    digits(found),
    target,
    isMet ? "met" : "**not met**",
  ]);
  return `### Targets\n\n${table(["", "synchronous", "found", "target", ""], rows)}`;
}

function scenarioTable({ name, title, drivers }, trials) {
  const modes = [...new Set(trials.map((trial) => trial.synchronous))];
  const cells = modes.flatMap((synchronous) =>
    drivers.map((driver) => ({ synchronous, driver, cell: figuresOf(trials, name, synchronous, driver) })),
  );
  const measured = cells.filter(({ cell }) => cell.length > 0);
  if (measured.length === 0) return [];
  const columns = COLUMNS.filter(([figure]) => measured.some(({ cell }) => cell[0].figures[figure] !== undefined));
  // Only where somebody promises something else.
  const isDurabilityShown = measured.some(({ synchronous, driver }) => durabilityOf(driver, synchronous).setting);
  const rows = measured.map(({ synchronous, driver, cell }) => {
    const found = medians(cell);
    const shown = columns.map(([figure, , format]) => (found[figure] === undefined ? "" : format(found[figure])));
    const durability = isDurabilityShown ? [described(durabilityOf(driver, synchronous))] : [];
    return [synchronous, driver, ...durability, ...shown, compared(name, synchronous, driver, trials)];
  });
  const durability = isDurabilityShown ? ["durability"] : [];
  const head = ["synchronous", "", ...durability, ...columns.map(([, label]) => label), "pocketmq is"];
  return [`### ${name}: ${title}\n\n${table(head, rows)}`];
}

function described({ setting, promise }) {
  return setting === undefined ? promise : `${promise}: ${setting}`;
}

/** How PocketMQ compares with this driver: median of the rounds' ratios. */
function compared(scenario, synchronous, driver, trials) {
  if (driver === "pocketmq") return "";
  const ours = figuresOf(trials, scenario, synchronous, "pocketmq");
  const theirs = figuresOf(trials, scenario, synchronous, driver);
  const figure = ["startMs", "rssMB", "p99Ms", "rate"].find(
    (name) => theirs[0].figures[name] !== undefined && (name !== "p99Ms" || scenario === "end-to-end"),
  );
  const found = ratio(ours, theirs, figure);
  if (found === undefined) return "";
  const unit = { startMs: "time", rssMB: "memory", p99Ms: "p99", rate: "rate" }[figure];
  const isCpuKnown = figure === "rate" && theirs[0].figures.cpuMicroseconds !== undefined;
  const cpu = isCpuKnown ? `, ${digits(ratio(ours, theirs, "cpuMicroseconds"))} × its CPU` : "";
  return `${digits(found)} × its ${unit}${cpu}`;
}

function table(head, rows) {
  const line = (cells) => `| ${cells.join(" | ")} |`;
  return [line(head), line(head.map(() => "---")), ...rows.map(line)].join("\n");
}

function digits(value) {
  if (value === undefined) return "";
  if (value >= 100) return grouped(Math.round(value));
  return value.toFixed(value >= 10 ? 1 : 2);
}

const grouped = (value) => value.toLocaleString("en-US");

export function writeReadme(results) {
  const readme = readFileSync(README, "utf8");
  const from = readme.indexOf(BEGIN);
  const to = readme.indexOf(END);
  if (from === -1 || to < from) throw new Error(`benchmarks/README.md has lost its marks ${BEGIN} and ${END}`);
  writeFileSync(README, `${readme.slice(0, from + BEGIN.length)}\n${toMarkdown(results)}\n${readme.slice(to)}`);
}

if (import.meta.url === pathToFileURL(process.argv[1]).href) {
  const { values } = parseArgs({
    options: { in: { type: "string", default: RESULTS }, write: { type: "boolean", default: false } },
  });
  const results = JSON.parse(readFileSync(values.in, "utf8"));
  if (values.write) writeReadme(results);
  else process.stdout.write(`${toMarkdown(results)}\n`);
}
