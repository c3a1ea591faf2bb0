import Database from "better-sqlite3";
import { describe, expect, it } from "vitest";
import { openBroker } from "../../lib/index.js";
import { CONNECTIONS, deliveries, openShared, storedIn } from "../support/shared-connection.js";
import { tempFolder } from "../support/temp-folder.js";
import { openTestBroker } from "../support/test-broker.js";
import { thrown } from "../support/thrown.js";

const PRAGMAS = [
  "application_id",
  "auto_vacuum",
  "busy_timeout",
  "cache_size",
  "foreign_keys",
  "journal_mode",
  "journal_size_limit",
  "locking_mode",
  "page_size",
  "recursive_triggers",
  "synchronous",
  "temp_store",
  "user_version",
  "wal_autocheckpoint",
];

function settingsOf(database: Database.Database): readonly string[] {
  return PRAGMAS.map((name) => `${name} = ${database.pragma(name, { simple: true })}`);
}

describe.each(CONNECTIONS)("an open iterator of the owner of an %s", (kind) => {
  it("holds up sends and admin writes until it is finished", async () => {
    await using shared = await openShared(kind);
    const { mq, clock, database } = shared;
    const producer = mq.producer({ group: "shop" });
    const outcomes: string[] = [];

    const rows = database.prepare("VALUES (1), (2), (3)").iterate();
    rows.next();
    const sent = producer.send({ topic: "orders", body: "a" });
    void sent.then(() => outcomes.push("sent"));
    void mq.admin.createGroup("billing").then(() => outcomes.push("created"));
    await clock.advance(500);
    const during = [...outcomes];
    rows.return?.();
    await clock.advance(100);

    expect(during).toEqual([]);
    expect(outcomes).toEqual(["sent", "created"]);
    expect(await storedIn(mq, "orders")).toEqual(["0 a"]);
  });

  it("fails a send with a time-out when it stays open", async () => {
    await using shared = await openShared(kind);
    const { mq, clock, database } = shared;
    const producer = mq.producer({ group: "shop", sendTimeoutMs: 500 });

    const rows = database.prepare("VALUES (1), (2)").iterate();
    rows.next();
    const failed = expect(producer.send({ topic: "orders", body: "late" })).rejects.toMatchObject({
      code: "ERR_MQ_TIMEOUT",
    });
    await clock.advance(600);
    await failed;
    rows.return?.();

    await expect(mq.admin.getTopic("orders")).rejects.toMatchObject({ code: "ERR_MQ_TOPIC_NOT_FOUND" });
  });

  it("refuses sendSync, inside a transaction too, and stores nothing of it", async () => {
    await using shared = await openShared(kind);
    const { mq, database } = shared;
    const producer = mq.producer({ group: "shop" });
    const message = { topic: "orders", body: "x" };

    const outside = database.prepare("VALUES (1), (2)").iterate();
    outside.next();
    expect(thrown(() => producer.sendSync(message)).code).toBe("ERR_MQ_SYSTEM_BUSY");
    outside.return?.();

    database.exec("BEGIN; INSERT INTO invoice VALUES (7)");
    const inside = database.prepare("VALUES (1), (2)").iterate();
    inside.next();
    expect(thrown(() => producer.sendSync(message)).code).toBe("ERR_MQ_SYSTEM_BUSY");
    inside.return?.();
    expect(producer.sendSync({ topic: "orders", body: "a" }).queueOffset).toBe(0);
    database.exec("COMMIT");

    expect(await storedIn(mq, "orders")).toEqual(["0 a"]);
    expect(database.prepare("SELECT id FROM invoice").pluck().safeIntegers(false).all()).toEqual([7]);
  });

  it("does not keep consumers from reading", async () => {
    await using shared = await openShared(kind);
    const { mq, clock, database } = shared;
    const producer = mq.producer({ group: "shop" });
    producer.sendSync({ topic: "orders", body: "a" });
    const received = await deliveries(mq, "orders");

    const rows = database.prepare("VALUES (1), (2)").iterate();
    rows.next();
    await clock.advance(1_000);
    const during = [...received];
    rows.return?.();
    await clock.advance(1_000);

    expect([during, received]).toEqual([["a"], ["a"]]);
    expect(await mq.admin.consumeStats("watcher")).toMatchObject({ lag: 0 });
  });
});

