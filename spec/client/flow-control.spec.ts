import { describe, expect, it } from "vitest";
import type { Broker, MessageView, PushConsumer, PushConsumerSettings } from "../../lib/index.js";
import { openTestBroker, type TestBroker } from "../support/test-broker.js";

const HALF_MIB = "x".repeat(512 * 1024);

async function createTopic(mq: Broker, topic: string, queues: number): Promise<void> {
  await mq.admin.createTopic(topic, { readQueueNums: queues, writeQueueNums: queues });
}

/** The same messages in each queue of the topic. */
async function fill(mq: Broker, topic: string, queues: number, bodies: readonly string[]): Promise<void> {
  const producer = mq.producer({ group: "shop" });
  for (let queue = 0; queue < queues; queue += 1)
    for (const body of bodies) await producer.send({ topic, body }, { queue });
}

const bodies = (count: number): readonly string[] => Array.from({ length: count }, (_, index) => String(index));

/** A consumer whose listeners end when they are told to. */
interface Held {
  readonly consumer: PushConsumer;
  /** How many messages of each queue the listeners have and had, by topic and queue. */
  readonly got: Record<string, number>;
  finish(): void;
}

/** Member "w0" to "w9", in order of their client ids. */
async function startHeld(
  { mq, clock }: TestBroker,
  index: number,
  settings: Partial<PushConsumerSettings>,
): Promise<Held> {
  const got: Record<string, number> = {};
  let running: (() => void)[] = [];
  const consumer = mq.pushConsumer({
    group: "billing",
    subscriptions: { orders: "*" },
    instanceName: `w${index}`,
    consumeConcurrency: 1_000,
    pullBatchSize: 4,
    ...settings,
    listener: ({ topic, queueId }: MessageView) => {
      const queue = `${topic} ${queueId}`;
      got[queue] = (got[queue] ?? 0) + 1;
      return new Promise<void>((resolve) => running.push(resolve));
    },
  });
  await consumer.start();
  await clock.settle();
  const finish = (): void => {
    const ending = running;
    running = [];
    for (const resolve of ending) resolve();
  };
  return { consumer, got, finish };
}

async function expectAllConsumed({ mq, clock }: TestBroker, members: readonly Held[]): Promise<void> {
  for (let round = 0; round < 100; round += 1) {
    for (const { finish } of members) finish();
    await clock.settle();
  }
  expect((await mq.admin.consumeStats("billing")).lag).toBe(0);
}

