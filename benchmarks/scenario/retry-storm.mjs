/**
 * Stored messages of which every second one fails at its first delivery and succeeds at its second: from `start()` until all succeeded and the
 * progress is stored. A retry waits a second (graphile-worker: 2.7), so that is the least it can take.
 */
import { join } from "node:path";
import { Storm } from "../drivers/deliveries.mjs";
import { Latencies, measured, perMessage, withLoopDelay } from "../harness/measured.mjs";
import { drainFile, fill } from "./drain.mjs";

export const retryStorm = {
  name: "retry-storm",
  title: "100,000 of which half fail once",
  drivers: ["pocketmq", "bullmq", "pg-boss", "graphile-worker"],
  batch: 1,
  messages: { full: 100_000, normal: 100_000, smoke: 1_000 },
  /** Each handles half as much again as deliveries. */
  fewer: {
    bullmq: { full: 10_000, normal: 10_000 },
    "pg-boss": { full: 30_000, normal: 30_000 },
    "graphile-worker": { full: 30_000, normal: 30_000 },
  },
  async run({ driver, folder, synchronous, messages, server, profile }) {
    const warmUpPath = join(folder, "warm-up.db");
    const warmUp = Math.min(messages, 10_000);
    await fill(driver, warmUpPath, warmUp, server);
    await drainFile(driver, warmUpPath, { synchronous: "normal", count: warmUp, server }, (store) =>
      store.drain(warmUp),
    );

    const path = join(folder, "store.db");
    await fill(driver, path, messages, server);
    const storm = new Storm(messages);
    const figures = await drainFile(driver, path, { synchronous, count: messages, server }, (store) =>
      withLoopDelay(() => measured(() => store.storm(storm), { profile, server })),
    );
    const retries = driver.storedRetries === undefined ? messages / 2 : driver.storedRetries(path);
    if (retries !== messages / 2)
      throw new Error(`${messages / 2} retries were handled, ${retries} are stored as done`);
    const backAfter = new Latencies();
    for (const milliseconds of storm.backAfter) backAfter.record(milliseconds);
    return {
      ...figures,
      ...perMessage(figures, messages),
      messages,
      backP50Ms: backAfter.percentile(50),
      backP99Ms: backAfter.percentile(99),
      extraDeliveries: storm.extra,
    };
  },
};
