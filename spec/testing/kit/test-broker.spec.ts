import Database from "better-sqlite3";
import { describe, expect, it } from "vitest";
import { exactlyOnce, type MessageView } from "../../../lib/index.js";
import { openTestBroker, type TestBroker } from "../../../lib/testing/index.js";
import { tempFolder } from "../../support/temp-folder.js";
import { openKit } from "./open-kit.js";

const START = Date.UTC(2026, 0, 1);
const textOf = (message: MessageView): string => message.text();

async function consume(broker: TestBroker, group: string, listener: (message: MessageView) => unknown): Promise<void> {
  const consumer = broker.pushConsumer({
    group,
    subscriptions: { orders: "*" },
    listener: listener as () => undefined,
  });
  await consumer.start();
}

describe("a test broker", () => {
  it("is in memory, with RocketMQ's profile and its own clock", async () => {
    await using kit = await openKit();
    const { broker } = kit;
    const producer = broker.producer({ group: "p" });

    const receipt = await producer.send({ topic: "orders", body: "a", delayMs: 1_234 });
    await broker.clock.advance("1234ms");
    const early = broker.history.length;
    await broker.clock.advance("766ms");

    expect(broker.database.name).toBe(":memory:");
    // To the next whole second, as RocketMQ's timers.
    expect([early, (await broker.admin.topicStats("orders")).map(({ maxOffset }) => maxOffset)]).toEqual([
      1,
      [0, 0, 0, 0].map((_, index) => (index === receipt.queueId ? 1 : 0)),
    ]);
    await expect(producer.recall("orders", receipt.recallHandle ?? "")).rejects.toMatchObject({ responseCode: 16 });
  });

  it("does the same again with the same seed, and something else with another", async () => {
    const ids = async (seed: number): Promise<readonly string[]> => {
      await using kit = await openKit({ seed });
      const producer = kit.broker.producer({ group: "p" });
      for (const body of ["a", "b"]) await producer.send({ topic: "orders", body });
      return kit.broker.history.map(({ messageId, queueId }) => `${messageId} ${queueId}`);
    };

    const [one, again, other] = [await ids(1), await ids(1), await ids(2)];

    expect(again).toEqual(one);
    expect(other).not.toEqual(one);
  });

  it.each(["a file", "a connection"])(
    "gives no id twice on %s that it has had before, with the same seed and time",
    async (place) => {
      using folder = tempFolder();
      const where = place === "a file" ? { path: folder.file("a.db") } : { database: new Database(":memory:") };
      const run = async (): Promise<readonly unknown[]> => {
        await using kit = await openKit(where);
        const done: string[] = [];
        const effect = (message: MessageView): undefined => void done.push(message.text());
        await consume(kit.broker, "billing", exactlyOnce(kit.broker, {}, effect) as never);
        const { messageId } = await kit.broker.producer({ group: "p" }).send({ topic: "orders", body: "a" });
        await kit.broker.runUntilIdle();
        return [messageId, ...done];
      };

      const [first, second] = [await run(), await run()];

      expect([first.slice(1), second.slice(1)]).toEqual([["a"], ["a"]]);
      expect(second[0]).not.toBe(first[0]);
    },
  );

  it("begins at startAt", async () => {
    await using kit = await openKit({ startAt: new Date("2030-05-05T00:00:00Z") });

    await kit.broker.producer({ group: "p" }).send({ topic: "orders", body: "a" });

    expect(kit.broker.sent()[0]?.bornTimestamp).toBe(Date.UTC(2030, 4, 5));
  });

  it.each([
    [{ clock: {} }, 'TestBrokerOptions has no option "clock"'],
    [{ startAt: "today" }, 'startAt must be a Date or epoch milliseconds from 0 on, got "today"'],
    [{ startAt: new Date(Number.NaN) }, "startAt must be a Date or epoch milliseconds from 0 on, got NaN"],
    [{ leaks: "shout" }, 'leaks must be "warn" or "throw" or "ignore", got "shout"'],
    [
      { seeds: 1 },
      /^TestBrokerOptions has no option "seeds"; it has path, (?!.*\bclock\b).*\bseed\b.*, startAt, leaks$/,
    ],
    [null, "TestBrokerOptions must be an object, got null"],
  ])("refuses %o", async (options, message) => {
    await expect(openTestBroker(options as never)).rejects.toMatchObject({
      code: "ERR_MQ_INVALID_ARGUMENT",
      message: typeof message === "string" ? expect.stringContaining(message) : expect.stringMatching(message),
    });
  });

  it("works on a connection of yours, beside your tables", async () => {
    using database = Object.assign(new Database(":memory:"), {
      [Symbol.dispose](this: Database.Database) {
        this.close();
      },
    });
    database.exec("CREATE TABLE mq_notes (text TEXT)");
    await using kit = await openKit({ database });
    const { broker } = kit;
    const producer = broker.producer({ group: "p" });

    broker.transaction(() => {
      database.exec("INSERT INTO mq_notes VALUES ('kept')");
      producer.sendSync({ topic: "orders", body: "a" });
    });
    await broker.runUntilIdle();
    const sent = broker.sent().map(textOf);
    await broker.reset();

    expect(sent).toEqual(["a"]);
    expect([broker.sent(), database.prepare("SELECT text FROM mq_notes").pluck().all()]).toEqual([[], ["kept"]]);
  });
});

