import { describe, expect, it } from "vitest";
import { type MessageQueue, MqError } from "../../lib/index.js";
import { openFaultDriver } from "../support/fault-driver.js";
import { cutQueue, drain, numbered, openReading, pollNow, queueOf, storedOffsets, texts } from "./readers.js";

const QUEUE = queueOf(0);

describe("PullConsumer.seek", () => {
  it.each([
    ["back", 2, numbered(8, 3)],
    ["ahead of what was pulled", 9, ["10"]],
    ["to where it is", 5, numbered(5, 6)],
    ["to the beginning", 0, numbered(10)],
    ["to the end", 10, []],
  ])("goes on %s, at %i", async (_where, offset, expected) => {
    await using reading = await openReading();
    await reading.send(0, ...numbered(10));
    const consumer = await reading.reader();
    await pollNow(consumer, { maxMessages: 5 });

    await consumer.seek(QUEUE, offset);
    await reading.clock.settle();

    expect(await drain(reading, consumer)).toEqual(expected);
  });

  it("goes to the oldest message that is left, and behind the newest", async () => {
    await using reading = await openReading(0, { database: await cutQueue() });
    const consumer = await reading.reader({ consumeFromWhere: "first-offset" });
    await drain(reading, consumer);

    await consumer.seekToBegin(QUEUE);
    await reading.clock.settle();
    const begin = await drain(reading, consumer);
    await consumer.seek(QUEUE, 2);
    await consumer.seekToEnd(QUEUE);
    await reading.send(0, "new");

    expect([begin, await drain(reading, consumer)]).toEqual([["c", "d", "e"], ["new"]]);
  });

  it("takes a queue by what it says, not by which object it is", async () => {
    await using reading = await openReading();
    await reading.send(0, "a");
    const consumer = await reading.reader();
    await consumer.poll();

    await consumer.seek({ ...QUEUE }, 0);
    await reading.clock.settle();

    expect(await pollNow(consumer)).toEqual(["a"]);
  });

  it("counts from its call on: a poll made before it resolves gets nothing of the old place", async () => {
    await using reading = await openReading(2);
    await reading.send(0, ...numbered(50));
    const consumer = await reading.reader();
    await pollNow(consumer);

    const seeking = consumer.seek(QUEUE, 40);
    const polling = consumer.poll();

    expect(texts(await polling)).toEqual(numbered(10, 41));
    await seeking;
  });

  it("counts for a poll that waits already", async () => {
    await using reading = await openReading();
    await reading.send(0, "a", "b");
    const consumer = await reading.reader();
    await consumer.poll();

    const polling = consumer.poll();
    await consumer.seek(QUEUE, 1);

    expect(texts(await polling)).toEqual(["b"]);
  });

  it("drops what is being pulled for the old place", async () => {
    await using reading = await openReading();
    const consumer = await reading.reader();
    await reading.send(0, "a");
    await consumer.poll();

    // The pull that is held at the broker is answered by the same commit that this seek waits for.
    const sending = reading.mq.producer({ group: "shop" }).send({ topic: "orders", body: "b" });
    const seeking = consumer.seek(QUEUE, 0);
    await Promise.all([sending, seeking]);
    await reading.clock.settle();

    expect(await drain(reading, consumer)).toEqual(["a", "b"]);
  });

  it("ends where the last of several calls says", async () => {
    await using reading = await openReading();
    await reading.send(0, ...numbered(10));
    const consumer = await reading.reader();

    await Promise.all([consumer.seek(QUEUE, 2), consumer.seekToBegin(QUEUE), consumer.seek(QUEUE, 7)]);
    await reading.clock.settle();

    expect(await drain(reading, consumer)).toEqual(numbered(3, 8));
  });

  it("is progress, which is committed as what was handed out is", async () => {
    await using reading = await openReading(2);
    await reading.send(0, ...numbered(10));
    const consumer = await reading.reader({ autoCommit: false });
    await pollNow(consumer);

    await consumer.seek(QUEUE, 3);
    await consumer.commit();
    const manually = await storedOffsets(reading.mq);
    await consumer.close();
    const other = await reading.reader();
    await other.seek(QUEUE, 1);
    await other.close();

    expect([manually, await storedOffsets(reading.mq)]).toEqual([
      [3, 0],
      [1, 0],
    ]);
  });

  it.each<[string, MessageQueue, number, string]>([
    ["below the oldest message", QUEUE, 1, "Seek offset illegal, seek offset = 1, min offset = 2, max offset = 5"],
    ["beyond the end", QUEUE, 6, "Seek offset illegal, seek offset = 6, min offset = 2, max offset = 5"],
    ["a negative offset", QUEUE, -1, "Seek offset illegal, seek offset = -1, min offset = 2, max offset = 5"],
    ["a queue that is not assigned", queueOf(1), 0, "not in assigned list, may be rebalancing"],
    ["a queue of another broker", { ...QUEUE, brokerName: "b" }, 2, "not in assigned list, may be rebalancing"],
  ])("refuses %s, and the queue goes on where it was", async (_what, queue, offset, text) => {
    await using reading = await openReading(0, { database: await cutQueue() });
    const consumer = await reading.reader({ consumeFromWhere: "first-offset" });

    await expect(consumer.seek(queue, offset)).rejects.toMatchObject({
      code: "ERR_MQ_OFFSET",
      responseCode: -1,
      message: expect.stringContaining(text),
    });

    expect(await drain(reading, consumer)).toEqual(["c", "d", "e"]);
  });

  it("fails with what the store fails of, and the queue goes on where it was", async () => {
    const driver = openFaultDriver();
    await using reading = await openReading(1, { database: driver.database });
    await reading.send(0, "a", "b");
    const consumer = await reading.reader();

    driver.failFrom(1, "SQLITE_IOERR");
    const seeking = consumer.seek(QUEUE, 1);
    await expect(seeking).rejects.toBeInstanceOf(MqError);
    driver.heal();

    expect(await drain(reading, consumer)).toEqual(["a", "b"]);
  });

  it("is refused when the consumer closes meanwhile", async () => {
    await using reading = await openReading();
    const consumer = await reading.reader();

    const seeking = consumer.seek(QUEUE, 0).then(
      () => "sought",
      (error: MqError) => error.code,
    );
    await consumer.close();

    expect(["sought", "ERR_MQ_OFFSET"]).toContain(await seeking);
    expect(consumer.assignment).toEqual([]);
  });
});

