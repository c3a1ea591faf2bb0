import Database from "better-sqlite3";
import { describe, expect, it } from "vitest";
import type { ConsumeFromWhere } from "../../lib/index.js";
import { loadFacts } from "../support/facts.js";
import { openTestBroker } from "../support/test-broker.js";

const groups = loadFacts("groups");

interface Start {
  readonly where: ConsumeFromWhere | ((times: readonly number[]) => ConsumeFromWhere);
  /** What the topic holds before the consumer starts, in queue 0. Default: h0, h1, h2. */
  readonly history?: readonly string[];
  /** Messages that retention has removed. */
  readonly removed?: number;
  readonly storedOffset?: number;
}

interface Observed {
  readonly historyReceived: readonly string[];
  readonly messageSentAfterStartReceived: boolean;
  /** The group's stored offset at the end. */
  readonly offsetAfter: number | undefined;
}

/** Starts a group on a queue, sends one more message and tells what arrived. */
async function observe({ where, history = ["h0", "h1", "h2"], removed = 0, storedOffset }: Start): Promise<Observed> {
  const database = new Database(":memory:");
  const times: number[] = [];
  {
    await using before = await openTestBroker({ database, defaultQueueCount: 1 });
    await before.mq.admin.createTopic("orders");
    await before.mq.admin.createGroup("billing");
    for (const body of history) {
      times.push(before.clock.now());
      await before.mq.producer({ group: "shop" }).send({ topic: "orders", body });
      await before.clock.advance(1_000);
    }
  }
  database.prepare("DELETE FROM mq_log WHERE first_offset < ?").run(removed);
  database.prepare("UPDATE mq_queue SET floor_offset = ?").run(removed);
  const stored = database.prepare("SELECT next_offset FROM mq_consume_offset WHERE topic = 'orders'").pluck();
  if (storedOffset !== undefined)
    database.prepare("INSERT INTO mq_consume_offset VALUES ('billing', 'orders', 0, ?)").run(storedOffset);

  const received: string[] = [];
  {
    await using broker = await openTestBroker({ database });
    const consumer = broker.mq.pushConsumer({
      group: "billing",
      subscriptions: { orders: "*" },
      consumeFromWhere: typeof where === "function" ? where(times) : where,
      listener: (message) => void received.push(message.text()),
    });
    await consumer.start();
    await broker.clock.advance(1_000);
    await broker.mq.producer({ group: "shop" }).send({ topic: "orders", body: "later" });
    await broker.clock.advance(1_000);
  }
  const offsetAfter = stored.get() as number | undefined;
  database.close();
  return {
    historyReceived: received.filter((text) => text !== "later"),
    messageSentAfterStartReceived: received.includes("later"),
    offsetAfter,
  };
}

const between = (times: readonly number[]): ConsumeFromWhere => ({
  timestamp: ((times[1] ?? 0) + (times[2] ?? 0)) / 2,
});

