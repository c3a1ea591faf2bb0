/**
 * Is it flat? The same trials on a file of 96,000 and on one of 9,600,000 messages, filled 64 a commit:
 * `node benchmarks/micro/log-layout/large.mjs [--layouts C,G,J] [--queues 64,1024] [--dir FOLDER]`; some ten minutes, 4 GB of disk.
 * Apart from the default run because of that; one trial a cell.
 */
import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { printLarge } from "./report.mjs";

const here = fileURLToPath(new URL(".", import.meta.url));
const { values } = parseArgs({
  options: {
    layouts: { type: "string", default: "C,G,J" },
    queues: { type: "string", default: "64,1024" },
    dir: { type: "string", default: tmpdir() },
  },
});

const SIZES = [96_000, 9_600_000];
const AHEAD = 9_000;
const CUT = 9_600;
const commits = { single: 3_000, concurrent64: 220, batch100: 160, bulk1000: 20 };
const reads = { drain: 20_000, points: 1_000, searches: 200 };
const folder = mkdtempSync(join(values.dir, "log-layout-large-"));

function runTrial(parameters) {
  const output = execFileSync(process.execPath, [join(here, "trial.mjs"), JSON.stringify(parameters)], {
    encoding: "utf8",
  });
  return JSON.parse(output);
}

/** On the filled file itself: a copy of it would take longer than the trial. The reads look only at what was filled. */
function benchmark(layout, queues, messages) {
  const path = join(folder, `${layout}-${queues}-${messages}.db`);
  const file = { layout, queues, messages, path, template: path };
  const size = runTrial({ mode: "fill", shape: "concurrent64", ...file });
  const write = runTrial({
    mode: "write",
    ahead: AHEAD,
    synchronous: "normal",
    shapes: Object.keys(commits),
    commits,
    ...file,
  });
  const read = runTrial({ mode: "read", shape: "concurrent64", reads, cut: CUT, ...file });
  for (const suffix of ["", "-wal", "-shm"]) rmSync(path + suffix, { force: true });
  return { size, write, read };
}

const cells = {};
try {
  for (const messages of SIZES) {
    for (const queues of values.queues.split(",").map(Number)) {
      for (const layout of values.layouts.split(",")) {
        cells[`${layout}|${queues}|${messages}`] = benchmark(layout, queues, messages);
        process.stderr.write(`${layout}, ${queues} queues, ${messages} messages: done\n`);
      }
    }
  }
} finally {
  rmSync(folder, { recursive: true, force: true });
}
const results = {
  sizes: SIZES,
  layouts: values.layouts.split(","),
  queues: values.queues.split(",").map(Number),
  commits,
  reads,
  cells,
};
writeFileSync(join(here, "large-results.json"), `${JSON.stringify(results, null, 2)}\n`);
process.stdout.write(`${printLarge(results)}\n`);
