import Database from "better-sqlite3";
import { describe, expect, it } from "vitest";
import type { Broker } from "../../lib/index.js";
import { browseQueue, CONNECTIONS, deliveries, openShared } from "../support/shared-connection.js";
import { type TempFolder, tempFolder } from "../support/temp-folder.js";
import { openTestBroker } from "../support/test-broker.js";
import { insertDue, makeDueStore, type PutOff, START } from "./due-store.js";

const TEN_SECONDS = 10_000;

/** Blocks of one message each that are due in turn within a second, ten seconds from the start. */
function messages(count: number): readonly PutOff[] {
  return Array.from({ length: count }, (_, index) => {
    return { afterMs: TEN_SECONDS + (index % 1_000), queueId: index % 2, body: `${index}` };
  });
}

async function makeFile(folder: TempFolder, put: readonly PutOff[] = messages(250)): Promise<string> {
  const database = new Database(folder.file("app.db"));
  database.pragma("journal_mode = WAL");
  await makeDueStore(database, put);
  database.close();
  return folder.file("app.db");
}

/** Every message of both queues, sorted. */
async function bodiesOf(mq: Broker): Promise<readonly number[]> {
  const stored = [...(await browseQueue(mq, "orders", 0)), ...(await browseQueue(mq, "orders", 1))];
  return stored.map((message) => Number(message.text())).sort((a, b) => a - b);
}

const numbers = (count: number): readonly number[] => Array.from({ length: count }, (_, index) => index);

describe("messages that are put off in a file of two brokers", () => {
  it("are moved once when both live", async () => {
    using folder = tempFolder();
    const path = await makeFile(folder);
    await using a = await openTestBroker({ path });
    await using b = await openTestBroker({ path });
    const movers: string[] = [];
    a.mq.on("message:stored", () => void movers.push("a"));
    b.mq.on("message:stored", () => void movers.push("b"));

    await Promise.all([a.clock.advance(TEN_SECONDS + 1_000), b.clock.advance(TEN_SECONDS + 1_000)]);

    expect(await bodiesOf(a.mq)).toEqual(numbers(250));
    expect(await bodiesOf(b.mq)).toEqual(numbers(250));
    expect(movers).toHaveLength(250);
  });

  it("are moved by the second when the first is gone", async () => {
    using folder = tempFolder();
    const path = await makeFile(folder, []);
    const a = await openTestBroker({ path, defaultQueueCount: 1 });
    await using b = await openTestBroker({ path });
    await a.mq.producer({ group: "shop" }).send({ topic: "invoices", body: "a" });
    const consumer = a.mq.pushConsumer({ group: "billing", subscriptions: { invoices: "*" }, listener: () => "retry" });
    await consumer.start();
    await a.clock.advance(500);
    await a[Symbol.asyncDispose]();

    await b.clock.advance(TEN_SECONDS - 1);
    const early = (await browseQueue(b.mq, "%RETRY%billing")).length;
    await b.clock.advance(1);

    expect([early, (await browseQueue(b.mq, "%RETRY%billing")).length]).toEqual([0, 1]);
  });

  it("are moved by the one that is left when the first has moved some of them", async () => {
    using folder = tempFolder();
    const path = await makeFile(folder);
    const a = await openTestBroker({ path });
    await using b = await openTestBroker({ path });

    await a.clock.advance(TEN_SECONDS + 100);
    const moved = (await bodiesOf(a.mq)).length;
    await a[Symbol.asyncDispose]();
    await b.clock.advance(TEN_SECONDS + 1_000);

    expect(moved).toBeGreaterThan(0);
    expect(moved).toBeLessThan(250);
    expect(await bodiesOf(b.mq)).toEqual(numbers(250));
  });
});

describe("messages that another process puts off", () => {
  it("are moved at their time by a broker whose consumers look for its commits", async () => {
    using folder = tempFolder();
    const path = await makeFile(folder, []);
    await using broker = await openTestBroker({ path });
    const received = await deliveries(broker.mq, "orders");
    const other = new Database(path);

    insertDue(other, [
      { afterMs: 5_000, body: "later" },
      { afterMs: 1_000, body: "soon" },
    ]);
    other.close();
    await broker.clock.advance(999);
    const early = [...received];
    await broker.clock.advance(1);
    const first = [...received];
    await broker.clock.advance(4_000);

    expect([early, first, received]).toEqual([[], ["soon"], ["soon", "later"]]);
  });

  it("are moved at their time by a broker without consumers that has stored something since", async () => {
    using folder = tempFolder();
    const path = await makeFile(folder, []);
    await using broker = await openTestBroker({ path });
    const other = new Database(path);
    insertDue(other, [{ afterMs: 1_000, body: "0" }]);
    other.close();

    await broker.mq.producer({ group: "shop" }).send({ topic: "invoices", body: "x" });
    await broker.clock.advance(1_000);

    expect(await bodiesOf(broker.mq)).toEqual([0]);
  });

  it("are not missed when it has moved the one that was due first", async () => {
    using folder = tempFolder();
    const path = await makeFile(folder, [
      { afterMs: 1_000, body: "0" },
      { afterMs: 2_000, body: "1" },
    ]);
    await using broker = await openTestBroker({ path });
    const other = await openTestBroker({ path });
    await other.clock.advance(1_000);
    await other[Symbol.asyncDispose]();

    await broker.clock.advance(2_000);

    expect(await bodiesOf(broker.mq)).toEqual([0, 1]);
    expect((await browseQueue(broker.mq, "orders"))[1]?.storeTimestamp).toBe(START + 2_000);
  });
});

describe.each(CONNECTIONS)("a message that is put off while the owner of an %s has a transaction open", (kind) => {
  it.each(["COMMIT", "ROLLBACK"])("is moved after its %s, and not within it", async (end) => {
    await using shared = await openShared(kind);
    const { mq, clock, database } = shared;
    await mq.producer({ group: "shop" }).send({ topic: "orders", body: "a" });
    const consumer = mq.pushConsumer({
      group: "billing",
      subscriptions: { orders: "*" },
      listener: ({ reconsumeTimes }) => (reconsumeTimes === 0 ? "retry" : "success"),
    });
    await consumer.start();
    await clock.advance(1_000);
    const due = database.prepare("SELECT count(*) FROM mq_due").pluck().safeIntegers(false);

    database.exec("BEGIN; INSERT INTO invoice VALUES (7)");
    await clock.advance(20_000);
    const within = due.get();
    database.exec(end);
    await clock.advance(5_000);

    expect([within, due.get()]).toEqual([1, 0]);
    expect((await browseQueue(mq, "%RETRY%billing")).map((message) => message.text())).toEqual(["a"]);
    expect(database.prepare("SELECT count(*) FROM invoice").pluck().safeIntegers(false).get()).toBe(
      end === "COMMIT" ? 1 : 0,
    );
  });
});

describe.each(CONNECTIONS)("a message that is put off when the owner of an %s closes the connection", (kind) => {
  it("is left to the next broker: nobody tries to move it, and nothing is left behind", async () => {
    await using shared = await openShared(kind);
    const { mq, clock, database } = shared;
    await mq.producer({ group: "shop" }).send({ topic: "orders", body: "a" });
    const consumer = mq.pushConsumer({ group: "billing", subscriptions: { orders: "*" }, listener: () => "retry" });
    await consumer.start();
    await clock.advance(1_000);
    await consumer.close();

    database.close();
    await clock.advance(60_000);

    expect(shared.logged.filter(({ level }) => level === "error")).toEqual([]);
    expect(clock.pendingTimers).toBe(0);
  });
});
