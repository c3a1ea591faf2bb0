/**
 * A consumer that waits, and a process that sends 100 messages a second to the same file: from the moment when a send was resolved there to the listener
 * here. Before that, what the waiting costs while nobody sends.
 */
import { fork } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { numberOf, OnceEach } from "../drivers/bodies.mjs";
import { Latencies, measured } from "../harness/measured.mjs";

const PAUSE_MS = 10;

export const wakeUp = {
  name: "wake-up",
  title: "waking a consumer in another process",
  drivers: ["pocketmq"],
  batch: 1,
  messages: { full: 1_000, normal: 1_000, smoke: 50 },
  async run({ driver, folder, synchronous, messages }) {
    const path = join(folder, "store.db");
    const store = await driver.open(path, synchronous);
    await store.createTopic();
    const arrivedAt = new Array(messages);
    const seen = new OnceEach(messages);
    const stop = await store.consume((body) => {
      seen.see(numberOf(body));
      arrivedAt[numberOf(body)] = process.hrtime.bigint();
    });
    await sleep(1_000);
    const idle = await measured(() => sleep(messages * 10));

    const sender = new URL("processes/sender.mjs", import.meta.url);
    const child = fork(sender, [path, synchronous, messages, PAUSE_MS].map(String));
    const [resolvedAt] = await once(child, "message");
    for (let waited = 0; seen.count < messages && waited < 500; waited += 1) await sleep(10);
    await stop();
    await store.close();

    seen.verify();
    const latencies = new Latencies();
    for (const [number, at] of resolvedAt.entries())
      latencies.record(Math.max(0, Number(arrivedAt[number] - BigInt(at)) / 1e6));
    return {
      messages,
      p50Ms: latencies.percentile(50),
      p99Ms: latencies.percentile(99),
      maxMs: latencies.max,
      idleCpuPercent: (100 * idle.cpuSeconds) / idle.seconds,
    };
  },
};