describe("pullThresholdForTopic", () => {
  it("is shared among the queues that the consumer has, anew whenever it takes or loses some", async () => {
    await using broker = await openTestBroker();
    await createTopic(broker.mq, "orders", 4);
    await fill(broker.mq, "orders", 4, bodies(100));
    const settings = { pullThresholdForTopic: 40 };

    const first = await startHeld(broker, 0, settings);
    const alone = { ...first.got };
    const second = await startHeld(broker, 1, settings);
    const together = [{ ...first.got }, { ...second.got }];
    await second.consumer.close({ graceMs: 0 });
    await broker.clock.settle();

    // With 10 for each queue 8 allow one pull more, with 20 for each 20 do.
    expect(alone).toEqual({ "orders 0": 12, "orders 1": 12, "orders 2": 12, "orders 3": 12 });
    expect(together).toEqual([
      { "orders 0": 24, "orders 1": 24, "orders 2": 12, "orders 3": 12 },
      { "orders 2": 24, "orders 3": 24 },
    ]);
    expect(first.got).toEqual({ "orders 0": 24, "orders 1": 24, "orders 2": 24, "orders 3": 24 });
    await expectAllConsumed(broker, [first]);
  });

  it("lets a queue go on once there is room again", async () => {
    await using broker = await openTestBroker();
    await createTopic(broker.mq, "orders", 2);
    await fill(broker.mq, "orders", 2, bodies(30));

    const held = await startHeld(broker, 0, { pullThresholdForTopic: 20 });
    const atFirst = { ...held.got };
    held.finish();
    await broker.clock.settle();

    expect(atFirst).toEqual({ "orders 0": 12, "orders 1": 12 });
    expect(held.got).toEqual({ "orders 0": 24, "orders 1": 24 });
    await expectAllConsumed(broker, [held]);
  });

  it("counts for each topic by itself, whatever others the consumer has", async () => {
    await using broker = await openTestBroker();
    for (const [topic, queues] of [["orders", 1] as const, ["payments", 3] as const]) {
      await createTopic(broker.mq, topic, queues);
      await fill(broker.mq, topic, queues, bodies(40));
    }

    const held = await startHeld(broker, 0, {
      subscriptions: { orders: "*", payments: "*" },
      pullThresholdForTopic: 24,
    });

    expect(held.got).toEqual({ "orders 0": 28, "payments 0": 12, "payments 1": 12, "payments 2": 12 });
    await expectAllConsumed(broker, [held]);
  });

  it.each([
    ["above it", { pullThresholdForQueue: 8, pullThresholdForTopic: 24 }, 28],
    ["below it", { pullThresholdForQueue: 24, pullThresholdForTopic: 8 }, 12],
  ])("counts in place of pullThresholdForQueue, %s", async (_where, settings, expected) => {
    await using broker = await openTestBroker();
    await createTopic(broker.mq, "orders", 1);
    await fill(broker.mq, "orders", 1, bodies(40));

    const held = await startHeld(broker, 0, settings);

    expect(held.got).toEqual({ "orders 0": expected });
  });

  it("is at least 1 for each queue", async () => {
    await using broker = await openTestBroker();
    await createTopic(broker.mq, "orders", 4);
    await fill(broker.mq, "orders", 4, bodies(10));

    const held = await startHeld(broker, 0, { pullThresholdForTopic: 3, pullBatchSize: 1 });

    expect(held.got).toEqual({ "orders 0": 2, "orders 1": 2, "orders 2": 2, "orders 3": 2 });
    await expectAllConsumed(broker, [held]);
  });

  it("holds for an orderly consumer that does not commit, and consumeConcurrentlyMaxSpan does not", async () => {
    await using broker = await openTestBroker();
    await createTopic(broker.mq, "orders", 2);
    await fill(broker.mq, "orders", 2, bodies(40));
    const got = [0, 0];
    const consumer = broker.mq.pushConsumer({
      group: "billing",
      subscriptions: { orders: "*" },
      orderly: true,
      pullBatchSize: 4,
      pullThresholdForTopic: 20,
      consumeConcurrentlyMaxSpan: 5,
      listener: ({ queueId }, context) => {
        context.autoCommit = false;
        got[queueId] = (got[queueId] ?? 0) + 1;
      },
    });

    await consumer.start();
    await broker.clock.advance(1_000);

    expect(got).toEqual([12, 12]);
  });
});

describe("pullThresholdSizeForTopicMiB", () => {
  it("is shared in whole MiB, anew whenever the consumer takes or loses queues", async () => {
    await using broker = await openTestBroker();
    await createTopic(broker.mq, "orders", 2);
    await fill(broker.mq, "orders", 2, Array(8).fill(HALF_MIB));
    const settings = { pullThresholdSizeForTopicMiB: 3, pullBatchSize: 1 };

    const first = await startHeld(broker, 0, settings);
    const alone = { ...first.got };
    const second = await startHeld(broker, 1, settings);

    // Two and their headers are more than 1 MiB, six more than 3.
    expect(alone).toEqual({ "orders 0": 2, "orders 1": 2 });
    expect([first.got, second.got]).toEqual([{ "orders 0": 6, "orders 1": 2 }, { "orders 1": 6 }]);
    await expectAllConsumed(broker, [first, second]);
  });

  it.each([
    ["above it", { pullThresholdSizeForQueueMiB: 1, pullThresholdSizeForTopicMiB: 2 }, 4],
    ["below it", { pullThresholdSizeForQueueMiB: 2, pullThresholdSizeForTopicMiB: 1 }, 2],
  ])("counts in place of pullThresholdSizeForQueueMiB, %s", async (_where, settings, expected) => {
    await using broker = await openTestBroker();
    await createTopic(broker.mq, "orders", 1);
    await fill(broker.mq, "orders", 1, Array(6).fill(HALF_MIB));

    const held = await startHeld(broker, 0, { ...settings, pullBatchSize: 1 });

    expect(held.got).toEqual({ "orders 0": expected });
  });
});
