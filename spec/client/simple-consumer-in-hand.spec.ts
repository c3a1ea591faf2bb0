import { describe, expect, it } from "vitest";
import type { Broker, MessageView, SimpleConsumer } from "../../lib/index.js";
import { openTestBroker } from "../support/test-broker.js";

const settings = { group: "billing", subscriptions: { orders: "*" } };

function send(mq: Broker, ...bodies: readonly string[]): Promise<unknown> {
  return mq.producer({ group: "shop" }).sendBatch(bodies.map((body) => ({ topic: "orders", body })));
}

describe("a simple consumer", () => {
  it("takes nothing from the call of close on: what was received then could not be acknowledged", async () => {
    await using broker = await openTestBroker({ defaultQueueCount: 1 });
    const { mq, clock } = broker;
    await send(mq, "a");
    const [consumer, next] = [mq, mq].map((each) => each.simpleConsumer(settings)) as [SimpleConsumer, SimpleConsumer];
    await consumer.start();

    const receiving = consumer.receive({ maxMessages: 1, invisibleDurationMs: 10_000 });
    const closing = consumer.close();
    await clock.settle();
    await closing;
    await next.start();

    expect(await receiving).toEqual([]);
    expect(await next.receive({ maxMessages: 1, invisibleDurationMs: 10_000 })).toMatchObject([{ deliveryAttempt: 1 }]);
  });

  it.each([
    ["an object of one's own", () => ({ messageId: "x" })],
    ["what stands in for a message", (message: MessageView) => new Proxy(message, {})],
    ["what inherits from one", (message: MessageView) => Object.create(message) as MessageView],
  ])("acknowledges no message that it did not receive: %s", async (_what, forge) => {
    await using broker = await openTestBroker({ defaultQueueCount: 1 });
    await send(broker.mq, "a");
    const consumer = broker.mq.simpleConsumer(settings);
    await consumer.start();
    const [message] = await consumer.receive({ maxMessages: 1, invisibleDurationMs: 10_000 });

    const forged = forge(message as MessageView) as MessageView;

    await expect(consumer.ack(forged)).rejects.toMatchObject({ code: "ERR_MQ_RECEIPT_HANDLE" });
    await expect(consumer.changeInvisibleDuration(forged, 0)).rejects.toMatchObject({ code: "ERR_MQ_RECEIPT_HANDLE" });
    await consumer.ack(message as MessageView);
  });

  it("gets what kept it waiting as soon as its group is orderly no longer", async () => {
    await using broker = await openTestBroker({ defaultQueueCount: 1 });
    const { mq, clock } = broker;
    await mq.admin.createGroup("billing", { consumeMessageOrderly: true });
    await send(mq, "a", "b");
    const consumer = mq.simpleConsumer(settings);
    await consumer.start();
    await consumer.receive({ maxMessages: 1, invisibleDurationMs: 600_000 });
    let received: readonly MessageView[] | undefined;
    const receiving = consumer.receive({ maxMessages: 2, invisibleDurationMs: 10_000, awaitMs: 300_000 });
    void receiving.then((messages) => {
      received = messages;
    });
    await clock.advance(1_000);
    const before = received;

    await mq.admin.updateGroup("billing", { consumeMessageOrderly: false });
    await clock.advance(10);

    expect(before).toBeUndefined();
    expect(received?.map((message) => message.text())).toEqual(["a", "b"]);
  });
});