describe("reset", () => {
  it("leaves nothing but the clock, producers and listeners of events", async () => {
    await using kit = await openKit();
    const { broker } = kit;
    let heard = 0;
    broker.on("message:stored", () => {
      heard += 1;
    });
    await consume(broker, "billing", () => "retry");
    const producer = broker.producer({ group: "p" });
    await producer.send({ topic: "orders", body: "a" });
    await producer.send({ topic: "orders", body: "b", delayLevel: 5 });
    await broker.clock.advance("1s");
    broker.faults.failSend({ responseCode: 14 });

    await broker.reset();

    expect([broker.history, broker.sent(), broker.consumed()]).toEqual([[], [], []]);
    expect(await broker.admin.listTopics()).toEqual([]);
    expect(await broker.admin.listGroups()).toEqual([]);
    expect(broker.clock.now()).toBe(START + 1_000);
    const receipt = await producer.send({ topic: "orders", body: "c" });
    expect([receipt.queueOffset, receipt.offsetMessageId.endsWith("0000000000000000")]).toEqual([0, true]);
    await broker.clock.advance("1d");
    expect(broker.history.map(({ state }) => state)).toEqual(["stored"]);
    expect(heard).toBeGreaterThan(1);
  });

  it("closes consumers without waiting for their listeners, and fails what is on its way", async () => {
    await using kit = await openKit();
    const { broker } = kit;
    await consume(broker, "billing", () => new Promise(() => undefined));
    const producer = broker.producer({ group: "p" });
    await producer.send({ topic: "orders", body: "a" });
    broker.faults.slowSend({ byMs: 1_000 });
    const slow = producer.send({ topic: "orders", body: "slow" }).catch((error: { code: string }) => error.code);

    await broker.reset();
    await broker.clock.advance("1m");

    expect(await slow).toBe("ERR_MQ_CLOSED");
    expect(broker.history).toEqual([]);
  });

  it("refuses what a listener of before sends, which would be found in the next test", async () => {
    await using kit = await openKit();
    const { broker } = kit;
    const producer = broker.producer({ group: "p" });
    let release: () => void = () => undefined;
    const gate = new Promise<void>((resolve) => {
      release = resolve;
    });
    const sends: Promise<unknown>[] = [];
    await consume(broker, "billing", async () => {
      await gate;
      sends.push(producer.send({ topic: "done", body: "of before" }).catch((error: { code: string }) => error.code));
    });
    await producer.send({ topic: "orders", body: "a" });
    await broker.waitFor({ state: "delivered" });

    await broker.reset();
    release();
    await producer.send({ topic: "orders", body: "b" });

    expect(await Promise.all(sends)).toEqual(["ERR_MQ_CLOSED"]);
    expect(broker.sent().map(textOf)).toEqual(["b"]);
  });

  it("empties a file, too", async () => {
    using folder = tempFolder();
    const path = folder.file("a.db");
    await using kit = await openKit({ path });
    const { broker } = kit;
    await consume(broker, "billing", () => undefined);
    await broker.producer({ group: "p" }).send({ topic: "orders", body: "a" });
    await broker.runUntilIdle();

    await broker.reset();
    await consume(broker, "billing", () => undefined);
    await broker.producer({ group: "p" }).send({ topic: "orders", body: "b" });
    await broker.clock.advance("1s");

    expect(broker.consumed("billing").map(textOf)).toEqual(["b"]);
  });

  it("waits for a crash that has not ended", async () => {
    using folder = tempFolder();
    await using kit = await openKit({ path: folder.file("a.db") });
    const { broker } = kit;
    await broker.producer({ group: "p" }).send({ topic: "orders", body: "a" });

    const crash = broker.faults.crash();
    await broker.reset();

    await expect(crash).resolves.toBeUndefined();
    expect(broker.history).toEqual([]);
    await broker.producer({ group: "p" }).send({ topic: "orders", body: "b" });
    expect(broker.sent().map(textOf)).toEqual(["b"]);
  });

  it("is refused within a transaction", async () => {
    await using kit = await openKit();
    kit.broker.database.exec("BEGIN");

    await expect(kit.broker.reset()).rejects.toMatchObject({ code: "ERR_MQ_IN_TRANSACTION" });
    kit.broker.database.exec("ROLLBACK");
  });

  it("is refused while another connection holds the file, and everything goes on", async () => {
    using folder = tempFolder();
    const path = folder.file("a.db");
    await using kit = await openKit({ path });
    const { broker } = kit;
    const producer = broker.producer({ group: "p" });
    await producer.send({ topic: "orders", body: "a" });
    const other = new Database(path);
    other.exec("BEGIN IMMEDIATE");

    await expect(broker.reset()).rejects.toMatchObject({
      code: "ERR_MQ_SYSTEM_BUSY",
      message: expect.stringContaining("reset"),
    });
    other.close();
    await producer.send({ topic: "orders", body: "b" });
    expect(broker.sent().map(textOf)).toEqual(["a", "b"]);
    await broker.reset();
    expect(broker.sent()).toEqual([]);
  });
});

