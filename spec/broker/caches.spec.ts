import Database from "better-sqlite3";
import { describe, expect, it } from "vitest";
import { type EmbeddedProducer, openBroker, type SendReceipt } from "../../lib/index.js";
import { openFaultDriver } from "../support/fault-driver.js";
import { tempFolder } from "../support/temp-folder.js";
import { openTestBroker } from "../support/test-broker.js";

const ORDER = { topic: "orders", body: "x" } as const;

describe("what another broker on the file changes", () => {
  it("counts for topics at the next send and the next look", async () => {
    using folder = tempFolder();
    await using a = await openTestBroker({ path: folder.file("mq.db") });
    await using b = await openTestBroker({ path: folder.file("mq.db") });
    const producer = a.mq.producer({ group: "shop" });
    await a.mq.admin.createTopic("orders", { writeQueueNums: 8, readQueueNums: 8 });
    await producer.send(ORDER, { queue: 7 });

    await b.mq.admin.updateTopic("orders", { writeQueueNums: 1, readQueueNums: 1 });

    await expect(producer.send(ORDER, { queue: 7 })).rejects.toMatchObject({ code: "ERR_MQ_OFFSET" });
    expect(await a.mq.admin.getTopic("orders")).toMatchObject({ writeQueueNums: 1 });
  });

  it("counts for groups at the next look", async () => {
    using folder = tempFolder();
    await using a = await openTestBroker({ path: folder.file("mq.db") });
    await using b = await openTestBroker({ path: folder.file("mq.db") });
    await a.mq.admin.createGroup("billing");
    await a.mq.admin.getGroup("billing");

    await b.mq.admin.updateGroup("billing", { consumeEnable: false });

    expect(await a.mq.admin.getGroup("billing")).toMatchObject({ consumeEnable: false });
  });
});

describe("writes that are put back", () => {
  it("stay in front of those that came later", async () => {
    using folder = tempFolder();
    const database = new Database(folder.file("mq.db"), { timeout: 0 });
    await using broker = await openTestBroker({ database });
    const producer = broker.mq.producer({ group: "shop" });
    await producer.send(ORDER, { queue: 0 });
    const reader = new Database(folder.file("mq.db"));
    reader.exec("BEGIN; SELECT count(*) FROM mq_log;");
    reader.prepare("SELECT count(*) FROM mq_log").get();

    const sends = Array.from({ length: 1_500 }, (_, i) => sendNumber(producer, i));
    await broker.clock.advance(100);
    const late = sendNumber(producer, 1_500);
    reader.exec("COMMIT");
    await broker.clock.advance(100);

    const offsets = (await Promise.all([...sends, late])).map(({ queueOffset }) => queueOffset);
    expect(offsets).toEqual(Array.from({ length: 1_501 }, (_, i) => i + 1));
    reader.close();
    await broker[Symbol.asyncDispose]();
    database.close();
  });
});

describe("a batch that SQLite refuses inside the owner's transaction", () => {
  it("leaves nothing of itself behind", async () => {
    const { database } = openFaultDriver();
    await using broker = await openTestBroker({ database, defaultQueueCount: 1 });
    const producer = broker.mq.producer({ group: "shop" });
    database.exec(`CREATE TRIGGER refuse BEFORE INSERT ON mq_log WHEN instr(NEW.records, CAST('poison' AS BLOB)) > 0
      BEGIN SELECT RAISE(ABORT, 'poison'); END`);
    const filler = "x".repeat(20_000);
    const batch = [filler, filler, filler, "poison"].map((body) => ({ topic: "orders", body }));

    database.exec("BEGIN");
    producer.sendSync({ topic: "orders", body: "before" });
    expect(() => producer.sendBatchSync(batch)).toThrow(expect.objectContaining({ code: "ERR_MQ_STORE" }));
    producer.sendSync({ topic: "orders", body: "after" });
    database.exec("COMMIT");

    const queue = { topic: "orders", brokerName: "broker-a", queueId: 0 };
    expect((await broker.mq.admin.browse(queue, 0, 10)).map((message) => message.text())).toEqual(["before", "after"]);
    await broker[Symbol.asyncDispose]();
    database.close();
  });
});

describe("a connection of the user's", () => {
  it("may be used again once its broker could not be opened", async () => {
    const database = new Database(":memory:");
    database.exec("CREATE TABLE mq_meta (name TEXT)");

    await expect(openBroker({ database })).rejects.toMatchObject({ code: "ERR_MQ_STORE_FORMAT" });
    database.exec("DROP TABLE mq_meta");

    await (await openBroker({ database })).close();
    database.close();
  });
});

function sendNumber(producer: EmbeddedProducer, number: number): Promise<SendReceipt> {
  return producer.send({ topic: "orders", body: `${number}` }, { queue: 0 });
}
