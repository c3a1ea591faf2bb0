import { describe, expect, it } from "vitest";
import { openTestBroker } from "../support/test-broker.js";

describe("the retry topic of a group", () => {
  it.each([
    ["when it is made", { orders: "*", "%RETRY%billing": "A" }],
    ["by a subscription to the group's dead letters too", { orders: "*", "%DLQ%billing": "*" }],
  ])("is consumed whole, whatever its consumer subscribes to %s", async (_how, subscriptions) => {
    await using broker = await openTestBroker({ defaultQueueCount: 1 });
    const { mq, clock } = broker;
    const received: string[] = [];
    const consumer = mq.pushConsumer({
      group: "billing",
      subscriptions,
      listener: ({ tag, reconsumeTimes }) => {
        received.push(`${tag} ${reconsumeTimes}`);
        return reconsumeTimes === 0 ? "retry" : "success";
      },
    });
    await consumer.start();
    for (const tag of ["A", "B"]) await mq.producer({ group: "shop" }).send({ topic: "orders", tag, body: "x" });

    await clock.advance(10_000);

    expect(received.sort()).toEqual(["A 0", "A 1", "B 0", "B 1"]);
  });
});

describe("a message that is sent to a retry topic", () => {
  it.each([
    ["%RETRY%", "a group without a name"],
    ["%RETRY%DEFAULT_CONSUMER", "a group that may not be"],
  ])("is refused for %s, %s, and nothing is stored", async (topic) => {
    await using broker = await openTestBroker();
    const { mq } = broker;

    const refused = await mq
      .producer({ group: "shop" })
      .send({ topic, body: "x" })
      .catch((error: unknown) => error);

    expect(refused).toMatchObject({ code: "ERR_MQ_INVALID_ARGUMENT", responseCode: -1 });
    expect(await mq.admin.listGroups()).toEqual([]);
    expect(await mq.admin.listTopics()).toEqual([]);
  });

  it("leaves no group behind when it is refused for its queue", async () => {
    await using broker = await openTestBroker();
    const { mq } = broker;

    const refused = await mq
      .producer({ group: "shop" })
      .send({ topic: "%RETRY%billing", body: "x" }, { queue: 7 })
      .catch((error: unknown) => error);

    expect(refused).toMatchObject({ code: "ERR_MQ_OFFSET" });
    expect(await mq.admin.listGroups()).toEqual([]);
  });

  it("makes the topic with the one queue of a retry topic", async () => {
    await using broker = await openTestBroker({ defaultQueueCount: 4 });
    const { mq } = broker;

    await mq.producer({ group: "shop" }).send({ topic: "%RETRY%billing", body: "x" });

    expect(await mq.admin.getTopic("%RETRY%billing")).toMatchObject({
      readQueueNums: 1,
      writeQueueNums: 1,
      perm: "RW",
    });
  });
});
