import Database from "better-sqlite3";
import { describe, expect, it } from "vitest";
import type { Broker, MessageListener, MessageQueue } from "../../lib/index.js";
import { openFaultDriver } from "../support/fault-driver.js";
import { type TempFolder, tempFolder } from "../support/temp-folder.js";
import { openTestBroker, type TestBroker } from "../support/test-broker.js";

/** With a rollback journal nobody else can read while a connection commits, or holds the file exclusively. */
const LOCK = "BEGIN EXCLUSIVE";

interface Setup extends AsyncDisposable {
  readonly test: TestBroker;
  /** A broker on another connection. */
  readonly peer: TestBroker;
  /** A third connection, which keeps both out. */
  readonly locker: Database.Database;
}

/** Two brokers on one file with a rollback journal. The topic "orders" has one queue and one message, "0". */
async function setup(folder: TempFolder, owner?: Database.Database): Promise<Setup> {
  const path = folder.file("app.db");
  const connections = [owner ?? new Database(path, { timeout: 0 }), new Database(path, { timeout: 0 })] as const;
  const locker = new Database(path, { timeout: 0 });
  const [test, peer] = [
    await openTestBroker({ database: connections[0], defaultQueueCount: 1 }),
    await openTestBroker({ database: connections[1], defaultQueueCount: 1 }),
  ];
  await send(test.mq, "0");
  return {
    test,
    peer,
    locker,
    [Symbol.asyncDispose]: async () => {
      locker.close();
      await peer[Symbol.asyncDispose]();
      await test[Symbol.asyncDispose]();
      for (const connection of connections) connection.close();
    },
  };
}

async function send(mq: Broker, body: string, topic = "orders"): Promise<unknown> {
  return mq.producer({ group: "shop" }).send({ topic, body }, { queue: 0 });
}

async function consume(mq: Broker, topics: readonly string[], listener: MessageListener): Promise<void> {
  const subscriptions = Object.fromEntries(topics.map((topic) => [topic, "*"]));
  await mq.pushConsumer({ group: "billing", subscriptions, listener, consumeConcurrency: 1 }).start();
}

