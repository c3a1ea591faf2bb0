import { describe, expect, it } from "vitest";
import type { PullConsumer } from "../../lib/index.js";
import { GROUP_TIMERS, numbered, openReading, pollNow, queueOf, type Reading, TOPIC } from "./readers.js";

/** How many messages of each queue were pulled and not handed out: what still comes when nothing more is pulled. */
async function cached(reading: Reading, consumer: PullConsumer): Promise<readonly number[]> {
  const { assignment } = consumer;
  consumer.pause(assignment);
  const counts = new Map(assignment.map(({ queueId }) => [queueId, 0]));
  for (;;) {
    const [message, ...others] = await consumer.poll({ timeoutMs: 0, maxMessages: 1_024 });
    if (message === undefined) return [...counts.values()];
    counts.set(message.queueId, (counts.get(message.queueId) ?? 0) + 1 + others.length);
    await reading.clock.settle();
  }
}

async function fill(reading: Reading, queues: number, messages: number): Promise<void> {
  for (let queue = 0; queue < queues; queue += 1) await reading.send(queue, ...numbered(messages));
}

describe("what a pull consumer pulls ahead while nobody polls", () => {
  it("is a thousand messages of a queue, and what the pull brings that passes them", async () => {
    await using reading = await openReading(2);
    await fill(reading, 2, 3_000);
    const consumer = await reading.reader();
    const { pendingTimers } = reading.clock;

    expect(await cached(reading, consumer)).toEqual([1_010, 1_010]);
    expect(pendingTimers).toBe(GROUP_TIMERS);
  });

  it("is ten thousand of all, shared evenly, however many queues there are", async () => {
    await using reading = await openReading(64);
    await fill(reading, 64, 300);

    const counts = await cached(reading, await reading.reader());

    // 156 each, and what a pull brings.
    expect(new Set(counts)).toEqual(new Set([160]));
  });

  it("is a handful of a queue where there are a thousand queues, however much a pull may bring", async () => {
    await using reading = await openReading(1_000);
    await reading.send(3, ...numbered(100));

    const counts = await cached(reading, await reading.reader({ pullBatchSize: 1_000 }));

    // Ten, and a pull of ten.
    expect(counts.filter((count) => count > 0)).toEqual([20]);
  });

  it("is more of each queue again when others are lost", async () => {
    await using reading = await openReading(20);
    await fill(reading, 20, 1_500);
    const consumer = await reading.reader({ subscriptions: {} });
    consumer.assign(Array.from({ length: 20 }, (_, queueId) => queueOf(queueId)));
    await reading.clock.settle();
    const before = reading.clock.pendingTimers;

    consumer.assign([queueOf(0)]);
    await reading.clock.settle();

    expect([before, await cached(reading, consumer)]).toEqual([0, [1_010]]);
  });

  it("spans no more than two thousand offsets", async () => {
    await using reading = await openReading(1);
    const producer = reading.mq.producer({ group: "shop" });
    for (let batch = 0; batch < 10; batch += 1) {
      const bodies = Array.from({ length: 1_000 }, (_, index) => ({
        topic: TOPIC,
        body: "x",
        tag: index % 5 === 0 ? "y" : "n",
      }));
      await producer.sendBatch(bodies);
    }

    const [count = 0] = await cached(reading, await reading.reader({ subscriptions: { [TOPIC]: "y" } }));

    // One of five matches: 401 are 2,000 apart, and a pull of ten more passes that.
    expect(count).toBe(410);
  });

  it("takes no more than 100 MiB of a queue", async () => {
    await using reading = await openReading(1);
    const body = Buffer.alloc(4 * 1024 * 1024 - 1_000);
    const producer = reading.mq.producer({ group: "shop" });
    for (let index = 0; index < 30; index += 1) producer.sendSync({ topic: TOPIC, body });

    const consumer = await reading.reader();

    expect(await cached(reading, consumer)).toEqual([26]);
  });

  it("grows again as soon as there is room, without a timer", async () => {
    await using reading = await openReading(1);
    await fill(reading, 1, 3_000);
    const consumer = await reading.reader();

    await pollNow(consumer, { maxMessages: 500 });
    await reading.clock.settle();

    expect(reading.clock.pendingTimers).toBe(GROUP_TIMERS);
    expect(await cached(reading, consumer)).toEqual([1_010]);
  });

  it("keeps nobody else: others get all there is meanwhile", async () => {
    await using reading = await openReading(2);
    await fill(reading, 2, 3_000);
    const received: string[] = [];
    await reading.reader();

    await reading.mq
      .pushConsumer({
        group: "billing",
        subscriptions: { [TOPIC]: "*" },
        listener: (message) => void received.push(message.text()),
      })
      .start();
    for (let round = 0; round < 20 && received.length < 6_000; round += 1) await reading.clock.settle();

    expect(received).toHaveLength(6_000);
  });

  it("is let go of when the consumer closes", async () => {
    await using reading = await openReading(1);
    await fill(reading, 1, 2_000);
    const consumers: PullConsumer[] = [];
    for (let index = 0; index < 3; index += 1) consumers.push(await reading.reader({ group: `group-${index}` }));

    for (const consumer of consumers) await consumer.close();

    expect(consumers.flatMap(({ assignment }) => assignment)).toEqual([]);
  });
});