describe("PullConsumer.offsetForTimestamp", () => {
  it.each([
    ["before everything", 0, 2],
    ["at a message", 1.7e12 + 300, 3],
    ["between two", 1.7e12 + 301, 4],
    ["as a date", new Date(1.7e12 + 301), 4],
    ["after everything", 2e12, 5],
  ])("finds the first message stored at a time or later: %s", async (_when, timestamp, expected) => {
    await using reading = await openReading(0, { database: await cutQueue() });
    const consumer = await reading.reader();

    expect(await consumer.offsetForTimestamp(QUEUE, timestamp)).toBe(expected);
  });

  it("does so in queues that the consumer does not have, and moves nothing", async () => {
    await using reading = await openReading(2);
    await reading.send(1, "a");
    const consumer = await reading.reader({ subscriptions: {} });

    expect(await consumer.offsetForTimestamp(queueOf(1), 0)).toBe(0);
    expect(consumer.assignment).toEqual([]);
  });
});

describe("PullConsumer.pause", () => {
  it("pulls nothing more of a queue, hands out what was pulled before, and goes on with resume", async () => {
    await using reading = await openReading(2);
    await reading.send(0, "a", "b");
    const consumer = await reading.reader();

    consumer.pause([QUEUE]);
    await reading.send(0, "c");
    await reading.send(1, "x");
    const paused = [await pollNow(consumer), await pollNow(consumer), await pollNow(consumer)];
    consumer.resume([QUEUE]);
    await reading.clock.settle();

    expect(paused).toEqual([["a", "b"], ["x"], []]);
    expect(await pollNow(consumer)).toEqual(["c"]);
  });

  it("wakes a poll that waits when the queue is resumed", async () => {
    await using reading = await openReading();
    const consumer = await reading.reader();
    consumer.pause([QUEUE]);
    await reading.send(0, "a");

    const polling = consumer.poll();
    consumer.resume([QUEUE]);

    expect(texts(await polling)).toEqual(["a"]);
  });

  it("lasts through a seek", async () => {
    await using reading = await openReading();
    await reading.send(0, "a", "b");
    const consumer = await reading.reader();

    consumer.pause([QUEUE]);
    await consumer.seek(QUEUE, 1);
    await reading.clock.settle();
    const paused = await pollNow(consumer);
    consumer.resume([QUEUE]);
    await reading.clock.settle();

    expect([paused, await pollNow(consumer)]).toEqual([[], ["b"]]);
  });

  it("passes over queues that the consumer does not have, also before it is started", async () => {
    await using reading = await openReading();
    const consumer = reading.mq.pullConsumer({ group: "reading", subscriptions: { orders: "*" } });
    consumer.pause([QUEUE]);
    await consumer.start();

    consumer.pause([queueOf(7), { ...QUEUE, brokerName: "broker-b" }]);
    await reading.send(0, "a");

    expect(await pollNow(consumer)).toEqual(["a"]);
  });
});

describe("PullConsumer.fetchMessageQueues", () => {
  it("lists the queues of a topic that can be read, assigned or not", async () => {
    await using reading = await openReading(0);
    await reading.mq.admin.createTopic("invoices", { readQueueNums: 2, writeQueueNums: 4 });
    const consumer = await reading.reader();

    expect(await consumer.fetchMessageQueues("invoices")).toEqual([queueOf(0, "invoices"), queueOf(1, "invoices")]);
    await expect(consumer.fetchMessageQueues("unknown")).rejects.toMatchObject({ code: "ERR_MQ_TOPIC_NOT_FOUND" });
  });
});
