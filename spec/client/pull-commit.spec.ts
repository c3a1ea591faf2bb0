import Database from "better-sqlite3";
import { describe, expect, it } from "vitest";
import type { Broker, MessageQueue, PullConsumer } from "../../lib/index.js";
import type { SqliteStatement } from "../../lib/store/sqlite.js";
import { openFaultDriver } from "../support/fault-driver.js";
import { openTestBroker } from "../support/test-broker.js";
import { cutQueue, GROUP, numbered, openReading, pollNow, queueOf, storedOffsets, TOPIC } from "./readers.js";

/** What is in the tables, not what is about to be. */
function storedRows({ database }: Broker): readonly unknown[] {
  const rows =
    "SELECT queue_id || ' ' || next_offset FROM mq_consume_offset WHERE consumer_group = 'reading' ORDER BY 1";
  return (database.prepare(rows) as SqliteStatement<string>).pluck().all();
}

async function closed(consumer: PullConsumer): Promise<void> {
  await consumer.close();
}

describe("automatic commit", () => {
  it("covers what earlier polls handed out, when the interval has passed since the last one", async () => {
    await using reading = await openReading();
    const { mq, clock } = reading;
    await reading.send(0, ...numbered(40));
    const consumer = await reading.reader({ autoCommitIntervalMs: 2_000 });
    const seen: (readonly unknown[])[] = [];
    const poll = async (): Promise<void> => {
      await pollNow(consumer);
      await clock.advance(50);
      seen.push(storedRows(mq));
    };

    await poll();
    await poll();
    await clock.advance(1_899);
    await poll();
    await clock.advance(1);
    await poll();

    expect(seen).toEqual([[], [], [], ["0 30"]]);
  });

  it("happens each 5 s by default, and never without a poll", async () => {
    await using reading = await openReading();
    const { mq, clock } = reading;
    await reading.send(0, ...numbered(3));
    const consumer = await reading.reader();
    await pollNow(consumer);

    await clock.advance(60_000);
    const before = storedRows(mq);
    await pollNow(consumer);
    await clock.advance(50);

    expect([before, storedRows(mq)]).toEqual([[], ["0 3"]]);
  });

  it("goes on after the clock was set back", async () => {
    await using reading = await openReading();
    const { mq, clock } = reading;
    await reading.send(0, "a");
    const consumer = await reading.reader();
    await pollNow(consumer);

    clock.setTime(clock.now() - 3_600_000);
    await pollNow(consumer);
    await clock.advance(5_000);
    await pollNow(consumer);
    await clock.advance(50);

    expect(storedRows(mq)).toEqual(["0 1"]);
  });

  it("writes nothing for a queue that nothing was handed out of", async () => {
    await using reading = await openReading(2);
    const { mq, clock } = reading;
    await reading.send(0, "a");
    await reading.send(1, "b");
    const consumer = await reading.reader();
    const first = await consumer.poll();

    await clock.advance(5_000);
    consumer.pause([queueOf(0), queueOf(1)]);
    await closed(consumer);

    expect(storedRows(mq)).toEqual([`${first[0]?.queueId} 1`]);
  });

  it("covers everything that was handed out when the consumer closes", async () => {
    await using reading = await openReading(2);
    await reading.send(0, ...numbered(25));
    await reading.send(1, ...numbered(5));
    const consumer = await reading.reader();
    for (let poll = 0; poll < 3; poll += 1) await consumer.poll();

    await closed(consumer);
    const next = await reading.reader();

    expect(await storedOffsets(reading.mq)).toEqual([20, 5]);
    expect(await pollNow(next)).toEqual(numbered(5, 21));
  });

  it("is left out when it is turned off: what was handed out comes again", async () => {
    await using reading = await openReading();
    await reading.send(0, ...numbered(3));
    const consumer = await reading.reader({ autoCommit: false });
    await pollNow(consumer);
    await reading.clock.advance(60_000);
    await pollNow(consumer);
    await closed(consumer);

    const next = await reading.reader();

    expect(storedRows(reading.mq)).toEqual([]);
    expect(await pollNow(next)).toEqual(numbered(3));
  });
});

