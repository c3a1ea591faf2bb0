/** Resident memory after 200,000 sends from 64 loops and draining them, in one process; beside it one that only opened a database. */
import { join } from "node:path";
import { measured } from "../harness/measured.mjs";

const MIB = 1024 * 1024;

export const memory = {
  name: "memory",
  title: "memory after 200,000 sent by 64 and drained",
  drivers: ["pocketmq", "empty"],
  batch: 64,
  messages: { full: 200_000, normal: 200_000, smoke: 2_000 },
  async run({ driver, folder, synchronous, messages, profile }) {
    const path = join(folder, "store.db");
    const store = await driver.open(path, synchronous);
    const figures = await measured(
      async () => {
        await store.fill(messages);
        await store.drain(messages);
      },
      { profile },
    );
    const { rss, heapUsed, external } = process.memoryUsage();
    await store.close();
    const progress = driver.storedProgress(path);
    if (progress !== messages) throw new Error(`${messages} messages were handled, ${progress} are stored as done`);
    return {
      messages,
      seconds: figures.seconds,
      rssMB: rss / 1e6,
      peakRssMB: (process.resourceUsage().maxRSS * 1_024) / 1e6,
      heapMiB: heapUsed / MIB,
      externalMiB: external / MIB,
    };
  },
};
