/**
 * 100,000 timers that are due within one second, evenly, and were sent in another order: how late each comes into its queue, and how late it reaches the listener of a
 * push consumer that waits in the same process.
 */
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { numberOf, OnceEach } from "../drivers/bodies.mjs";
import { Latencies, measured, perMessage, withLoopDelay } from "../harness/measured.mjs";

const WITHIN_MS = 1_000;
/** Has no factor in common with a number of messages: neighbours are sent far from each other. */
const STRIDE = 7_919;
/** Sends of the warm-up that even a busy machine does in a second; the others take as long as the warm-up says, or less. */
const SLOWEST_RATE = 2_000;
const MARGIN = 2;
const PATIENCE_MS = 30_000;
const POLL_MS = 100;

export const timers = {
  name: "timers",
  title: "100,000 timers due within a second",
  drivers: ["pocketmq"],
  batch: 1,
  messages: { full: 100_000, normal: 100_000, smoke: 1_000 },
  async run({ driver, folder, synchronous, messages, profile }) {
    const warmUp = {
      path: join(folder, "warm-up.db"),
      synchronous,
      count: Math.min(messages, 10_000),
      rate: SLOWEST_RATE,
    };
    const { putOffRate } = await consumed(driver, warmUp);
    const all = { synchronous, count: messages, rate: putOffRate / MARGIN };
    const alone = await queued(driver, { ...all, path: join(folder, "alone.db") });
    const figures = await consumed(driver, { ...all, path: join(folder, "store.db"), profile });
    return { ...figures, aloneP99Ms: alone.percentile(99), aloneMaxMs: alone.max };
  },
};

/** While nobody consumes: how late each is in its queue. */
async function queued(driver, { path, synchronous, count, rate }) {
  const store = await driver.open(path, synchronous);
  await store.createTopic();
  const { dueAt, first } = await putOff(store, count, rate);
  await sleep(first + WITHIN_MS - Date.now());
  const deadline = performance.now() + PATIENCE_MS;
  do await sleep(POLL_MS);
  while (driver.storedPending(path) > 0 && performance.now() < deadline);
  await store.close();
  return latenessInQueue(driver, path, dueAt);
}

/** By a push consumer of the same process. */
async function consumed(driver, { path, synchronous, count, rate, profile }) {
  const store = await driver.open(path, synchronous);
  await store.createTopic();
  const once = new OnceEach(count);
  const late = new Latencies();
  let dueAt;
  let fault;
  const stop = await store.consume((body) => {
    const number = numberOf(body);
    const milliseconds = Date.now() - dueAt[number];
    if (milliseconds < 0) fault ??= new Error(`message ${number} came ${-milliseconds} ms too early`);
    late.record(milliseconds);
    once.see(number);
  });
  const sent = await putOff(store, count, rate);
  dueAt = sent.dueAt;

  await sleep(sent.first - Date.now());
  const figures = await withLoopDelay(() =>
    measured(
      async () => {
        const deadline = performance.now() + PATIENCE_MS;
        while (once.count < count && performance.now() < deadline) await sleep(5);
      },
      { profile },
    ),
  );
  await stop();
  await store.close();

  if (fault !== undefined) throw fault;
  once.verify();
  const progress = await driver.storedProgress(path);
  if (progress !== count) throw new Error(`${count} messages were handled, ${progress} are stored as done`);
  const inQueue = latenessInQueue(driver, path, dueAt);
  const { rate: _rate, ...cpu } = perMessage(figures, count);
  const { loopDelayP99Ms, loopDelayMaxMs } = figures;
  return {
    messages: count,
    ...cpu,
    queuedP99Ms: inQueue.percentile(99),
    queuedMaxMs: inQueue.max,
    p50Ms: late.percentile(50),
    p99Ms: late.percentile(99),
    maxMs: late.max,
    loopDelayP99Ms,
    loopDelayMaxMs,
    putOffRate: sent.putOffRate,
  };
}

/** The first is due when all should have been sent for long. */
async function putOff(store, count, rate) {
  const first = Date.now() + 500 + (1_000 * count) / rate;
  const dueAt = new Float64Array(count);
  for (let number = 0; number < count; number += 1)
    dueAt[number] = Math.floor(first + (((number * STRIDE) % count) * WITHIN_MS) / count);
  const start = performance.now();
  await store.putOff(count, (number) => dueAt[number]);
  const putOffRate = (1_000 * count) / (performance.now() - start);
  if (Date.now() >= first) throw new Error(`the first timer was due before the last of ${count} was sent`);
  return { first, dueAt, putOffRate };
}

function latenessInQueue(driver, path, dueAt) {
  const inQueue = new Latencies();
  let count = 0;
  for (const [body, storedAt] of driver.storedMessages(path)) {
    const milliseconds = storedAt - dueAt[numberOf(body)];
    if (milliseconds < 0) throw new Error(`message ${numberOf(body)} was in its queue ${-milliseconds} ms too early`);
    inQueue.record(milliseconds);
    count += 1;
  }
  if (count !== dueAt.length) throw new Error(`${dueAt.length} timers were sent, ${count} are in their queues`);
  return inQueue;
}
