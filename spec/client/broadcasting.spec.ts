import { describe, expect, it } from "vitest";
import type { ConsumeFromWhere } from "../../lib/index.js";
import { openTestBroker } from "../support/test-broker.js";
import { type Instance, rowsOf, sendAll, startInstance } from "./broadcasting-instance.js";

const EIGHT = ["m0", "m1", "m2", "m3", "m4", "m5", "m6", "m7"];

describe("the instances of a broadcasting group", () => {
  it("each get every message once, of every queue", async () => {
    await using broker = await openTestBroker({ defaultQueueCount: 3 });
    const { mq, clock } = broker;
    await mq.admin.createTopic("orders");
    const instances: Instance[] = [];
    for (const instanceName of ["a", "b", "c"]) instances.push(await startInstance(mq, { instanceName }));

    await sendAll(mq, EIGHT);
    await clock.settle();

    for (const { consumer, received } of instances) {
      expect(consumer.assignment.map(({ queueId }) => queueId)).toEqual([0, 1, 2]);
      expect(received.toSorted()).toEqual(EIGHT);
    }
  });

  it("each keep all queues when others join and leave", async () => {
    await using broker = await openTestBroker({ defaultQueueCount: 2 });
    const { mq } = broker;
    await mq.admin.createTopic("orders");
    const rebalanced: unknown[] = [];
    mq.on("group:rebalanced", ({ clientId, assignment }) => rebalanced.push([clientId, assignment.length]));

    const first = await startInstance(mq, { instanceName: "a" });
    const second = await startInstance(mq, { instanceName: "b" });
    await first.consumer.close();

    expect(second.consumer.assignment.length).toBe(2);
    expect(rebalanced).toEqual([
      [first.consumer.clientId, 2],
      [second.consumer.clientId, 2],
      [first.consumer.clientId, 0],
    ]);
  });

  it("never ask a strategy how to share the queues", async () => {
    await using broker = await openTestBroker({ defaultQueueCount: 2 });
    const { mq, clock, logged } = broker;
    await mq.admin.createTopic("orders");

    const { consumer, received } = await startInstance(mq, {
      allocateMessageQueueStrategy: () => {
        throw new Error("nobody asks me");
      },
    });
    await sendAll(mq, EIGHT);
    await clock.settle();

    expect(consumer.assignment.length).toBe(2);
    expect(received.toSorted()).toEqual(EIGHT);
    expect(logged).toEqual([]);
  });

  it("leave the share of other groups as it is", async () => {
    await using broker = await openTestBroker({ defaultQueueCount: 2 });
    const { mq, clock } = broker;
    await mq.admin.createTopic("orders");
    await startInstance(mq, { instanceName: "a" });
    await startInstance(mq, { instanceName: "b" });
    const sharing: Instance[] = [];
    for (const instanceName of ["a", "b"])
      sharing.push(await startInstance(mq, { group: "billing", instanceName, messageModel: "clustering" }));

    await sendAll(mq, EIGHT);
    await clock.settle();

    expect(sharing.map(({ consumer }) => consumer.assignment.map(({ queueId }) => queueId))).toEqual([[0], [1]]);
    expect(sharing.flatMap(({ received }) => received).toSorted()).toEqual(EIGHT);
  });

  it("leave no progress of their group: what it has consumed is 0 for every queue", async () => {
    await using broker = await openTestBroker({ defaultQueueCount: 2 });
    const { mq, clock } = broker;
    await mq.admin.createTopic("orders");
    const { received } = await startInstance(mq);

    await sendAll(mq, EIGHT);
    await clock.advance(1_000);

    expect(received.length).toBe(8);
    const { lag, queues } = await mq.admin.consumeStats("news", "orders");
    expect(lag).toBe(8);
    expect(queues.map(({ consumerOffset, brokerOffset }) => [consumerOffset, brokerOffset])).toEqual([
      [0, 4],
      [0, 4],
    ]);
    expect(rowsOf(mq.database, "mq_consume_offset", "consumer_group")).toEqual([]);
  });

  it("are counted as members of a group whose model is broadcasting, until they leave", async () => {
    await using broker = await openTestBroker();
    const { mq } = broker;
    const [first, second] = [
      await startInstance(mq, { instanceName: "a" }),
      await startInstance(mq, { instanceName: "b" }),
    ];
    const together = await mq.admin.getGroup("news");

    for (const { consumer } of [first, second]) await consumer.close();

    expect(together).toMatchObject({ members: 2, messageModel: "broadcasting", subscriptions: { orders: "*" } });
    expect(await mq.admin.getGroup("news")).toMatchObject({ members: 0, messageModel: undefined, subscriptions: {} });
  });
});

describe("a broadcasting instance with a tag filter", () => {
  it("gets what it lets through, and its progress passes the rest", async () => {
    await using broker = await openTestBroker({ defaultQueueCount: 1 });
    const { mq, clock } = broker;
    await mq.admin.createTopic("orders");
    const { received } = await startInstance(mq, { subscriptions: { orders: "paid || shipped" } });

    await sendAll(mq, ["created", "paid", "shipped", "created", "created"]);
    await clock.advance(1_000);

    expect(received).toEqual(["paid", "shipped"]);
    expect(rowsOf(mq.database, "mq_broadcast_offset", "next_offset")).toEqual([[5]]);
  });

  it("goes on where it was with another one", async () => {
    await using broker = await openTestBroker({ defaultQueueCount: 1 });
    const { mq, clock } = broker;
    await mq.admin.createTopic("orders");
    const { consumer, received } = await startInstance(mq, { subscriptions: { orders: "paid" } });
    await sendAll(mq, ["created", "paid"]);
    await clock.settle();

    consumer.subscribe("orders", "created");
    await sendAll(mq, ["created", "paid"]);
    await clock.settle();

    expect(received).toEqual(["paid", "created"]);
  });
});

