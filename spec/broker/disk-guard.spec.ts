import Database from "better-sqlite3";
import { describe, expect, it } from "vitest";
import type { Broker, BrokerSettings, EmbeddedProducer, MqError } from "../../lib/index.js";
import { storedIn } from "../support/shared-connection.js";
import { MIB, type SpiedDisk, spyDisk } from "../support/spied-disk.js";
import { type TempFolder, tempFolder } from "../support/temp-folder.js";
import { openTestBroker, type TestBroker } from "../support/test-broker.js";
import { type Heard, listen } from "./event-log.js";

const FULL = { code: "ERR_MQ_SERVICE_NOT_AVAILABLE", responseCode: 14 } as const;
const ROOMY = { usedBytes: 1_000 * MIB, freeBytes: 64 * MIB };
const MESSAGE = { topic: "orders", body: "refused" };

interface Guarded extends AsyncDisposable {
  readonly test: TestBroker;
  readonly mq: Broker;
  readonly producer: EmbeddedProducer;
  readonly disk: SpiedDisk;
  readonly folder: TempFolder;
  readonly heard: readonly Heard[];
  /** Too little for sends; after the next look. */
  fill(): Promise<void>;
  makeRoom(): Promise<void>;
}

/** On a disk that has just as much room as is asked for. */
async function openGuarded(
  settings: Omit<BrokerSettings, "clock"> = {},
  mode: "owned" | "attached" = "owned",
): Promise<Guarded> {
  const folder = tempFolder();
  const disk = spyDisk(ROOMY);
  const owner = mode === "owned" ? undefined : new Database(folder.file("app.db"));
  const place = owner === undefined ? { path: folder.file("app.db") } : { database: owner };
  const test = await openTestBroker({ defaultQueueCount: 1, ...settings, ...place });
  const setFree = async (freeBytes: number): Promise<void> => {
    disk.freeBytes = freeBytes;
    await test.clock.advance(10_000);
  };
  return {
    ...{ test, mq: test.mq, producer: test.mq.producer({ group: "shop" }), disk, folder },
    heard: listen(test.mq, "disk:full", "disk:recovered", "error"),
    fill: () => setFree(ROOMY.freeBytes - MIB),
    makeRoom: () => setFree(ROOMY.freeBytes),
    [Symbol.asyncDispose]: async () => {
      await test[Symbol.asyncDispose]();
      owner?.close();
      folder[Symbol.dispose]();
    },
  };
}

/** What a send is refused with, thrown or rejected. */
async function refusalOf(send: () => unknown): Promise<MqError> {
  try {
    await send();
  } catch (error) {
    return error as MqError;
  }
  throw new Error("it was not refused");
}

