import { describe, expect, it } from "vitest";
import type { Broker, MessageView } from "../../lib/index.js";
import { openTestBroker } from "../support/test-broker.js";

const ONE_QUEUE = { readQueueNums: 1, writeQueueNums: 1 };

/** Sends one message a tag, in order; the tag is the body too. */
async function sendTags(mq: Broker, topic: string, ...tags: string[]): Promise<void> {
  const producer = mq.producer({ group: "shop" });
  for (const tag of tags) await producer.send({ topic, tag, body: tag });
}

/** A listener that writes down what it gets. */
function collector(): { readonly received: string[]; readonly listener: (message: MessageView) => undefined } {
  const received: string[] = [];
  return { received, listener: (message) => void received.push(message.text()) };
}

describe("PushConsumer", () => {
  it("delivers every message of its subscription once", async () => {
    await using broker = await openTestBroker();
    const { mq, clock } = broker;
    const { received, listener } = collector();
    const consumer = mq.pushConsumer({ group: "billing", subscriptions: { orders: "created || paid" }, listener });
    await consumer.start();

    await sendTags(mq, "orders", "created", "paid", "shipped", "created");
    await clock.settle();

    expect(received.sort()).toEqual(["created", "created", "paid"]);
    expect(await mq.admin.consumeStats("billing")).toMatchObject({ lag: 0, inflight: 0 });
  });

  it("gives each group every message", async () => {
    await using broker = await openTestBroker();
    const { mq, clock } = broker;
    const [billing, shipping] = [collector(), collector()];
    await mq.pushConsumer({ group: "billing", subscriptions: { orders: "*" }, listener: billing.listener }).start();
    await mq.pushConsumer({ group: "shipping", subscriptions: { orders: "b" }, listener: shipping.listener }).start();

    await sendTags(mq, "orders", "a", "b", "c");
    await clock.settle();

    expect([billing.received.sort(), shipping.received]).toEqual([["a", "b", "c"], ["b"]]);
  });

  it("drops a tag that only has the same hash, and passes its offset", async () => {
    await using broker = await openTestBroker();
    const { mq, clock } = broker;
    await mq.admin.createTopic("orders", ONE_QUEUE);
    const { received, listener } = collector();
    await mq.pushConsumer({ group: "billing", subscriptions: { orders: "Aa" }, listener }).start();

    await sendTags(mq, "orders", "BB", "Aa", "BB");
    await clock.settle();

    expect(received).toEqual(["Aa"]);
    const stats = await mq.admin.consumeStats("billing", "orders");
    expect(stats).toMatchObject({ lag: 0, queues: [{ consumerOffset: 3 }] });
  });

  it("commits past a tail that the filter lets nothing through of", async () => {
    await using broker = await openTestBroker();
    const { mq, clock } = broker;
    await mq.admin.createTopic("orders", ONE_QUEUE);
    const { received, listener } = collector();
    const consumer = mq.pushConsumer({ group: "billing", subscriptions: { orders: "paid" }, listener });
    await consumer.start();

    await sendTags(mq, "orders", "paid", ...new Array<string>(1_000).fill("created"));
    await clock.settle();

    expect(received).toEqual(["paid"]);
    const stats = await mq.admin.consumeStats("billing", "orders");
    expect(stats).toMatchObject({ lag: 0, queues: [{ consumerOffset: 1_001 }] });
  });

  it("does not commit a filtered-out tail while a message before it is unacknowledged", async () => {
    await using broker = await openTestBroker();
    const { mq, clock } = broker;
    await mq.admin.createTopic("orders", ONE_QUEUE);
    let finish = (): void => undefined;
    const listener = (): Promise<undefined> => new Promise((resolve) => (finish = () => resolve(undefined)));
    await mq.pushConsumer({ group: "billing", subscriptions: { orders: "paid" }, listener }).start();
    await sendTags(mq, "orders", "paid", "created", "created");
    await clock.settle();
    const before = await mq.admin.consumeStats("billing");

    finish();
    await clock.settle();

    expect(before.queues[0]?.consumerOffset).toBe(0);
    expect((await mq.admin.consumeStats("billing")).queues[0]?.consumerOffset).toBe(3);
  });

  it("consumes a topic that is created after it started", async () => {
    await using broker = await openTestBroker();
    const { mq, clock } = broker;
    const { received, listener } = collector();
    const consumer = mq.pushConsumer({ group: "billing", subscriptions: { unheardOf: "*" }, listener });
    await consumer.start();
    const before = consumer.assignment;

    await sendTags(mq, "unheardOf", "first");
    await clock.settle();

    expect(before).toEqual([]);
    expect(received).toEqual(["first"]);
    expect(consumer.assignment.map(({ queueId }) => queueId)).toEqual([0, 1, 2, 3]);
  });

  it("follows the read queues of a topic, up and down", async () => {
    await using broker = await openTestBroker();
    const { mq, clock } = broker;
    await mq.admin.createTopic("orders", { readQueueNums: 1, writeQueueNums: 4 });
    const { received, listener } = collector();
    const consumer = mq.pushConsumer({ group: "billing", subscriptions: { orders: "*" }, listener });
    await consumer.start();
    const send = (queue: number): Promise<unknown> =>
      mq.producer({ group: "shop" }).send({ topic: "orders", body: String(queue) }, { queue });
    const assignments = [consumer.assignment.length];
    await send(3);

    for (const readQueueNums of [4, 2]) {
      await mq.admin.updateTopic("orders", { readQueueNums });
      await clock.settle();
      assignments.push(consumer.assignment.length);
    }
    await send(3);
    await send(1);
    await clock.settle();

    expect(assignments).toEqual([1, 4, 2]);
    expect(received).toEqual(["3", "1"]);
  });

  it("stops at a topic that becomes unreadable and goes on when it is readable again", async () => {
    await using broker = await openTestBroker();
    const { mq, clock } = broker;
    const { received, listener } = collector();
    await mq.admin.createTopic("orders", ONE_QUEUE);
    const consumer = mq.pushConsumer({ group: "billing", subscriptions: { orders: "*" }, listener });
    await consumer.start();

    await mq.admin.updateTopic("orders", { perm: "W" });
    await sendTags(mq, "orders", "a");
    await clock.settle();
    const meanwhile = [...received];
    await mq.admin.updateTopic("orders", { perm: "RW" });
    await clock.settle();

    expect([meanwhile, received]).toEqual([[], ["a"]]);
  });

  it("gets nothing while its group may not consume, says so once a queue, and goes on within a second when it may", async () => {
    await using broker = await openTestBroker();
    const { mq, clock, logged } = broker;
    const { received, listener } = collector();
    await mq.admin.createTopic("orders", ONE_QUEUE);
    await mq.admin.createGroup("billing", { consumeEnable: false });
    await sendTags(mq, "orders", "a");
    await mq.pushConsumer({ group: "billing", subscriptions: { orders: "*" }, listener }).start();

    await clock.advance(5_000);
    const meanwhile = [...received];
    await mq.admin.updateGroup("billing", { consumeEnable: true });
    await clock.advance(1_000);

    expect([meanwhile, received]).toEqual([[], ["a"]]);
    const text = expect.stringContaining("consumer group billing may not consume (consumeEnable is false)");
    expect(logged).toEqual([
      { level: "warn", text, data: { topic: "orders", queueId: 0 } },
      { level: "warn", text, data: { topic: "%RETRY%billing", queueId: 0 } },
    ]);
  });

  it("replaces a tag expression while it runs, and goes on where it was", async () => {
    await using broker = await openTestBroker();
    const { mq, clock, logged } = broker;
    await mq.admin.createTopic("orders", ONE_QUEUE);
    const { received, listener } = collector();
    const consumer = mq.pushConsumer({ group: "billing", subscriptions: { orders: "a" }, listener });
    await consumer.start();
    await sendTags(mq, "orders", "a", "b");
    await clock.settle();

    consumer.subscribe("orders", "b");
    await sendTags(mq, "orders", "a", "b");
    await clock.settle();

    expect(received).toEqual(["a", "b"]);
    expect((await mq.admin.getGroup("billing")).subscriptions).toEqual({ orders: "b" });
    expect(logged).toEqual([]);
  });

  it.each([
    ["*", " "],
    ["a || b", "b||a"],
  ])("keeps what it is working on when it subscribes to the same again, %j and then %j", async (first, again) => {
    await using broker = await openTestBroker();
    const { mq, clock } = broker;
    await mq.admin.createTopic("orders", ONE_QUEUE);
    const received: string[] = [];
    let finish = (): void => undefined;
    const consumer = mq.pushConsumer({
      group: "billing",
      subscriptions: { orders: first },
      listener: async (message) => {
        received.push(message.text());
        await new Promise<void>((resolve) => {
          finish = resolve;
        });
      },
    });
    await consumer.start();
    await sendTags(mq, "orders", "a");
    await clock.settle();

    consumer.subscribe("orders", again);
    await clock.settle();
    finish();
    await clock.settle();

    expect(received).toEqual(["a"]);
    expect(await mq.admin.consumeStats("billing")).toMatchObject({ lag: 0 });
  });

  it("adds a topic while it runs and lets one go", async () => {
    await using broker = await openTestBroker();
    const { mq, clock } = broker;
    for (const topic of ["orders", "payments"]) await mq.admin.createTopic(topic, ONE_QUEUE);
    const { received, listener } = collector();
    const consumer = mq.pushConsumer({ group: "billing", subscriptions: { orders: "*" }, listener });
    await consumer.start();

    consumer.subscribe("payments");
    consumer.unsubscribe("orders");
    consumer.unsubscribe("neverSubscribed");
    await sendTags(mq, "orders", "order");
    await sendTags(mq, "payments", "payment");
    await clock.settle();

    expect(received).toEqual(["payment"]);
    expect(consumer.assignment).toEqual([{ topic: "payments", brokerName: "broker-a", queueId: 0 }]);
    consumer.subscribe("orders");
    await clock.settle();
    expect(received).toEqual(["payment", "order"]);
  });

  it("takes topics that were subscribed before it started, and refuses bad ones", async () => {
    await using broker = await openTestBroker();
    const { mq, clock } = broker;
    const { received, listener } = collector();
    const consumer = mq.pushConsumer({ group: "billing", listener });
    consumer.subscribe("orders", "a");
    consumer.subscribe("orders", "b");
    consumer.subscribe("payments");
    consumer.unsubscribe("payments");
    await consumer.start();

    await sendTags(mq, "orders", "a", "b");
    await sendTags(mq, "payments", "p");
    await clock.settle();

    expect(received).toEqual(["b"]);
    expect(() => consumer.subscribe("my.topic")).toThrow(expect.objectContaining({ code: "ERR_MQ_INVALID_ARGUMENT" }));
    expect(() => consumer.subscribe("orders", "||")).toThrow(expect.objectContaining({ code: "ERR_MQ_FILTER_SYNTAX" }));
  });

  it("pulls nothing between suspend and resume, but delivers what it has pulled", async () => {
    await using broker = await openTestBroker();
    const { mq, clock } = broker;
    await mq.admin.createTopic("orders", ONE_QUEUE);
    const received: string[] = [];
    const waiting: (() => void)[] = [];
    const consumer = mq.pushConsumer({
      group: "billing",
      subscriptions: { orders: "*" },
      consumeConcurrency: 1,
      listener: async (message) => {
        received.push(message.text());
        await new Promise<void>((resolve) => waiting.push(resolve));
      },
    });
    await consumer.start();
    await mq.producer({ group: "shop" }).sendBatch(["a", "b"].map((body) => ({ topic: "orders", body })));
    await clock.settle();

    consumer.suspend();
    await sendTags(mq, "orders", "c");
    for (let turn = 0; turn < 3; turn += 1) {
      waiting.shift()?.();
      await clock.settle();
    }
    const meanwhile = [...received];
    consumer.resume();
    await clock.settle();
    for (const finish of waiting) finish();

    expect(meanwhile).toEqual(["a", "b"]);
    expect(received).toEqual(["a", "b", "c"]);
  });

  it("takes its queues but pulls nothing when it was suspended before it started", async () => {
    await using broker = await openTestBroker();
    const { mq, clock } = broker;
    const { received, listener } = collector();
    const consumer = mq.pushConsumer({ group: "billing", subscriptions: { orders: "*" }, listener });
    await sendTags(mq, "orders", "a");

    consumer.suspend();
    await consumer.start();
    await clock.settle();
    const meanwhile = [consumer.assignment.length, received.length];
    consumer.resume();
    consumer.resume();
    await clock.settle();

    expect(meanwhile).toEqual([4, 0]);
    expect(received).toEqual(["a"]);
  });

  it("starts once: a second start is refused, before and after the first has ended", async () => {
    await using broker = await openTestBroker();
    const { mq, clock } = broker;
    const { received, listener } = collector();
    const consumer = mq.pushConsumer({ group: "billing", subscriptions: { orders: "*" }, listener });

    const first = consumer.start();
    const [meanwhile] = await Promise.allSettled([consumer.start(), first]);
    const [afterwards] = await Promise.allSettled([consumer.start()]);
    await sendTags(mq, "orders", "a");
    await clock.settle();

    const refused = { status: "rejected", reason: expect.objectContaining({ code: "ERR_MQ_ALREADY_CREATED" }) };
    expect([meanwhile, afterwards]).toEqual([refused, refused]);
    expect(received).toEqual(["a"]);
    expect(await mq.admin.getGroup("billing")).toMatchObject({ members: 1 });
  });

  it("refuses to start in a group that does not exist when groups are not created, names near misses, and may try again", async () => {
    await using broker = await openTestBroker({ autoCreateGroup: false });
    const { mq, clock } = broker;
    await mq.admin.createGroup("bill-ing");
    const { received, listener } = collector();
    const consumer = mq.pushConsumer({ group: "billing", subscriptions: { orders: "*" }, listener });

    await expect(consumer.start()).rejects.toMatchObject({
      code: "ERR_MQ_GROUP_NOT_FOUND",
      responseCode: 26,
      message: "consumer group billing does not exist; did you mean bill-ing?",
    });
    await mq.admin.createGroup("billing");
    await consumer.start();
    await sendTags(mq, "orders", "a");
    await clock.settle();

    expect(received).toEqual(["a"]);
  });

  it("has a client id of its own, or the one it is given, which no other member may have", async () => {
    await using broker = await openTestBroker();
    const { mq } = broker;
    const { listener } = collector();
    const make = (instanceName?: string): ReturnType<typeof mq.pushConsumer> =>
      mq.pushConsumer({ group: "billing", listener, instanceName });
    const [named, twin, one, other] = [make("worker"), make("worker"), make(), make()];
    for (const consumer of [named, one, other]) await consumer.start();

    await expect(twin.start()).rejects.toMatchObject({ code: "ERR_MQ_ALREADY_CREATED" });

    expect(named.clientId).toBe("127.0.0.1@worker");
    expect(one.clientId).not.toBe(other.clientId);
    expect(await mq.admin.getGroup("billing")).toMatchObject({ members: 3 });
    await named.close();
    await twin.start();
    expect(await mq.admin.getGroup("billing")).toMatchObject({ members: 3 });
  });
});
