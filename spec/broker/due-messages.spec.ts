import { describe, expect, it } from "vitest";
import type { Broker } from "../../lib/index.js";
import { openFaultDriver } from "../support/fault-driver.js";
import { openTestPort, type TestPort } from "../support/local-broker.js";
import { browseQueue, deliveries } from "../support/shared-connection.js";
import { tempFolder } from "../support/temp-folder.js";
import { openTestBroker } from "../support/test-broker.js";
import { makeDueStore, type PutOff, putOff, START } from "./due-store.js";

const MIB = 1024 * 1024;

/** With the topic "orders" of two queues. */
async function openPort(): Promise<TestPort> {
  const broker = await openTestPort({ defaultQueueCount: 2 });
  await broker.mq.admin.createTopic("orders");
  return broker;
}

async function textsOf(mq: Broker, queueId = 0): Promise<readonly string[]> {
  return (await browseQueue(mq, "orders", queueId)).map((message) => message.text());
}

function oneEachMs(count: number): readonly PutOff[] {
  return Array.from({ length: count }, (_, index) => ({ afterMs: index, body: `${index}` }));
}

describe("a message that is put off", () => {
  it("becomes visible at its time, and not a millisecond sooner", async () => {
    await using broker = await openPort();
    const { mq, clock } = broker;
    await putOff(broker, { afterMs: 5_000, body: "a" });

    await clock.advance(4_999);
    const early = await textsOf(mq);
    await clock.advance(1);

    expect(early).toEqual([]);
    expect(await browseQueue(mq, "orders")).toMatchObject([{ queueOffset: 0, storeTimestamp: START + 5_000 }]);
  });

  it("is in its queue at once when its time is past", async () => {
    await using broker = await openPort();

    await putOff(broker, { afterMs: 0, body: "now" }, { afterMs: -1_000, body: "past" });
    await broker.clock.advance(0);

    expect(await textsOf(broker.mq)).toEqual(["past", "now"]);
  });

  it("reaches the consumer that waits for it", async () => {
    await using broker = await openPort();
    const received = await deliveries(broker.mq, "orders");
    await putOff(broker, { afterMs: 1_000, body: "a" }, { afterMs: 2_000, body: "b", queueId: 1 });

    await broker.clock.advance(1_000);
    const first = [...received];
    await broker.clock.advance(1_000);

    expect([first, received]).toEqual([["a"], ["a", "b"]]);
  });

  it("overtakes one that is put off for longer, though that one came first", async () => {
    await using broker = await openPort();
    await putOff(broker, { afterMs: 60_000, body: "long" });
    await putOff(broker, { afterMs: 10_000, body: "short" });

    await broker.clock.advance(10_000);
    const early = await textsOf(broker.mq);
    await broker.clock.advance(50_000);

    expect([early, await textsOf(broker.mq)]).toEqual([["short"], ["short", "long"]]);
  });

  it("waits longer when the clock is set back, and not when it is set forth", async () => {
    await using broker = await openPort();
    const { mq, clock } = broker;
    await putOff(broker, { afterMs: 5_000, body: "a" });

    clock.setTime(START - 60_000);
    await clock.advance(60_000);
    const afterTheStepBack = await textsOf(mq);
    clock.setTime(START + 3_600_000);
    await clock.advance(0);

    expect([afterTheStepBack, await textsOf(mq)]).toEqual([[], ["a"]]);
  });

  it("needs no timer once nothing is put off any more", async () => {
    await using broker = await openPort();
    await putOff(broker, { afterMs: 5_000, body: "a" });
    const waiting = broker.clock.pendingTimers;

    await broker.clock.advance(5_000);

    expect([waiting, broker.clock.pendingTimers]).toEqual([1, 0]);
  });
});

describe("messages that are put off to the same time", () => {
  it("come in the order in which they were stored, over all commits", async () => {
    await using broker = await openPort();
    const bodies = Array.from({ length: 50 }, (_, index) => `${index}`);
    for (const body of bodies) await putOff(broker, { afterMs: 1_000, body });

    await broker.clock.advance(1_000);

    expect(await textsOf(broker.mq)).toEqual(bodies);
  });

  it("come in that order queue by queue when one commit has several queues and times in turn", async () => {
    await using broker = await openPort();
    const messages = Array.from({ length: 60 }, (_, index): PutOff => {
      return { afterMs: 1_000 + (index % 3), queueId: index % 2, body: `${index}` };
    });
    await putOff(broker, ...messages);

    await broker.clock.advance(2_000);

    for (const queueId of [0, 1]) {
      const ofQueue = messages.filter((message) => message.queueId === queueId);
      const expected = ofQueue.toSorted((a, b) => a.afterMs - b.afterMs).map(({ body }) => body);
      expect(await textsOf(broker.mq, queueId)).toEqual(expected);
    }
  });

  it("come in that order when those before them were moved long ago", async () => {
    await using broker = await openPort();
    await putOff(broker, { afterMs: 9_000, body: "a" });
    await putOff(broker, { afterMs: 1_000, body: "moved" });
    await broker.clock.advance(1_000);
    await putOff(broker, { afterMs: 9_000, body: "b" });
    await putOff(broker, { afterMs: 9_000, body: "c" });

    await broker.clock.advance(8_000);

    expect(await textsOf(broker.mq)).toEqual(["moved", "a", "b", "c"]);
  });
});

