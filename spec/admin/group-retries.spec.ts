import { describe, expect, it } from "vitest";
import type { Broker, GroupSettings, RetryPolicy } from "../../lib/index.js";
import { openTestBroker } from "../support/test-broker.js";

const CUSTOMIZED: RetryPolicy = { type: "customized", delaysMs: [1_000, 5_000, 7_000] };
const EXPONENTIAL: RetryPolicy = { type: "exponential", initialMs: 100, maxMs: 60_000, multiplier: 1.5 };

async function startAndClose(mq: Broker, group = "billing"): Promise<void> {
  const consumer = mq.pushConsumer({ group, listener: () => undefined });
  await consumer.start();
  await consumer.close();
}

async function retryQueues({ admin }: Broker): Promise<readonly number[]> {
  const { readQueueNums, writeQueueNums } = await admin.getTopic("%RETRY%billing");
  return [readQueueNums, writeQueueNums];
}

describe("the retry policy of a group", () => {
  it.each([[CUSTOMIZED], [EXPONENTIAL]])("is kept and told as it was given: %j", async (retryPolicy) => {
    await using broker = await openTestBroker();
    const { admin } = broker.mq;

    const created = await admin.createGroup("billing", { retryPolicy });

    expect(created.retryPolicy).toEqual(retryPolicy);
    expect((await admin.getGroup("billing")).retryPolicy).toEqual(retryPolicy);
    expect((await admin.listGroups()).map((group) => group.retryPolicy)).toEqual([retryPolicy]);
  });

  it("is replaced by an update that names another, and kept by one that names none", async () => {
    await using broker = await openTestBroker();
    const { admin } = broker.mq;
    await admin.createGroup("billing", { retryPolicy: CUSTOMIZED, retryMaxTimes: 3 });

    const kept = await admin.updateGroup("billing", { retryMaxTimes: 4 });
    const replaced = await admin.updateGroup("billing", { retryPolicy: EXPONENTIAL });

    expect(kept).toMatchObject({ retryMaxTimes: 4, retryPolicy: CUSTOMIZED });
    expect(replaced).toMatchObject({ retryMaxTimes: 4, retryPolicy: EXPONENTIAL });
    expect(await admin.getGroup("billing")).toEqual(replaced);
  });

  it("is part of what createGroup compares, in whatever order its parts come", async () => {
    await using broker = await openTestBroker();
    const { admin } = broker.mq;
    const first = await admin.createGroup("billing", { retryPolicy: CUSTOMIZED });

    const same = await admin.createGroup("billing", {
      retryPolicy: { delaysMs: [1_000, 5_000, 7_000], type: "customized" },
    });
    const other = admin.createGroup("billing", { retryPolicy: { type: "customized", delaysMs: [1_000] } });

    expect(same).toEqual(first);
    await expect(other).rejects.toMatchObject({ code: "ERR_MQ_ALREADY_CREATED", responseCode: 18 });
    await expect(admin.createGroup("billing")).rejects.toMatchObject({ code: "ERR_MQ_ALREADY_CREATED" });
  });

  it.each(["createGroup", "updateGroup"] as const)("is read when %s is called, its delays too", async (call) => {
    await using broker = await openTestBroker();
    const { admin } = broker.mq;
    if (call === "updateGroup") await admin.createGroup("billing");
    const delaysMs = [1_000, 2_000];

    const changing = admin[call]("billing", { retryPolicy: { type: "customized", delaysMs } });
    delaysMs[0] = 9;
    delaysMs.push(-1);

    expect((await changing).retryPolicy).toEqual({ type: "customized", delaysMs: [1_000, 2_000] });
  });

  it("is a copy, which its reader may change", async () => {
    await using broker = await openTestBroker();
    const { admin } = broker.mq;
    const { retryPolicy } = await admin.createGroup("billing", { retryPolicy: CUSTOMIZED });

    (retryPolicy as unknown as { delaysMs: number[] }).delaysMs.length = 0;

    expect((await admin.getGroup("billing")).retryPolicy).toEqual(CUSTOMIZED);
  });

  it.each<[policy: unknown, text: string]>([
    [null, "retryPolicy must be an object, got null"],
    ["customized", 'retryPolicy must be an object, got "customized"'],
    [7, "retryPolicy must be an object, got 7"],
    [{}, 'retryPolicy.type must be "customized" or "exponential", got undefined'],
    [[], 'retryPolicy.type must be "customized" or "exponential", got undefined'],
    [{ type: "linear" }, 'retryPolicy.type must be "customized" or "exponential", got "linear"'],
    [{ type: "customized" }, "retryPolicy.delaysMs must be an array of 1 to 128 delays, got undefined"],
    [{ type: "customized", delaysMs: [] }, "retryPolicy.delaysMs must be an array of 1 to 128 delays, got an array"],
    [
      { type: "customized", delaysMs: Array.from({ length: 129 }, () => 1) },
      "retryPolicy.delaysMs must be an array of 1 to 128 delays, got an array",
    ],
    [
      { type: "customized", delaysMs: "1s 5s" },
      'retryPolicy.delaysMs must be an array of 1 to 128 delays, got "1s 5s"',
    ],
    [
      { type: "customized", delaysMs: [1, -1] },
      "retryPolicy.delaysMs[1] must be an integer from 0 to 2147483647, got -1",
    ],
    [
      { type: "customized", delaysMs: [1.5] },
      "retryPolicy.delaysMs[0] must be an integer from 0 to 2147483647, got 1.5",
    ],
    [
      { type: "customized", delaysMs: [2 ** 31] },
      "retryPolicy.delaysMs[0] must be an integer from 0 to 2147483647, got 2147483648",
    ],
    [
      { type: "customized", delaysMs: ["1s"] },
      'retryPolicy.delaysMs[0] must be an integer from 0 to 2147483647, got "1s"',
    ],
    [
      { type: "customized", delaysMs: Object.assign([], { 1: 5 }) },
      "retryPolicy.delaysMs[0] must be an integer from 0 to 2147483647, got undefined",
    ],
    [{ ...CUSTOMIZED, maxMs: 1 }, 'a customized retryPolicy has no option "maxMs"; it has type, delaysMs'],
    [{ ...EXPONENTIAL, initialMs: -1 }, "retryPolicy.initialMs must be an integer from 0 to 2147483647, got -1"],
    [
      { ...EXPONENTIAL, initialMs: undefined },
      "retryPolicy.initialMs must be an integer from 0 to 2147483647, got undefined",
    ],
    [
      { ...EXPONENTIAL, maxMs: Number.POSITIVE_INFINITY },
      "retryPolicy.maxMs must be an integer from 0 to 2147483647, got Infinity",
    ],
    [{ ...EXPONENTIAL, multiplier: 0.5 }, "retryPolicy.multiplier must be a number from 1 to 1000, got 0.5"],
    [{ ...EXPONENTIAL, multiplier: 1_001 }, "retryPolicy.multiplier must be a number from 1 to 1000, got 1001"],
    [{ ...EXPONENTIAL, multiplier: Number.NaN }, "retryPolicy.multiplier must be a number from 1 to 1000, got NaN"],
    [{ ...EXPONENTIAL, multiplier: "2" }, 'retryPolicy.multiplier must be a number from 1 to 1000, got "2"'],
    [
      { ...EXPONENTIAL, delaysMs: [1] },
      'an exponential retryPolicy has no option "delaysMs"; it has type, initialMs, maxMs, multiplier',
    ],
  ])("is refused when it is %j, with the name of what is wrong", async (retryPolicy, text) => {
    await using broker = await openTestBroker();
    const { admin } = broker.mq;
    const settings = { retryPolicy } as GroupSettings;
    const before = await admin.createGroup("shipping", { retryPolicy: CUSTOMIZED });

    const calls = [() => admin.createGroup("billing", settings), () => admin.updateGroup("shipping", settings)];

    for (const call of calls) {
      await expect(call()).rejects.toThrow(text);
      await expect(call()).rejects.toMatchObject({ code: "ERR_MQ_INVALID_ARGUMENT" });
    }
    expect(await admin.listGroups()).toEqual([before]);
  });
});

