import { describe, expect, it } from "vitest";
import { type Broker, isMqError, type MessageQueue, openBroker } from "../../lib/index.js";
import { loadFacts } from "../support/facts.js";
import { tempFolder } from "../support/temp-folder.js";
import { openTestBroker, type TestBroker } from "../support/test-broker.js";

interface Answer {
  readonly ext: { readonly offset: string };
}

const admin = loadFacts("admin");
const queue: MessageQueue = { topic: "orders", brokerName: "broker-a", queueId: 0 };

/** Three commits 50 ms apart; returns the store times. */
async function sendApart(
  { mq, clock }: TestBroker,
  bodies: readonly (readonly string[])[],
): Promise<readonly number[]> {
  const producer = mq.producer({ group: "shop" });
  const times: number[] = [];
  for (const commit of bodies) {
    times.push(clock.now());
    await Promise.all(commit.map((body) => producer.send({ topic: "orders", body })));
    await clock.advance(50);
  }
  return times;
}

function searchBoth(mq: Broker, timestamp: number): Promise<readonly number[]> {
  return Promise.all([
    mq.admin.searchOffset(queue, timestamp),
    mq.admin.searchOffset(queue, timestamp, "lower"),
    mq.admin.searchOffset(queue, timestamp, "upper"),
  ]);
}

describe("Admin.searchOffset", () => {
  it("answers as recorded for every time before, at, between and after three messages", async () => {
    await using broker = await openTestBroker({ defaultQueueCount: 1 });
    const [first = 0, second = 0, last = 0] = await sendApart(broker, [["a"], ["b"], ["c"]]);
    const times: Readonly<Record<string, number>> = {
      "0": 0,
      "-1": -1,
      "first - 1": first - 1,
      first,
      "first + 1": first + 1,
      second,
      last,
      "last + 1": last + 1,
      "now + 100 s": broker.clock.now() + 100_000,
    };
    const recorded =
      admin.observed<
        readonly {
          readonly timestamp: string;
          readonly default: string;
          readonly LOWER: string;
          readonly UPPER: string;
        }[]
      >("search-offset");

    for (const { timestamp, default: usual, LOWER, UPPER } of recorded) {
      const found = await searchBoth(broker.mq, times[timestamp] as number);
      expect([timestamp, ...found]).toEqual([timestamp, Number(usual), Number(LOWER), Number(UPPER)]);
    }
  });

  it("takes the first or the last of messages with the same store time, those of one commit", async () => {
    await using broker = await openTestBroker({ defaultQueueCount: 1 });
    const [first = 0, second = 0] = await sendApart(broker, [
      ["a", "b", "c"],
      ["d", "e"],
    ]);

    expect(await searchBoth(broker.mq, first)).toEqual([0, 0, 2]);
    expect(await searchBoth(broker.mq, first + 1)).toEqual([3, 3, 2]);
    expect(await searchBoth(broker.mq, second)).toEqual([3, 3, 4]);
    expect(await searchBoth(broker.mq, second + 1)).toEqual([5, 5, 4]);
  });

  it("takes the first or the last of several commits of one millisecond", async () => {
    await using broker = await openTestBroker({ defaultQueueCount: 1 });
    const { mq, clock } = broker;
    const producer = mq.producer({ group: "shop" });
    for (let send = 0; send < 4; send += 1) await producer.send({ topic: "orders", body: "x" });

    expect(await searchBoth(mq, clock.now())).toEqual([0, 0, 3]);
  });

  it("is 0 for a queue that was never written to, as recorded in offsets-empty-queue", async () => {
    await using broker = await openTestBroker({ defaultQueueCount: 1 });
    await broker.mq.admin.createTopic("orders");
    const { min, max, search0, searchFuture } = admin.observed<Readonly<Record<string, Answer>>>("offsets-empty-queue");

    const found = [
      await broker.mq.admin.minOffset(queue),
      await broker.mq.admin.maxOffset(queue),
      await broker.mq.admin.searchOffset(queue, 0),
      await broker.mq.admin.searchOffset(queue, 2 ** 50),
    ];

    expect(found).toEqual([min, max, search0, searchFuture].map((answer) => Number(answer?.ext.offset)));
    expect(await searchBoth(broker.mq, 0)).toEqual([0, 0, 0]);
  });

  it("stays within the queue after its front was cut off", async () => {
    await using broker = await openTestBroker({ defaultQueueCount: 1 });
    const [, second = 0, third = 0] = await sendApart(broker, [["a", "b"], ["c"], ["d"]]);
    broker.mq.database.exec("DELETE FROM mq_log WHERE first_offset = 0; UPDATE mq_queue SET floor_offset = 2");
    await using again = await openTestBroker({ database: broker.mq.database });

    expect(await again.mq.admin.minOffset(queue)).toBe(2);
    expect(await searchBoth(again.mq, 0)).toEqual([2, 2, 2]);
    expect(await searchBoth(again.mq, second)).toEqual([2, 2, 2]);
    expect(await searchBoth(again.mq, third)).toEqual([3, 3, 3]);
    expect(await searchBoth(again.mq, third + 1)).toEqual([4, 4, 3]);
    await again[Symbol.asyncDispose]();
  });

  it("takes a Date", async () => {
    await using broker = await openTestBroker({ defaultQueueCount: 1 });
    const [, second = 0] = await sendApart(broker, [["a"], ["b"]]);

    expect(await broker.mq.admin.searchOffset(queue, new Date(second))).toBe(1);
  });

  it("refuses what is no time and no boundary", async () => {
    await using broker = await openTestBroker({ defaultQueueCount: 1 });
    await broker.mq.admin.createTopic("orders");

    for (const time of [Number.NaN, 1.5, "now", new Date("never"), undefined, 2 ** 60]) {
      await expect(broker.mq.admin.searchOffset(queue, time as number)).rejects.toMatchObject({
        code: "ERR_MQ_INVALID_ARGUMENT",
        responseCode: 29,
      });
    }
    await expect(broker.mq.admin.searchOffset(queue, 0, "middle" as never)).rejects.toThrow(
      'boundary must be "lower" or "upper", got "middle"',
    );
  });
});