describe("closing", () => {
  it("reports consumers that were not closed and sends that were not settled", async () => {
    await using kit = await openKit({ leaks: "warn" });
    const { broker, logged } = kit;
    const consumer = broker.pushConsumer({
      ...{ group: "billing", instanceName: "left", subscriptions: { orders: "*", refunds: "*" } },
      listener: () => undefined,
    });
    await consumer.start();
    broker.faults.slowSend({ byMs: 100 });
    const producer = broker.producer({ group: "p" });
    const sends = [producer.send({ topic: "orders", body: "a" }), producer.send({ topic: "orders", body: "b" })];

    await broker.close();

    expect(logged).toEqual([
      `the test broker was closed with consumer ${consumer.clientId} of group billing (orders, refunds) not closed; 2 sends of a producer of group p not settled`,
    ]);
    expect((await Promise.all(sends)).map(({ status }) => status)).toEqual(["SEND_OK", "SEND_OK"]);
  });

  it("rejects with the report where it is told to, and everything is closed", async () => {
    const broker = await openTestBroker({ leaks: "throw" });
    await consume(broker, "billing", () => undefined);

    await expect(broker.close()).rejects.toThrow(/^the test broker was closed with consumer .* not closed$/);
    expect(broker.database.open).toBe(false);
    await expect(broker.reset()).rejects.toMatchObject({ code: "ERR_MQ_CLOSED" });
  });

  it("refuses options that it does not have, and can be closed then", async () => {
    const broker = await openTestBroker();

    expect(() => broker.close({ grace: 1 } as never)).toThrow('CloseOptions has no option "grace"');
    await broker.close();
    expect(broker.database.open).toBe(false);
  });

  it("does not wait for a listener that waits for it, whoever was the first to close", async () => {
    await using kit = await openKit();
    const { broker } = kit;
    let release: () => void = () => undefined;
    const gate = new Promise<void>((resolve) => {
      release = resolve;
    });
    await consume(broker, "billing", () => gate.then(() => broker.close()));
    await broker.producer({ group: "p" }).send({ topic: "orders", body: "a" });
    await broker.waitFor({ state: "delivered" });

    const closing = broker.close({ graceMs: 2 ** 31 - 1 });
    release();

    await closing;
    expect(broker.database.open).toBe(false);
  });

  it.each(["crash", "reset"] as const)("waits for a %s that has not ended, and leaves nothing open", async (what) => {
    using folder = tempFolder();
    await using kit = await openKit({ path: folder.file("a.db"), leaks: "throw" });
    const { broker } = kit;
    const restart = what === "crash" ? broker.faults.crash() : broker.reset();

    await broker.close();

    await expect(restart).resolves.toBeUndefined();
    expect(broker.database.open).toBe(false);
    await expect(broker.admin.listTopics()).rejects.toMatchObject({ code: "ERR_MQ_CLOSED" });
  });

  it("says nothing where everything was closed", async () => {
    await using kit = await openKit({ leaks: "throw" });
    const { broker, logged } = kit;
    const consumer = broker.pushConsumer({ group: "g", subscriptions: { orders: "*" }, listener: () => undefined });
    await consumer.start();
    await broker.producer({ group: "p" }).send({ topic: "orders", body: "a" });
    await consumer.close();

    await broker.close();

    expect(logged).toEqual([]);
  });
});
