/**
 * Consuming what is stored: 100,000 messages that an earlier broker stored by 64 concurrent senders, from `start()` until each was handled once
 * and the progress is in the file. The process warms up on another file.
 */
import { join } from "node:path";
import { measured, perMessage, withLoopDelay } from "../harness/measured.mjs";

export async function fill(driver, path, count, server) {
  // How it got there is not measured.
  const store = await driver.open(path, "normal", server);
  await store.createTopic();
  await store.fill(count);
  await store.close();
}

/** Answers what `work` does; afterwards `count` messages must be stored as done. */
export async function drainFile(driver, path, { synchronous, count, server }, work) {
  const store = await driver.open(path, synchronous, server);
  const figures = await work(store);
  await store.close();
  const progress = await driver.storedProgress(path, server);
  if (progress !== count) throw new Error(`${count} messages were handled, ${progress} are stored as done`);
  return figures;
}

export const drain = {
  name: "drain",
  title: "draining 100,000",
  drivers: ["pocketmq", "plainjob", "bullmq", "pg-boss", "graphile-worker", "fastq"],
  batch: 1,
  messages: { full: 100_000, normal: 100_000, smoke: 2_000 },
  /** plainjob: of 100,000 that are stored, as it commits two times a job. */
  fewer: { plainjob: { full: 8_000, normal: 50_000 }, bullmq: { full: 30_000, normal: 30_000 } },
  stored: { full: 100_000, normal: 100_000, smoke: 2_000 },
  /** Its list is as fast whatever its length. */
  fewerStored: { bullmq: { full: 30_000, normal: 30_000 } },
  async run({ driver, folder, synchronous, messages, stored, server, profile }) {
    const warmUp = Math.min(messages, 10_000);
    const warmUpPath = join(folder, "warm-up.db");
    await fill(driver, warmUpPath, warmUp, server);
    await drainFile(driver, warmUpPath, { synchronous: "normal", count: warmUp, server }, (store) =>
      store.drain(warmUp),
    );
    const path = join(folder, "store.db");
    await fill(driver, path, stored, server);
    const figures = await drainFile(driver, path, { synchronous, count: messages, server }, (store) =>
      withLoopDelay(() => measured(() => store.drain(messages), { profile, server })),
    );
    return { ...figures, ...perMessage(figures, messages), messages, stored };
  },
};