describe("Admin.minOffset and maxOffset", () => {
  it("are the first offset and the one that the next message gets, as recorded in offsets-written-queue", async () => {
    await using broker = await openTestBroker({ defaultQueueCount: 1 });
    await sendApart(broker, [["a"], ["b"], ["c"]]);
    const recorded = admin.observed<{ readonly min: Answer; readonly max: Answer }>("offsets-written-queue");

    expect(await broker.mq.admin.minOffset(queue)).toBe(Number(recorded.min.ext.offset));
    expect(await broker.mq.admin.maxOffset(queue)).toBe(Number(recorded.max.ext.offset));
  });

  it("see the newest commit of another process", async () => {
    using folder = tempFolder();
    await using broker = await openTestBroker({ path: folder.file("app.db"), defaultQueueCount: 1 });
    await sendApart(broker, [["a"]]);
    const other = await openBroker({ path: folder.file("app.db") });

    await other.producer({ group: "shop" }).send({ topic: "orders", body: "b" });

    expect(await broker.mq.admin.maxOffset(queue)).toBe(2);
    expect((await broker.mq.admin.browse(queue, 1, 1))[0]?.text()).toBe("b");
    await other.close();
  });

  it.each<[what: string, queue: unknown, code: string]>([
    ["a queue that the topic does not have", { ...queue, queueId: 1 }, "ERR_MQ_OFFSET"],
    ["a negative queue", { ...queue, queueId: -1 }, "ERR_MQ_OFFSET"],
    ["a broken queue", { ...queue, queueId: 0.5 }, "ERR_MQ_OFFSET"],
    ["a queue of another broker", { ...queue, brokerName: "broker-b" }, "ERR_MQ_OFFSET"],
    ["no queue", null, "ERR_MQ_INVALID_ARGUMENT"],
    ["a queue without topic", { brokerName: "broker-a", queueId: 0 }, "ERR_MQ_INVALID_ARGUMENT"],
  ])("refuse %s with 29", async (_what, wrong, code) => {
    await using broker = await openTestBroker({ defaultQueueCount: 1 });
    await broker.mq.admin.createTopic("orders");
    const bad = wrong as MessageQueue;

    const { admin: calls } = broker.mq;
    for (const call of [
      calls.minOffset(bad),
      calls.maxOffset(bad),
      calls.searchOffset(bad, 0),
      calls.browse(bad, 0, 1),
    ]) {
      const error = await call.catch((reason: unknown) => reason);
      expect(isMqError(error) && [error.code, error.responseCode]).toEqual([code, 29]);
    }
  });
});