describe("PullConsumer.commit", () => {
  it("has stored what was handed out when it resolves, no more", async () => {
    await using reading = await openReading(2);
    await reading.send(0, ...numbered(25));
    await reading.send(1, ...numbered(5));
    const consumer = await reading.reader({ autoCommit: false });

    await consumer.poll();
    await consumer.commit();
    const once = storedRows(reading.mq);
    await consumer.poll();
    await consumer.poll({ maxMessages: 1 });
    await consumer.commit();

    expect(once).toEqual(["0 10"]);
    expect(storedRows(reading.mq)).toEqual(["0 11", "1 5"]);
  });

  it("waits for what was committed automatically before", async () => {
    await using reading = await openReading();
    const { mq, clock } = reading;
    await reading.send(0, ...numbered(15));
    const consumer = await reading.reader();
    await pollNow(consumer);
    await clock.advance(5_000);
    await pollNow(consumer, { maxMessages: 1 });
    const before = storedRows(mq);

    await consumer.commit();

    expect([before, storedRows(mq)]).toEqual([[], ["0 11"]]);
  });

  it("resolves at once when there is nothing to commit", async () => {
    await using reading = await openReading();
    const consumer = await reading.reader();

    await consumer.commit();

    expect(storedRows(reading.mq)).toEqual([]);
  });

  it("stores the offsets that it is given, also lower ones, and nothing else", async () => {
    await using reading = await openReading(2);
    await reading.send(0, ...numbered(10));
    await reading.send(1, ...numbered(10));
    const consumer = await reading.reader({ autoCommit: false });
    await consumer.poll();
    await consumer.poll();

    await consumer.commit(new Map([[queueOf(0), 7]]));
    const first = storedRows(reading.mq);
    await consumer.commit(
      new Map([
        [queueOf(0), 4],
        [queueOf(1), 10],
      ]),
    );

    expect([first, storedRows(reading.mq)]).toEqual([["0 7"], ["0 4", "1 10"]]);
    expect(await consumer.committed(queueOf(0))).toBe(4);
  });

  it("is where the group goes on after a restart", async () => {
    await using reading = await openReading();
    await reading.send(0, ...numbered(10));
    const consumer = await reading.reader({ autoCommit: false });
    await consumer.poll();
    await consumer.commit(new Map([[queueOf(0), 3]]));
    await closed(consumer);

    expect(await pollNow(await reading.reader())).toEqual(numbered(7, 4));
  });

  it("is overtaken by the next automatic commit, if that is on", async () => {
    await using reading = await openReading();
    const { mq, clock } = reading;
    await reading.send(0, ...numbered(10));
    const consumer = await reading.reader();
    await consumer.poll();
    await clock.advance(5_000);
    await pollNow(consumer);
    await clock.advance(50);
    const before = storedRows(mq);

    await consumer.commit(new Map([[queueOf(0), 3]]));
    const between = storedRows(mq);
    await clock.advance(5_000);
    await pollNow(consumer);
    await clock.advance(50);

    expect([before, between, storedRows(mq)]).toEqual([["0 10"], ["0 3"], ["0 10"]]);
  });

  it.each<[string, MessageQueue, number]>([
    ["a queue that is not assigned", queueOf(1), 0],
    ["a queue of another topic", queueOf(0, "invoices"), 0],
    ["a queue of another broker", { ...queueOf(0), brokerName: "broker-b" }, 0],
    ["a negative offset", queueOf(0), -1],
    ["an offset beyond the end", queueOf(0), 11],
  ])("refuses %s, and stores nothing of the others either", async (_what, queue, offset) => {
    await using reading = await openReading(3);
    await reading.send(0, ...numbered(10));
    await reading.send(2, ...numbered(10));
    const consumer = await reading.reader({ subscriptions: {}, autoCommit: false });
    consumer.assign([queueOf(0), queueOf(2)]);
    await reading.clock.settle();
    await consumer.poll();

    const refused = consumer.commit(
      new Map([
        [queueOf(2), 5],
        [queue, offset],
      ]),
    );

    await expect(refused).rejects.toMatchObject({ code: "ERR_MQ_OFFSET", responseCode: -1 });
    await reading.clock.advance(1_000);
    expect(storedRows(reading.mq)).toEqual([]);
  });

  it("takes an offset below the oldest message that is left: retention may have overtaken who processed it", async () => {
    await using reading = await openReading(0, { database: await cutQueue() });
    const consumer = await reading.reader({ autoCommit: false });

    await consumer.commit(new Map([[queueOf(0), 1]]));

    expect(storedRows(reading.mq)).toEqual(["0 1"]);
  });

  it("waits for a transaction of the connection's owner, and is not rolled back with it", async () => {
    const database = new Database(":memory:");
    await using reading = await openReading(1, { database });
    await reading.send(0, ...numbered(3));
    const consumer = await reading.reader({ autoCommit: false });
    await consumer.poll();

    database.exec("BEGIN");
    const committing = consumer.commit();
    await reading.clock.advance(100);
    const meanwhile = storedRows(reading.mq);
    database.exec("ROLLBACK");
    await reading.clock.advance(100);
    await committing;

    expect([meanwhile, storedRows(reading.mq)]).toEqual([[], ["0 3"]]);
  });

  it("rejects while the disk is full, and the offset is stored once there is room", async () => {
    const driver = openFaultDriver();
    await using broker = await openTestBroker({ database: driver.database, defaultQueueCount: 1 });
    const { mq, clock } = broker;
    await mq.producer({ group: "shop" }).send({ topic: TOPIC, body: "a" });
    const consumer = mq.pullConsumer({ group: GROUP, subscriptions: { [TOPIC]: "*" }, autoCommit: false });
    await consumer.start();
    await clock.settle();
    await consumer.poll();

    driver.fail("COMMIT", "SQLITE_FULL", "before");
    await expect(consumer.commit()).rejects.toMatchObject({ code: "ERR_MQ_SERVICE_NOT_AVAILABLE" });
    const whileFull = storedRows(mq);
    driver.heal();
    await clock.advance(1_000);

    expect([whileFull, storedRows(mq)]).toEqual([[], ["0 1"]]);
  });
});

