/**
 * `npm run power -- [WORKLOAD…] [--seed 1] [--subsets 1000] [--per run|interval] [--tears none|few|all] [--one-in 1]
 * [--synchronous full,normal] [--ignore-syncs wal,journal,database,folder] [--problems 100] [--jobs 2] [--folder FOLDER] [--keep FOLDER] [--json]`
 *
 * Records what each workload does to the files of its store, rebuilds what the disk may hold after a power cut at any point of it, opens
 * that and checks it; README.md has the model. Ends with 1 when there are problems. Each is named by its run and its cut: the same seed finds it again.
 *
 * `--subsets`: so many in each run, or in each interval between two syncs. `--one-in`: of all other cuts only one in so many, by chance.
 * `--synchronous`: which promises are judged; `off` runs everything without syncs and judges it as `full`. `--ignore-syncs`: of these files the disk
 * only pretends to sync. Both are there to see problems found. `--problems`: after so many a run ends early. `--folder`: for the files that are
 * rebuilt; in memory where the machine has that. `--keep`: gets the files of the first problems of each run. `--json`: the results, and nothing else.
 */
import { mkdtempSync, realpathSync, rmSync } from "node:fs";
import { join } from "node:path";
import { readOptions } from "./options.mjs";
import { compileLibrary, whyNot } from "./recorder.mjs";
import { describeResult, summarize } from "./report.mjs";
import { inProcess } from "./trial-process.mjs";

const { refused, json, folder, jobs, runs, trial } = readOptions(process.argv.slice(2));
const reason = whyNot();
if (refused !== undefined) {
  process.stderr.write(`${refused}\n`);
  process.exitCode = 2;
} else if (reason !== undefined) {
  process.stdout.write(json ? `${JSON.stringify({ leftOut: reason })}\n` : `left out: ${reason}\n`);
} else {
  const startedAt = performance.now();
  const results = await runAll();
  const seconds = (performance.now() - startedAt) / 1_000;
  process.stdout.write(json ? `${JSON.stringify({ results })}\n` : summarize(results, seconds));
  process.exitCode = results.some(({ problems }) => problems.length > 0) ? 1 : 0;
}

async function runAll() {
  const root = realpathSync(mkdtempSync(join(folder, "pocketmq-power-")));
  try {
    const library = compileLibrary(root);
    const left = [...runs];
    const results = [];
    const work = async () => {
      for (let run = left.shift(); run !== undefined; run = left.shift()) {
        const result = await inProcess({ ...run, ...trial, root, library });
        results.push(result);
        if (!json) process.stdout.write(describeResult(result));
      }
    };
    await Promise.all(Array.from({ length: jobs }, work));
    return results;
  } finally {
    rmSync(root, { recursive: true, force: true });
  }
}