describe("Admin.browse", () => {
  it("reads up to so many messages from an offset on, whoever consumed them", async () => {
    await using broker = await openTestBroker({ defaultQueueCount: 1 });
    const { mq, clock } = broker;
    await sendApart(broker, [["a", "b"], ["c"], ["d"]]);
    const consumer = mq.pushConsumer({
      group: "billing",
      subscriptions: { orders: "none" },
      listener: () => undefined,
    });
    await consumer.start();
    await clock.advance(1_000);
    const texts = async (from: number, max: number): Promise<readonly string[]> =>
      (await mq.admin.browse(queue, from, max)).map((view) => view.text());

    expect(await texts(0, 1_024)).toEqual(["a", "b", "c", "d"]);
    expect(await texts(1, 2)).toEqual(["b", "c"]);
    expect(await texts(3, 5)).toEqual(["d"]);
    expect([await texts(4, 5), await texts(999, 5)]).toEqual([[], []]);
  });

  it("begins at the minimum when it is asked for less", async () => {
    await using broker = await openTestBroker({ defaultQueueCount: 1 });
    await sendApart(broker, [["a", "b"], ["c"], ["d"]]);
    broker.mq.database.exec("DELETE FROM mq_log WHERE first_offset = 0; UPDATE mq_queue SET floor_offset = 2");
    await using again = await openTestBroker({ database: broker.mq.database });

    const found = await again.mq.admin.browse(queue, 0, 1);

    expect(found.map(({ queueOffset }) => queueOffset)).toEqual([2]);
    await again[Symbol.asyncDispose]();
  });

  it("reads pages of large and small messages without a gap", async () => {
    await using broker = await openTestBroker({ defaultQueueCount: 1 });
    const bodies = Array.from({ length: 1_500 }, (_, index) => `${index}`.padEnd(index % 97 === 0 ? 20_000 : 10, "."));
    const producer = broker.mq.producer({ group: "shop" });
    for (let from = 0; from < bodies.length; from += 50)
      await producer.sendBatch(bodies.slice(from, from + 50).map((body) => ({ topic: "orders", body })));

    const pages = [await broker.mq.admin.browse(queue, 0, 1_024), await broker.mq.admin.browse(queue, 1_024, 1_024)];

    expect(pages.map((page) => page.length)).toEqual([1_024, 476]);
    expect(pages.flat().map((view) => view.text())).toEqual(bodies);
  });

  it.each<[from: unknown, max: unknown, text: string]>([
    [-1, 1, "fromOffset must be an offset from 0 on, got -1"],
    ["0", 1, 'fromOffset must be an offset from 0 on, got "0"'],
    [0, 0, "max must be an integer from 1 to 1024, got 0"],
    [0, 1_025, "max must be an integer from 1 to 1024, got 1025"],
    [0, undefined, "max must be an integer from 1 to 1024, got undefined"],
  ])("refuses the range from %s, at most %s", async (from, max, text) => {
    await using broker = await openTestBroker({ defaultQueueCount: 1 });
    await broker.mq.admin.createTopic("orders");

    await expect(broker.mq.admin.browse(queue, from as number, max as number)).rejects.toThrow(text);
  });
});
