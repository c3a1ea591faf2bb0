/** A server in a process of its own: on a free loopback port, and stopped by its process id. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { createServer } from "node:net";

const READY_WITHIN_MS = 20_000;
const STOPPED_WITHIN_MS = 10_000;
const KEPT_OUTPUT = 4_000;

/** Nobody holds it now; whoever takes it in the next milliseconds makes the start fail. */
export async function findFreePort() {
  const probe = createServer();
  probe.listen(0, "127.0.0.1");
  await once(probe, "listening");
  const { port } = probe.address();
  probe.close();
  await once(probe, "close");
  return port;
}

/**
 * Resolves once the server has printed a line that matches `ready`.
 *
 * @param options - for `spawn`, as the user to run as.
 */
export async function startProcess(command, args, { ready, stopSignal, options }) {
  const child = spawn(command, args, { ...options, stdio: ["ignore", "pipe", "pipe"] });
  const ended = new Promise((resolve) => child.once("exit", resolve));
  // A run that is ended from outside leaves no server behind.
  const onSignal = (signal) => {
    child.kill(stopSignal);
    process.removeListener(signal, onSignal);
    process.kill(process.pid, signal);
  };
  for (const signal of ["SIGINT", "SIGTERM"]) process.once(signal, onSignal);
  const stop = async () => {
    for (const signal of ["SIGINT", "SIGTERM"]) process.removeListener(signal, onSignal);
    const timer = setTimeout(() => child.kill("SIGKILL"), STOPPED_WITHIN_MS);
    child.kill(stopSignal);
    await ended;
    clearTimeout(timer);
  };
  try {
    await untilReady(child, ready);
  } catch (error) {
    await stop();
    throw error;
  }
  return { pid: child.pid, stop };
}

function untilReady(child, ready) {
  return new Promise((resolve, reject) => {
    let output = "";
    const fail = (why) => reject(new Error(`${child.spawnfile} ${why}:\n${output}`));
    const timer = setTimeout(() => fail(`was not ready within ${READY_WITHIN_MS} ms`), READY_WITHIN_MS);
    const read = (chunk) => {
      // Goes on after that: a server whose output nobody reads would stop.
      output = (output + chunk).slice(-KEPT_OUTPUT);
      if (!ready.test(output)) return;
      clearTimeout(timer);
      resolve();
    };
    child.stdout.setEncoding("utf8").on("data", read);
    child.stderr.setEncoding("utf8").on("data", read);
    child.once("error", reject);
    child.once("exit", (code, signal) => {
      clearTimeout(timer);
      fail(`ended with ${signal ?? `code ${code}`}`);
    });
  });
}
