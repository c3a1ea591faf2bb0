import Database from "better-sqlite3";
import { describe, expect, it } from "vitest";
import type { Broker, MqError, PushConsumer } from "../../lib/index.js";
import { type FaultDriver, openFaultDriver } from "../support/fault-driver.js";
import { tempFolder } from "../support/temp-folder.js";
import { openTestBroker, type TestBroker } from "../support/test-broker.js";

const RETRY = "%RETRY%billing";
const SECOND = 1_000;

interface Rig extends AsyncDisposable, TestBroker {
  readonly driver: FaultDriver;
  /** Beside the broker's. */
  readonly other: Database.Database;
  readonly errors: MqError[];
  /** Lets the time pass until the first error is told, and says when that was. */
  giveUp(): Promise<number>;
}

/** A broker on a file whose topic "orders" has one queue; what goes wrong in the background is collected. */
async function openRig(): Promise<Rig> {
  const folder = tempFolder();
  const driver = openFaultDriver(folder.file("app.db"));
  driver.database.pragma("journal_mode = WAL");
  const broker = await openTestBroker({ database: driver.database });
  const other = new Database(folder.file("app.db"));
  const errors: MqError[] = [];
  let toldAt = 0;
  broker.mq.on("error", (error) => {
    toldAt ||= broker.clock.now();
    errors.push(error);
  });
  await broker.mq.admin.createTopic("orders", { readQueueNums: 1, writeQueueNums: 1 });
  return {
    ...broker,
    driver,
    other,
    errors,
    giveUp: async () => {
      await broker.clock.settle();
      for (let waited = 0; errors.length === 0 && waited < 10 * SECOND; waited += 1) await broker.clock.advance(1);
      return toldAt;
    },
    [Symbol.asyncDispose]: async () => {
      await broker[Symbol.asyncDispose]();
      other.close();
      driver.database.close();
      folder[Symbol.dispose]();
    },
  };
}

interface Delivered {
  readonly at: number;
  readonly attempt: number;
}

/** Fails each time until told otherwise. */
function failing({ mq, clock }: TestBroker): {
  readonly consumer: PushConsumer;
  readonly delivered: Delivered[];
  succeed(): void;
} {
  let isFailing = true;
  const delivered: Delivered[] = [];
  const consumer = mq.pushConsumer({
    group: "billing",
    subscriptions: { orders: "*" },
    listener: ({ deliveryAttempt }) => {
      delivered.push({ at: clock.now(), attempt: deliveryAttempt });
      return isFailing ? "retry" : "success";
    },
  });
  return {
    consumer,
    delivered,
    succeed: () => {
      isFailing = false;
    },
  };
}

const consumed = async (mq: Broker): Promise<number | undefined> =>
  (await mq.admin.consumeStats("billing", "orders")).queues[0]?.consumerOffset;

interface Obstacle {
  readonly what: string;
  readonly code: string;
  readonly begin: (rig: Rig) => unknown;
  readonly end: (rig: Rig) => unknown;
}

const OBSTACLES: readonly Obstacle[] = [
  {
    what: "the retry topic takes nothing",
    code: "ERR_MQ_NO_PERMISSION",
    begin: ({ mq }) => mq.admin.updateTopic(RETRY, { perm: "R" }),
    end: ({ mq }) => mq.admin.updateTopic(RETRY, { perm: "RW" }),
  },
  {
    what: "the disk is full",
    code: "ERR_MQ_SERVICE_NOT_AVAILABLE",
    begin: ({ driver }) => driver.fail("INSERT INTO mq_due", "SQLITE_FULL", "before"),
    end: ({ driver }) => driver.heal(),
  },
  {
    what: "another process keeps the store locked",
    code: "ERR_MQ_SYSTEM_BUSY",
    begin: ({ other }) => other.exec("BEGIN IMMEDIATE"),
    end: ({ other }) => other.exec("ROLLBACK"),
  },
];