describe("the retry queues of a group", () => {
  it("are those of its setting when its first consumer starts", async () => {
    await using broker = await openTestBroker();
    const { mq } = broker;
    await mq.admin.createGroup("billing", { retryQueueNums: 3 });
    const unknown = mq.admin.getTopic("%RETRY%billing");
    await expect(unknown).rejects.toMatchObject({ code: "ERR_MQ_TOPIC_NOT_FOUND" });

    await startAndClose(mq);

    expect(await mq.admin.getTopic("%RETRY%billing")).toEqual({
      topic: "%RETRY%billing",
      readQueueNums: 3,
      writeQueueNums: 3,
      perm: "RW",
      order: false,
      messageType: "NORMAL",
      system: false,
    });
  });

  it("become more with the next start of a consumer, and never fewer", async () => {
    await using broker = await openTestBroker();
    const { mq } = broker;
    await startAndClose(mq);
    const counts = [await retryQueues(mq)];

    for (const retryQueueNums of [4, 2, 0, 5]) {
      await mq.admin.updateGroup("billing", { retryQueueNums });
      counts.push(await retryQueues(mq));
      await startAndClose(mq);
      counts.push(await retryQueues(mq));
    }

    const four = [4, 4];
    expect(counts).toEqual([[1, 1], [1, 1], four, four, four, four, four, four, [5, 5]]);
  });

  it("are none for a group that is to have none, until it is to have some", async () => {
    await using broker = await openTestBroker();
    const { mq } = broker;
    await mq.admin.createGroup("billing", { retryQueueNums: 0 });

    await startAndClose(mq);
    const none = await retryQueues(mq);
    await mq.admin.updateGroup("billing", { retryQueueNums: 1 });
    await startAndClose(mq);

    expect([none, await retryQueues(mq)]).toEqual([
      [0, 0],
      [1, 1],
    ]);
  });

  it("leave what an operator set up as it is, where that is more", async () => {
    await using broker = await openTestBroker();
    const { mq } = broker;
    await startAndClose(mq);
    await mq.admin.updateTopic("%RETRY%billing", { readQueueNums: 6, writeQueueNums: 2, perm: "R", order: true });
    await mq.admin.updateGroup("billing", { retryQueueNums: 4 });

    await startAndClose(mq);

    expect(await mq.admin.getTopic("%RETRY%billing")).toMatchObject({
      readQueueNums: 6,
      writeQueueNums: 4,
      perm: "R",
      order: true,
    });
  });

  it("are consumed by the members that are there as soon as they exist", async () => {
    await using broker = await openTestBroker({ defaultQueueCount: 1 });
    const { mq, clock } = broker;
    const got: string[] = [];
    const consumer = mq.pushConsumer({
      group: "billing",
      subscriptions: { orders: "*" },
      listener: ({ reconsumeTimes, queueId }) => {
        if (reconsumeTimes === 0) return "retry";
        got.push(`from queue ${queueId}`);
        return "success";
      },
    });
    await consumer.start();
    await mq.admin.updateGroup("billing", { retryQueueNums: 8 });

    const messages = Array.from({ length: 16 }, (_, index) => ({ topic: "orders", body: `${index}` }));
    await mq.producer({ group: "shop" }).sendBatch(messages, { queue: 0 });
    await clock.advance(10_000);

    expect(await retryQueues(mq)).toEqual([8, 8]);
    expect(got).toHaveLength(16);
    expect(new Set(got).size).toBeGreaterThan(2);
  });
});
