import Database from "better-sqlite3";
import { describe, expect, it } from "vitest";
import type { PullConsumer, PullConsumerOptions } from "../../lib/index.js";
import { type Engine, openEngines } from "../broker/engines.js";
import { openFaultDriver } from "../support/fault-driver.js";
import { tempFolder } from "../support/temp-folder.js";
import { openTestBroker, type TestBroker } from "../support/test-broker.js";
import { drain, GROUP, ids, numbered, pollNow, queueOf, storedOffsets, TOPIC, texts } from "./readers.js";

/** As in {@link openReading}, in one of several processes on a file. */
async function read(engine: Engine, options: Partial<PullConsumerOptions> = {}): Promise<PullConsumer> {
  const consumer = engine.test.mq.pullConsumer({ group: GROUP, subscriptions: { [TOPIC]: "*" }, ...options });
  await consumer.start();
  return consumer;
}

describe("pull consumers of several processes", () => {
  it("share the queues, and hand one over with its progress", async () => {
    await using engines = await openEngines();
    const [a, b] = [await engines.open(), await engines.open()];
    await a.test.mq.admin.createTopic(TOPIC, { readQueueNums: 2, writeQueueNums: 2 });
    for (let index = 0; index < 10; index += 1) await a.send(`${index}`, index % 2);
    const ofA = await read(a);
    await engines.settle();
    const first = [...(await pollNow(ofA, { maxMessages: 2 })), ...(await pollNow(ofA, { maxMessages: 2 }))];

    const ofB = await read(b);
    await engines.settle();
    const rest = [...(await drain(a.test, ofA)), ...(await drain(b.test, ofB))];

    expect([ids(ofA).length, ids(ofB).length]).toEqual([1, 1]);
    expect([...first, ...rest].sort()).toEqual(numbered(10, 0));
  });

  it("wake a poll that waits in another process", async () => {
    await using engines = await openEngines();
    const [a, b] = [await engines.open(), await engines.open()];
    await a.test.mq.admin.createTopic(TOPIC, { readQueueNums: 1, writeQueueNums: 1 });
    const consumer = await read(b);
    await engines.settle();

    const polling = consumer.poll();
    await a.send("x", 0);
    await engines.settle();

    expect(texts(await polling)).toEqual(["x"]);
  });

  /** Another process has found all others to be gone. */
  const TAKEN = `
    DELETE FROM mq_claim; DELETE FROM mq_member; DELETE FROM mq_engine;
    UPDATE mq_meta SET value = value + 1 WHERE name = 'member_changes'`;

  /** Five messages, of which two were handed out, in a broker whose driver can be watched; and another connection. */
  async function openWatched(): Promise<{
    readonly test: TestBroker;
    readonly driver: ReturnType<typeof openFaultDriver>;
    readonly other: Database.Database;
    readonly consumer: PullConsumer;
    readonly [Symbol.asyncDispose]: () => Promise<void>;
  }> {
    const folder = tempFolder();
    const driver = openFaultDriver(folder.file("app.db"));
    const test = await openTestBroker({ database: driver.database, defaultQueueCount: 1 });
    const producer = test.mq.producer({ group: "shop" });
    for (const body of numbered(5)) await producer.send({ topic: TOPIC, body });
    const consumer = test.mq.pullConsumer({ group: GROUP, subscriptions: { [TOPIC]: "*" }, autoCommit: false });
    await consumer.start();
    await test.clock.advance(50);
    expect(await pollNow(consumer, { maxMessages: 2 })).toEqual(["1", "2"]);
    const other = new Database(folder.file("app.db"));
    const dispose = async (): Promise<void> => {
      driver.onRead = undefined;
      await test[Symbol.asyncDispose]();
      other.close();
      driver.database.close();
      folder[Symbol.dispose]();
    };
    return { test, driver, other, consumer, [Symbol.asyncDispose]: dispose };
  }

  it("cannot commit a queue that was taken from their process while it hung: nothing is moved", async () => {
    await using watched = await openWatched();
    const { other, consumer, test } = watched;

    other.exec(TAKEN);
    await expect(consumer.commit()).rejects.toMatchObject({ code: "ERR_MQ_OFFSET", responseCode: -1 });

    await test.clock.advance(2_000);
    expect(other.prepare("SELECT count(*) FROM mq_consume_offset").pluck().get()).toBe(0);
  });

  it("are handed nothing of such a queue, though more of it was pulled, whatever their process does first", async () => {
    await using watched = await openWatched();
    const { other, consumer, test } = watched;

    other.exec(TAKEN);
    test.clock.setTime(test.clock.now() + 10_000);

    expect(await pollNow(consumer)).toEqual([]);
  });

  it("are handed nothing of it either where their process was stopped right after it had looked", async () => {
    await using watched = await openWatched();
    const { driver, other, consumer, test } = watched;

    driver.onRead = (source) => {
      if (source !== "PRAGMA data_version") return;
      driver.onRead = undefined;
      other.exec(TAKEN);
      test.clock.setTime(test.clock.now() + 10_000);
    };
    await test.clock.advance(250);

    expect(driver.onRead).toBeUndefined();
    expect(await pollNow(consumer)).toEqual([]);
  });

  it("may all assign one queue and commit it: the last one counts", async () => {
    await using engines = await openEngines();
    const [a, b] = [await engines.open(), await engines.open()];
    await a.test.mq.admin.createTopic(TOPIC, { readQueueNums: 1, writeQueueNums: 1 });
    for (let index = 0; index < 5; index += 1) await a.send(`${index}`, 0);
    const [ofA, ofB] = [await read(a, { subscriptions: {} }), await read(b, { subscriptions: {} })];
    for (const consumer of [ofA, ofB]) consumer.assign([queueOf(0)]);
    await engines.settle();

    await pollNow(ofA, { maxMessages: 4 });
    await pollNow(ofB, { maxMessages: 2 });
    await ofA.commit();
    const first = await ofB.committed(queueOf(0));
    await ofB.commit();
    const second = await ofA.committed(queueOf(0));
    await ofA.close();
    await ofB.close();

    expect([first, second]).toEqual([4, 2]);
    expect(await storedOffsets(a.test.mq)).toEqual([2]);
  });
});