describe.each(["owned", "attached"] as const)("a disk with less room than minFreeBytes, %s", (mode) => {
  it.each<[string, (guarded: Guarded) => unknown]>([
    ["send", ({ producer }) => producer.send(MESSAGE)],
    ["sendBatch", ({ producer }) => producer.sendBatch([MESSAGE, MESSAGE])],
    ["sendOneway", ({ producer }) => producer.sendOneway(MESSAGE)],
    ["sendSync", ({ producer }) => producer.sendSync(MESSAGE)],
    ["sendBatchSync", ({ producer }) => producer.sendBatchSync([MESSAGE, MESSAGE])],
    ["sendSync in a transaction", ({ mq, producer }) => mq.transaction(() => void producer.sendSync(MESSAGE))],
    ["a send to a new topic", ({ producer }) => producer.send({ ...MESSAGE, topic: "unborn" })],
    ["a delayed send", ({ producer }) => producer.send({ ...MESSAGE, delayMs: 1_000 })],
  ])("refuses %s with 14, and nothing of it is stored; then it takes it again", async (_form, send) => {
    await using guarded = await openGuarded({}, mode);
    const { mq, producer, test } = guarded;
    await producer.send({ topic: "orders", body: "before" });

    await guarded.fill();
    const changes = (mq.database as Database.Database).prepare<[], number>("SELECT total_changes()").pluck();
    const before = changes.get();
    const error = await refusalOf(() => send(guarded));
    const after = changes.get();
    await guarded.makeRoom();
    await send(guarded);
    await test.clock.advance(1_000);

    expect(error).toMatchObject(FULL);
    expect(after).toBe(before);
    const texts = await storedIn(mq, "orders");
    expect(texts[0]).toBe("0 before");
    expect([
      ...texts,
      ...((await mq.admin.listTopics()).length > 1 ? await storedIn(mq, "unborn") : []),
    ]).toContainEqual(expect.stringMatching(/^[01] refused$/));
  });

  it("leaves the transaction of the owner alone in which a send is refused", async () => {
    await using guarded = await openGuarded({}, mode);
    const { mq, producer } = guarded;
    mq.database.exec("CREATE TABLE invoice (id INTEGER)");
    await guarded.fill();

    mq.database.exec("BEGIN; INSERT INTO invoice VALUES (7)");
    const error = await refusalOf(() => producer.sendSync(MESSAGE));
    mq.database.exec("COMMIT");

    expect(error).toMatchObject(FULL);
    expect((mq.database as Database.Database).prepare("SELECT id FROM invoice").all()).toEqual([{ id: 7 }]);
    expect(await mq.admin.listTopics()).toEqual([]);
  });

  it("is told of once, and once that it has recovered", async () => {
    await using guarded = await openGuarded({}, mode);
    const { test, heard, producer } = guarded;

    await guarded.fill();
    await refusalOf(() => producer.send(MESSAGE));
    await test.clock.advance(60_000);
    const whileFull = [...heard];
    await guarded.makeRoom();
    await test.clock.advance(60_000);

    expect(whileFull).toEqual([["disk:full", { freeBytes: 63 * MIB }]]);
    expect(heard.slice(1)).toEqual([["disk:recovered", { freeBytes: 64 * MIB }]]);
    expect(test.logged).toEqual([]);
  });
});

describe("the refusal of a send", () => {
  it("has RocketMQ's remark, how much is free where, and what to do", async () => {
    await using guarded = await openGuarded();
    await guarded.fill();

    const { message } = await refusalOf(() => guarded.producer.send(MESSAGE));

    expect(message).toBe(
      "service not available now. It may be caused by one of the following reasons: the broker's disk is full [CL:  0.95 CQ:  0.95 INDEX:  0.95], " +
        "messages are put to the slave, message store has been shut down, etc. Here it is the disk: " +
        `63 MiB are free in ${guarded.folder.path}, less than retention.minFreeBytes, 64 MiB. Make room there, or set less (0: sends are never refused)`,
    );
  });

  it("comes after what is wrong with the message itself", async () => {
    await using guarded = await openGuarded();
    await guarded.fill();

    const error = await refusalOf(() => guarded.producer.send({ topic: "orders", body: "" }));

    expect(error.code).toBe("ERR_MQ_MESSAGE_ILLEGAL");
  });
});

describe("on a full disk", () => {
  it("messages are delivered and acknowledged, those that fail come again, and end as dead letters", async () => {
    await using guarded = await openGuarded();
    const { mq, test, producer, heard } = guarded;
    await producer.send({ topic: "orders", body: "good" });
    await producer.send({ topic: "orders", body: "bad" });
    await guarded.fill();
    const got: string[] = [];
    const consumer = mq.pushConsumer({
      group: "billing",
      subscriptions: { orders: "*" },
      consumeFromWhere: "first-offset",
      maxReconsumeTimes: 1,
      listener: (message) => {
        got.push(`${message.text()} ${message.deliveryAttempt}`);
        return message.text() === "good" ? "success" : "retry";
      },
    });

    await consumer.start();
    await test.clock.advance(20_000);

    expect(got).toEqual(["good 1", "bad 1", "bad 2"]);
    expect(await mq.admin.consumeStats("billing")).toMatchObject({ lag: 0, inflight: 0 });
    expect(await storedIn(mq, "%DLQ%billing")).toEqual(["0 bad"]);
    expect(heard.map(([event]) => event)).toEqual(["disk:full"]);
  });

  it("simple consumers receive and acknowledge, delayed messages come, and can be recalled", async () => {
    await using guarded = await openGuarded();
    const { mq, test, producer } = guarded;
    await producer.send({ topic: "orders", body: "now" });
    await producer.send({ topic: "orders", body: "later", delayMs: 15_000 });
    const { recallHandle } = await producer.send({ topic: "orders", body: "never", delayMs: 15_000 });
    await guarded.fill();
    const consumer = mq.simpleConsumer({
      group: "billing",
      subscriptions: { orders: "*" },
      consumeFromWhere: "first-offset",
    });
    await consumer.start();

    await producer.recall("orders", recallHandle ?? "");
    await test.clock.advance(5_000);
    const messages = await consumer.receive({ maxMessages: 8, invisibleDurationMs: 30_000 });
    for (const message of messages) await consumer.ack(message);

    expect(messages.map((message) => message.text())).toEqual(["now", "later"]);
    expect(await mq.admin.consumeStats("billing")).toMatchObject({ lag: 0, inflight: 0 });
  });

  it("an application's own rows are stored, topics and groups are made", async () => {
    await using guarded = await openGuarded();
    const { mq } = guarded;
    await guarded.fill();

    mq.transaction((database) => void database.exec("CREATE TABLE invoice (id INTEGER)"));
    await mq.admin.createTopic("orders");
    await mq.admin.createGroup("billing");

    expect((await mq.admin.listTopics()).map(({ topic }) => topic)).toEqual(["orders"]);
  });
});

