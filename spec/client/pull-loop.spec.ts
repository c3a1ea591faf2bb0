import Database from "better-sqlite3";
import { describe, expect, it } from "vitest";
import type { Broker, ConsumeFromWhere, MessageView } from "../../lib/index.js";
import { openTestBroker, type TestBroker } from "../support/test-broker.js";

const ONE_QUEUE = { readQueueNums: 1, writeQueueNums: 1 };

async function send(mq: Broker, ...bodies: string[]): Promise<void> {
  await mq.producer({ group: "shop" }).sendBatch(bodies.map((body) => ({ topic: "orders", body })));
}

async function oneQueue(settings: object = {}): Promise<TestBroker> {
  const broker = await openTestBroker(settings);
  await broker.mq.admin.createTopic("orders", ONE_QUEUE);
  return broker;
}

async function committed(mq: Broker): Promise<number | undefined> {
  return (await mq.admin.consumeStats("billing")).queues[0]?.consumerOffset;
}

/** What the listener of a new consumer gets from now on. */
async function consume(mq: Broker, settings: object = {}): Promise<string[]> {
  const received: string[] = [];
  await mq
    .pushConsumer({
      group: "billing",
      subscriptions: { orders: "*" },
      listener: (message) => void received.push(message.text()),
      ...settings,
    })
    .start();
  return received;
}

/** A queue that holds the offsets 2 ("c"), 3 ("d") and 4 ("e"), stored 200, 300 and 400 ms after `startedAt`; the first two are deleted. */
async function cutQueue(): Promise<{ database: Database.Database; startedAt: number }> {
  const database = new Database(":memory:");
  const broker = await openTestBroker({ database });
  await broker.mq.admin.createTopic("orders", ONE_QUEUE);
  const startedAt = broker.clock.now();
  for (const body of ["a", "b", "c", "d", "e"]) {
    await send(broker.mq, body);
    await broker.clock.advance(100);
  }
  await broker.mq.close();
  database.exec("DELETE FROM mq_log WHERE first_offset < 2");
  return { database, startedAt };
}

describe("where a group starts in a queue", () => {
  it.each<[ConsumeFromWhere | undefined]>([[undefined], ["last-offset"], ["first-offset"], [{ timestamp: 2e12 }]])(
    "is its beginning while nothing was ever deleted from it, also with %j",
    async (consumeFromWhere) => {
      await using broker = await oneQueue();
      await send(broker.mq, "a", "b");

      const received = await consume(broker.mq, { consumeFromWhere });
      await broker.clock.settle();

      expect(received).toEqual(["a", "b"]);
    },
  );

  it.each<[string, (startedAt: number) => ConsumeFromWhere | undefined, string[]]>([
    ["last-offset by default: the end", () => undefined, ["new"]],
    ["last-offset: the end", () => "last-offset", ["new"]],
    ["first-offset: the lowest that is left", () => "first-offset", ["c", "d", "e", "new"]],
    ["a timestamp: the first stored at it", (startedAt) => ({ timestamp: startedAt + 300 }), ["d", "e", "new"]],
    ["a timestamp: the first stored after it", (startedAt) => ({ timestamp: startedAt + 301 }), ["e", "new"]],
    ["a date", (startedAt) => ({ timestamp: new Date(startedAt + 299) }), ["d", "e", "new"]],
    ["a timestamp before everything", () => ({ timestamp: 0 }), ["c", "d", "e", "new"]],
    ["a timestamp after everything", () => ({ timestamp: 2e12 }), ["new"]],
  ])("follows consumeFromWhere once its front was deleted: %s", async (_what, where, expected) => {
    const { database, startedAt } = await cutQueue();
    await using broker = await openTestBroker({ database });

    const received = await consume(broker.mq, { consumeFromWhere: where(startedAt) });
    await broker.clock.settle();
    await send(broker.mq, "new");
    await broker.clock.settle();

    expect(received).toEqual(expected);
    expect(await committed(broker.mq)).toBe(6);
  });

  it("is the stored offset where there is one, whatever consumeFromWhere says", async () => {
    const { database } = await cutQueue();
    database.exec("INSERT INTO mq_consume_offset VALUES ('billing', 'orders', 0, 3)");
    await using broker = await openTestBroker({ database });

    const received = await consume(broker.mq, { consumeFromWhere: "last-offset" });
    await broker.clock.settle();

    expect(received).toEqual(["d", "e"]);
  });

  it("is stored when the consumer leaves without having received anything", async () => {
    const { database } = await cutQueue();
    await using broker = await openTestBroker({ database });
    const consumer = broker.mq.pushConsumer({
      group: "billing",
      subscriptions: { orders: "*" },
      listener: () => undefined,
    });
    await consumer.start();
    await broker.clock.settle();
    await consumer.close();
    await send(broker.mq, "meanwhile");

    const received = await consume(broker.mq);
    await broker.clock.settle();

    expect(received).toEqual(["meanwhile"]);
  });

  it.each([
    ["below the lowest that is left", 1, 2, ["c", "d", "e", "new"]],
    ["beyond the end", 99, 5, ["new"]],
  ])("is corrected where the stored offset lies %s", async (_where, stored, corrected, expected) => {
    const { database } = await cutQueue();
    database.exec(`INSERT INTO mq_consume_offset VALUES ('billing', 'orders', 0, ${stored})`);
    await using broker = await openTestBroker({ database });

    const received = await consume(broker.mq, { pullIntervalMs: 60_000 });
    await send(broker.mq, "new");
    await broker.clock.settle();
    await broker.clock.advance(60_000);

    expect(received).toEqual(expected);
    expect(await committed(broker.mq)).toBe(6);
    expect(broker.logged).toEqual([
      {
        level: "warn",
        text: "a consume offset was outside its message queue",
        data: { group: "billing", topic: "orders", brokerName: "broker-a", queueId: 0, nextOffset: corrected },
      },
    ]);
  });
});

