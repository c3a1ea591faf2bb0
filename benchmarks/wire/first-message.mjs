/**
 * From starting the server to the first message that an unmodified Java client has sent and consumed, and what the server takes then: PocketMQ on a file, and Apache RocketMQ's name server and broker, in turn.
 * The client's process waits with its classes loaded until the server is ready, so that no start of a JVM but the server's own counts.
 */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readFileSync, rmSync, statSync } from "node:fs";
import { readdir } from "node:fs/promises";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import { createInterface } from "node:readline";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { javaClient } from "../../spec/conformance/java-client.mjs";
import { cacheFolder, mustRun } from "../../spec/conformance/processes.mjs";
import { startRocketmq } from "../../spec/differential/apache-rocketmq/rocketmq.mjs";
import { startServe } from "./serve-process.mjs";

const CLIENT = ["java-5.3", "5.3.3"];
const SOURCE = fileURLToPath(new URL("FirstMessage.java", import.meta.url));
/** What is written behind the answer is on the disk then. */
const SETTLE_MS = 3_000;

/** Compiles the client, on Maven's jars. Resolves with its class path. */
export async function prepareClient() {
  const conformance = cacheFolder(CLIENT[0]);
  await javaClient(...CLIENT).prepare();
  const jars = readFileSync(join(conformance, "classpath"), "utf8").trim();
  const classes = cacheFolder("first-message");
  await mustRun("javac", ["-cp", jars, "-d", classes, SOURCE]);
  return { path: [classes, jars].join(delimiter), home: conformance };
}

/** @returns milliseconds and bytes, by server */
export async function measureFirstMessage(client) {
  return { pocketmq: await measure(client, startPocketmq), rocketmq: await measure(client, startReal) };
}

async function measure({ path, home }, start) {
  const java = spawn("java", [`-Duser.home=${home}`, "-cp", path, "FirstMessage"], {
    stdio: ["pipe", "pipe", "inherit"],
  });
  const ended = once(java, "exit");
  const lines = createInterface({ input: java.stdout })[Symbol.asyncIterator]();
  await until(lines, "waiting");
  const began = performance.now();
  const server = await start();
  try {
    const ready = performance.now();
    java.stdin.end(`${server.nameserver}\n`);
    await until(lines, "sent");
    const sent = performance.now();
    await until(lines, "consumed");
    const consumed = performance.now();
    await ended;
    await sleep(SETTLE_MS);
    return {
      readyMs: ready - began,
      sentMs: sent - began,
      consumedMs: consumed - began,
      rssBytes: server.pids.reduce((sum, pid) => sum + rssOf(pid), 0),
      diskBytes: await sizeOf(server.folder),
    };
  } finally {
    java.kill();
    await server.close();
  }
}

async function until(lines, wanted) {
  for (;;) {
    const { value, done } = await lines.next();
    if (done) throw new Error(`the client ended before it said "${wanted}"`);
    if (value === wanted) return;
  }
}

async function startPocketmq() {
  const folder = mkdtempSync(join(tmpdir(), "pocketmq-first-message-"));
  const { pid, nameserver, close } = await startServe(["--store", join(folder, "mq.db")]);
  return {
    ...{ nameserver, folder, pids: [pid] },
    close: async () => {
      await close();
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

/** With its defaults, but for the memory of its JVMs, of which the scripts it comes with take gigabytes. */
function startReal() {
  return startRocketmq({});
}

function rssOf(pid) {
  const [, kilobytes] = /^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, "utf8"));
  return Number(kilobytes) * 1_024;
}

/** What its files take on the disk: those that are allocated in advance have holes. */
async function sizeOf(folder) {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true });
  return entries
    .filter((entry) => entry.isFile())
    .reduce((sum, entry) => sum + statSync(join(entry.parentPath, entry.name)).blocks * 512, 0);
}