describe("a store that is opened on a full disk", () => {
  it("refuses the first send, and tells those who listen right after opening", async () => {
    using folder = tempFolder();
    spyDisk({ usedBytes: 1_000 * MIB, freeBytes: 0 });
    await using test = await openTestBroker({ path: folder.file("app.db") });
    const heard = listen(test.mq, "disk:full", "disk:recovered");

    const error = await refusalOf(() => test.mq.producer({ group: "shop" }).send(MESSAGE));
    await test.clock.settle();

    expect(error).toMatchObject(FULL);
    expect(error.message).toContain(`0 bytes are free in ${folder.path}`);
    expect(heard).toEqual([["disk:full", { freeBytes: 0 }]]);
  });

  it("logs it where nobody listens, as it does when it recovers", async () => {
    using folder = tempFolder();
    const disk = spyDisk({ usedBytes: 1_000 * MIB, freeBytes: 0 });
    await using test = await openTestBroker({ path: folder.file("app.db") });

    await test.clock.settle();
    disk.freeBytes = 100 * MIB;
    await test.clock.advance(10_000);

    expect(test.logged.map(({ level, text }) => `${level} ${text}`)).toEqual([
      expect.stringMatching(/^warn the disk is full: 0 bytes are free in .*, less than retention\.minFreeBytes/),
      `info the disk has room again: 100 MiB are free in ${folder.path}`,
    ]);
  });
});

