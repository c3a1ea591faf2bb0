/**
 * Consuming in order: 100,000 stored messages of 64 message groups in 8 queues, from `start()` until each was handled once, behind those of its group that
 * were sent before it, and the progress is in the file; beside it the same messages through a concurrent listener.
 */
import { join } from "node:path";
import { measured, perMessage, withLoopDelay } from "../harness/measured.mjs";
import { drainFile } from "./drain.mjs";

const QUEUES = 8;
const GROUPS = 64;

async function fill(driver, path, count) {
  const store = await driver.open(path, "normal");
  await store.createTopic(QUEUES);
  await store.fillGroups(count, GROUPS);
  await store.close();
}

export const orderly = {
  name: "orderly",
  title: "100,000 of 64 message groups in 8 queues",
  drivers: ["pocketmq-orderly", "pocketmq"],
  batch: 1,
  messages: { full: 100_000, normal: 100_000, smoke: 2_000 },
  async run({ driver, folder, synchronous, messages, profile }) {
    const [warmUpPath, path] = [join(folder, "warm-up.db"), join(folder, "store.db")];
    const warmUp = Math.min(messages, 10_000);
    await fill(driver, warmUpPath, warmUp);
    await drainFile(driver, warmUpPath, { synchronous: "normal", count: warmUp }, (store) => store.drain(warmUp));
    await fill(driver, path, messages);
    const figures = await drainFile(driver, path, { synchronous, count: messages }, (store) =>
      withLoopDelay(() => measured(() => store.drain(messages), { profile })),
    );
    return { ...figures, ...perMessage(figures, messages), messages };
  },
};
