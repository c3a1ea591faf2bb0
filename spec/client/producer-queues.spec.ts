import { describe, expect, it } from "vitest";
import { type MessageQueue, type MessageQueueSelector, selectByHash, selectByRandom } from "../../lib/index.js";
import { loadFacts } from "../support/facts.js";
import { openTestBroker } from "../support/test-broker.js";
import { thrown } from "../support/thrown.js";

const message = { topic: "orders", body: "x" };
const validation = loadFacts("validation");
const messages = loadFacts("messages");

describe("the queue of a send without a wish", () => {
  it("is the next one each time, as recorded in round-robin", async () => {
    await using broker = await openTestBroker({ defaultQueueCount: 4 });
    const producer = broker.mq.producer({ group: "shop" });
    const recorded = messages.observed<{ readonly eachNextQueueIsPreviousPlusOneModulo4: boolean }>("round-robin");

    const ids: number[] = [];
    for (let send = 0; send < 9; send += 1) ids.push((await producer.send(message)).queueId);

    const isNext = ids.every((id, index) => index === 0 || id === ((ids[index - 1] ?? 0) + 1) % 4);
    expect(isNext).toBe(recorded.eachNextQueueIsPreviousPlusOneModulo4);
  });

  it("starts at random in each producer, as recorded in round-robin", async () => {
    await using broker = await openTestBroker({ defaultQueueCount: 4 });
    const first = new Map<number, number>();

    for (let count = 0; count < 200; count += 1) {
      const { queueId } = broker.mq.producer({ group: "shop" }).sendSync(message);
      first.set(queueId, (first.get(queueId) ?? 0) + 1);
    }

    expect(messages.observed<{ readonly firstQueueIsRandom: boolean }>("round-robin").firstQueueIsRandom).toBe(true);
    expect(first.size).toBe(4);
    expect(Math.min(...first.values())).toBeGreaterThan(20);
  });

  it("takes its turn for each topic on its own", async () => {
    await using broker = await openTestBroker({ defaultQueueCount: 4 });
    const producer = broker.mq.producer({ group: "shop" });

    const before = producer.sendSync(message).queueId;
    for (let send = 0; send < 3; send += 1) producer.sendSync({ topic: "invoices", body: "x" });

    expect(producer.sendSync(message).queueId).toBe((before + 1) % 4);
  });

  it("is one of those that are writable when the topic grows or shrinks", async () => {
    await using broker = await openTestBroker();
    const { mq } = broker;
    const producer = mq.producer({ group: "shop" });
    const queuesOf = (): readonly number[] =>
      [...new Set(Array.from({ length: 20 }, () => producer.sendSync(message).queueId))].sort();

    await mq.admin.createTopic("orders", { readQueueNums: 4, writeQueueNums: 2 });
    const narrow = queuesOf();
    await mq.admin.updateTopic("orders", { writeQueueNums: 4 });
    const wide = queuesOf();
    await mq.admin.updateTopic("orders", { writeQueueNums: 1 });

    expect([narrow, wide, queuesOf()]).toEqual([[0, 1], [0, 1, 2, 3], [0]]);
  });
});

describe("a queue given by its number", () => {
  it("is taken", async () => {
    await using broker = await openTestBroker();
    const producer = broker.mq.producer({ group: "shop" });
    const recorded = messages.observed<{ readonly sendResult: { readonly queueId: number } }>("explicit-queue");

    expect((await producer.send(message, { queue: 2 })).queueId).toBe(recorded.sendResult.queueId);
    expect(producer.sendSync(message, { queue: 0 }).queueId).toBe(0);
    expect(producer.sendBatchSync([message], { queue: 3 })[0]?.queueId).toBe(3);
  });

  it("leaves the choice to the broker when it is negative, as recorded in queue-negative", async () => {
    await using broker = await openTestBroker({ defaultQueueCount: 4 });
    const producer = broker.mq.producer({ group: "shop" });

    const ids = Array.from({ length: 100 }, () => producer.sendSync(message, { queue: -1 }).queueId);

    expect(validation.error("queue-negative")).toBeUndefined();
    expect([...new Set(ids)].sort()).toEqual([0, 1, 2, 3]);
  });

  it.each(["queue-id-too-big", "raw-send-queue-out-of-range"])(
    "ends as recorded in %s when the topic has no such queue",
    async (fact) => {
      await using broker = await openTestBroker({ defaultQueueCount: 2 });
      const producer = broker.mq.producer({ group: "shop" });
      await producer.send(message);
      const recorded =
        validation.observed<{ readonly code?: number }>(fact).code ?? validation.error(fact)?.responseCode;

      const refused = producer.send(message, { queue: fact === "queue-id-too-big" ? 7 : 2 });

      await expect(refused).rejects.toMatchObject({ code: "ERR_MQ_OFFSET", responseCode: recorded });
    },
  );

  it("may be one that only consumers see, from which it is read", async () => {
    await using broker = await openTestBroker();
    const { mq } = broker;
    await mq.admin.createTopic("orders", { readQueueNums: 4, writeQueueNums: 2 });
    const producer = mq.producer({ group: "shop" });

    expect((await producer.send(message, { queue: 3 })).queueOffset).toBe(0);
    await expect(producer.send(message, { queue: 4 })).rejects.toMatchObject({ responseCode: 29 });
  });

  it("does not create a topic that would lack it", async () => {
    await using broker = await openTestBroker();
    const producer = broker.mq.producer({ group: "shop" });

    await expect(producer.send(message, { queue: 4 })).rejects.toMatchObject({ responseCode: 29 });

    expect(await broker.mq.admin.listTopics()).toEqual([]);
  });

  it.each([0.5, Number.NaN, Number.POSITIVE_INFINITY, "1", null, {}, 1n])("is refused when it is %s", async (queue) => {
    await using broker = await openTestBroker();
    const producer = broker.mq.producer({ group: "shop" });

    const error = thrown(() => producer.sendSync(message, { queue: queue as number }));

    expect(error).toMatchObject({ code: "ERR_MQ_INVALID_ARGUMENT", responseCode: -1 });
    expect(error.message).toContain("queue must be an integer or a selector");
  });
});