describe("a consumer group that starts", () => {
  it.each<[fact: string, Start]>([
    ["start-last-history", { where: "last-offset" }],
    ["start-first-history", { where: "first-offset" }],
    ["start-timestamp-history", { where: between }],
    ["start-last-empty", { where: "last-offset", history: [] }],
    ["start-stored-offset", { where: "first-offset", storedOffset: 2 }],
    ["start-stored-beyond", { where: "first-offset", storedOffset: 99 }],
  ])("receives as recorded in %s", async (fact, start) => {
    const { offsetAfter: _offset, ...observed } = await observe(start);

    expect(observed).toEqual(groups.observed(fact));
  });

  it("stores where it went on after an offset beyond the end, as recorded in stored-beyond-offset-after", async () => {
    const recorded = groups.observed<{ readonly ext: { readonly offset: string } }>("stored-beyond-offset-after");

    const { offsetAfter } = await observe({ where: "last-offset", storedOffset: 99 });

    expect(offsetAfter).toBe(Number(recorded.ext.offset));
  });

  it("takes an old queue, whose front was removed, from its end with last-offset", async () => {
    expect(await observe({ where: "last-offset", removed: 1 })).toEqual({
      historyReceived: [],
      messageSentAfterStartReceived: true,
      offsetAfter: 4,
    });
  });

  it("takes an old queue from its minimum with first-offset", async () => {
    const { historyReceived } = await observe({ where: "first-offset", removed: 1 });

    expect(historyReceived).toEqual(["h1", "h2"]);
  });

  it.each<[what: string, (times: readonly number[]) => ConsumeFromWhere, readonly string[]]>([
    ["between two messages", between, ["h2"]],
    ["of a message", ([, second = 0]) => ({ timestamp: second }), ["h1", "h2"]],
    ["before all messages", () => ({ timestamp: 0 }), ["h1", "h2"]],
    ["after all messages", () => ({ timestamp: 2 ** 50 }), []],
    ["given as a Date", ([, , third = 0]) => ({ timestamp: new Date(third) }), ["h2"]],
  ])("takes an old queue from a time %s on", async (_what, where, expected) => {
    const { historyReceived } = await observe({ where, removed: 1 });

    expect(historyReceived).toEqual(expected);
  });

  it.each(["last-offset", "first-offset"] as const)(
    "lets a stored offset win over %s on an old queue",
    async (where) => {
      const { historyReceived } = await observe({ where, removed: 1, storedOffset: 2 });

      expect(historyReceived).toEqual(["h2"]);
    },
  );

  it("takes a stored offset below the minimum to the minimum", async () => {
    const { historyReceived } = await observe({ where: "last-offset", removed: 2, storedOffset: 0 });

    expect(historyReceived).toEqual(["h2"]);
  });

  it("takes its own retries from the minimum, also from an old queue, as it has asked for them", async () => {
    const database = new Database(":memory:");
    const received: string[] = [];
    const subscriptions = { orders: "*" };
    {
      await using before = await openTestBroker({ database, defaultQueueCount: 1 });
      const consumer = before.mq.pushConsumer({ group: "billing", subscriptions, listener: () => "retry" });
      await consumer.start();
      for (const body of ["a", "b", "c"]) {
        await before.mq.producer({ group: "shop" }).send({ topic: "orders", body });
        await before.clock.advance(1);
      }
      await consumer.close();
      await before.clock.advance(10_000);
    }
    const [retryQueue] = database.prepare("SELECT queue_key FROM mq_queue WHERE topic LIKE '%RETRY%'").pluck().all();
    database.prepare("DELETE FROM mq_log WHERE queue_key = ? AND first_offset = 0").run(retryQueue);
    database.prepare("UPDATE mq_queue SET floor_offset = 1 WHERE queue_key = ?").run(retryQueue);
    database.exec("DELETE FROM mq_consume_offset WHERE topic LIKE '%RETRY%'");

    {
      await using broker = await openTestBroker({ database });
      const consumer = broker.mq.pushConsumer({
        group: "billing",
        subscriptions,
        consumeFromWhere: "last-offset",
        listener: (message) => void received.push(message.text()),
      });
      await consumer.start();
      await broker.clock.settle();
    }
    database.close();

    expect(received).toEqual(["b", "c"]);
  });

  it("takes last-offset when nothing is said", async () => {
    await using broker = await openTestBroker({ defaultQueueCount: 1 });
    const { mq, clock } = broker;
    const producer = mq.producer({ group: "shop" });
    await producer.send({ topic: "orders", body: "old" });
    await producer.send({ topic: "orders", body: "kept" });
    mq.database.exec("DELETE FROM mq_log WHERE first_offset = 0; UPDATE mq_queue SET floor_offset = 1");
    await using again = await openTestBroker({ database: mq.database });
    const received: string[] = [];
    const consumer = again.mq.pushConsumer({
      group: "billing",
      subscriptions: { orders: "*" },
      listener: (message) => void received.push(message.text()),
    });

    await consumer.start();
    await again.clock.advance(1_000);

    expect(received).toEqual([]);
    await again[Symbol.asyncDispose]();
    await clock.settle();
  });
});