describe("messages whose time is long past when they are moved", () => {
  it("come in the order of their times, the earliest first", async () => {
    await using broker = await openPort();
    for (const afterMs of [5_000, 3_000, 4_000, 1_000, 2_000]) await putOff(broker, { afterMs, body: `${afterMs}` });

    broker.clock.setTime(START + 3_600_000);
    await broker.clock.advance(0);

    expect(await textsOf(broker.mq)).toEqual(["1000", "2000", "3000", "4000", "5000"]);
  });

  it("move a thousand blocks in a transaction at most, and none of thousands is lost or doubled", async () => {
    const driver = openFaultDriver();
    const messages = Array.from({ length: 2_530 }, (_, index): PutOff => {
      return { afterMs: Math.floor(index / 7), body: `${index}` };
    });
    await makeDueStore(driver.database, messages);
    await using broker = await openTestBroker({ database: driver.database });
    const left = driver.database.prepare("SELECT count(*) FROM mq_due").pluck();
    const counts = [messages.length];
    driver.onRun = (source) => {
      if (source === "COMMIT") counts.push(left.get() as number);
    };

    broker.clock.setTime(START + 3_600_000);
    await broker.clock.advance(0);
    driver.onRun = undefined;

    const queue = { topic: "orders", brokerName: "broker-a", queueId: 0 };
    const stored: string[] = [];
    for (let from = 0; from < messages.length; from += 1_000)
      stored.push(...(await broker.mq.admin.browse(queue, from, 1_000)).map((message) => message.text()));
    const moved = counts.slice(1).map((count, index) => (counts[index] ?? 0) - count);
    expect(stored).toEqual(messages.map(({ body }) => body));
    expect(moved).toEqual([1_000, 1_000, 530]);
    expect(counts.at(-1)).toBe(0);
    await broker[Symbol.asyncDispose]();
    driver.database.close();
  });

  it("let others write between two transactions", async () => {
    const driver = openFaultDriver();
    await makeDueStore(driver.database, oneEachMs(2_600));
    await using broker = await openTestBroker({ database: driver.database });
    const left = driver.database.prepare("SELECT count(*) FROM mq_due").pluck();
    const producer = broker.mq.producer({ group: "shop" });
    let sending: Promise<unknown> | undefined;
    broker.mq.once("message:stored", () => {
      sending = producer.send({ topic: "orders", body: "x" }).then(() => left.get());
    });

    broker.clock.setTime(START + 3_600_000);
    await broker.clock.advance(0);

    expect([await sending, left.get()]).toEqual([1_600, 0]);
    await broker[Symbol.asyncDispose]();
    driver.database.close();
  });

  it("are moved no faster than a listener is called", async () => {
    const driver = openFaultDriver();
    await makeDueStore(driver.database, oneEachMs(4_000));
    await using broker = await openTestBroker({ database: driver.database });
    const left = driver.database.prepare("SELECT count(*) FROM mq_due").pluck();
    let handedOut = 0;
    let mostInHand = 0;
    const consumer = broker.mq.pushConsumer({
      group: "billing",
      subscriptions: { orders: "*" },
      listener: () => {
        mostInHand = Math.max(mostInHand, 4_000 - (left.get() as number) - handedOut);
        handedOut += 1;
      },
    });
    await consumer.start();

    broker.clock.setTime(START + 3_600_000);
    await broker.clock.advance(0);

    expect(handedOut).toBe(4_000);
    expect(mostInHand).toBeLessThanOrEqual(1_100);
    await broker[Symbol.asyncDispose]();
    driver.database.close();
  });

  it("move at most 1 MiB in a transaction, or one larger block", async () => {
    const driver = openFaultDriver();
    const kib = [400, 400, 400, 2_000, 1, 1];
    await makeDueStore(
      driver.database,
      kib.map((size, index) => ({ afterMs: index, body: `${index}`.padEnd(size * 1_024, "x") })),
    );
    await using broker = await openTestBroker({ database: driver.database });
    const inLog = driver.database.prepare("SELECT coalesce(sum(message_count), 0) FROM mq_log").pluck();
    const counts: unknown[] = [];
    driver.onRun = (source) => {
      if (source === "COMMIT") counts.push(inLog.get());
    };

    broker.clock.setTime(START + 1_000);
    await broker.clock.advance(0);
    driver.onRun = undefined;

    expect(counts).toEqual([2, 3, 4, 6]);
    await broker[Symbol.asyncDispose]();
    driver.database.close();
  });

  it("are read once each, however large they are", async () => {
    const driver = openFaultDriver();
    const body = "x".repeat(MIB);
    await makeDueStore(
      driver.database,
      Array.from({ length: 16 }, () => ({ afterMs: 0, body })),
    );
    await using broker = await openTestBroker({ database: driver.database });
    let bytes = 0;
    driver.onRead = (source, rows) => {
      if (source.includes("mq_due")) bytes += rows.flat().reduce((sum: number, value) => sum + lengthOf(value), 0);
    };

    await broker.clock.advance(1_000);
    driver.onRead = undefined;

    expect((await broker.mq.admin.topicStats("orders"))[0]?.maxOffset).toBe(16);
    expect(bytes).toBeLessThan(2 * 16 * MIB);
    await broker[Symbol.asyncDispose]();
    driver.database.close();
  });

  it("share blocks of the log up to 32 KiB, which are whole", async () => {
    await using broker = await openPort();
    for (let index = 0; index < 90; index += 1) await putOff(broker, { afterMs: index, body: `${index}`.repeat(500) });

    broker.clock.setTime(START + 1_000);
    await broker.clock.advance(0);

    const sizes = recordSizes(broker);
    expect(sizes.length).toBeLessThan(5);
    expect(Math.max(...sizes)).toBeLessThanOrEqual(32 * 1_024);
    expect(await textsOf(broker.mq)).toEqual(Array.from({ length: 90 }, (_, index) => `${index}`.repeat(500)));
  });
});

