/**
 * `node benchmarks/micro/log-layout/run.mjs [--smoke] [--layouts A,C,G] [--queues 1,1024] [--rounds 5] [--dir FOLDER] [--out FILE]`
 *
 * Within a round every layout takes its turn before the next cell, each in a child process on its own file: what else the machine does
 * falls on all of them. The order turns from round to round.
 */
import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { cpus, tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import Database from "better-sqlite3";
import { isWriteOnly, LAYOUTS } from "./layouts.mjs";
import { BODY_BYTES, RECORD_BYTES } from "./record.mjs";
import { printTables } from "./report.mjs";

const here = fileURLToPath(new URL(".", import.meta.url));
const { values } = parseArgs({
  options: {
    smoke: { type: "boolean", default: false },
    layouts: { type: "string" },
    queues: { type: "string" },
    rounds: { type: "string" },
    dir: { type: "string", default: tmpdir() },
    out: { type: "string" },
  },
});

const list = (text, all) => (text === undefined ? all : text.split(","));
const layouts = list(values.layouts, Object.keys(LAYOUTS));
const queueCounts = list(values.queues, values.smoke ? ["8"] : ["1", "8", "64", "1024"]).map(Number);
const rounds = Number(values.rounds ?? (values.smoke ? 1 : 5));
/** A multiple of 64 and of 1,000, so that both fills end on a whole commit. */
const messages = values.smoke ? 8_000 : 96_000;
/** More than any layout lets wait. */
const ahead = values.smoke ? 200 : 9_000;
const shrink = values.smoke ? 20 : 1;
const commits = {
  normal: { single: 3_000 / shrink, concurrent64: 220 / shrink, batch100: 160 / shrink, bulk1000: 20 / shrink },
  full: { single: 500 / shrink, concurrent64: 100 / shrink, batch100: 100 / shrink, bulk1000: 20 / shrink },
};
const reads = { drain: 20_000 / shrink, points: 1_000 / shrink, searches: 200 / shrink };
const SHAPE_NAMES = ["single", "concurrent64", "batch100", "bulk1000"];
/** Median of five; of three where a cell waits for the disk, or for the reads, which vary little. */
const roundsOf = { normal: rounds, full: values.smoke ? 0 : Math.min(rounds, 3), read: Math.min(rounds, 3) };

const turned = (items, by) => items.map((_, i) => items[(i + by) % items.length]);
const folder = mkdtempSync(join(values.dir, "log-layout-"));
let trials = 0;

function runTrial(parameters) {
  trials++;
  const path = join(folder, `trial-${trials}.db`);
  const output = execFileSync(process.execPath, [join(here, "trial.mjs"), JSON.stringify({ path, ...parameters })], {
    encoding: "utf8",
  });
  return JSON.parse(output);
}

/** key → list of trial results. */
const found = new Map();
function keep(key, result) {
  if (!found.has(key)) found.set(key, []);
  found.get(key).push(result);
}

/** The bulk fill only matters where one block can be larger than a page of messages. */
const fillsOf = (layout) =>
  values.smoke || isWriteOnly(layout) || /^[ABDE]$/.test(layout) ? ["concurrent64"] : ["concurrent64", "bulk1000"];
const templateOf = (layout, queues, shape) => join(folder, `filled-${layout}-${queues}-${shape}.db`);

function benchmarkQueues(queues) {
  for (const layout of layouts) {
    for (const shape of fillsOf(layout)) {
      const size = runTrial({ mode: "fill", layout, queues, shape, messages, path: templateOf(layout, queues, shape) });
      keep(`size|${layout}|${queues}|${shape}`, size);
    }
  }
  for (let round = 0; round < rounds; round++) {
    for (const synchronous of ["normal", "full"].filter((mode) => round < roundsOf[mode])) {
      for (const layout of turned(layouts, round * 3)) {
        const template = templateOf(layout, queues, "concurrent64");
        const shapes = turned(SHAPE_NAMES, round);
        const trial = {
          mode: "write",
          layout,
          queues,
          messages,
          ahead,
          template,
          synchronous,
          shapes,
          commits: commits[synchronous],
        };
        for (const [shape, result] of Object.entries(runTrial(trial)))
          keep(`write|${layout}|${queues}|${synchronous}|${shape}`, result);
      }
    }
    if (round >= roundsOf.read) continue;
    for (const layout of turned(layouts, round * 3)) {
      for (const shape of fillsOf(layout)) {
        const result = runTrial({
          mode: "read",
          layout,
          queues,
          shape,
          messages,
          template: templateOf(layout, queues, shape),
          reads,
          cut: messages / 10,
        });
        for (const [what, numbers] of Object.entries(result))
          keep(`read|${layout}|${queues}|${shape}|${what}`, numbers);
      }
    }
  }
  for (const layout of layouts)
    for (const shape of fillsOf(layout)) rmSync(templateOf(layout, queues, shape), { force: true });
}

function median(numbers) {
  const sorted = numbers.filter((number) => typeof number === "number").sort((a, b) => a - b);
  return Number(sorted[Math.floor(sorted.length / 2)].toPrecision(4));
}

function medians(results) {
  const [first] = results;
  const summary = { trials: results.length };
  for (const name of Object.keys(first)) {
    summary[name] =
      typeof first[name] === "number"
        ? (/^longest/.test(name) ? Math.max : (...all) => median(all))(...results.map((result) => result[name]))
        : first[name];
  }
  return summary;
}

function machine() {
  const db = new Database(":memory:");
  const sqlite = db.prepare("SELECT sqlite_version()").pluck().get();
  db.close();
  const mounts = readFileSync("/proc/mounts", "utf8")
    .trim()
    .split("\n")
    .map((line) => line.split(" "));
  const mount = mounts
    .filter(([, point]) => folder.startsWith(point))
    .sort((a, b) => a[1].length - b[1].length)
    .at(-1);
  return {
    cpu: `${cpus().length} × ${cpus()[0].model.trim()}`,
    disk: `${mount[0]} ${mount[2]}`,
    platform: process.platform,
    node: process.version,
    sqlite,
  };
}

const start = performance.now();
try {
  for (const queues of queueCounts) {
    benchmarkQueues(queues);
    process.stderr.write(
      `${queues} queues: done after ${Math.round((performance.now() - start) / 1_000)} s, ${trials} trials\n`,
    );
  }
} finally {
  rmSync(folder, { recursive: true, force: true });
}
const results = {
  machine: machine(),
  settings: {
    journal: "WAL",
    pageSize: 4_096,
    autoVacuum: "INCREMENTAL",
    walAutocheckpoint: 1_000,
    bodyBytes: BODY_BYTES,
    recordBytes: RECORD_BYTES,
    messagesInTheFileBefore: messages,
    commits,
    reads,
    rounds: roundsOf,
  },
  seconds: Math.round((performance.now() - start) / 1_000),
  layouts: Object.fromEntries(layouts.map((layout) => [layout, LAYOUTS[layout].what])),
  cells: Object.fromEntries([...found].map(([key, trialResults]) => [key, medians(trialResults)])),
};
const out = values.out ?? (values.smoke ? undefined : join(here, "results.json"));
if (out !== undefined) writeFileSync(out, `${JSON.stringify(results, null, 2)}\n`);
process.stdout.write(`${printTables(results)}\n`);