describe.each(CONNECTIONS)("the owner of an %s who closes the connection first", (kind) => {
  it("ends pending sends and consumers, and closing the broker leaves nothing behind", async () => {
    const shared = await openShared(kind);
    const { mq, clock, database } = shared;
    const producer = mq.producer({ group: "shop" });
    await deliveries(mq, "orders");
    await producer.send({ topic: "orders", body: "a" });
    await clock.advance(100);

    const sent = producer.send({ topic: "orders", body: "b" });
    const failed = expect(sent).rejects.toMatchObject({ code: "ERR_MQ_CLOSED" });
    database.close();
    await failed;
    await clock.advance(1_000);
    const reported = shared.logged.filter(({ level }) => level === "error");
    const timers = [clock.pendingTimers];
    await mq.close();
    timers.push(clock.pendingTimers);

    // Nobody else can reach a memory database of ours, so nobody looks at it either.
    expect(reported).toHaveLength(kind === "owned memory database" ? 0 : 1);
    // … until the broker is closed; so the consumer has not stopped: it watches how long its listeners take, and its queues are shared anew now and then.
    expect(timers).toEqual([kind === "owned memory database" ? 2 : 0, 0]);
    await shared[Symbol.asyncDispose]();
  });

  it("ends what waited for a transaction or iterator of his", async () => {
    const shared = await openShared(kind);
    const { mq, clock, database } = shared;
    const producer = mq.producer({ group: "shop" });

    const sent = producer.send({ topic: "orders", body: "b" });
    const created = mq.admin.createTopic("invoices");
    const failed = Promise.all(
      [sent, created].map((call) => expect(call).rejects.toMatchObject({ code: "ERR_MQ_CLOSED" })),
    );
    database.exec("BEGIN");
    const read = expect(mq.admin.listTopics()).rejects.toMatchObject({ code: "ERR_MQ_CLOSED" });
    await clock.advance(500);
    database.close();
    await clock.advance(100);
    await Promise.all([failed, read]);
    await mq.close();

    expect(clock.pendingTimers).toBe(0);
    await shared[Symbol.asyncDispose]();
  });

  it("leaves no timer behind when the broker is closed in the same turn", async () => {
    const shared = await openShared(kind);
    const { mq, clock, database } = shared;
    database.exec("BEGIN");
    const created = mq.admin.createTopic("invoices");
    const failed = expect(created).rejects.toMatchObject({ code: "ERR_MQ_CLOSED" });
    await clock.advance(500);

    database.close();
    await mq.close();
    await failed;

    expect(clock.pendingTimers).toBe(0);
    await shared[Symbol.asyncDispose]();
  });

  it("makes every later call fail at once", async () => {
    const shared = await openShared(kind);
    const { mq, database } = shared;
    const producer = mq.producer({ group: "shop" });
    const message = { topic: "orders", body: "a" };
    database.close();

    const calls = [
      () => producer.send(message),
      () => producer.sendBatch([message]),
      async () => producer.sendSync(message),
      async () => producer.sendOneway(message),
      async () => mq.transaction(() => undefined),
      () => mq.admin.createTopic("invoices"),
      () => mq.admin.listTopics(),
      () => mq.admin.checkStore(),
      () => mq.pushConsumer({ group: "billing", listener: () => undefined }).start(),
    ];

    for (const call of calls) await expect(call()).rejects.toMatchObject({ code: "ERR_MQ_CLOSED" });
    await shared[Symbol.asyncDispose]();
  });
});

