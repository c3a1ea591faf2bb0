/**
 * A poll that waits, and a send in the same process: from the moment when the send was resolved, within its commit, to the moment when the poll is. One message at a
 * time, a few milliseconds apart.
 */
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { bodyOf, numberOf, OnceEach } from "../drivers/bodies.mjs";
import { Latencies } from "../harness/measured.mjs";

const PAUSE_MS = 2;
const WARM_UP = 200;

export const pullWakeUp = {
  name: "pull-wake-up",
  title: "waking a poll that waits",
  drivers: ["pocketmq"],
  batch: 1,
  messages: { full: 2_000, normal: 2_000, smoke: 100 },
  async run({ driver, folder, synchronous, messages }) {
    const path = join(folder, "store.db");
    const store = await driver.open(path, synchronous);
    await store.createTopic();
    const reader = await store.read();
    const total = WARM_UP + messages;
    const seen = new OnceEach(total);
    const latencies = new Latencies();

    for (let number = 0; number < total; number += 1) {
      let arrivedAt = 0;
      const polling = reader.poll().then((polled) => {
        arrivedAt = performance.now();
        for (const message of polled) seen.see(numberOf(message.text()));
      });
      await sleep(PAUSE_MS);
      await store.send(bodyOf(number));
      const resolvedAt = performance.now();
      await polling;
      if (number >= WARM_UP) latencies.record(Math.max(0, arrivedAt - resolvedAt));
    }
    await reader.close();
    await store.close();

    seen.verify();
    const progress = await driver.storedProgress(path);
    if (progress !== total) throw new Error(`${total} messages were handed out, ${progress} are stored as done`);
    return {
      messages,
      p50Ms: latencies.percentile(50),
      p99Ms: latencies.percentile(99),
      maxMs: latencies.max,
    };
  },
};