describe("a file with a rollback journal that another connection locks", () => {
  it("delivers what was stored before as soon as the lock is gone", async () => {
    using folder = tempFolder();
    await using shared = await setup(folder);
    const { test, peer, locker } = shared;
    const got: string[] = [];
    await consume(test.mq, ["orders"], (message) => void got.push(message.text()));
    await test.clock.settle();

    await send(peer.mq, "1");
    locker.exec(LOCK);
    await test.clock.advance(10_000);
    const meanwhile = [...got];
    locker.exec("COMMIT");
    await test.clock.advance(1_000);

    expect([meanwhile, got]).toEqual([["0"], ["0", "1"]]);
  });

  it("consumes a topic that became known under the lock as soon as it is gone", async () => {
    using folder = tempFolder();
    await using shared = await setup(folder);
    const { test, peer, locker } = shared;
    const got: string[] = [];
    await consume(test.mq, ["orders", "invoices"], (message) => void got.push(message.text()));
    await test.clock.settle();

    await send(peer.mq, "new", "invoices");
    locker.exec(LOCK);
    await test.clock.advance(10_000);
    locker.exec("COMMIT");
    await test.clock.advance(1_000);

    expect(got).toEqual(["0", "new"]);
  });

  it("never blocks the event loop, however long its owner waits for locks", async () => {
    using folder = tempFolder();
    // More than a spec may take.
    const owner = new Database(folder.file("app.db"), { timeout: 40_000 });
    await using shared = await setup(folder, owner);
    const { test, locker } = shared;
    const got: string[] = [];
    await consume(test.mq, ["orders"], (message) => void got.push(message.text()));
    await test.clock.settle();

    locker.exec(LOCK);
    const sending = send(test.mq, "1");
    const listing = test.mq.admin.listTopics();
    await test.clock.advance(200);
    locker.exec("COMMIT");
    await test.clock.advance(2_000);

    await Promise.all([sending, listing]);
    expect(got).toEqual(["0", "1"]);
    expect(owner.pragma("busy_timeout", { simple: true })).toBe(40_000);
  });

  it("makes sends, admin calls and starting consumers wait", async () => {
    using folder = tempFolder();
    await using shared = await setup(folder);
    const { test, peer, locker } = shared;
    // What is cached is not of the newest commit any more.
    await send(peer.mq, "1");
    await test.clock.settle();
    const got: string[] = [];

    locker.exec(LOCK);
    const calls: readonly Promise<unknown>[] = [
      send(test.mq, "2"),
      test.mq.admin.getTopic("orders"),
      test.mq.admin.consumeStats("billing").catch(() => undefined),
      consume(test.mq, ["orders"], (message) => void got.push(message.text())),
    ];
    await test.clock.advance(500);
    locker.exec("COMMIT");
    await test.clock.advance(2_000);

    await Promise.all(calls);
    expect(got).toEqual(["0", "1", "2"]);
  });

  it("makes a send to a topic that was not used here before wait, in the order of the calls, with its selector or group", async () => {
    using folder = tempFolder();
    await using shared = await setup(folder);
    const { test, peer, locker } = shared;
    await peer.mq.admin.createTopic("invoices", { readQueueNums: 3, writeQueueNums: 3 });
    await test.clock.settle();
    const producer = test.mq.producer({ group: "shop" });
    const grouped = { topic: "invoices", body: "5", messageGroup: "order-2" };

    locker.exec(LOCK);
    const sends = [
      producer.send({ topic: "invoices", body: "1" }, { queue: (queues) => queues[2] as MessageQueue }),
      producer.sendBatch([{ topic: "invoices", body: "2" }], { queue: 2 }),
      producer.send({ topic: "brand-new", body: "3" }),
      producer.send({ topic: "invoices", body: "4" }, { queue: 7 }).catch((error: unknown) => error),
      producer.send(grouped),
    ];
    grouped.messageGroup = "order-5";
    await test.clock.advance(500);
    locker.exec("COMMIT");
    await test.clock.advance(500);

    expect(await Promise.all(sends)).toMatchObject([
      { queueId: 2, queueOffset: 0 },
      [{ queueId: 2, queueOffset: 1 }],
      { topic: "brand-new", queueId: 0, queueOffset: 0 },
      { code: "ERR_MQ_OFFSET" },
      { queueId: 2, queueOffset: 2 },
    ]);
  });

  it("refuses what still waits after seconds with 2, and goes on when it is asked again", async () => {
    using folder = tempFolder();
    await using shared = await setup(folder);
    const { test, locker } = shared;

    locker.exec(LOCK);
    const refused = Promise.allSettled([send(test.mq, "1"), test.mq.admin.listTopics()]);
    await test.clock.advance(60_000);
    locker.exec("COMMIT");

    const busy = { status: "rejected", reason: { code: "ERR_MQ_SYSTEM_BUSY", responseCode: 2 } };
    expect(await refused).toMatchObject([busy, busy]);
    expect(await test.mq.admin.listTopics()).toMatchObject([{ topic: "orders" }]);
    expect(await send(test.mq, "2")).toMatchObject({ queueOffset: 1 });
  });

  it.each<[string, (locker: Database.Database) => MessageListener]>([
    ["returns", (locker) => () => void locker.exec(LOCK)],
    [
      "resolves",
      (locker) => async () => {
        await Promise.resolve();
        locker.exec(LOCK);
      },
    ],
  ])("keeps the acknowledgement of a listener that %s under the lock, and goes on afterwards", async (_how, first) => {
    using folder = tempFolder();
    await using shared = await setup(folder);
    const { test, locker } = shared;
    const got: string[] = [];
    const lock = first(locker);
    await consume(test.mq, ["orders"], (message, context) => {
      got.push(message.text());
      return got.length === 1 ? lock(message, context) : undefined;
    });
    await test.clock.advance(200);

    locker.exec("COMMIT");
    const sending = Promise.all(["1", "2"].map((body) => send(test.mq, body)));
    await test.clock.advance(2_000);
    await sending;

    expect(got).toEqual(["0", "1", "2"]);
    const { queues } = await test.mq.admin.consumeStats("billing", "orders");
    expect(queues).toMatchObject([{ consumerOffset: 3, lag: 0 }]);
  });

  it("settles a send that was committed before, though its topic cannot be shared yet", async () => {
    using folder = tempFolder();
    const driver = openFaultDriver(folder.file("app.db"), { timeout: 0 });
    await using shared = await setup(folder, driver.database);
    const { test, locker } = shared;
    const got: string[] = [];
    await consume(test.mq, ["orders", "invoices"], (message) => void got.push(message.text()));
    await test.clock.settle();
    driver.onRan = (source) => {
      if (source !== "COMMIT") return;
      driver.onRan = undefined;
      locker.exec(LOCK);
    };

    const receipt = await send(test.mq, "new topic", "invoices");
    locker.exec("COMMIT");
    const sending = send(test.mq, "next", "invoices");
    await test.clock.advance(2_000);

    expect([receipt, await sending]).toMatchObject([{ queueOffset: 0 }, { queueOffset: 1 }]);
    expect(got).toEqual(["0", "new topic", "next"]);
  });

  it("begins a check of the store again that it interrupts between two reads", async () => {
    using folder = tempFolder();
    const driver = openFaultDriver(folder.file("app.db"), { timeout: 0 });
    await using shared = await setup(folder, driver.database);
    const { test, locker } = shared;
    let looks = 0;
    driver.onRead = (source) => {
      if (source !== "PRAGMA data_version") return;
      looks += 1;
      if (looks === 3) locker.exec(LOCK);
    };

    const checking = test.mq.admin.checkStore();
    await test.clock.advance(200);
    locker.exec("COMMIT");
    await test.clock.advance(200);

    expect(await checking).toEqual({ problems: [] });
  });
});
