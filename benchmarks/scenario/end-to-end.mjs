/**
 * From the call of `send()` to the listener, at 500 messages a second for ten seconds. Before and after, at the same pace and in the same
 * process, a bare fdatasync of one page: at `full` no message can be faster than that.
 */
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { bodyOf, numberOf, OnceEach } from "../drivers/bodies.mjs";
import { BareSync } from "../harness/bare-sync.mjs";
import { Latencies, measured, perMessage } from "../harness/measured.mjs";

const RATE = 500;

export const endToEnd = {
  name: "end-to-end",
  title: "end to end at 500/s",
  drivers: ["pocketmq", "plainjob", "bullmq", "pg-boss", "graphile-worker", "fastq"],
  batch: 1,
  messages: { full: 5_000, normal: 5_000, smoke: 200 },
  /** For four seconds, to save time. */
  fewer: Object.fromEntries(
    ["bullmq", "pg-boss", "graphile-worker", "fastq"].map((driver) => [driver, { full: 2_000, normal: 2_000 }]),
  ),
  async run({ driver, folder, synchronous, messages, server, profile }) {
    const warmUp = Math.min(messages, 1_000);
    const total = warmUp + messages;
    const bodies = Array.from({ length: total }, (_, number) => bodyOf(number));
    const sentAt = new Float64Array(total);
    const latencies = new Latencies();
    const once = new OnceEach(total);
    const syncs = new Latencies();
    const bareSync = new BareSync(join(folder, "bare"));
    await bareSync.paced(Math.min(500, messages), 1_000 / RATE, syncs);

    const path = join(folder, "store.db");
    const store = await driver.open(path, synchronous, server);
    await store.createTopic();
    const stop = await store.consume((body) => {
      const now = performance.now();
      const number = numberOf(body);
      once.see(number);
      if (number >= warmUp) latencies.record(now - sentAt[number]);
    });
    const figures = await measured(() => sendPaced(store, bodies, sentAt), { profile, server });
    const deadline = performance.now() + 5_000;
    while (once.count < total && performance.now() < deadline) await sleep(5);
    await stop();
    await store.close();
    await bareSync.paced(Math.min(500, messages), 1_000 / RATE, syncs);
    bareSync.close();

    once.verify();
    if (latencies.count !== messages) throw new Error(`${latencies.count} of ${messages} times were taken`);
    const progress = await driver.storedProgress(path, server);
    if (progress !== total) throw new Error(`${total} messages were handled, ${progress} are stored as done`);
    return {
      messages,
      ...perMessage(figures, total),
      p50Ms: latencies.percentile(50),
      p99Ms: latencies.percentile(99),
      p999Ms: latencies.percentile(99.9),
      maxMs: latencies.max,
      syncP50Ms: syncs.percentile(50),
      syncP99Ms: syncs.percentile(99),
    };
  },
};

/** On a schedule: a send that was late does not delay those after it. */
async function sendPaced(store, bodies, sentAt) {
  const sends = [];
  const start = performance.now();
  while (sends.length < bodies.length) {
    const due = Math.min(bodies.length, Math.floor(((performance.now() - start) * RATE) / 1_000));
    while (sends.length < due) {
      const number = sends.length;
      sentAt[number] = performance.now();
      sends.push(store.send(bodies[number]));
    }
    await sleep(1);
  }
  await Promise.all(sends);
}
