import Database from "better-sqlite3";
import { describe, expect, it } from "vitest";
import { type Broker, type EmbeddedProducer, openBroker, type SendReceipt } from "../../lib/index.js";
import { type FaultDriver, openFaultDriver, TAKING_THE_LOCK } from "../support/fault-driver.js";
import { tempFolder } from "../support/temp-folder.js";
import { openTestBroker } from "../support/test-broker.js";
import { VirtualClock } from "../support/virtual-clock.js";

const TOPIC = "orders";

function send(producer: EmbeddedProducer, body: string | Uint8Array, queue = 0): Promise<SendReceipt> {
  return producer.send({ topic: TOPIC, body }, { queue });
}

/** The code of each rejection, the queue offset of each stored message. */
async function outcomes(sends: readonly Promise<SendReceipt>[]): Promise<readonly unknown[]> {
  const settled = await Promise.allSettled(sends);
  return settled.map((result) =>
    result.status === "fulfilled" ? result.value.queueOffset : (result.reason as { code: string }).code,
  );
}

async function stored(mq: Broker, queueId = 0): Promise<readonly string[]> {
  const messages = await mq.admin.browse({ topic: TOPIC, brokerName: "broker-a", queueId }, 0, 1_024);
  return messages.map((message) => message.text());
}

describe("a row that SQLite refuses", () => {
  const REFUSE = `CREATE TRIGGER refuse BEFORE INSERT ON mq_log WHEN instr(NEW.records, CAST('poison' AS BLOB)) > 0
    BEGIN SELECT RAISE(ABORT, 'poison'); END`;

  it("fails alone, while the others of its turn are stored in order", async () => {
    await using test = await openTestBroker();
    const producer = test.mq.producer({ group: "p" });
    test.mq.database.exec(REFUSE);

    const results = await outcomes(["a", "poison", "b", "c", "more poison", "d"].map((body) => send(producer, body)));

    expect(results).toEqual([0, "ERR_MQ_STORE", 1, 2, "ERR_MQ_STORE", 3]);
    expect(await stored(test.mq)).toEqual(["a", "b", "c", "d"]);
    expect((await send(producer, "e")).queueOffset).toBe(4);
  });

  it("fails with its whole batch, of which nothing is stored", async () => {
    await using test = await openTestBroker();
    const producer = test.mq.producer({ group: "p" });
    test.mq.database.exec(REFUSE);
    const filler = "x".repeat(20_000);
    const batch = [filler, filler, filler, "poison"].map((body) => ({ topic: TOPIC, body }));

    const alone = send(producer, "a");
    const sending = producer.sendBatch(batch, { queue: 0 });
    const results = await outcomes([alone, send(producer, "b")]);

    await expect(sending).rejects.toMatchObject({ code: "ERR_MQ_STORE", cause: { code: "SQLITE_CONSTRAINT_TRIGGER" } });
    expect(results).toEqual([0, 1]);
    expect(await stored(test.mq)).toEqual(["a", "b"]);
  });

  it("leaves no topic behind that its send would have created", async () => {
    await using test = await openTestBroker();
    const producer = test.mq.producer({ group: "p" });
    test.mq.database.exec(REFUSE);

    const poisoned = producer.send({ topic: "unborn", body: "poison" });
    const results = await outcomes([send(producer, "a")]);

    await expect(poisoned).rejects.toMatchObject({ code: "ERR_MQ_STORE" });
    expect(results).toEqual([0]);
    expect((await test.mq.admin.listTopics()).map(({ topic }) => topic)).toEqual([TOPIC]);
  });

  it("fails a synchronous send without touching what was pending before it", async () => {
    await using test = await openTestBroker();
    const producer = test.mq.producer({ group: "p" });
    test.mq.database.exec(REFUSE);

    const pending = send(producer, "a");
    const refuse = (): unknown => producer.sendSync({ topic: TOPIC, body: "poison" }, { queue: 0 });

    expect(refuse).toThrow(expect.objectContaining({ code: "ERR_MQ_STORE" }));
    expect((await pending).queueOffset).toBe(0);
    expect(producer.sendSync({ topic: TOPIC, body: "b" }, { queue: 0 }).queueOffset).toBe(1);
  });
});

