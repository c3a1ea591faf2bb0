import { describe, expect, it } from "vitest";
import { type GroupSettings, isMqError } from "../../lib/index.js";
import { loadFacts } from "../support/facts.js";
import { openTestBroker } from "../support/test-broker.js";

const admin = loadFacts("admin");

async function refusedWith(call: Promise<unknown>): Promise<readonly unknown[]> {
  const error = await call.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  return isMqError(error) ? [error.code, error.responseCode] : [error];
}

describe("Admin.createGroup", () => {
  it("makes a group with RocketMQ's defaults, as recorded in group-config-default", async () => {
    await using broker = await openTestBroker();
    const config = JSON.parse(admin.observed<{ readonly body: string }>("group-config-default").body) as GroupSettings;

    const created = await broker.mq.admin.createGroup("billing");

    expect(created).toEqual({
      group: "billing",
      consumeEnable: config.consumeEnable,
      consumeBroadcastEnable: config.consumeBroadcastEnable,
      consumeMessageOrderly: config.consumeMessageOrderly,
      retryQueueNums: config.retryQueueNums,
      retryMaxTimes: config.retryMaxTimes,
      retryPolicy: undefined,
      messageModel: undefined,
      members: 0,
      subscriptions: {},
    });
    expect(await broker.mq.admin.getGroup("billing")).toEqual(created);
  });

  it("makes a group as told", async () => {
    await using broker = await openTestBroker();
    const settings: Required<GroupSettings> = {
      consumeEnable: false,
      consumeBroadcastEnable: false,
      consumeMessageOrderly: true,
      retryQueueNums: 3,
      retryMaxTimes: -1,
      retryPolicy: { type: "customized", delaysMs: [1_000, 0, 2 ** 31 - 1] },
    };

    await broker.mq.admin.createGroup("billing", settings);

    expect(await broker.mq.admin.getGroup("billing")).toMatchObject(settings);
  });

  it("changes nothing when the group is so already, and refuses one that differs with 18", async () => {
    await using broker = await openTestBroker();
    const first = await broker.mq.admin.createGroup("billing", { retryMaxTimes: 3 });

    expect(await broker.mq.admin.createGroup("billing", { retryMaxTimes: 3 })).toEqual(first);
    expect(await refusedWith(broker.mq.admin.createGroup("billing"))).toEqual(["ERR_MQ_ALREADY_CREATED", 18]);
    expect(await broker.mq.admin.getGroup("billing")).toEqual(first);
  });

  it.each<[settings: Record<string, unknown>, text: string]>([
    [{ consumeEnable: "yes" }, 'consumeEnable must be true or false, got "yes"'],
    [{ consumeBroadcastEnable: 1 }, "consumeBroadcastEnable must be true or false, got 1"],
    [{ consumeMessageOrderly: null }, "consumeMessageOrderly must be true or false, got null"],
    [{ retryQueueNums: -1 }, "retryQueueNums must be an integer from 0 to 65535, got -1"],
    [{ retryMaxTimes: -2 }, "retryMaxTimes must be an integer from -1 to 2147483647, got -2"],
    [{ maxRetries: 3 }, 'GroupSettings has no option "maxRetries"'],
  ])("refuses the settings %j and says why", async (settings, text) => {
    await using broker = await openTestBroker();

    await expect(broker.mq.admin.createGroup("billing", settings as GroupSettings)).rejects.toThrow(text);

    expect(await broker.mq.admin.listGroups()).toEqual([]);
  });
});

describe("Admin.updateGroup", () => {
  it("changes what is named and keeps the rest", async () => {
    await using broker = await openTestBroker();
    await broker.mq.admin.createGroup("billing", { retryMaxTimes: 3, retryQueueNums: 2 });

    const updated = await broker.mq.admin.updateGroup("billing", { retryQueueNums: 4 });

    expect(updated).toMatchObject({ retryMaxTimes: 3, retryQueueNums: 4 });
    expect(await broker.mq.admin.getGroup("billing")).toEqual(updated);
  });

  it("stops a group's pulls with consumeEnable false, and lets them go on with true", async () => {
    await using broker = await openTestBroker({ defaultQueueCount: 1 });
    const { mq, clock } = broker;
    const received: string[] = [];
    const consumer = mq.pushConsumer({
      group: "billing",
      subscriptions: { orders: "*" },
      listener: (message) => void received.push(message.text()),
    });
    const producer = mq.producer({ group: "shop" });
    await producer.send({ topic: "orders", body: "a" });
    await consumer.start();
    await clock.advance(1_000);

    await mq.admin.updateGroup("billing", { consumeEnable: false });
    await producer.send({ topic: "orders", body: "b" });
    await clock.advance(10_000);
    const whileOff = [...received];
    await mq.admin.updateGroup("billing", { consumeEnable: true });
    await clock.advance(10_000);

    expect([whileOff, received]).toEqual([["a"], ["a", "b"]]);
  });
});

