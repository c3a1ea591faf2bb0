import { describe, expect, it } from "vitest";
import type { ConsumeStats, MessageView } from "../../lib/index.js";
import { loadFacts } from "../support/facts.js";
import { openFaultDriver } from "../support/fault-driver.js";
import { tempFolder } from "../support/temp-folder.js";
import { openTestBroker } from "../support/test-broker.js";

const admin = loadFacts("admin");

/** Numbers of one queue of a recorded answer, which is JSON but for its keys. */
function recordedQueue(fact: string, queueId: number): Readonly<Record<string, number>> {
  const { body } = admin.observed<{ readonly body: string }>(fact);
  const text = new RegExp(`"queueId":${queueId},"topic":"AdmG"}:({[^}]*})`).exec(body)?.[1] ?? "";
  return JSON.parse(text.replaceAll("<ts>", "1")) as Readonly<Record<string, number>>;
}

describe("Admin.consumeStats", () => {
  it("answers as recorded in consume-stats", async () => {
    await using broker = await openTestBroker({ defaultQueueCount: 2 });
    const { mq, clock } = broker;
    const producer = mq.producer({ group: "shop" });
    const send = (queue: number): Promise<unknown> => producer.send({ topic: "AdmG", body: "x" }, { queue });
    await Promise.all([send(0), send(1)]);
    await clock.advance(1_000);
    const lastConsumed = clock.now();
    await Promise.all([send(0), send(1)]);
    const consumer = mq.pushConsumer({ group: "billing", subscriptions: { AdmG: "*" }, listener: () => undefined });
    await consumer.start();
    await clock.advance(1_000);
    await consumer.close();
    await send(0);

    const stats = await mq.admin.consumeStats("billing", "AdmG");

    for (const [queueId, queue] of stats.queues.entries()) {
      const recorded = recordedQueue("consume-stats", queueId);
      expect(queue).toEqual({
        queue: { topic: "AdmG", brokerName: "broker-a", queueId },
        brokerOffset: recorded["brokerOffset"],
        consumerOffset: recorded["consumerOffset"],
        lag: (recorded["brokerOffset"] ?? 0) - (recorded["consumerOffset"] ?? 0),
        inflight: (recorded["pullOffset"] ?? 0) - (recorded["consumerOffset"] ?? 0),
        lastTimestamp: lastConsumed,
      });
    }
    expect([stats.queues.length, stats.lag, stats.inflight]).toEqual([2, 1, 0]);
  });

  it("counts from 0 for a queue from which the group never consumed", async () => {
    await using broker = await openTestBroker({ defaultQueueCount: 1 });
    const { mq } = broker;
    await mq.admin.createGroup("billing");
    const producer = mq.producer({ group: "shop" });
    await producer.sendBatch([1, 2, 3].map((body) => ({ topic: "orders", body: `${body}` })));

    expect(await mq.admin.consumeStats("billing")).toEqual({ lag: 0, inflight: 0, queues: [] });
    expect(await mq.admin.consumeStats("billing", "orders")).toMatchObject({
      lag: 3,
      inflight: 0,
      queues: [{ brokerOffset: 3, consumerOffset: 0, lag: 3, inflight: 0, lastTimestamp: 0 }],
    });
  });

  it("has every topic that the group consumed from or subscribes to, sorted, its retry topic last, with the queues that consumers see", async () => {
    await using broker = await openTestBroker();
    const { mq, clock } = broker;
    await mq.admin.createTopic("old", { readQueueNums: 1, writeQueueNums: 3 });
    await mq.admin.createTopic("new", { readQueueNums: 2, writeQueueNums: 1 });
    await mq.producer({ group: "shop" }).send({ topic: "old", body: "x" }, { queue: 0 });
    const topicsOf = (stats: ConsumeStats): readonly string[] =>
      stats.queues.map(({ queue }) => `${queue.topic} ${queue.queueId}`);
    const first = mq.pushConsumer({ group: "billing", subscriptions: { old: "*" }, listener: () => undefined });
    await first.start();
    await clock.advance(1_000);
    await first.close();

    const consumed = topicsOf(await mq.admin.consumeStats("billing"));
    const second = mq.pushConsumer({
      group: "billing",
      subscriptions: { new: "*", unknown: "*" },
      listener: () => undefined,
    });
    await second.start();

    expect(consumed).toEqual(["old 0", "%RETRY%billing 0"]);
    expect(topicsOf(await mq.admin.consumeStats("billing"))).toEqual(["new 0", "new 1", "old 0", "%RETRY%billing 0"]);
  });

  it("counts messages that were pulled and not acknowledged as inflight, and what a filter passes over as lag", async () => {
    await using broker = await openTestBroker({ defaultQueueCount: 1 });
    const { mq, clock } = broker;
    const producer = mq.producer({ group: "shop" });
    await producer.sendBatch(["a", "b", "c"].map((body) => ({ topic: "orders", tag: "paid", body })));
    let finish = (): void => undefined;
    const consumer = mq.pushConsumer({
      group: "billing",
      subscriptions: { orders: "paid" },
      listener: () =>
        new Promise<void>((resolve) => {
          finish = resolve;
        }),
      consumeConcurrency: 1,
    });
    await consumer.start();
    await clock.advance(100);
    const running = await mq.admin.consumeStats("billing");
    for (let count = 0; count < 3; count += 1) {
      finish();
      await clock.advance(100);
    }
    await consumer.close();
    await producer.send({ topic: "orders", tag: "created", body: "d" });

    expect(running).toMatchObject({ lag: 3, inflight: 3 });
    expect(await mq.admin.consumeStats("billing")).toMatchObject({ lag: 1, inflight: 0 });
  });

  it("counts a message that waits for its retry nowhere, and then as lag of the retry topic", async () => {
    await using broker = await openTestBroker({ defaultQueueCount: 1 });
    const { mq, clock } = broker;
    await mq.producer({ group: "shop" }).send({ topic: "orders", body: "a" });
    const consumer = mq.pushConsumer({ group: "billing", subscriptions: { orders: "*" }, listener: () => "retry" });
    await consumer.start();
    await clock.advance(1_000);
    const waiting = await mq.admin.consumeStats("billing");
    consumer.suspend();

    await clock.advance(9_000);

    const offsets = ({ queues }: ConsumeStats): readonly unknown[] =>
      queues.map(({ queue, consumerOffset, brokerOffset }) => [queue.topic, consumerOffset, brokerOffset]);
    expect(waiting).toMatchObject({ lag: 0, inflight: 0 });
    expect(offsets(waiting)).toEqual([
      ["orders", 1, 1],
      ["%RETRY%billing", 0, 0],
    ]);
    const due = await mq.admin.consumeStats("billing");
    expect(due).toMatchObject({ lag: 1, inflight: 0 });
    expect(offsets(due)).toEqual([
      ["orders", 1, 1],
      ["%RETRY%billing", 0, 1],
    ]);
    expect((await mq.admin.consumeStats("billing", "%RETRY%billing")).queues).toEqual(due.queues.slice(1));
  });

  it("counts what simple consumers have in hand, and what is to be delivered again as lag of their retry topic", async () => {
    await using broker = await openTestBroker({ defaultQueueCount: 1 });
    const { mq, clock } = broker;
    await mq.producer({ group: "shop" }).sendBatch(["a", "b", "c", "d"].map((body) => ({ topic: "orders", body })));
    const consumer = mq.simpleConsumer({ group: "billing", subscriptions: { orders: "*" } });
    await consumer.start();
    const received = await consumer.receive({ maxMessages: 3, invisibleDurationMs: 10_000 });
    await consumer.ack(received[0] as MessageView);

    const inHand = await mq.admin.consumeStats("billing");
    await clock.advance(10_000);
    const due = await mq.admin.consumeStats("billing");

    const figures = ({ queues }: ConsumeStats): readonly unknown[] =>
      queues.map(({ queue, lag, inflight }) => [queue.topic, lag, inflight]);
    expect([inHand.lag, inHand.inflight, ...figures(inHand)]).toEqual([1, 2, ["orders", 1, 2]]);
    expect([due.lag, due.inflight, ...figures(due)]).toEqual([3, 0, ["orders", 1, 0], ["%RETRY%billing_orders", 2, 0]]);
  });

  it("counts what an orderly group has in hand as lag, too, until it is visible again", async () => {
    await using broker = await openTestBroker({ defaultQueueCount: 1 });
    const { mq, clock } = broker;
    await mq.admin.createGroup("billing", { consumeMessageOrderly: true });
    await mq.producer({ group: "shop" }).sendBatch(["a", "b", "c"].map((body) => ({ topic: "orders", body })));
    const consumer = mq.simpleConsumer({ group: "billing", subscriptions: { orders: "*" } });
    await consumer.start();
    const received = await consumer.receive({ maxMessages: 2, invisibleDurationMs: 10_000 });
    await consumer.ack(received[0] as MessageView);

    const inHand = await mq.admin.consumeStats("billing");
    await clock.advance(10_000);

    expect(inHand).toMatchObject({ lag: 2, inflight: 1 });
    expect(await mq.admin.consumeStats("billing")).toMatchObject({ lag: 2, inflight: 0 });
  });

  it("is of one commit, whatever another process commits meanwhile", async () => {
    using folder = tempFolder();
    const path = folder.file("app.db");
    await using other = await openTestBroker({ path, defaultQueueCount: 2 });
    await other.mq.admin.createTopic("orders");
    await other.mq.admin.createGroup("billing");
    const driver = openFaultDriver(path);
    await using broker = await openTestBroker({ database: driver.database });
    const producer = other.mq.producer({ group: "shop" });
    let rounds = 0;
    driver.onRead = (source) => {
      if (!source.startsWith("SELECT")) return;
      rounds += 1;
      for (const queue of [0, 1]) producer.sendSync({ topic: "orders", body: "x" }, { queue });
    };

    const { queues } = await broker.mq.admin.consumeStats("billing", "orders");
    driver.onRead = undefined;

    expect(queues.map(({ brokerOffset }) => brokerOffset)).toEqual([0, 0]);
    expect(rounds).toBeGreaterThan(2);
  });

  it("refuses an unknown topic with 17", async () => {
    await using broker = await openTestBroker();
    await broker.mq.admin.createGroup("billing");

    await expect(broker.mq.admin.consumeStats("billing", "orders")).rejects.toMatchObject({ responseCode: 17 });
    await expect(broker.mq.admin.consumeStats("billing", "a.b")).rejects.toMatchObject({ responseCode: 29 });
  });
});