describe("a broker that is a guest on a connection", () => {
  it.each(["DELETE", "WAL", "MEMORY"])(
    "leaves every setting of a database with journal %s as it is",
    async (journal) => {
      using folder = tempFolder();
      const database = new Database(folder.file("app.db"), { timeout: 1_234 });
      database.exec(
        `PRAGMA page_size = 8192; PRAGMA journal_mode = ${journal}; PRAGMA synchronous = NORMAL; PRAGMA foreign_keys = ON;
       PRAGMA user_version = 42; PRAGMA application_id = 99; PRAGMA cache_size = 77; CREATE TABLE invoice (id INTEGER)`,
      );
      const before = settingsOf(database);

      {
        await using broker = await openTestBroker({ database });
        const { mq, clock } = broker;
        const producer = mq.producer({ group: "shop" });
        await deliveries(mq, "orders");
        await producer.send({ topic: "orders", body: "a" });
        producer.sendSync({ topic: "orders", body: "b" });
        mq.transaction(() => producer.sendSync({ topic: "orders", body: "c" }));
        expect(() =>
          mq.transaction(() => {
            throw new Error("undone");
          }),
        ).toThrow("undone");
        await mq.admin.createTopic("invoices");
        await clock.advance(1_000);
        expect(settingsOf(database)).toEqual(before);
      }

      expect(database.open).toBe(true);
      expect(settingsOf(database)).toEqual(before);
      database.close();
    },
  );

  it("puts the busy time-out back after it waited for another writer in vain", async () => {
    using folder = tempFolder();
    const database = new Database(folder.file("app.db"), { timeout: 1_234 });
    database.pragma("journal_mode = WAL");
    const rival = new Database(folder.file("app.db"));
    await using broker = await openTestBroker({ database, busyTimeoutMs: 5 });
    const producer = broker.mq.producer({ group: "shop" });

    rival.exec("BEGIN IMMEDIATE");
    const error = thrown(() => producer.sendSync({ topic: "orders", body: "x" }));
    rival.close();

    expect(error).toMatchObject({ code: "ERR_MQ_SYSTEM_BUSY", responseCode: 2 });
    expect(database.pragma("busy_timeout", { simple: true })).toBe(1_234);
    await broker[Symbol.asyncDispose]();
    database.close();
  });

  it("ends a transaction that began before the busy time-out could not be put back, and takes the next send", async () => {
    using folder = tempFolder();
    const database = new Database(folder.file("app.db"));
    await using broker = await openTestBroker({ database, defaultQueueCount: 1 });
    const producer = broker.mq.producer({ group: "shop" });
    await producer.send({ topic: "orders", body: "a" });
    const exec = database.exec.bind(database);
    let hasFailed = false;

    database.exec = (script) => {
      if (hasFailed || !database.inTransaction || !script.startsWith("PRAGMA busy_timeout =")) return exec(script);
      hasFailed = true;
      throw new Database.SqliteError("out of memory", "SQLITE_NOMEM");
    };
    const refused = await producer.send({ topic: "orders", body: "b" }).catch((error: unknown) => error);
    const isOpenAfterwards = database.inTransaction;
    if (isOpenAfterwards) database.exec("ROLLBACK");
    await producer.send({ topic: "orders", body: "c" });

    expect(refused).toMatchObject({ code: "ERR_MQ_STORE", cause: { code: "SQLITE_NOMEM" } });
    expect(isOpenAfterwards).toBe(false);
    expect(await storedIn(broker.mq, "orders")).toEqual(["0 a", "1 c"]);
  });

  it("says what the owner's setting promises, as it is now", async () => {
    using folder = tempFolder();
    const database = new Database(folder.file("app.db"));
    database.pragma("journal_mode = WAL");
    await using broker = await openTestBroker({ database });

    const reports = ["FULL", "NORMAL", "OFF", "EXTRA"].map((level) => {
      database.pragma(`synchronous = ${level}`);
      return broker.mq.synchronous;
    });

    expect(reports).toEqual(["full", "normal", "off", "full"]);
    await broker[Symbol.asyncDispose]();
    database.close();
  });

  it("opens no second connection: it works on a file that its owner locked for himself", async () => {
    using folder = tempFolder();
    const database = new Database(folder.file("app.db"));
    database.exec("PRAGMA locking_mode = EXCLUSIVE; CREATE TABLE invoice (id INTEGER)");
    await using broker = await openTestBroker({ database, defaultQueueCount: 1 });
    const { mq, clock } = broker;

    const received = await deliveries(mq, "orders");
    await mq.producer({ group: "shop" }).send({ topic: "orders", body: "a" });
    await clock.advance(1_000);

    expect(received).toEqual(["a"]);
    const rival = new Database(folder.file("app.db"), { timeout: 0 });
    expect(() => rival.prepare("SELECT * FROM invoice").all()).toThrow("locked");
    rival.close();
    await broker[Symbol.asyncDispose]();
    database.close();
  });

  it("adds tables named mq_ and touches no other", async () => {
    const database = new Database(":memory:");
    database.exec(
      `CREATE TABLE invoice (id INTEGER PRIMARY KEY, total); CREATE INDEX by_total ON invoice (total); INSERT INTO invoice VALUES (1, 2);
       CREATE TABLE topic (topic); CREATE VIEW totals AS SELECT total FROM invoice`,
    );
    const others = database.prepare("SELECT * FROM sqlite_schema WHERE tbl_name NOT LIKE 'mq\\_%' ESCAPE '\\'");
    const before = others.all();

    await using broker = await openTestBroker({ database });
    await broker.mq.producer({ group: "shop" }).send({ topic: "orders", body: "a" });

    expect(others.all()).toEqual(before);
    expect(database.prepare("SELECT * FROM invoice").all()).toEqual([{ id: 1, total: 2 }]);
    expect(
      database.prepare("SELECT name FROM sqlite_schema WHERE tbl_name LIKE 'mq\\_%' ESCAPE '\\'").all(),
    ).not.toEqual([]);
    await broker[Symbol.asyncDispose]();
    database.close();
  });

  it("leaves its messages to the next broker on the same connection", async () => {
    const database = new Database(":memory:");
    const first = await openTestBroker({ database, defaultQueueCount: 1 });
    await first.mq.producer({ group: "shop" }).send({ topic: "orders", body: "a" });
    await first[Symbol.asyncDispose]();

    await using second = await openTestBroker({ database, defaultQueueCount: 1 });

    expect(await storedIn(second.mq, "orders")).toEqual(["0 a"]);
    await second[Symbol.asyncDispose]();
    database.close();
  });

  it("is the only one there: a second broker is refused until the first has closed", async () => {
    const database = new Database(":memory:");
    const first = await openTestBroker({ database });

    await expect(openBroker({ database })).rejects.toMatchObject({ code: "ERR_MQ_ALREADY_CREATED" });

    await first[Symbol.asyncDispose]();
    await (await openTestBroker({ database }))[Symbol.asyncDispose]();
    database.close();
  });

  it("refuses a connection that is in a transaction, with nothing written", async () => {
    const database = new Database(":memory:");
    database.exec("BEGIN");

    await expect(openBroker({ database })).rejects.toMatchObject({ code: "ERR_MQ_IN_TRANSACTION" });

    database.exec("COMMIT");
    expect(database.prepare("SELECT name FROM sqlite_schema").all()).toEqual([]);
    database.close();
  });
});
