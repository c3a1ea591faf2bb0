/** The three shapes of sending. The process warms up with a fifth of the messages, on the same file and in the same shape. */
import { join } from "node:path";
import { Latencies, measured, perMessage, withLoopDelay } from "../harness/measured.mjs";

const DRIVERS = ["pocketmq", "own-tables", "append", "plainjob", "bullmq", "pg-boss", "graphile-worker", "fastq"];

/** Measures `shape(store, count)`; what is in the file afterwards must be what was sent, warm-up included. */
async function sendingTrial(trial, shape, wrap = (work) => work()) {
  const { driver, folder, synchronous, messages, server, profile } = trial;
  const path = join(folder, "store.db");
  const store = await driver.open(path, synchronous, server);
  await shape(store, warmUpOf(messages));
  const figures = await wrap(() => measured(() => shape(store, messages), { profile, server }));
  await store.close();
  store.bodies.verify(await driver.storedBodies(path, server));
  return { ...figures, ...perMessage(figures, messages), messages };
}

/** Whole commits of 64 and of 100. */
const warmUpOf = (messages) => Math.ceil(messages / 5 / 1_600) * 1_600;

export const single = {
  name: "single",
  title: "awaited single sends",
  drivers: ["pocketmq", "pocketmq-sync", ...DRIVERS.slice(1)],
  batch: 1,
  messages: { full: 6_400, normal: 48_000, smoke: 320 },
  fewer: {
    bullmq: { full: 1_600, normal: 8_000 },
    "pg-boss": { full: 2_400, normal: 3_200 },
    "graphile-worker": { full: 1_600, normal: 2_400 },
  },
  async run(trial) {
    const latencies = new Latencies();
    let last = 0;
    const onSent = () => {
      const now = performance.now();
      latencies.record(now - last);
      last = now;
    };
    const figures = await sendingTrial(trial, (store, count) => {
      last = performance.now();
      return store.single(count, onSent);
    });
    return { ...figures, p50Ms: latencies.percentile(50), p99Ms: latencies.percentile(99) };
  },
};

export const concurrent = {
  name: "concurrent-64",
  title: "64 concurrent sends",
  drivers: DRIVERS,
  batch: 64,
  messages: { full: 96_000, normal: 384_000, smoke: 3_200 },
  /** They store each message by itself. */
  fewer: {
    plainjob: { full: 6_400, normal: 48_000 },
    bullmq: { full: 32_000, normal: 32_000 },
    "pg-boss": { full: 4_800, normal: 4_800, smoke: 320 },
    "graphile-worker": { full: 3_200, normal: 3_200, smoke: 320 },
  },
  /** A bare loop never lets the event loop run. */
  run: (trial) =>
    sendingTrial(
      trial,
      (store, count) => store.concurrent(count, 64),
      trial.driver.isBareLoop ? undefined : withLoopDelay,
    ),
};

export const batch = {
  name: "batch-100",
  title: "batches of 100",
  drivers: DRIVERS,
  batch: 100,
  messages: { full: 160_000, normal: 480_000, smoke: 3_200 },
  fewer: {
    plainjob: { full: 80_000, normal: 160_000 },
    bullmq: { full: 16_000, normal: 24_000 },
    "pg-boss": { full: 24_000, normal: 24_000 },
    "graphile-worker": { full: 24_000, normal: 24_000 },
  },
  run: (trial) => sendingTrial(trial, (store, count) => store.batches(count, 100)),
};