describe("minFreeBytes", () => {
  it.each([
    [64 * MIB - 1_024, undefined, false],
    [64 * MIB, undefined, true],
    [2 * MIB - 1_024, 2 * MIB, false],
    [2 * MIB, 2 * MIB, true],
    [0, 0, true],
    [0, 1, false],
  ])("with %i bytes free and %s of it asked for, sends are taken: %s", async (freeBytes, minFreeBytes, isTaken) => {
    using folder = tempFolder();
    spyDisk({ usedBytes: 1_000 * MIB, freeBytes });
    await using test = await openTestBroker({ path: folder.file("app.db"), retention: { minFreeBytes } });

    const sending = test.mq.producer({ group: "shop" }).send(MESSAGE);

    expect((await Promise.allSettled([sending]))[0]?.status).toBe(isTaken ? "fulfilled" : "rejected");
  });

  const WAYS: Readonly<Record<string, (mq: Broker, body: Buffer) => Promise<unknown>>> = {
    "to a queue": (mq, body) => mq.producer({ group: "shop" }).send({ topic: "orders", body }),
    "for later": (mq, body) => mq.producer({ group: "shop" }).send({ topic: "orders", body, delayMs: 60_000 }),
    "in a transaction": async (mq, body) => {
      await using producer = mq.transactionProducer({ group: "shop", checkLocalTransaction: () => "unknown" });
      await producer.start();
      await producer.beginTransaction().send({ topic: "orders", body });
    },
    "in a transaction of the connection": async (mq, body) =>
      mq.transaction(() => mq.producer({ group: "shop" }).sendSync({ topic: "orders", body })),
  };

  it.each(Object.entries(WAYS))(
    "is looked at again once half of what is left above it is sent, whatever the time: %s",
    async (_way, send) => {
      await using guarded = await openGuarded();
      const { disk, producer, mq } = guarded;
      disk.freeBytes = 66 * MIB;
      await guarded.test.clock.advance(10_000);
      const asked = disk.asked.length;

      await send(mq, Buffer.alloc(MIB - 1_000));
      const early = disk.asked.length;
      disk.freeBytes = 63 * MIB;
      // It is found out with this one, or after it.
      await Promise.allSettled([send(mq, Buffer.alloc(2_000))]);

      expect([early - asked, disk.asked.length - asked]).toEqual([0, 1]);
      expect(await refusalOf(() => producer.send(MESSAGE))).toMatchObject(FULL);
      expect(guarded.heard.map(([event]) => event)).toEqual(["disk:full"]);
    },
  );

  it("counts room that deleting has made inside of the file", async () => {
    await using guarded = await openGuarded({ retention: { fileReservedTimeHours: 1, deleteWhen: "00;12" } });
    const { mq, test, producer, heard } = guarded;
    for (let index = 0; index < 8; index += 1) await producer.send({ topic: "orders", body: Buffer.alloc(MIB) });
    await guarded.fill();
    const error = await refusalOf(() => producer.send(MESSAGE));

    await test.clock.advance(13 * 3_600_000);
    await producer.send({ topic: "orders", body: "again" });

    expect(error).toMatchObject(FULL);
    expect(heard.map(([event]) => event)).toEqual(["disk:full", "disk:recovered"]);
    const [, { freeBytes }] = heard[1] as unknown as [string, { freeBytes: number }];
    expect(freeBytes).toBeGreaterThan(70 * MIB);
    expect((await mq.admin.topicStats("orders"))[0]).toMatchObject({ minOffset: 8, maxOffset: 9 });
  });
});

describe("a disk that nobody knows anything of", () => {
  it("is not guarded: one that cannot be asked, and one without a size", async () => {
    for (const make of [
      () => ({ failure: new Error("EPERM"), usedBytes: 0, freeBytes: 0 }),
      () => ({ failure: undefined, usedBytes: 0, freeBytes: 0 }),
    ]) {
      using folder = tempFolder();
      Object.assign(spyDisk(ROOMY), make());
      await using test = await openTestBroker({ path: folder.file("app.db") });

      const receipt = await test.mq.producer({ group: "shop" }).send(MESSAGE);

      expect(receipt.queueOffset).toBe(0);
    }
  });

  it("is what it was before while it cannot be asked any more", async () => {
    await using guarded = await openGuarded();
    await guarded.fill();

    guarded.disk.failure = new Error("EIO");
    await guarded.makeRoom();
    const error = await refusalOf(() => guarded.producer.send(MESSAGE));
    guarded.disk.failure = undefined;
    await guarded.makeRoom();

    expect(error).toMatchObject(FULL);
    expect((await guarded.producer.send(MESSAGE)).queueOffset).toBe(0);
  });

  it("is never asked for a store in memory", async () => {
    const disk = spyDisk({ usedBytes: MIB, freeBytes: 0 });
    const owner = new Database(":memory:");
    for (const place of [{}, { database: owner }]) {
      await using test = await openTestBroker(place);
      await test.mq.producer({ group: "shop" }).send(MESSAGE);
      await test.clock.advance(60_000);
    }
    owner.close();

    expect(disk.asked).toEqual([]);
  });
});

describe("the disk", () => {
  it("is asked about through the folder of the real file, when the store is opened and every 10 s", async () => {
    await using guarded = await openGuarded();
    const { disk, test, folder } = guarded;

    const atOpen = [...disk.asked];
    await test.clock.advance(9_999);
    const early = disk.asked.length;
    await test.clock.advance(1);
    await test.clock.advance(60_000);

    expect(atOpen).toEqual([folder.path]);
    expect([early, disk.asked.length]).toEqual([1, 8]);
  });
});