describe("messages that are moved with the commit of others", () => {
  it("get offsets of their own, in the order in which they were written", async () => {
    await using broker = await openPort();
    const { mq, port, clock } = broker;
    await putOff(broker, { afterMs: 1_000, body: "due 0" }, { afterMs: 1_001, body: "due 1" });
    const producer = mq.producer({ group: "shop" });
    const send = (body: string) => producer.send({ topic: "orders", body }, { queue: 0 });
    clock.setTime(START + 2_000);

    const before = [send("a"), send("b")];
    const moving = port.engine.write(() => port.engine.due.moveDue(clock.now()));
    const receipts = await Promise.all([...before, send("c")]);
    await moving;

    const stored = await browseQueue(mq, "orders");
    expect(stored.map((message) => message.text())).toEqual(["a", "b", "due 0", "due 1", "c"]);
    expect(receipts.map(({ queueOffset }) => queueOffset)).toEqual([0, 1, 4]);
    expect(receipts.map(({ offsetMessageId }) => offsetMessageId)).toEqual(
      [0, 1, 4].map((offset) => stored[offset]?.offsetMessageId),
    );
  });
});

describe("a store that is opened again", () => {
  it("has what was put off, and moves it at its time, also what was due meanwhile", async () => {
    using folder = tempFolder();
    const path = folder.file("app.db");
    {
      await using first = await openTestBroker({ path, defaultQueueCount: 1 });
      const messages = ["short", "long"].map((body) => ({ topic: "orders", body }));
      await first.mq.producer({ group: "shop" }).sendBatch(messages);
      const consumer = first.mq.pushConsumer({
        group: "billing",
        subscriptions: { orders: "*" },
        listener: (message, context) => {
          context.delayLevelWhenNextConsume = message.text() === "short" ? 1 : 2;
          return "retry";
        },
      });
      await consumer.start();
      await first.clock.advance(500);
    }

    await using second = await openTestBroker({ path });
    const retries = async (): Promise<readonly string[]> =>
      (await browseQueue(second.mq, "%RETRY%billing")).map((message) => message.text());
    second.clock.setTime(START + 3_000);
    await second.clock.advance(0);
    const overdue = await retries();
    await second.clock.advance(1_999);
    const early = await retries();
    await second.clock.advance(1);

    expect([overdue, early, await retries()]).toEqual([["short"], ["short"], ["short", "long"]]);
  });
});

function lengthOf(value: unknown): number {
  return Buffer.isBuffer(value) ? value.length : 0;
}

function recordSizes({ mq }: TestPort): readonly number[] {
  const { database } = mq as unknown as { database: { prepare(sql: string): { all(): readonly unknown[] } } };
  const rows = database.prepare("SELECT length(records) AS size FROM mq_log").all() as { readonly size: number }[];
  return rows.map(({ size }) => size);
}