describe("the settings of a group", () => {
  it.each([[null], [[]], ["on"], [7]])("must be an object, not %j", async (settings) => {
    await using broker = await openTestBroker();
    const { admin } = broker.mq;
    const before = await admin.createGroup("billing");

    const refused = admin.updateGroup("billing", settings as GroupSettings);

    await expect(refused).rejects.toThrow("GroupSettings must be an object");
    expect(await admin.getGroup("billing")).toEqual(before);
  });

  it.each(["createGroup", "updateGroup"] as const)(
    "are read when %s is called, not when it is stored",
    async (call) => {
      await using broker = await openTestBroker();
      const { admin } = broker.mq;
      if (call === "updateGroup") await admin.createGroup("billing");
      const settings = { retryMaxTimes: 3 };

      const changing = admin[call]("billing", settings);
      settings.retryMaxTimes = 5;

      expect(await changing).toMatchObject({ retryMaxTimes: 3 });
    },
  );
});

describe("the calls that name a group", () => {
  it("refuse an unknown one with 26 and near misses", async () => {
    await using broker = await openTestBroker();
    await broker.mq.admin.createGroup("billing");
    const { admin: calls } = broker.mq;

    for (const call of [
      () => calls.getGroup("Billing"),
      () => calls.updateGroup("Billing", {}),
      () => calls.consumeStats("Billing"),
    ]) {
      expect(await refusedWith(call())).toEqual(["ERR_MQ_GROUP_NOT_FOUND", 26]);
      await expect(call()).rejects.toThrow("consumer group Billing does not exist; did you mean billing?");
    }
  });

  it("refuse an illegal name with 29", async () => {
    await using broker = await openTestBroker();
    const { admin: calls } = broker.mq;

    for (const group of ["", "a.b", "g".repeat(256), undefined as unknown as string]) {
      for (const call of [
        () => calls.createGroup(group),
        () => calls.getGroup(group),
        () => calls.updateGroup(group, {}),
        () => calls.consumeStats(group),
      ]) {
        expect(await refusedWith(call())).toEqual(["ERR_MQ_INVALID_ARGUMENT", 29]);
      }
    }
  });

  it("know the groups of the system, as recorded in group-config-system", async () => {
    await using broker = await openTestBroker();
    const config = JSON.parse(admin.observed<{ readonly body: string }>("group-config-system").body) as GroupSettings;

    expect(await broker.mq.admin.getGroup("TOOLS_CONSUMER")).toMatchObject({
      consumeEnable: config.consumeEnable,
      retryMaxTimes: config.retryMaxTimes,
    });
  });
});

describe("Admin.listGroups and getGroup", () => {
  it("list every group sorted by name, those that consumers created too", async () => {
    await using broker = await openTestBroker();
    const { mq } = broker;
    await mq.admin.createGroup("shipping");
    const consumer = mq.pushConsumer({ group: "billing", listener: () => undefined });
    await consumer.start();

    expect((await mq.admin.listGroups()).map(({ group, members }) => [group, members])).toEqual([
      ["billing", 1],
      ["shipping", 0],
    ]);
  });

  it("tell the members in this process and what the last one subscribes to", async () => {
    await using broker = await openTestBroker();
    const { mq } = broker;
    const start = async (subscriptions: Record<string, string>): Promise<AsyncDisposable> => {
      const consumer = mq.pushConsumer({ group: "billing", subscriptions, listener: () => undefined });
      await consumer.start();
      return consumer;
    };

    const first = await start({ orders: "paid || created" });
    const second = await start({ orders: "paid", invoices: "*" });
    const both = await mq.admin.getGroup("billing");
    await first[Symbol.asyncDispose]();
    await second[Symbol.asyncDispose]();

    expect(both).toMatchObject({
      members: 2,
      messageModel: "clustering",
      subscriptions: { orders: "paid", invoices: "*" },
    });
    expect(await mq.admin.getGroup("billing")).toMatchObject({
      members: 0,
      messageModel: undefined,
      subscriptions: {},
    });
  });
});
