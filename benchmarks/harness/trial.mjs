/** Runs a trial in a fresh process on a fresh folder, beside a fresh server where its driver needs one. */
import { fork } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

const TIME_LIMIT_MS = 300_000;

export async function runTrial(snapshot, servers, trial) {
  const folder = mkdtempSync(join(tmpdir(), "pocketmq-bench-"));
  try {
    const server = await servers.start(trial.driverName, folder);
    try {
      return await inChild(snapshot, { ...trial, folder, server: server && { port: server.port, pid: server.pid } });
    } finally {
      await server?.stop();
    }
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

function inChild(snapshot, trial) {
  return new Promise((resolve, reject) => {
    let figures;
    const child = fork(join(snapshot, "benchmarks", "harness", "child.mjs"), [JSON.stringify(trial)], {
      timeout: trial.timeLimitMs ?? TIME_LIMIT_MS,
    });
    child.once("message", (message) => {
      figures = message;
    });
    child.once("error", reject);
    child.once("exit", (code, signal) => {
      if (code === 0 && figures !== undefined) resolve(figures);
      else reject(new Error(`${trial.scenario} of ${trial.driverName} ended with ${signal ?? `code ${code}`}`));
    });
  });
}
