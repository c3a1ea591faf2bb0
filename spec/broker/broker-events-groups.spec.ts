import { describe, expect, it } from "vitest";
import type { Broker, PushConsumer } from "../../lib/index.js";
import { openTestBroker } from "../support/test-broker.js";
import { listen } from "./event-log.js";

async function join(
  mq: Broker,
  name: string,
  subscriptions: Record<string, string> = { orders: "*" },
): Promise<PushConsumer> {
  const consumer = mq.pushConsumer({ group: "billing", instanceName: name, subscriptions, listener: () => undefined });
  await consumer.start();
  return consumer;
}

/** Who got which queues: `name: topic-queueId …`. */
function told(heard: readonly (readonly [string, object])[]): readonly string[] {
  return heard.map(([, value]) => {
    const { clientId, assignment } = value as {
      clientId: string;
      assignment: readonly { readonly topic: string; readonly queueId: number }[];
    };
    const queues = assignment.map(({ topic, queueId }) => `${topic}-${queueId}`);
    return `${clientId.split("@")[1]}: ${queues.join(" ")}`;
  });
}

describe("group:rebalanced", () => {
  it("tells each member whose queues are others than before, when one joins and when one leaves", async () => {
    await using broker = await openTestBroker({ defaultQueueCount: 4 });
    const { mq, clock } = broker;
    await mq.admin.createTopic("orders");
    const heard = listen(mq, "group:rebalanced");

    const a = await join(mq, "a");
    const b = await join(mq, "b");
    await b.close();
    await clock.settle();

    expect(told(heard)).toEqual([
      "a: orders-0 orders-1 orders-2 orders-3",
      "a: orders-0 orders-1",
      "b: orders-2 orders-3",
      "b: ",
      "a: orders-0 orders-1 orders-2 orders-3",
    ]);
    expect(heard.at(-1)?.[1]).toEqual({ group: "billing", clientId: a.clientId, assignment: a.assignment });
  });

  it("tells what the consumer says of itself, without the queues of the retry topic", async () => {
    await using broker = await openTestBroker({ defaultQueueCount: 2 });
    const { mq } = broker;
    await mq.admin.createTopic("orders");
    const heard = listen(mq, "group:rebalanced");

    const { assignment } = await join(mq, "a");
    await broker.clock.settle();

    expect(heard).toMatchObject([["group:rebalanced", { assignment }]]);
    expect(assignment).toEqual([0, 1].map((queueId) => ({ topic: "orders", brokerName: "broker-a", queueId })));
  });

  it("comes when a topic is made, grows or is unsubscribed from, and not when nothing changes", async () => {
    await using broker = await openTestBroker({ defaultQueueCount: 1 });
    const { mq, clock } = broker;
    const heard = listen(mq, "group:rebalanced");
    const consumer = await join(mq, "a");
    const changes: string[][] = [];
    const change = async (run: () => unknown): Promise<void> => {
      const before = heard.length;
      await run();
      await clock.settle();
      changes.push([...told(heard.slice(before))]);
    };

    await change(() => mq.admin.createTopic("orders"));
    await change(() => mq.admin.createTopic("other"));
    await change(() => mq.admin.updateTopic("orders", { readQueueNums: 2 }));
    await change(() => consumer.suspend());
    await change(() => consumer.resume());
    await change(() => consumer.subscribe("orders", "paid"));
    await change(() => mq.admin.updateGroup("billing", { retryQueueNums: 3 }));
    await change(() => mq.admin.updateTopic("%RETRY%billing", { readQueueNums: 5, writeQueueNums: 5 }));
    await change(() => consumer.unsubscribe("orders"));

    expect(changes).toEqual([["a: orders-0"], [], ["a: orders-0 orders-1"], [], [], [], [], [], ["a: "]]);
  });

  it("keeps to the members of one group", async () => {
    await using broker = await openTestBroker({ defaultQueueCount: 2 });
    const { mq } = broker;
    await mq.admin.createTopic("orders");
    await join(mq, "a");
    const heard = listen(mq, "group:rebalanced");

    const other = mq.pushConsumer({ group: "shipping", subscriptions: { orders: "*" }, listener: () => undefined });
    await other.start();
    await broker.clock.settle();

    expect(heard).toMatchObject([["group:rebalanced", { group: "shipping", clientId: other.clientId }]]);
  });
});

describe("group:conflict", () => {
  it("names the member that registered last and the topics in which it differs from others, sorted", async () => {
    await using broker = await openTestBroker();
    const { mq, clock, logged } = broker;
    const heard = listen(mq, "group:conflict");

    await join(mq, "a", { orders: "paid", invoices: "*" });
    await clock.settle();
    const alone = [...heard];
    const b = await join(mq, "b", { refunds: "*", orders: "created", invoices: "*" });
    await clock.settle();

    expect(alone).toEqual([]);
    expect(heard).toEqual([
      ["group:conflict", { group: "billing", clientId: b.clientId, topics: ["orders", "refunds"] }],
    ]);
    expect(logged.filter(({ level }) => level === "warn")).toHaveLength(1);
  });

  it("comes again when a member changes its subscriptions, until all are alike", async () => {
    await using broker = await openTestBroker();
    const { mq, clock } = broker;
    await join(mq, "a", { orders: "*" });
    const b = await join(mq, "b", { orders: "*" });
    const heard = listen(mq, "group:conflict");

    b.subscribe("orders", "paid");
    b.subscribe("invoices");
    b.subscribe("orders");
    b.unsubscribe("invoices");
    await clock.settle();

    const topics = heard.map(([, value]) => (value as { topics: readonly string[] }).topics);
    expect(topics).toEqual([["orders"], ["invoices", "orders"], ["invoices"]]);
  });

  it("does not come between groups, nor with a member that has left", async () => {
    await using broker = await openTestBroker();
    const { mq, clock } = broker;
    const heard = listen(mq, "group:conflict");
    const other = mq.pushConsumer({ group: "shipping", subscriptions: { orders: "paid" }, listener: () => undefined });
    await other.start();

    const a = await join(mq, "a", { orders: "created" });
    await a.close();
    await join(mq, "b", { orders: "*" });
    await clock.settle();

    expect(heard).toEqual([]);
  });
});
