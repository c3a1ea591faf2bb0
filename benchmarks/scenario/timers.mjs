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

export const timers = {
  name: "timers",
  title: "100,000 timers due within a second",
  drivers: ["pocketmq"],
  batch: 1,
  messages: { full: 100_000, normal: 100_000, smoke: 1_000 },
  async run({ driver, folder, synchronous, messages, profile }) {
    const warmUp = Math.min(messages, 10_000);
    const { putOffRate } = await fire(driver, join(folder, "warm-up.db"), synchronous, warmUp, SLOWEST_RATE);
    const rate = putOffRate / MARGIN;
    return fire(driver, join(folder, "store.db"), synchronous, messages, rate, profile);
  },
};

async function fire(driver, path, synchronous, count, rate, profile) {
  const store = await driver.open(path, synchronous);
  await store.createTopic();
  const once = new OnceEach(count);
  const late = new Latencies();
  const dueAt = new Float64Array(count);
  let fault;
  const stop = await store.consume((body) => {
    const number = numberOf(body);
    const milliseconds = Date.now() - dueAt[number];
    if (milliseconds < 0) fault ??= new Error(`message ${number} came ${-milliseconds} ms too early`);
    late.record(milliseconds);
    once.see(number);
  });
  // The first is due when all should have been sent for long.
  const first = Date.now() + 500 + (1_000 * count) / rate;
  for (let number = 0; number < count; number += 1)
    dueAt[number] = Math.floor(first + (((number * STRIDE) % count) * WITHIN_MS) / count);
  const start = performance.now();
  await store.putOff(count, (number) => dueAt[number]);
  const putOffRate = (1_000 * count) / (performance.now() - start);
  if (Date.now() >= first) throw new Error(`the first timer was due before the last of ${count} was sent`);

  await sleep(first - Date.now());
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
  const inQueue = new Latencies();
  for (const [body, storedAt] of driver.storedMessages(path)) inQueue.record(storedAt - dueAt[numberOf(body)]);
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
    putOffRate,
  };
}
