const kinds = {
  real: () => undefined,
  modern: () => jest.useFakeTimers(),
  legacy: () => jest.useFakeTimers({ legacyFakeTimers: true }),
};

beforeEach(() => jest.resetModules());
afterEach(() => jest.useRealTimers());

for (const [kind, fake] of Object.entries(kinds)) {
  test(`two hours and sixteen retries pass in a moment under ${kind} timers`, async () => {
    fake();
    const { matchers, openTestBroker } = require("pocketmq/testing");
    expect.extend(matchers);
    const broker = await openTestBroker();
    let failures = 16;
    const consumer = broker.pushConsumer({
      group: "billing",
      subscriptions: { orders: "*" },
      listener: async () => {
        if (failures-- > 0) throw new Error("not yet");
      },
    });
    await consumer.start();
    await broker.producer({ group: "shop" }).send({ topic: "orders", keys: ["o-1"], body: "{}" });

    await broker.clock.advance("5h");

    expect(broker).toHaveConsumed({ group: "billing", key: "o-1", times: 1 });
    expect(() => expect(broker).toHaveConsumed({ key: "o-2" })).toThrow(
      /1 were consumed, none fits:.*what happened: .*attempt 17/s,
    );
    await consumer.close();
    await broker.close();
  });
}
