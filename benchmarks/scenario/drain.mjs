/**
 * Consuming what is stored: 100,000 messages that an earlier broker stored by 64 concurrent senders, from `start()` until each was handled once
 * and the progress is in the file. The process warms up on another file.
 */
import { join } from "node:path";
import { measured, withLoopDelay } from "../harness/measured.mjs";

async function fill(driver, path, count) {
  // How it got there is not measured.
  const store = await driver.open(path, "normal");
  await store.createTopic();
  await store.fill(count);
  await store.close();
}

async function drainFile(driver, path, synchronous, count, measure) {
  const store = await driver.open(path, synchronous);
  const figures = await measure(() => store.drain(count));
  await store.close();
  const progress = driver.storedProgress(path);
  if (progress !== count) throw new Error(`${count} messages were handled, ${progress} are stored as done`);
  return figures;
}

export const drain = {
  name: "drain",
  title: "draining 100,000",
  drivers: ["pocketmq", "plainjob"],
  batch: 1,
  messages: { full: 100_000, normal: 100_000, smoke: 2_000 },
  /** Of 100,000 that are stored; two commits a job. */
  fewer: { plainjob: { full: 8_000, normal: 50_000 } },
  stored: { full: 100_000, normal: 100_000, smoke: 2_000 },
  async run({ driver, folder, synchronous, messages, stored, profile }) {
    const warmUp = Math.min(messages, 10_000);
    const warmUpPath = join(folder, "warm-up.db");
    await fill(driver, warmUpPath, warmUp);
    await drainFile(driver, warmUpPath, "normal", warmUp, (work) => work());
    const path = join(folder, "store.db");
    await fill(driver, path, stored);
    const figures = await drainFile(driver, path, synchronous, messages, (work) =>
      withLoopDelay(() => measured(work, { profile })),
    );
    const { seconds, cpuSeconds } = figures;
    return { ...figures, messages, stored, rate: messages / seconds, cpuMicroseconds: (cpuSeconds * 1e6) / messages };
  },
};