describe("a queue picked by a selector", () => {
  it("is one of the writable queues in the order of their ids, of which it is shown each", async () => {
    await using broker = await openTestBroker();
    await broker.mq.admin.createTopic("orders", { readQueueNums: 4, writeQueueNums: 3 });
    const producer = broker.mq.producer({ group: "shop" });
    let shown: readonly MessageQueue[] = [];

    const receipt = await producer.send(message, {
      queue: (queues, selected) => {
        shown = queues;
        expect(selected).toBe(message);
        return queues[1] as MessageQueue;
      },
    });

    expect(receipt.queueId).toBe(1);
    expect(shown).toEqual([0, 1, 2].map((queueId) => ({ topic: "orders", brokerName: "broker-a", queueId })));
    expect(Object.isFrozen(shown) && shown.every((queue) => Object.isFrozen(queue))).toBe(true);
  });

  it("is that of the hash, as recorded in selector-by-hash", async () => {
    await using broker = await openTestBroker({ defaultQueueCount: 4 });
    const producer = broker.mq.producer({ group: "shop" });
    const recorded = messages.observed<{ readonly sendResult: { readonly queueId: number } }>("selector-by-hash");

    const receipt = await producer.send(message, { queue: selectByHash("order-1") });

    expect(receipt.queueId).toBe(recorded.sendResult.queueId);
  });

  it("is any of them by selectByRandom", async () => {
    await using broker = await openTestBroker({ defaultQueueCount: 2 });
    const producer = broker.mq.producer({ group: "shop" });

    const ids = Array.from({ length: 60 }, () => producer.sendSync(message, { queue: selectByRandom() }).queueId);

    expect([...new Set(ids)].sort()).toEqual([0, 1]);
  });

  const boom = new Error("boom");
  it.each<[fact: string, MessageQueueSelector]>([
    [
      "selector-throws",
      () => {
        throw boom;
      },
    ],
    ["selector-null", () => null as never],
    ["queue-of-other-topic", ([queue]) => ({ ...(queue as MessageQueue), topic: "invoices" })],
    ["queue-unknown-broker", ([queue]) => ({ ...(queue as MessageQueue), brokerName: "broker-z" })],
  ])("fails the send as recorded in %s", async (fact, queue) => {
    await using broker = await openTestBroker();
    const producer = broker.mq.producer({ group: "shop" });

    const error = thrown(() => producer.sendSync(message, { queue }));
    const rejected = await producer.send(message, { queue }).catch((reason: unknown) => reason);

    expect([error.code, error.responseCode]).toEqual(["ERR_MQ_INVALID_ARGUMENT", validation.error(fact)?.responseCode]);
    expect(error.cause).toBe(fact === "selector-throws" ? boom : undefined);
    expect(rejected).toEqual(error);
    expect(await broker.mq.admin.listTopics()).toEqual([]);
  });

  it.each([undefined, 3, "queue", {}, Promise.resolve()])(
    "fails the send when the selector returns %s",
    async (returned) => {
      await using broker = await openTestBroker();
      const producer = broker.mq.producer({ group: "shop" });

      const error = thrown(() => producer.sendSync(message, { queue: () => returned as never }));

      expect(error.code).toBe("ERR_MQ_INVALID_ARGUMENT");
    },
  );

  it.each([-1, 4, 1.5])("fails the send when the selector made up the queue %s of four", async (queueId) => {
    await using broker = await openTestBroker({ defaultQueueCount: 4 });
    const producer = broker.mq.producer({ group: "shop" });

    const refused = producer.send(message, { queue: () => ({ topic: "orders", brokerName: "broker-a", queueId }) });

    await expect(refused).rejects.toThrow();
    expect(await broker.mq.admin.listTopics()).toEqual([]);
  });
});
