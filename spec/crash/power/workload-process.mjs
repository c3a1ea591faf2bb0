// Runs one process of a workload and ends without closing what it left open.
// node workload-process.mjs NAME FOLDER SYNCHRONOUS SEED LIFE
// Tells: done

import { writeSync } from "node:fs";
import { WorkloadRun } from "./workload-run.mjs";
import { WORKLOADS } from "./workloads/all.mjs";

const [name, folder, synchronous, seed, life] = process.argv.slice(2);
const workload = WORKLOADS.find((candidate) => candidate.name === name);
const run = new WorkloadRun(workload, folder, synchronous, Number(seed), Number(life));
await workload.run(run);
run.end();
writeSync(1, "done\n");
// As a crash of the process: what is open is not closed.
process.kill(process.pid, "SIGKILL");
