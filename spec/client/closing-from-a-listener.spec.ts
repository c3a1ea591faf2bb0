import Database from "better-sqlite3";
import { describe, expect, it } from "vitest";
import type { Broker, PushConsumer } from "../../lib/index.js";
import { tempFolder } from "../support/temp-folder.js";
import { openTestBroker } from "../support/test-broker.js";

const ONE_QUEUE = { readQueueNums: 1, writeQueueNums: 1 };
/** Whoever waits for a listener that waits for him fails the spec. */
const FOREVER = { graceMs: 2 ** 31 - 1 };

async function send(mq: Broker, ...bodies: string[]): Promise<void> {
  await mq.producer({ group: "shop" }).sendBatch(bodies.map((body) => ({ topic: "orders", body })));
}

/** Settles from outside. */
function deferred(): { readonly promise: Promise<void>; readonly resolve: () => void } {
  let resolve = (): void => undefined;
  const promise = new Promise<void>((settle) => {
    resolve = settle;
  });
  return { promise, resolve };
}

function storedOffsets(path: string): readonly unknown[] {
  const database = new Database(path, { readonly: true });
  try {
    const ofTopic = "SELECT next_offset FROM mq_consume_offset WHERE topic = 'orders' ORDER BY queue_id";
    return database.prepare(ofTopic).pluck().all();
  } finally {
    database.close();
  }
}

describe("closing from inside a listener", () => {
  const closers: readonly (readonly [string, (mq: Broker, consumer: PushConsumer) => Promise<void>])[] = [
    ["its consumer", (_mq, consumer) => consumer.close(FOREVER)],
    ["its broker", (mq) => mq.close(FOREVER)],
  ];
  describe.each(closers)("of %s", (_what, close) => {
    it.each([["at once"], ["after an await"]])(
      "does not wait for that listener, which may await it: %s",
      async (when) => {
        using folder = tempFolder();
        await using broker = await openTestBroker({ path: folder.file("app.db") });
        const { mq } = broker;
        await mq.admin.createTopic("orders", ONE_QUEUE);
        await send(mq, "0", "1", "closes", "3");
        const received: string[] = [];
        const closed = deferred();
        const consumer: PushConsumer = mq.pushConsumer({
          group: "billing",
          subscriptions: { orders: "*" },
          consumeConcurrency: 1,
          listener: async (message) => {
            received.push(message.text());
            if (message.text() !== "closes") return;
            if (when === "after an await") await new Promise((resolve) => setImmediate(resolve));
            await close(mq, consumer);
            closed.resolve();
          },
        });

        await consumer.start();
        await closed.promise;

        expect(received).toEqual(["0", "1", "closes"]);
        expect(storedOffsets(folder.file("app.db"))).toEqual([2]);
      },
    );

    it("waits for the other listeners", async () => {
      await using broker = await openTestBroker();
      const { mq, clock } = broker;
      await mq.admin.createTopic("orders", ONE_QUEUE);
      await send(mq, "slow", "closes");
      const [slow, closed] = [deferred(), deferred()];
      const order: string[] = [];
      const consumer: PushConsumer = mq.pushConsumer({
        group: "billing",
        subscriptions: { orders: "*" },
        listener: async (message) => {
          if (message.text() === "slow") return slow.promise.then(() => void order.push("slow ended"));
          await close(mq, consumer);
          order.push("closed");
          closed.resolve();
        },
      });
      await consumer.start();
      await clock.settle();

      slow.resolve();
      await closed.promise;

      expect(order).toEqual(["slow ended", "closed"]);
    });

    it("keeps the acknowledgement of a listener that does not await it", async () => {
      using folder = tempFolder();
      await using broker = await openTestBroker({ path: folder.file("app.db") });
      const { mq, clock } = broker;
      await mq.admin.createTopic("orders", ONE_QUEUE);
      await send(mq, "closes");
      let closing: Promise<void> | undefined;
      const consumer: PushConsumer = mq.pushConsumer({
        group: "billing",
        subscriptions: { orders: "*" },
        listener: () => {
          closing = close(mq, consumer);
        },
      });

      await consumer.start();
      await clock.settle();
      await closing;

      expect(storedOffsets(folder.file("app.db"))).toEqual([1]);
    });
  });

  it("does not wait for several listeners that all await their consumer", async () => {
    await using broker = await openTestBroker();
    const { mq } = broker;
    await send(mq, "0", "1", "2");
    const ended: string[] = [];
    const consumer: PushConsumer = mq.pushConsumer({
      group: "billing",
      subscriptions: { orders: "*" },
      listener: async (message) => {
        await new Promise((resolve) => setImmediate(resolve));
        await consumer.close(FOREVER);
        ended.push(message.text());
      },
    });

    await consumer.start();
    await broker.clock.settle();

    expect(ended).toEqual(["0", "1", "2"]);
  });

  it("stops waiting for a listener that begins to await it later", async () => {
    await using broker = await openTestBroker();
    const { mq, clock } = broker;
    await mq.admin.createTopic("orders", ONE_QUEUE);
    await send(mq, "first", "later");
    const [go, order] = [deferred(), [] as string[]];
    const consumer: PushConsumer = mq.pushConsumer({
      group: "billing",
      subscriptions: { orders: "*" },
      listener: async (message) => {
        if (message.text() === "later") await go.promise;
        order.push(`${message.text()} closes`);
        await consumer.close(FOREVER);
        order.push(`${message.text()} closed`);
      },
    });
    await consumer.start();
    await clock.settle();

    go.resolve();
    await clock.settle();

    expect(order).toEqual(["first closes", "later closes", "first closed", "later closed"]);
  });

  it("does not wait for listeners of two consumers that await each other's", async () => {
    await using broker = await openTestBroker();
    const { mq } = broker;
    await send(mq, "x");
    const ended: string[] = [];
    const consumers: PushConsumer[] = ["a", "b"].map((group, index) =>
      mq.pushConsumer({
        group,
        subscriptions: { orders: "*" },
        listener: async () => {
          await new Promise((resolve) => setImmediate(resolve));
          await consumers[1 - index]?.close(FOREVER);
          ended.push(group);
        },
      }),
    );

    for (const consumer of consumers) await consumer.start();
    await broker.clock.settle();

    expect(ended.sort()).toEqual(["a", "b"]);
  });

  it("does not wait for several listeners that all await their broker", async () => {
    await using broker = await openTestBroker();
    const { mq } = broker;
    await send(mq, "0", "1", "2");
    const ended: string[] = [];
    const consumer = mq.pushConsumer({
      group: "billing",
      subscriptions: { orders: "*" },
      listener: async (message) => {
        await new Promise((resolve) => setImmediate(resolve));
        await mq.close(FOREVER);
        ended.push(message.text());
      },
    });

    await consumer.start();
    await broker.clock.settle();

    expect(ended).toEqual(["0", "1", "2"]);
  });
});
