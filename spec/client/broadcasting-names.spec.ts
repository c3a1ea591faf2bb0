import { describe, expect, it } from "vitest";
import { tempFolder } from "../support/temp-folder.js";
import { openTestBroker } from "../support/test-broker.js";
import { rowsOf, sendAll, startInstance } from "./broadcasting-instance.js";

describe("the name of a broadcasting instance", () => {
  it("is DEFAULT when it has none", async () => {
    await using broker = await openTestBroker();
    const { mq } = broker;

    const { consumer } = await startInstance(mq);

    expect(consumer.clientId).toMatch(/@DEFAULT$/);
    expect(rowsOf(mq.database, "mq_broadcast_instance", "consumer_group", "instance_name")).toEqual([
      ["news", "DEFAULT"],
    ]);
  });

  it.each<[what: string, first: string | undefined, second: string | undefined]>([
    ["the same name", "a", "a"],
    ["no name", undefined, undefined],
    ["no name and DEFAULT", undefined, "DEFAULT"],
  ])("is refused when it is taken: two of one group with %s", async (_what, first, second) => {
    await using broker = await openTestBroker();
    const { mq } = broker;
    await startInstance(mq, { instanceName: first });

    const refused = startInstance(mq, { instanceName: second });

    await expect(refused).rejects.toMatchObject({ code: "ERR_MQ_ALREADY_CREATED" });
    expect(await mq.admin.getGroup("news")).toMatchObject({ members: 1 });
  });

  it("is refused when a clustering member of the group has it", async () => {
    await using broker = await openTestBroker();
    const { mq } = broker;
    await startInstance(mq, { instanceName: "a", messageModel: "clustering" });

    const refused = startInstance(mq, { instanceName: "a" });

    await expect(refused).rejects.toMatchObject({ code: "ERR_MQ_ALREADY_CREATED" });
    expect(await mq.admin.getGroup("news")).toMatchObject({ members: 1, messageModel: "clustering" });
  });

  it.each([
    ["another name", { group: "news", instanceName: "b" }],
    ["the same name in another group", { group: "alerts", instanceName: "a" }],
  ])("may stand beside %s", async (_what, other) => {
    await using broker = await openTestBroker({ defaultQueueCount: 1 });
    const { mq, clock } = broker;
    await mq.admin.createTopic("orders");

    const instances = [await startInstance(mq, { instanceName: "a" }), await startInstance(mq, other)];
    await sendAll(mq, ["m0"]);
    await clock.settle();

    expect(instances.map(({ received }) => received)).toEqual([["m0"], ["m0"]]);
  });

  it("stays with its owner when another one was refused it and closes", async () => {
    await using broker = await openTestBroker({ defaultQueueCount: 1 });
    const { mq, clock } = broker;
    await mq.admin.createTopic("orders");
    const { received } = await startInstance(mq);
    const listener = (): void => undefined;
    const second = mq.pushConsumer({ group: "news", messageModel: "broadcasting", listener });
    await second.start().catch(() => undefined);

    await second.close();
    await sendAll(mq, ["m0"]);
    await clock.advance(1_000);

    expect(received).toEqual(["m0"]);
    expect(await mq.admin.getGroup("news")).toMatchObject({ members: 1 });
    expect(rowsOf(mq.database, "mq_broadcast_offset", "next_offset")).toEqual([[1]]);
  });

  it("is free again once its owner has closed: whoever was refused it may start then, and goes on where that one was", async () => {
    await using broker = await openTestBroker({ defaultQueueCount: 1 });
    const { mq, clock } = broker;
    await mq.admin.createTopic("orders");
    const first = await startInstance(mq);
    const received: string[] = [];
    const second = mq.pushConsumer({
      group: "news",
      messageModel: "broadcasting",
      subscriptions: { orders: "*" },
      listener: (message) => void received.push(message.text()),
    });
    await second.start().catch(() => undefined);
    await sendAll(mq, ["m0"]);
    await clock.settle();

    await first.consumer.close();
    await sendAll(mq, ["m1"]);
    await second.start();
    await clock.settle();

    expect(first.received).toEqual(["m0"]);
    expect(received).toEqual(["m1"]);
  });

  it("is refused when an instance in another broker on the same file has it, and is free once that one has closed", async () => {
    using folder = tempFolder();
    const path = folder.file("mq.db");
    await using here = await openTestBroker({ path });
    await using there = await openTestBroker({ path });
    const first = await startInstance(here.mq);
    const listener = (): void => undefined;
    const second = there.mq.pushConsumer({ group: "news", messageModel: "broadcasting", listener });

    await expect(second.start()).rejects.toMatchObject({ code: "ERR_MQ_ALREADY_CREATED" });
    await startInstance(there.mq, { instanceName: "b" });
    await startInstance(there.mq, { group: "alerts" });
    await first.consumer.close();
    await second.start();

    expect(await there.mq.admin.getGroup("news")).toMatchObject({ members: 2 });
  });
});
