import Database from "better-sqlite3";
import { describe, expect, it } from "vitest";
import type { Broker, EmbeddedProducer } from "../../lib/index.js";
import { storedIn } from "../support/shared-connection.js";
import { MIB, type SpiedDisk, spyDisk } from "../support/spied-disk.js";
import { tempFolder } from "../support/temp-folder.js";
import { openTestBroker, type TestBroker } from "../support/test-broker.js";
import { thrown } from "../support/thrown.js";
import { type Heard, listen, namesOf } from "./event-log.js";

const FULL = { code: "ERR_MQ_SERVICE_NOT_AVAILABLE", responseCode: 14, cause: { code: "SQLITE_FULL" } } as const;
const ROOMY = { usedBytes: 1_000 * MIB, freeBytes: 1_000 * MIB };
const FREE = { freeBytes: ROOMY.freeBytes };
/** No page of the database has room for it. */
const LARGE = { topic: "orders", body: "x".repeat(50_000) };
const SMALL = { topic: "orders", body: "small" };

interface Limited extends AsyncDisposable {
  readonly test: TestBroker;
  readonly mq: Broker;
  readonly producer: EmbeddedProducer;
  readonly database: Database.Database;
  readonly disk: SpiedDisk;
  readonly heard: readonly Heard[];
  /** From now on the file grows no more, whatever the disk says. */
  limit(): void;
  unlimit(): void;
}

async function openLimited(mode: "owned" | "attached" = "owned"): Promise<Limited> {
  const folder = tempFolder();
  const disk = spyDisk(ROOMY);
  const owner = mode === "owned" ? undefined : new Database(folder.file("app.db"));
  const place = owner === undefined ? { path: folder.file("app.db") } : { database: owner };
  const test = await openTestBroker({ defaultQueueCount: 1, ...place });
  const database = test.mq.database as Database.Database;
  const producer = test.mq.producer({ group: "shop" });
  await producer.send({ topic: "orders", body: "first" });
  return {
    ...{ test, mq: test.mq, producer, database, disk },
    heard: listen(test.mq, "disk:full", "disk:recovered"),
    limit: () => database.pragma(`max_page_count = ${database.pragma("page_count", { simple: true })}`),
    unlimit: () => database.pragma("max_page_count = 1000000"),
    [Symbol.asyncDispose]: async () => {
      await test[Symbol.asyncDispose]();
      owner?.close();
      folder[Symbol.dispose]();
    },
  };
}

describe.each(["owned", "attached"] as const)("a file without room on a disk that has some, %s", (mode) => {
  it("fails sends with 14 as often as they are tried, is told of once, and has recovered when one is stored", async () => {
    await using limited = await openLimited(mode);
    const { mq, test, producer, heard } = limited;

    limited.limit();
    for (let attempt = 0; attempt < 3; attempt += 1) await expect(producer.send(LARGE)).rejects.toMatchObject(FULL);
    expect(thrown(() => producer.sendSync(LARGE))).toMatchObject(FULL);
    await test.clock.advance(60_000);
    const whileFull = [...heard];
    limited.unlimit();
    await producer.send(LARGE);
    await producer.send(LARGE);
    await test.clock.advance(60_000);

    expect(whileFull).toEqual([["disk:full", FREE]]);
    expect(heard.slice(1)).toEqual([["disk:recovered", FREE]]);
    expect((await storedIn(mq, "orders")).map((text) => text.length)).toEqual([7, 50_002, 50_002]);
  });

  it("has recovered with a synchronous send, but not with one in a transaction that may be rolled back", async () => {
    await using limited = await openLimited(mode);
    const { test, producer, database, heard } = limited;
    const names: (readonly string[])[] = [];
    const note = async (): Promise<void> => {
      await test.clock.settle();
      names.push(namesOf(heard));
    };
    limited.limit();
    thrown(() => producer.sendSync(LARGE));

    limited.unlimit();
    database.exec("BEGIN");
    producer.sendSync(SMALL);
    await note();
    database.exec("ROLLBACK");
    producer.sendSync(SMALL);
    await note();

    expect(names).toEqual([["disk:full"], ["disk:full", "disk:recovered"]]);
  });

  it("is told of where a transaction of the application finds no room", async () => {
    await using limited = await openLimited(mode);
    const { mq, test, producer, database, heard } = limited;
    database.exec("CREATE TABLE invoice (text TEXT)");
    limited.limit();

    const insert = database.prepare("INSERT INTO invoice VALUES (?)");
    expect(() => mq.transaction(() => void insert.run("x".repeat(100_000)))).toThrow("full");
    await test.clock.settle();
    const afterRows = namesOf(heard);
    limited.unlimit();
    producer.sendSync(SMALL);
    limited.limit();
    database.exec("BEGIN");
    expect(thrown(() => producer.sendSync(LARGE))).toMatchObject(FULL);
    if (database.inTransaction) database.exec("ROLLBACK");
    await test.clock.settle();

    expect(afterRows).toEqual(["disk:full"]);
    expect(namesOf(heard)).toEqual(["disk:full", "disk:recovered", "disk:full"]);
  });

  it("is told of once, although small things are stored all the time while large sends are not", async () => {
    await using limited = await openLimited(mode);
    const { mq, test, producer, heard } = limited;
    limited.limit();

    for (let round = 0; round < 5; round += 1) {
      await expect(producer.send(LARGE)).rejects.toMatchObject(FULL);
      await mq.admin.createTopic(`t${round}`);
      await test.clock.advance(10_000);
    }
    const whileFull = namesOf(heard);
    limited.unlimit();
    await test.clock.advance(10_000);

    expect(whileFull).toEqual(["disk:full"]);
    expect(namesOf(heard)).toEqual(["disk:full", "disk:recovered"]);
  });

  it("where nobody sends, has recovered 10 s after something else was stored", async () => {
    await using limited = await openLimited(mode);
    const { mq, test, producer, heard } = limited;
    limited.limit();
    await expect(producer.send(LARGE)).rejects.toMatchObject(FULL);
    await test.clock.advance(30_000);
    const quiet = namesOf(heard);

    limited.unlimit();
    await mq.admin.createTopic("invoices");
    const early = namesOf(heard);
    await test.clock.advance(10_000);

    expect([quiet, early]).toEqual([["disk:full"], ["disk:full"]]);
    expect(namesOf(heard)).toEqual(["disk:full", "disk:recovered"]);
  });
});