describe.each(OBSTACLES)("a message that cannot be sent back because $what", ({ code, begin, end }) => {
  async function failOnce(rig: Rig): Promise<ReturnType<typeof failing> & { readonly gaveUpAt: number }> {
    const failed = failing(rig);
    failed.consumer.suspend();
    await failed.consumer.start();
    await rig.mq.producer({ group: "shop" }).send({ topic: "orders", body: "a" });
    await begin(rig);
    failed.consumer.resume();
    return { ...failed, gaveUpAt: await rig.giveUp() };
  }

  it("stays unacknowledged and goes to the listener again from memory after 5 s, as the next attempt", async () => {
    await using rig = await openRig();
    const { delivered, succeed, gaveUpAt } = await failOnce(rig);

    await rig.clock.advance(5 * SECOND - 1);
    const meanwhile = [delivered.length, await consumed(rig.mq)];
    succeed();
    await rig.clock.advance(1);
    await end(rig);
    await rig.clock.advance(60 * SECOND);

    expect(meanwhile).toEqual([1, 0]);
    expect(delivered).toEqual([
      { at: expect.any(Number), attempt: 1 },
      { at: gaveUpAt + 5 * SECOND, attempt: 2 },
    ]);
    expect(await consumed(rig.mq)).toBe(1);
    expect(await rig.mq.admin.topicStats(RETRY)).toMatchObject([{ maxOffset: 0 }]);
  });

  it("is told of as an error", async () => {
    await using rig = await openRig();

    await failOnce(rig);

    await end(rig);
    await rig.clock.advance(SECOND);

    expect(rig.errors.map((error) => error.code)).toEqual([code]);
    expect(rig.errors[0]?.message).toMatch(
      /^group billing could not send a message back, it is delivered again in 5 s: /,
    );
    expect(rig.logged.filter(({ level }) => level === "error")).toEqual([]);
  });

  it("is sent back at a later failure, and only failures that were stored count then", async () => {
    await using rig = await openRig();
    const { delivered, succeed, gaveUpAt } = await failOnce(rig);
    await end(rig);

    await rig.clock.advance(5 * SECOND);
    const acknowledged = await consumed(rig.mq);
    succeed();
    await rig.clock.advance(60 * SECOND);

    expect(acknowledged).toBe(1);
    expect(delivered).toEqual([
      { at: expect.any(Number), attempt: 1 },
      { at: gaveUpAt + 5 * SECOND, attempt: 2 },
      { at: gaveUpAt + 15 * SECOND, attempt: 2 },
    ]);
    expect(await rig.mq.admin.topicStats(RETRY)).toMatchObject([{ maxOffset: 1 }]);
  });
});

describe("messages that cannot be sent back", () => {
  it("are told of in the log when nobody listens to errors", async () => {
    await using broker = await openTestBroker();
    await broker.mq.admin.createTopic(RETRY, { readQueueNums: 1, writeQueueNums: 1, perm: "R" });
    const { consumer, succeed } = failing(broker);
    await consumer.start();
    await broker.mq.producer({ group: "shop" }).send({ topic: "orders", body: "a" });

    await broker.clock.settle();
    succeed();

    expect(broker.logged).toContainEqual({
      level: "error",
      text: expect.stringContaining("group billing could not send a message back"),
      data: { topic: "orders" },
    });
    await broker.clock.advance(5 * SECOND);
  });

  it("hold up the offset, and nothing else", async () => {
    await using broker = await openTestBroker({ defaultQueueCount: 1 });
    const { mq, clock } = broker;
    await mq.admin.createTopic(RETRY, { readQueueNums: 1, writeQueueNums: 1, perm: "R" });
    const received: string[] = [];
    const consumer = mq.pushConsumer({
      group: "billing",
      subscriptions: { orders: "*" },
      consumeConcurrency: 1,
      listener: (view) => {
        received.push(view.text());
        return view.text() === "bad" ? "retry" : "success";
      },
    });
    await consumer.start();

    for (const body of ["a", "bad", "b", "c"]) await mq.producer({ group: "shop" }).send({ topic: "orders", body });
    await clock.advance(SECOND);

    expect(received).toEqual(["a", "bad", "b", "c"]);
    expect(await consumed(mq)).toBe(1);
  });

  it("are told of while their consumer closes too: whoever consumes the queue next gets them again", async () => {
    await using rig = await openRig();
    const { mq, clock, driver, errors } = rig;
    let fail = (): void => undefined;
    const failed = new Promise<"retry">((resolve) => {
      fail = () => resolve("retry");
    });
    const first = mq.pushConsumer({ group: "billing", subscriptions: { orders: "*" }, listener: () => failed });
    await first.start();
    await mq.producer({ group: "shop" }).send({ topic: "orders", body: "a" });
    await clock.settle();

    driver.fail("INSERT INTO mq_due", "SQLITE_FULL", "before");
    fail();
    await first.close();
    driver.heal();
    const { consumer, delivered, succeed } = failing(rig);
    succeed();
    await consumer.start();
    await clock.settle();

    expect(errors).toEqual([
      expect.objectContaining({
        code: "ERR_MQ_SERVICE_NOT_AVAILABLE",
        message: expect.stringContaining("whoever consumes its queue next gets it again"),
      }),
    ]);
    expect(delivered).toEqual([{ at: clock.now(), attempt: 1 }]);
  });
});
