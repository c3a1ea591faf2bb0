import { describe, expect, it } from "vitest";
import { openTestBroker } from "../support/test-broker.js";

describe("a half message that says how long nobody is to be asked for it", () => {
  it.each([
    ["embedded", "-5"],
    ["embedded", "-999999999999999"],
    ["embedded", "999999999999999"],
    ["rocketmq", "-5"],
    ["rocketmq", "-999999999999999"],
    ["rocketmq", "999999999999999"],
  ] as const)("leaves the store sound whatever that is: %s, %s s", async (profile, seconds) => {
    await using broker = await openTestBroker({ profile });
    const { mq, clock } = broker;
    const producer = mq.transactionProducer({ group: "shop", checkLocalTransaction: () => "unknown" });
    await producer.start();

    const properties = { CHECK_IMMUNITY_TIME_IN_SECONDS: seconds };
    await producer.beginTransaction().send({ topic: "orders", body: "a", properties });

    expect(await mq.admin.checkStore()).toEqual({ problems: [] });
    const [half] = await mq.admin.listHalfMessages();
    expect(half?.nextCheckAt).toBeGreaterThanOrEqual(clock.now());
    expect(Number.isSafeInteger(half?.nextCheckAt)).toBe(true);
    await clock.advance(100_000);
    expect(await mq.admin.checkStore()).toEqual({ problems: [] });
    await producer.close();
  });
});
