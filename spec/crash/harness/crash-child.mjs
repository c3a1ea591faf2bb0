// One process of the crash harness. It is started in advance and waits for its job, one line of JSON on standard input; then it works until it is killed, or
// told to stop. What it tells goes to standard output, a line of JSON each, written before the next step.

import { writeSync } from "node:fs";
import { createInterface } from "node:readline";
import { seededChance } from "./chance.mjs";
import { armPoint } from "./named-points.mjs";
import { sabotage } from "./sabotage.mjs";
import { silence } from "./silence.mjs";
import { closeStore, openStore } from "./store-state.mjs";
import { findWorkload } from "./workloads/all.mjs";

/** `tick` tells what was first of what several processes do within one millisecond: the clock is that of the machine. */
function tell(event, data = {}) {
  const tick = Number(process.hrtime.bigint() / 1_000n);
  writeSync(1, `${JSON.stringify({ event, at: Date.now(), tick, ...data })}\n`);
}

async function work(job, stop) {
  if (job.point !== undefined) armPoint(job.point, tell);
  const told = job.sabotage === undefined ? tell : sabotage(job.sabotage, tell);
  const logger = { ...silence, error: (text) => tell("logged", { text }) };
  const workload = findWorkload(job.workload);
  const mq = await openStore(workload, job.path, { synchronous: job.synchronous, logger });
  const { process: index, life, isDraining } = job;
  await workload.work({ mq, tell: told, index, life, isDraining, stop, chance: seededChance(job.seed) });
  tell("closing");
  await closeStore(workload, mq);
  tell("closed");
}

const stop = new AbortController();
const input = createInterface({ input: process.stdin });
let hasJob = false;
input.on("line", (line) => {
  if (hasJob) {
    stop.abort();
    return;
  }
  hasJob = true;
  work(JSON.parse(line), stop.signal).then(
    () => process.exit(0),
    (error) => {
      process.stderr.write(`${error?.stack ?? error}\n`);
      process.exit(1);
    },
  );
});
// Its parent is gone.
input.once("close", () => process.exit(1));
