import { describe, expect, it } from "vitest";
import { openTestBroker } from "../support/test-broker.js";

describe("PushConsumer", () => {
  it("delivers every message of its subscription once", async () => {
    await using broker = await openTestBroker();
    const { mq, clock } = broker;
    const received: string[] = [];
    const consumer = mq.pushConsumer({
      group: "billing",
      subscriptions: { orders: "created || paid" },
      listener: (message) => void received.push(message.text()),
    });
    await consumer.start();
    const producer = mq.producer({ group: "shop" });

    for (const tag of ["created", "paid", "shipped", "created"]) await producer.send({ topic: "orders", tag, body: tag });
    await clock.settle();

    expect(received.sort()).toEqual(["created", "created", "paid"]);
    expect(await mq.admin.consumeStats("billing")).toMatchObject({ lag: 0 });
  });
});