describe("PullConsumer.committed", () => {
  it("is the stored progress of the group, of any queue of the broker, and undefined where there is none", async () => {
    await using reading = await openReading(2);
    await reading.send(0, ...numbered(3));
    await reading.send(1, "a");
    const consumer = await reading.reader({ autoCommit: false });
    await reading.mq.admin.createTopic("invoices");

    const before = await consumer.committed(queueOf(0));
    await consumer.poll();
    const polled = await consumer.committed(queueOf(0));
    await consumer.commit();

    expect([before, polled, await consumer.committed(queueOf(0))]).toEqual([undefined, undefined, 3]);
    expect(await consumer.committed(queueOf(3, "invoices"))).toBeUndefined();
  });

  it("refuses what there is not", async () => {
    await using reading = await openReading(2);
    const consumer = await reading.reader();

    for (const queue of [queueOf(2), queueOf(-1), { ...queueOf(0), brokerName: "broker-b" }]) {
      await expect(consumer.committed(queue)).rejects.toMatchObject({ code: "ERR_MQ_OFFSET", responseCode: -1 });
      await expect(consumer.offsetForTimestamp(queue, 0)).rejects.toMatchObject({ code: "ERR_MQ_OFFSET" });
    }
    await expect(consumer.committed(queueOf(0, "unknown"))).rejects.toMatchObject({ code: "ERR_MQ_TOPIC_NOT_FOUND" });
  });
});

describe("where a pull consumer starts", () => {
  it.each([
    ["a young queue is read from its beginning", "last-offset", ["a", "b"]],
    ["also where it says otherwise", { timestamp: 2e12 }, ["a", "b"]],
  ] as const)("%s", async (_what, consumeFromWhere, expected) => {
    await using reading = await openReading();
    await reading.send(0, "a", "b");

    expect(await pollNow(await reading.reader({ consumeFromWhere }))).toEqual(expected);
  });

  it.each([
    ["first-offset", "first-offset", ["c", "d", "e"]],
    ["a timestamp", { timestamp: 1_700_000_000_300 }, ["d", "e"]],
    ["last-offset", "last-offset", []],
  ] as const)("where its front was deleted %s counts", async (_what, consumeFromWhere, expected) => {
    await using reading = await openReading(0, { database: await cutQueue() });

    expect(await pollNow(await reading.reader({ consumeFromWhere }))).toEqual(expected);
  });

  it("goes on at the nearest offset there is when the stored one is outside of the queue", async () => {
    const database = await cutQueue();
    database.exec("INSERT INTO mq_consume_offset VALUES ('reading', 'orders', 0, 1)");
    await using reading = await openReading(0, { database });
    const consumer = await reading.reader();

    expect(await pollNow(consumer)).toEqual(["c", "d", "e"]);
    expect(reading.logged.map(({ text }) => text)).toEqual(["a consume offset was outside its message queue"]);
  });

  it("commits the offset that it went on at, also when nothing came since", async () => {
    const database = await cutQueue();
    database.exec("INSERT INTO mq_consume_offset VALUES ('reading', 'orders', 0, 99)");
    await using reading = await openReading(0, { database });
    const consumer = await reading.reader();

    await consumer.commit();

    expect(storedRows(reading.mq)).toEqual(["0 5"]);
  });
});
