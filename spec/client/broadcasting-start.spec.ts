import { describe, expect, it } from "vitest";
import type { TopicSettings } from "../../lib/index.js";
import { type FaultDriver, openFaultDriver } from "../support/fault-driver.js";
import { openTestBroker } from "../support/test-broker.js";
import { sendAll, startInstance } from "./broadcasting-instance.js";

/** A store with one message of before. */
async function openWithHistory(): Promise<FaultDriver> {
  const driver = openFaultDriver();
  await using broker = await openTestBroker({ database: driver.database, defaultQueueCount: 1 });
  await broker.mq.admin.createTopic("orders");
  await sendAll(broker.mq, ["old"]);
  return driver;
}

/** Which statement failed, should it be so late in the start, and what an instance received that begins with `last-offset`. */
async function startWhileFailing(call: number): Promise<{ failed: string | undefined; received: readonly string[] }> {
  const driver = await openWithHistory();
  await using broker = await openTestBroker({ database: driver.database });
  const { mq, clock } = broker;
  const received: string[] = [];
  const consumer = mq.pushConsumer({
    group: "news",
    messageModel: "broadcasting",
    subscriptions: { orders: "*" },
    listener: (message) => void received.push(message.text()),
  });

  driver.failCall(call, "SQLITE_BUSY", "before");
  const error = await consumer.start().catch((reason: unknown) => reason);
  await clock.advance(40);
  driver.heal();
  if (error !== undefined) await consumer.start();
  await clock.advance(1_000);
  await sendAll(mq, ["new"]);
  await clock.advance(1_000);
  return { failed: driver.failed?.source, received };
}

describe("a broadcasting instance that begins with last-offset", () => {
  it("gets nothing from before its start, and all since, whatever statement of its start fails", async () => {
    const outcomes: (readonly [failed: string, received: readonly string[]])[] = [];

    for (let call = 1; ; call += 1) {
      const { failed, received } = await startWhileFailing(call);
      if (failed === undefined) break;
      outcomes.push([failed, received]);
    }

    expect(outcomes.length).toBeGreaterThan(10);
    expect(outcomes).toEqual(outcomes.map(([failed]) => [failed, ["new"]]));
  });

  it.each<[how: string, before: TopicSettings, after: TopicSettings]>([
    ["is not readable", { perm: "W" }, { perm: "RW" }],
    ["is not among those that are read", { readQueueNums: 0 }, { readQueueNums: 1 }],
  ])("gets nothing from before its start of a queue that %s then, and is later", async (_how, before, after) => {
    await using broker = await openTestBroker({ defaultQueueCount: 1 });
    const { mq, clock } = broker;
    await mq.admin.createTopic("orders", before);
    await sendAll(mq, ["old"]);
    const { received } = await startInstance(mq);

    await mq.admin.updateTopic("orders", after);
    await clock.settle();
    await sendAll(mq, ["new"]);
    await clock.settle();

    expect(received).toEqual(["new"]);
  });

  it("gets what comes while its topic is not readable for a while", async () => {
    await using broker = await openTestBroker({ defaultQueueCount: 1 });
    const { mq, clock } = broker;
    await mq.admin.createTopic("orders");
    await sendAll(mq, ["old"]);
    const { received } = await startInstance(mq);
    await clock.settle();

    await mq.admin.updateTopic("orders", { perm: "W" });
    await sendAll(mq, ["meanwhile"]);
    await clock.settle();
    await mq.admin.updateTopic("orders", { perm: "RW" });
    await clock.settle();

    expect(received).toEqual(["meanwhile"]);
  });
});