describe("a broadcasting instance that unsubscribes", () => {
  it("gets nothing more, and with subscribing anew what came meanwhile", async () => {
    await using broker = await openTestBroker({ defaultQueueCount: 2 });
    const { mq, clock } = broker;
    await mq.admin.createTopic("orders");
    const { consumer, received } = await startInstance(mq);
    await sendAll(mq, ["m0", "m1"]);
    await clock.settle();

    consumer.unsubscribe("orders");
    await sendAll(mq, ["m2", "m3"]);
    await clock.settle();
    const meanwhile = [consumer.assignment.length, received.toSorted()];
    consumer.subscribe("orders");
    await clock.settle();

    expect(meanwhile).toEqual([0, ["m0", "m1"]]);
    expect(consumer.assignment.length).toBe(2);
    expect(received.toSorted()).toEqual(["m0", "m1", "m2", "m3"]);
  });

  it("gets again what it was working on when it subscribes anew", async () => {
    await using broker = await openTestBroker({ defaultQueueCount: 1 });
    const { mq, clock } = broker;
    await mq.admin.createTopic("orders");
    let end = (): void => undefined;
    const { consumer, received } = await startInstance(mq, {
      listener: (message) => {
        if (message.text() === "m0" && received.length === 1)
          return new Promise((resolve) => {
            end = () => resolve("success");
          });
        return "success";
      },
    });
    await sendAll(mq, ["m0", "m1"]);
    await clock.settle();

    consumer.unsubscribe("orders");
    consumer.subscribe("orders");
    await clock.settle();
    end();
    await clock.settle();

    expect(received).toEqual(["m0", "m1", "m0", "m1"]);
  });
});

describe("a broadcasting instance that is suspended", () => {
  it("gets what came meanwhile when it resumes; the others wait for nothing", async () => {
    await using broker = await openTestBroker({ defaultQueueCount: 2 });
    const { mq, clock } = broker;
    await mq.admin.createTopic("orders");
    const [suspended, other] = [
      await startInstance(mq, { instanceName: "a" }),
      await startInstance(mq, { instanceName: "b" }),
    ];
    await clock.settle();

    suspended.consumer.suspend();
    await sendAll(mq, EIGHT);
    await clock.settle();
    const meanwhile = [suspended.received.length, other.received.length];
    suspended.consumer.resume();
    await clock.settle();

    expect(meanwhile).toEqual([0, 8]);
    expect(suspended.received.toSorted()).toEqual(EIGHT);
    expect(other.received.length).toBe(8);
  });
});

describe("a topic that grows", () => {
  it("is read in its new queues by every instance, whatever consumeFromWhere says", async () => {
    await using broker = await openTestBroker({ defaultQueueCount: 1 });
    const { mq, clock } = broker;
    await mq.admin.createTopic("orders");
    const instances = [
      await startInstance(mq, { instanceName: "a", consumeFromWhere: "last-offset" }),
      await startInstance(mq, { instanceName: "b", consumeFromWhere: "first-offset" }),
      await startInstance(mq, { instanceName: "c", consumeFromWhere: { timestamp: clock.now() + 60_000 } }),
    ];

    await mq.admin.updateTopic("orders", { readQueueNums: 3, writeQueueNums: 3 });
    for (const queue of [0, 1, 2]) await sendAll(mq, [`m${queue}`], queue);
    await clock.settle();

    for (const { consumer, received } of instances) {
      expect(consumer.assignment.length).toBe(3);
      expect(received.toSorted()).toEqual(["m0", "m1", "m2"]);
    }
  });

  it("is read by every instance that was there before the topic", async () => {
    await using broker = await openTestBroker({ defaultQueueCount: 2 });
    const { mq, clock } = broker;
    const instances = [await startInstance(mq, { instanceName: "a" }), await startInstance(mq, { instanceName: "b" })];
    const before = instances.map(({ consumer }) => consumer.assignment.length);

    await mq.admin.createTopic("orders");
    await sendAll(mq, EIGHT);
    await clock.settle();

    expect(before).toEqual([0, 0]);
    for (const { received } of instances) expect(received.toSorted()).toEqual(EIGHT);
  });

  it.each<[ConsumeFromWhere]>([["last-offset"], ["first-offset"], [{ timestamp: 2 ** 50 }]])(
    "is read from the message that created it by instances that were there before, whatever they begin with: %j",
    async (consumeFromWhere) => {
      await using broker = await openTestBroker();
      const { mq, clock } = broker;
      const { received } = await startInstance(mq, { consumeFromWhere });

      await sendAll(mq, EIGHT);
      await clock.settle();

      expect(received.toSorted()).toEqual(EIGHT);
    },
  );
});