describe("PullLoop", () => {
  /** A consumer whose listeners end when told to. */
  async function controlled(
    mq: Broker,
    settings: object,
  ): Promise<{ readonly received: string[]; readonly finish: (count: number) => void }> {
    const received: string[] = [];
    const waiting: (() => void)[] = [];
    const listener = (message: MessageView): Promise<void> => {
      received.push(message.text());
      return new Promise((resolve) => waiting.push(resolve));
    };
    await consume(mq, { consumeConcurrency: 1_000, listener, ...settings });
    return {
      received,
      finish: (count) => {
        for (const resolve of waiting.splice(0, count)) resolve();
      },
    };
  }

  const hundred = Array.from({ length: 100 }, (_, index) => String(index));

  it("holds back while more messages than allowed are unacknowledged, and goes on when there is room", async () => {
    await using broker = await oneQueue();
    await send(broker.mq, ...hundred);

    const { received, finish } = await controlled(broker.mq, { pullThresholdForQueue: 10, pullBatchSize: 4 });
    await broker.clock.settle();
    const counts = [received.length];
    for (const count of [1, 1, 1, 100, 100]) {
      finish(count);
      await broker.clock.settle();
      counts.push(received.length);
    }

    // 12 are more than 10; 11 still are, 10 are not.
    expect(counts).toEqual([12, 12, 16, 16, 28, 40]);
    for (let round = 0; round < 10; round += 1) {
      finish(100);
      await broker.clock.settle();
    }
    expect(await committed(broker.mq)).toBe(100);
  });

  it("holds back while more bytes than allowed are unacknowledged", async () => {
    await using broker = await oneQueue();
    const half = "x".repeat(512 * 1024);
    for (let count = 0; count < 6; count += 1) await send(broker.mq, half);

    const { received, finish } = await controlled(broker.mq, { pullThresholdSizeForQueueMiB: 1, pullBatchSize: 1 });
    await broker.clock.settle();
    const atFirst = received.length;
    for (let round = 0; round < 4; round += 1) {
      finish(2);
      await broker.clock.settle();
    }

    // Two and their headers are more than 1 MiB.
    expect(atFirst).toBe(2);
    expect(await committed(broker.mq)).toBe(6);
  });

  it("holds back while unacknowledged offsets are further apart than allowed", async () => {
    await using broker = await oneQueue();
    await send(broker.mq, ...hundred);

    const { received, finish } = await controlled(broker.mq, { consumeConcurrentlyMaxSpan: 10, pullBatchSize: 4 });
    await broker.clock.settle();
    const counts = [received.length];
    for (const count of [1, 1]) {
      finish(count);
      await broker.clock.settle();
      counts.push(received.length);
    }

    // Offsets 0 to 11 are 11 apart.
    expect(counts).toEqual([12, 16, 16]);
    for (let round = 0; round < 20; round += 1) {
      finish(100);
      await broker.clock.settle();
    }
    expect(await committed(broker.mq)).toBe(100);
  });

  it("asks for no more messages and bytes than it was told, but for one message at least", async () => {
    await using broker = await oneQueue();
    const sizes: number[] = [];
    await broker.mq
      .producer({ group: "shop" })
      .sendBatch(["x".repeat(5_000), "a", "b", "c"].map((body) => ({ topic: "orders", body })));

    await consume(broker.mq, {
      listener: undefined,
      batchListener: (messages: readonly MessageView[]) => void sizes.push(messages.length),
      consumeMessageBatchMaxSize: 10,
      pullBatchSize: 2,
      pullBatchSizeInBytes: 1_000,
    });
    await broker.clock.settle();

    expect(sizes).toEqual([1, 2, 1]);
  });

  it("pauses for pullIntervalMs between two pulls, whatever is acknowledged or resumed meanwhile", async () => {
    await using broker = await oneQueue();
    await send(broker.mq, ...hundred.slice(0, 6));
    const received: string[] = [];
    const consumer = broker.mq.pushConsumer({
      group: "billing",
      subscriptions: { orders: "*" },
      pullBatchSize: 2,
      pullIntervalMs: 300,
      listener: async (message) => {
        await Promise.resolve();
        received.push(message.text());
      },
    });
    await consumer.start();
    const counts: number[] = [];

    for (const ms of [0, 299, 1, 299, 1]) {
      await broker.clock.advance(ms);
      consumer.suspend();
      consumer.resume();
      counts.push(received.length);
    }

    expect(counts).toEqual([2, 2, 4, 4, 6]);
  });

  it("waits for nothing when its queue is dropped while it pauses", async () => {
    await using broker = await oneQueue();
    await send(broker.mq, "a", "b");
    const consumer = broker.mq.pushConsumer({
      group: "billing",
      subscriptions: { orders: "*" },
      pullIntervalMs: 60_000,
      pullBatchSize: 1,
      listener: () => consumer.unsubscribe("orders"),
    });
    await consumer.start();
    await broker.clock.settle();

    await consumer.close();

    expect(broker.clock.pendingTimers).toBeLessThanOrEqual(1);
  });

  it("lets the event loop turn after 32 pulls, also when hardly a message passes the filter", async () => {
    await using broker = await oneQueue();
    const producer = broker.mq.producer({ group: "shop" });
    const thousand = Array.from({ length: 1_000 }, (_, index) => ({
      topic: "orders",
      tag: index % 32 === 0 ? "Aa" : "BB",
      body: "x",
    }));
    for (let batch = 0; batch < 20; batch += 1) await producer.sendBatch(thousand);
    let calls = 0;
    const callsAtTurn = [0];
    const noteTurn = (): void => {
      callsAtTurn.push(calls);
      if (calls < 640) setImmediate(noteTurn);
    };
    setImmediate(noteTurn);

    await consume(broker.mq, {
      subscriptions: { orders: "Aa" },
      listener: () => {
        calls += 1;
      },
    });
    await broker.clock.settle();

    expect(await committed(broker.mq)).toBe(20_000);
    expect(calls).toBe(640);
    const between = callsAtTurn.slice(1).map((count, index) => count - (callsAtTurn[index] as number));
    expect(Math.max(...between)).toBeLessThanOrEqual(64);
  });

  it("tries a pull that failed again each second, and says so once", async () => {
    await using broker = await oneQueue();
    const received = await consume(broker.mq);
    await broker.clock.settle();

    await broker.mq.admin.updateGroup("billing", { consumeEnable: false });
    await send(broker.mq, "a");
    await broker.clock.advance(5_000);
    await broker.mq.admin.updateGroup("billing", { consumeEnable: true });
    await broker.clock.advance(999);
    const meanwhile = [...received];
    await broker.clock.advance(1);

    expect([meanwhile, received]).toEqual([[], ["a"]]);
    expect(broker.logged.map(({ text }) => text)).toEqual([
      "a pull of group billing failed and is tried again each second: consumer group billing may not consume (consumeEnable is false)",
    ]);
  });
});