describe("a full disk", () => {
  it("fails every send of the commit with 14, stores none, and the next call works once there is room", async () => {
    await using test = await openTestBroker();
    const producer = test.mq.producer({ group: "p" });
    await send(producer, "first");
    test.mq.database.pragma(`max_page_count = ${Number(test.mq.database.pragma("page_count", { simple: true }))}`);

    const sends = ["small", Buffer.alloc(100_000, 1), "another"].map((body) => send(producer, body));
    const results = await outcomes(sends);
    test.mq.database.pragma("max_page_count = 1000000");
    const next = await send(producer, "next");

    expect(results).toEqual(Array.from({ length: 3 }, () => "ERR_MQ_SERVICE_NOT_AVAILABLE"));
    await expect(sends[0]).rejects.toMatchObject({ responseCode: 14, cause: { code: "SQLITE_FULL" } });
    expect(next.queueOffset).toBe(1);
    expect(await stored(test.mq)).toEqual(["first", "next"]);
  });

  it("fails a synchronous send with 14 as well", async () => {
    await using test = await openTestBroker();
    const producer = test.mq.producer({ group: "p" });
    producer.sendSync({ topic: TOPIC, body: "first" }, { queue: 0 });
    test.mq.database.pragma(`max_page_count = ${Number(test.mq.database.pragma("page_count", { simple: true }))}`);

    const refuse = (): unknown => producer.sendSync({ topic: TOPIC, body: Buffer.alloc(100_000, 1) }, { queue: 0 });

    expect(refuse).toThrow(expect.objectContaining({ code: "ERR_MQ_SERVICE_NOT_AVAILABLE", responseCode: 14 }));
    test.mq.database.pragma("max_page_count = 1000000");
    expect(producer.sendSync({ topic: TOPIC, body: "next" }, { queue: 0 }).queueOffset).toBe(1);
  });
});

describe("a failure that is not one row's", () => {
  it.each([
    ["BEGIN", "SQLITE_IOERR_LOCK", "before"],
    [TAKING_THE_LOCK, "SQLITE_IOERR_LOCK", "before"],
    ["INSERT INTO mq_log", "SQLITE_IOERR_WRITE", "after"],
    ["INSERT INTO mq_log", "SQLITE_CORRUPT", "before"],
    ["INSERT INTO mq_log", "SQLITE_NOMEM", "after"],
  ] as const)(
    "fails every send of the turn with 1, stores none, and the next call works: %s, %s",
    async (statement, code, moment) => {
      const driver = openFaultDriver();
      await using test = await openTestBroker({ database: driver.database });
      const producer = test.mq.producer({ group: "p" });
      await send(producer, "first");

      driver.fail(statement, code, moment);
      const sends = [0, 1, 1].map((queueId) => send(producer, "lost", queueId));
      const results = await outcomes(sends);
      driver.heal();
      const next = await send(producer, "next");

      expect(results).toEqual(["ERR_MQ_STORE", "ERR_MQ_STORE", "ERR_MQ_STORE"]);
      await expect(sends[0]).rejects.toMatchObject({ responseCode: 1, cause: { code } });
      expect(next.queueOffset).toBe(1);
      expect(await stored(test.mq)).toEqual(["first", "next"]);
      expect((await send(producer, "other queue", 1)).queueOffset).toBe(0);
    },
  );
});

describe("a commit whose sync failed", () => {
  it.each(["before", "after"] as const)(
    "has an unknown outcome and ends all writing, failing %s it took effect",
    async (moment) => {
      using folder = tempFolder();
      const driver = openFaultDriver(folder.file("app.db"));
      const mq = await openBroker({ database: driver.database, clock: new VirtualClock(), seed: 1 });
      const producer = mq.producer({ group: "p" });
      await send(producer, "durable");

      driver.fail("COMMIT", "SQLITE_IOERR_FSYNC", moment);
      const unknown = await outcomes([send(producer, "a"), send(producer, "b")]);
      driver.heal();
      const written: string[] = [];
      driver.onRun = (source) => void written.push(source);
      const after = await outcomes([send(producer, "c")]);

      expect(unknown).toEqual(["ERR_MQ_OUTCOME_UNKNOWN", "ERR_MQ_OUTCOME_UNKNOWN"]);
      expect(after).toEqual(["ERR_MQ_SERVICE_NOT_AVAILABLE"]);
      expect(() => producer.sendSync({ topic: TOPIC, body: "d" })).toThrow(
        expect.objectContaining({ code: "ERR_MQ_SERVICE_NOT_AVAILABLE", responseCode: 14 }),
      );
      expect(written).toEqual([]);
      await mq.close();
      driver.database.close();
      await using reopened = await openTestBroker({ path: folder.file("app.db") });
      expect(await stored(reopened.mq)).toEqual(moment === "before" ? ["durable"] : ["durable", "a", "b"]);
    },
  );

  it("fails what is pending behind it as not stored", async () => {
    const driver = openFaultDriver();
    const mq = await openBroker({ database: driver.database, clock: new VirtualClock(), seed: 1 });
    const producer = mq.producer({ group: "p" });
    await send(producer, "durable");

    driver.fail("COMMIT", "SQLITE_IOERR_FSYNC", "before");
    const results = await outcomes(Array.from({ length: 1_050 }, (_, i) => send(producer, `${i}`)));

    expect(results.slice(0, 997)).toEqual(Array.from({ length: 997 }, () => "ERR_MQ_OUTCOME_UNKNOWN"));
    expect(results.slice(997)).toEqual(Array.from({ length: 53 }, () => "ERR_MQ_SERVICE_NOT_AVAILABLE"));
    await mq.close();
    driver.database.close();
  });
});

