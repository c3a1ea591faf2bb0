import { matchers, openTestBroker } from "pocketmq/testing";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";

expect.extend(matchers);

for (const toFake of [[], ["setTimeout", "setInterval", "setImmediate", "Date"], ["performance", "queueMicrotask"]]) {
  describe(toFake.length === 0 ? "with real timers" : `with fake ${toFake.join(", ")}`, () => {
    beforeEach(() => {
      if (toFake.length > 0) vi.useFakeTimers({ toFake });
    });
    afterEach(() => void vi.useRealTimers());

    test("two hours and sixteen retries pass in a moment", async () => {
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
      expect(broker).not.toHaveDeadLettered({});
      await consumer.close();
      await broker.reset();
      expect(broker.history).toEqual([]);
      await broker.close();
    });
  });
}