describe("a file without room", () => {
  it("on a disk that has too little: no send is tried any more, until the disk has more", async () => {
    await using limited = await openLimited();
    const { test, producer, disk, heard } = limited;
    limited.limit();
    disk.freeBytes = MIB;

    await expect(producer.send(LARGE)).rejects.toMatchObject(FULL);
    const refused = await producer.send(SMALL).catch((error: unknown) => error);
    limited.unlimit();
    await test.clock.advance(10_000);
    await expect(producer.send(SMALL)).rejects.toThrow("1 MiB are free");
    disk.freeBytes = ROOMY.freeBytes;
    await test.clock.advance(10_000);
    await producer.send(SMALL);

    expect(refused).toMatchObject({ responseCode: 14, message: expect.stringContaining("1 MiB are free") });
    expect(heard).toEqual([
      ["disk:full", { freeBytes: MIB }],
      ["disk:recovered", FREE],
    ]);
  });

  it("is logged where nobody listens, with what may be the reason", async () => {
    using folder = tempFolder();
    spyDisk(ROOMY);
    await using test = await openTestBroker({ path: folder.file("app.db"), defaultQueueCount: 1 });
    const producer = test.mq.producer({ group: "shop" });
    await producer.send(SMALL);
    const pages = Number(test.mq.database.pragma("page_count", { simple: true }));
    test.mq.database.pragma(`max_page_count = ${pages}`);

    await expect(producer.send(LARGE)).rejects.toMatchObject(FULL);
    await test.clock.settle();

    expect(test.logged.map(({ level, text }) => `${level} ${text}`)).toEqual([
      `warn the disk is full: SQLite has no room for more although 1000 MiB are free in ${folder.path}; is there a quota, or a max_page_count? Sends are tried all the same`,
    ]);
  });

  it("takes no more than one attempt a second of what is done in the background, and does it all once there is room", async () => {
    await using limited = await openLimited();
    const { mq, test, producer, heard } = limited;
    const errors = listen(mq, "error");
    // Rows of 250 bytes: those of 40 queues need more than the page that the table has.
    const topic = "orders-".padEnd(120, "x");
    const group = "billing-".padEnd(120, "x");
    await mq.admin.createTopic(topic, { readQueueNums: 40, writeQueueNums: 40 });
    await Promise.all(Array.from({ length: 40 }, (_, n) => producer.send({ topic, body: `${n}` }, { queue: n })));
    const consumer = mq.pushConsumer({
      group,
      subscriptions: { [topic]: "*" },
      consumeFromWhere: "first-offset",
      listener: () => limited.limit(),
    });

    await consumer.start();
    await test.clock.advance(60_000);
    const [reports, whileFull] = [errors.length, namesOf(heard)];
    limited.unlimit();
    await test.clock.advance(20_000);

    expect(reports).toBeGreaterThan(1);
    expect(reports).toBeLessThanOrEqual(61);
    expect(whileFull).toEqual(["disk:full"]);
    expect(namesOf(heard)).toEqual(["disk:full", "disk:recovered"]);
    expect(await mq.admin.consumeStats(group)).toMatchObject({ lag: 0 });
  });

  it("in memory fails sends with 14 as ever; there is no disk to be told of", async () => {
    await using test = await openTestBroker({ defaultQueueCount: 1 });
    const { mq } = test;
    const heard = listen(mq, "disk:full");
    const producer = mq.producer({ group: "shop" });
    await producer.send(SMALL);
    const pages = Number(mq.database.pragma("page_count", { simple: true }));
    mq.database.pragma(`max_page_count = ${pages}`);

    await expect(producer.send(LARGE)).rejects.toMatchObject(FULL);
    mq.database.pragma("max_page_count = 1000000");

    expect((await producer.send(SMALL)).queueOffset).toBe(1);
    expect(heard).toEqual([]);
  });
});