describe("a store that another writer keeps locked", () => {
  /** When `BEGIN` was tried, in virtual milliseconds from now on. */
  function watchAttempts(driver: FaultDriver, clock: VirtualClock): readonly number[] {
    const start = clock.now();
    const attempts: number[] = [];
    driver.onRun = (source) => {
      if (source === "BEGIN IMMEDIATE") attempts.push(clock.now() - start);
    };
    return attempts;
  }

  async function attemptsOf(seed: number): Promise<{ readonly attempts: readonly number[]; readonly result: unknown }> {
    using folder = tempFolder();
    const driver = openFaultDriver(folder.file("app.db"));
    const other = new Database(folder.file("app.db"), { timeout: 0 });
    await using test = await openTestBroker({ database: driver.database, seed });
    const producer = test.mq.producer({ group: "p" });
    await send(producer, "first");
    const attempts = watchAttempts(driver, test.clock);
    other.exec("BEGIN IMMEDIATE");

    const sending = outcomes([send(producer, "late")]);
    await test.clock.advance(3_100);
    other.exec("ROLLBACK");
    const [result] = await sending;
    driver.onRun = undefined;

    expect(await stored(test.mq)).toEqual(["first"]);
    expect((await send(producer, "next")).queueOffset).toBe(1);
    other.close();
    return { attempts, result };
  }

  it("is tried again with jitter until the send's time-out, and then nothing is stored", async () => {
    const one = await attemptsOf(1);
    const two = await attemptsOf(2);

    const pauses = one.attempts.slice(1).map((at, index) => at - (one.attempts[index] as number));
    expect(one.result).toBe("ERR_MQ_SYSTEM_BUSY");
    expect(one.attempts.at(-1)).toBeGreaterThanOrEqual(3_000);
    expect(one.attempts.at(-1)).toBeLessThan(3_050);
    expect(Math.max(...pauses)).toBeLessThanOrEqual(33);
    expect(new Set(pauses).size).toBeGreaterThan(10);
    expect(two.attempts).not.toEqual(one.attempts);
  });

  it("takes the waiting sends in order as soon as it is free", async () => {
    using folder = tempFolder();
    await using test = await openTestBroker({ path: folder.file("store.db") });
    const producer = test.mq.producer({ group: "p" });
    await send(producer, "first");
    const other = new Database(folder.file("store.db"), { timeout: 0 });
    other.exec("BEGIN IMMEDIATE");

    const early = send(producer, "a");
    await test.clock.advance(60);
    const late = send(producer, "b");
    await test.clock.advance(60);
    other.exec("ROLLBACK");
    await test.clock.advance(33);

    expect([(await early).queueOffset, (await late).queueOffset]).toEqual([1, 2]);
    expect(await stored(test.mq)).toEqual(["first", "a", "b"]);
    other.close();
  });

  it("fails only the sends whose own time-out is over", async () => {
    using folder = tempFolder();
    await using test = await openTestBroker({ path: folder.file("store.db") });
    const producer = test.mq.producer({ group: "p" });
    await send(producer, "first");
    const other = new Database(folder.file("store.db"), { timeout: 0 });
    other.exec("BEGIN IMMEDIATE");

    const hasty = producer.send({ topic: TOPIC, body: "hasty" }, { queue: 0, timeoutMs: 50 });
    const patient = send(producer, "patient");
    const results = outcomes([hasty, patient]);
    await test.clock.advance(100);
    other.exec("ROLLBACK");
    await test.clock.advance(33);

    expect(await results).toEqual(["ERR_MQ_SYSTEM_BUSY", 1]);
    await expect(hasty).rejects.toMatchObject({ responseCode: 2 });
    expect(await stored(test.mq)).toEqual(["first", "patient"]);
    other.close();
  });

  it("blocks a synchronous send for busyTimeoutMs at most, and nothing of it is stored", async () => {
    using folder = tempFolder();
    await using test = await openTestBroker({ path: folder.file("store.db"), busyTimeoutMs: 1 });
    const producer = test.mq.producer({ group: "p" });
    await send(producer, "first");
    const other = new Database(folder.file("store.db"), { timeout: 0 });
    other.exec("BEGIN IMMEDIATE");

    const pending = send(producer, "pending");
    const refuse = (): unknown => producer.sendSync({ topic: TOPIC, body: "refused" }, { queue: 0 });

    expect(refuse).toThrow(expect.objectContaining({ code: "ERR_MQ_SYSTEM_BUSY", responseCode: 2 }));
    other.exec("ROLLBACK");
    expect((await pending).queueOffset).toBe(1);
    expect(await stored(test.mq)).toEqual(["first", "pending"]);
    other.close();
  });

  it("does not fail a synchronous send that is stored, whatever its commit makes others write", async () => {
    const driver = openFaultDriver();
    await using test = await openTestBroker({ database: driver.database });
    const producer = test.mq.producer({ group: "p" });
    await test.mq.admin.createTopic(TOPIC);
    const consumer = test.mq.simpleConsumer({ group: "g", subscriptions: { [TOPIC]: "*" }, awaitMs: 1_000 });
    await consumer.start();
    const receiving = consumer.receive({ maxMessages: 1, invisibleDurationMs: 10_000 });
    await test.clock.advance(100);
    driver.onRun = (source) => {
      if (source === "COMMIT") driver.fail(TAKING_THE_LOCK, "SQLITE_BUSY", "before");
    };

    const receipt = producer.sendSync({ topic: TOPIC, body: "stored" }, { queue: 0 });
    await test.clock.advance(0);
    const { failed } = driver;
    driver.onRun = undefined;
    driver.heal();

    expect(receipt).toMatchObject({ queueOffset: 0 });
    await test.clock.advance(100);
    expect((await receiving).map((message) => message.text())).toEqual(["stored"]);
    expect(failed).toMatchObject({ source: TAKING_THE_LOCK });
    await consumer.close();
  });

  it("is waited for too when a reader holds up the commit of a rollback journal", async () => {
    using folder = tempFolder();
    const driver = openFaultDriver(folder.file("app.db"), { timeout: 0 });
    await using test = await openTestBroker({ database: driver.database });
    const producer = test.mq.producer({ group: "p" });
    await send(producer, "first");
    const reader = new Database(folder.file("app.db"), { timeout: 0 });
    reader.exec("BEGIN");
    reader.prepare("SELECT count(*) FROM mq_log").get();

    const sending = outcomes([send(producer, "late")]);
    await test.clock.advance(100);
    reader.exec("ROLLBACK");
    await test.clock.advance(33);

    expect(await sending).toEqual([1]);
    reader.close();
  });
});

describe("a roll-back that fails", () => {
  it("stops the store: its sends and all later ones fail, and the broker can be closed", async () => {
    const driver = openFaultDriver();
    const test = await openTestBroker({ database: driver.database });
    const producer = test.mq.producer({ group: "p" });
    driver.onRun = (source) => {
      if (source.startsWith("INSERT INTO mq_log") || source === "ROLLBACK") {
        throw new Database.SqliteError("injected by the spec", "SQLITE_IOERR_WRITE");
      }
    };

    const first = await outcomes([send(producer, "a"), send(producer, "b")]);
    driver.onRun = undefined;
    const second = await outcomes([send(producer, "c")]);
    driver.database.exec("ROLLBACK");
    await test[Symbol.asyncDispose]();

    expect(first).toEqual(["ERR_MQ_STORE", "ERR_MQ_STORE"]);
    expect(second).toEqual(["ERR_MQ_SERVICE_NOT_AVAILABLE"]);
    driver.database.close();
  });
});
