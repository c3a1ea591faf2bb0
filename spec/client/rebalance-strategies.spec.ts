import { describe, expect, it } from "vitest";
import type { AllocateMessageQueueStrategy, Broker, MessageQueue, PushConsumer } from "../../lib/index.js";
import { openTestBroker } from "../support/test-broker.js";

const noop = (): undefined => undefined;
const throwing = (value: unknown) => (): never => {
  throw value;
};

/** Member "w0" to "w9", in order of their client ids. */
function member(mq: Broker, index: number, settings: object = {}): PushConsumer {
  return mq.pushConsumer({
    group: "billing",
    subscriptions: { orders: "*" },
    instanceName: `w${index}`,
    listener: noop,
    ...settings,
  });
}

const ids = ({ assignment }: PushConsumer): number[] => assignment.map(({ queueId }) => queueId);

async function topicWith(mq: Broker, count: number, topic = "orders"): Promise<void> {
  await mq.admin.createTopic(topic, { readQueueNums: count, writeQueueNums: count });
}

describe("rebalance with a strategy of the user's", () => {
  const strategies: readonly (readonly [string, () => unknown])[] = [
    ["throws", throwing(new Error("no"))],
    ["throws undefined", throwing(undefined)],
    ["throws what has no text", throwing(Object.create(null))],
    ["returns nothing", () => undefined],
    ["returns a promise", async () => []],
    ["returns a text", () => "orders"],
    ["returns something else than queues", () => [null]],
  ];
  it.each(strategies)("keeps the assignment of a member whose strategy %s", async (_what, answer) => {
    await using broker = await openTestBroker();
    const { mq, logged } = broker;
    await topicWith(mq, 4);
    let isBroken = false;
    const strategy: AllocateMessageQueueStrategy = (_group, _clientId, queues) =>
      isBroken ? (answer() as MessageQueue[]) : queues.slice(0, 2);
    const fragile = member(mq, 0, { allocateMessageQueueStrategy: strategy });
    await fragile.start();

    isBroken = true;
    await member(mq, 1).start();

    expect(ids(fragile)).toEqual([0, 1]);
    expect(logged).toContainEqual({
      level: "error",
      text: expect.stringContaining("sharing the queues of topic orders failed, group billing keeps what it has"),
      data: { topic: "orders" },
    });
  });

  it("asks a strategy that failed again, until it shares the queues", async () => {
    await using broker = await openTestBroker();
    const { mq, clock } = broker;
    await topicWith(mq, 2);
    await mq.producer({ group: "shop" }).send({ topic: "orders", body: "a" });
    let failuresLeft = 3;
    const strategy: AllocateMessageQueueStrategy = (_group, _clientId, queues) => {
      if (queues[0]?.topic !== "orders") return queues;
      failuresLeft -= 1;
      if (failuresLeft >= 0) throw new Error("not yet");
      return queues;
    };
    const received: string[] = [];
    const listener = (message: { text(): string }): void => void received.push(message.text());
    const consumer = member(mq, 0, { allocateMessageQueueStrategy: strategy, listener });

    await consumer.start();
    const assigned = ids(consumer);
    await clock.advance(10_000);

    expect([assigned, ids(consumer)]).toEqual([[], [0, 1]]);
    expect(received).toEqual(["a"]);
    expect(failuresLeft).toBe(-1);
  });

  it("leaves the subscriptions of the group as they are when a strategy that failed is asked again", async () => {
    await using broker = await openTestBroker();
    const { mq, clock } = broker;
    await topicWith(mq, 2);
    const failing = throwing(new Error("no"));
    await member(mq, 0, { allocateMessageQueueStrategy: failing, subscriptions: { orders: "a" } }).start();
    await member(mq, 1, { subscriptions: { orders: "b" } }).start();

    await clock.advance(5_000);

    expect((await mq.admin.getGroup("billing")).subscriptions).toEqual({ orders: "b" });
  });

  it("asks no strategy of a consumer that closed meanwhile", async () => {
    await using broker = await openTestBroker();
    const { mq, clock } = broker;
    await topicWith(mq, 2);
    const consumer = member(mq, 0, { allocateMessageQueueStrategy: throwing(new Error("no")) });
    await consumer.start();
    const armed = clock.pendingTimers;

    await consumer.close();

    expect([armed, clock.pendingTimers]).toEqual([2, 0]);
  });

  it("settles a send that makes a topic, whatever a strategy throws when it shares that", async () => {
    await using broker = await openTestBroker();
    const { mq } = broker;
    const producer = mq.producer({ group: "shop" });
    await member(mq, 0, { allocateMessageQueueStrategy: throwing(Object.create(null)) }).start();

    const first = await producer.send({ topic: "orders", body: "a" }, { queue: 0 });
    const second = await producer.send({ topic: "orders", body: "b" }, { queue: 0 });

    expect([first.queueOffset, second.queueOffset]).toEqual([0, 1]);
  });

  it("pulls each queue of the topic once, whatever a strategy answers", async () => {
    await using broker = await openTestBroker();
    const { mq, clock } = broker;
    await topicWith(mq, 2);
    const received: string[] = [];
    const strategy: AllocateMessageQueueStrategy = (_group, _clientId, queues) => [
      ...queues.map((queue) => ({ ...queue })),
      ...queues,
      { topic: "orders", brokerName: "broker-a", queueId: 7 },
      { topic: "payments", brokerName: "broker-a", queueId: 0 },
    ];
    const consumer = member(mq, 0, {
      allocateMessageQueueStrategy: strategy,
      listener: (message: { text(): string }) => void received.push(message.text()),
    });
    await consumer.start();

    await mq.producer({ group: "shop" }).send({ topic: "orders", body: "a" });
    await clock.settle();

    expect(ids(consumer)).toEqual([0, 1]);
    expect(received).toEqual(["a"]);
  });

  it("hands a strategy sorted copies of its own", async () => {
    await using broker = await openTestBroker();
    const { mq } = broker;
    await topicWith(mq, 12);
    const seen: unknown[] = [];
    const strategy: AllocateMessageQueueStrategy = (group, clientId, queues, clientIds) => {
      seen.push([group, clientId, queues.map(({ queueId }) => queueId), [...clientIds]]);
      const own = queues.slice(0, 1);
      (queues as MessageQueue[]).length = 0;
      (clientIds as string[]).length = 0;
      return own;
    };
    const first = member(mq, 1, { allocateMessageQueueStrategy: strategy });
    await first.start();

    await member(mq, 0, { allocateMessageQueueStrategy: strategy }).start();

    const queueIds = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11];
    const [zero, one] = ["127.0.0.1@w0", "127.0.0.1@w1"];
    expect(ids(first)).toEqual([0]);
    expect(seen[0]).toEqual(["billing", one, queueIds, [one]]);
    expect(seen.slice(1)).toContainEqual(["billing", zero, queueIds, [zero, one]]);
    expect(seen.slice(1)).toContainEqual(["billing", one, queueIds, [zero, one]]);
  });
});
