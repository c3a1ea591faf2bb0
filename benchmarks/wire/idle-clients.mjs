/**
 * What a server takes while 200 clients are connected that have nothing to do (`idle-client.mjs`): producers, and push consumers in 25 groups of eight that share a topic of eight queues, on a file. Beside it, at the
 * same time: a server that does nothing but cut frames, parse headers and answer each with a fixed one, by the same codec; and a process that does nothing, four times a second. Nobody who answers these clients in this
 * language can do with less than the first, nor look after other processes with less than the second.
 */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { cpuSecondsOf } from "../servers/cpu.mjs";
import { startEcho, startTimer } from "./echo-process.mjs";
import { IdleConsumer, IdleProducer } from "./idle-client.mjs";
import { startServe } from "./serve-process.mjs";

const [GROUPS, MEMBERS] = [25, 8];
/** Which every server has, with eight queues. */
const TOPIC = "TBW102";
const SETTLE_MS = 3_000;
const APART_MS = 25;

const KINDS = {
  producers: (group, member) =>
    new IdleProducer({ clientId: `127.0.0.1@${group}#${member}`, group: `group-${group}`, topic: TOPIC }),
  consumers: (group, member) =>
    new IdleConsumer({
      ...{ clientId: `127.0.0.1@${group}#${member}`, group: `group-${group}`, topic: TOPIC, queueId: member },
      hasRetryQueue: member === 0,
    }),
};

/** @returns by kind of clients and server: CPU in percent of one core, and requests a second */
export async function measureIdleClients(seconds) {
  const figures = {};
  for (const [kind, make] of Object.entries(KINDS)) figures[kind] = await measure(make, seconds);
  return figures;
}

async function measure(make, seconds) {
  const folder = mkdtempSync(join(tmpdir(), "pocketmq-idle-clients-"));
  const servers = { pocketmq: await startServe(["--store", join(folder, "mq.db")]), echo: await startEcho() };
  const timer = await startTimer();
  const clients = new Map();
  try {
    for (const [name, { broker }] of Object.entries(servers)) clients.set(name, await connect(make, portOf(broker)));
    await sleep(SETTLE_MS);
    const look = () =>
      Object.entries({ ...servers, timer }).map(([name, { pid }]) => ({
        cpu: cpuSecondsOf(pid),
        requests: (clients.get(name) ?? []).reduce((sum, client) => sum + client.requests, 0),
      }));
    const [before, from] = [look(), performance.now()];
    await sleep(seconds * 1_000);
    const [after, took] = [look(), (performance.now() - from) / 1_000];
    return Object.fromEntries(
      [...Object.keys(servers), "timer"].map((name, at) => [
        name,
        {
          cpuPercent: (100 * (after[at].cpu - before[at].cpu)) / took,
          requestsPerSecond: (after[at].requests - before[at].requests) / took,
        },
      ]),
    );
  } finally {
    for (const client of [...clients.values()].flat()) client.close();
    await Promise.all([...Object.values(servers), timer].map((each) => each.close()));
    rmSync(folder, { recursive: true, force: true });
  }
}

/** One after the other, so that what each does by a timer does not fall into one moment. */
async function connect(make, port) {
  const clients = [];
  for (let member = 0; member < MEMBERS; member += 1) {
    for (let group = 0; group < GROUPS; group += 1) {
      const client = make(group, member);
      await client.open(port);
      await client.start();
      clients.push(client);
      await sleep(APART_MS);
    }
  }
  return clients;
}

function portOf(address) {
  return Number(address.slice(address.lastIndexOf(":") + 1));
}
