import { describe, expect, it } from "vitest";
import type { MessageListener } from "../../lib/index.js";
import { tempFolder } from "../support/temp-folder.js";
import { openTestBroker, type TestBroker } from "../support/test-broker.js";

async function consume({ mq }: TestBroker, listener: MessageListener): Promise<void> {
  await mq.pushConsumer({ group: "billing", subscriptions: { orders: "*" }, listener }).start();
}

async function send({ mq }: TestBroker, ...bodies: readonly string[]): Promise<void> {
  await mq.producer({ group: "shop" }).sendBatch(bodies.map((body) => ({ topic: "orders", body })));
}

describe("the offset of a group that sends a message back", () => {
  it("is stored within 50 ms", async () => {
    await using test = await openTestBroker({ defaultQueueCount: 1 });
    await consume(test, () => "retry");
    await send(test, "a");

    await test.clock.advance(50);

    const offset = test.mq.database.prepare("SELECT next_offset FROM mq_consume_offset WHERE topic = 'orders'") as {
      pluck(): { get(): unknown };
    };
    expect(offset.pluck().get()).toBe(1);
    expect((await test.mq.admin.consumeStats("billing")).lag).toBe(0);
  });

  it("passes what was acknowledged behind it: none of that comes again after closing", async () => {
    using folder = tempFolder();
    const path = folder.file("a.db");
    await using first = await openTestBroker({ path, defaultQueueCount: 1 });
    await consume(first, (message) => (message.text() === "a" ? "retry" : "success"));
    await send(first, "a", "b", "c");
    await first.clock.advance(1_000);
    await first.mq.close();

    await using second = await openTestBroker({ path });
    const again: string[] = [];
    await consume(second, (message) => void again.push(message.text()));
    await second.clock.advance(1_000);

    expect(again).toEqual([]);
  });
});
