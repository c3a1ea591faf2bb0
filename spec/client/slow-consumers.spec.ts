import { describe, expect, it } from "vitest";
import type { Broker } from "../../lib/index.js";
import { openTestBroker, type TestBroker } from "../support/test-broker.js";

const COUNT = 5_000;
const NEVER = new Promise<undefined>(() => undefined);

/** Members of group "slow" that never end with what they have. */
const STUCK: Readonly<Record<string, (mq: Broker, got: () => void) => Promise<unknown>>> = {
  "concurrent listeners": (mq, got) =>
    mq
      .pushConsumer({
        group: "slow",
        subscriptions: { orders: "*" },
        listener: () => {
          got();
          return NEVER;
        },
      })
      .start(),
  "orderly listeners": (mq, got) =>
    mq
      .pushConsumer({
        group: "slow",
        subscriptions: { orders: "*" },
        orderly: true,
        listener: () => {
          got();
          return NEVER;
        },
      })
      .start(),
  "a pull consumer that is not polled any more": async (mq, got) => {
    const consumer = mq.pullConsumer({ group: "slow", subscriptions: { orders: "*" }, autoCommit: false });
    await consumer.start();
    void consumer.poll().then(got);
  },
  "a simple consumer that acknowledges nothing": async (mq, got) => {
    const consumer = mq.simpleConsumer({ group: "slow", subscriptions: { orders: "*" } });
    await consumer.start();
    void consumer.receive({ maxMessages: 32, invisibleDurationMs: 60_000 }).then(got);
  },
};

async function sendAll({ mq }: TestBroker): Promise<void> {
  const producer = mq.producer({ group: "shop" });
  for (let sent = 0; sent < COUNT; sent += 100) {
    const messages = Array.from({ length: 100 }, (_, index) => ({ topic: "orders", body: String(sent + index) }));
    await producer.sendBatch(messages);
  }
}

describe("a group whose members are stuck", () => {
  it.each(Object.entries(STUCK))("with %s holds up neither senders nor another group", async (_kind, start) => {
    await using broker = await openTestBroker();
    await broker.mq.admin.createTopic("orders");
    const counts = { slow: 0, quick: 0 };
    await start(broker.mq, () => {
      counts.slow += 1;
    });
    const quick = broker.mq.pushConsumer({
      group: "quick",
      subscriptions: { orders: "*" },
      listener: () => {
        counts.quick += 1;
      },
    });
    await quick.start();

    await sendAll(broker);
    await broker.clock.settle();

    expect(counts.quick).toBe(COUNT);
    expect(counts.slow).toBeLessThan(100);
    // A simple consumer's group has passed what was received.
    expect((await broker.mq.admin.consumeStats("slow")).lag).toBeGreaterThanOrEqual(COUNT - 32);
  });
});
