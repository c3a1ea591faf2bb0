import { readFileSync } from "node:fs";
import Database from "better-sqlite3";
import { describe, expect, it } from "vitest";
import { openBroker } from "../../lib/index.js";
import { FORMAT_VERSION, migrate } from "../../lib/store/migrations.js";
import type { SqliteConnection } from "../../lib/store/sqlite.js";
import { browseQueue } from "../support/shared-connection.js";
import { type TempFolder, tempFolder } from "../support/temp-folder.js";
import { openTestBroker } from "../support/test-broker.js";

/** A store of 0.1.0: four messages in two queues of "orders", of which group "billing" has consumed the first two, and the topic "archive". */
function writeOldStore(folder: TempFolder): string {
  const path = folder.file("app.db");
  const database = new Database(path);
  database.pragma("journal_mode = WAL");
  database.exec(readFileSync(new URL("format-1.sql", import.meta.url), "utf8"));
  database.close();
  return path;
}

/** Tables and indexes, and what they are made of. */
function schemaOf(database: Database.Database): readonly unknown[] {
  const rows = database.prepare("SELECT name, sql FROM sqlite_schema WHERE sql IS NOT NULL ORDER BY name").all();
  return (rows as { readonly name: string; readonly sql: string }[]).map(({ name, sql }) => [
    name,
    sql.replace(/\s+/g, " ").replaceAll("( ", "(").replaceAll(" )", ")"),
  ]);
}

describe("a store of format 1", () => {
  it("has the tables of a new store once it was opened, and says so", async () => {
    using folder = tempFolder();
    const path = writeOldStore(folder);

    await (await openBroker(path)).close();

    const [old, fresh] = [new Database(path), new Database(":memory:")];
    migrate(fresh as unknown as SqliteConnection, 0);
    const version = old.prepare("SELECT value FROM mq_meta WHERE name = 'format_version'").pluck().get();
    expect(version).toBe(FORMAT_VERSION);
    expect(schemaOf(old)).toEqual(schemaOf(fresh));
    old.close();
  });

  it("keeps its topics, its messages, its groups and their progress", async () => {
    using folder = tempFolder();
    await using broker = await openTestBroker({ path: writeOldStore(folder) });
    const { mq } = broker;

    const topics = await mq.admin.listTopics();
    const messages = [...(await browseQueue(mq, "orders", 0)), ...(await browseQueue(mq, "orders", 1))];
    const groups = await mq.admin.listGroups();
    const { queues } = await mq.admin.consumeStats("billing");

    expect(topics).toMatchObject([
      { topic: "archive", readQueueNums: 1, writeQueueNums: 1, perm: "R", order: true, messageType: "FIFO" },
      { topic: "orders", readQueueNums: 2, writeQueueNums: 2, perm: "RW", order: false, messageType: "NORMAL" },
    ]);
    expect(messages.map(({ body, tag }) => [body.toString("hex"), tag])).toEqual([
      ["61", "paid"],
      ["c3a420e282ac", undefined],
      ["63", "created"],
      ["00ff01", undefined],
    ]);
    expect(messages[0]).toMatchObject({ keys: ["k1", "k2"], properties: { color: "red" }, reconsumeTimes: 0 });
    expect(messages.map(({ commitLogOffset }) => commitLogOffset)).toEqual([0, 102, 178, 262]);
    expect(groups).toMatchObject([
      {
        group: "billing",
        consumeEnable: true,
        consumeBroadcastEnable: true,
        consumeMessageOrderly: true,
        retryQueueNums: 2,
        retryMaxTimes: 3,
        retryPolicy: undefined,
      },
    ]);
    expect(queues.map(({ queue, consumerOffset }) => [queue.topic, consumerOffset])).toEqual([
      ["orders", 2],
      ["orders", 0],
    ]);
  });

  it("goes on where it was: offsets, consuming, and what failed is retried", async () => {
    using folder = tempFolder();
    await using broker = await openTestBroker({ path: writeOldStore(folder) });
    const { mq, clock } = broker;
    const got: string[] = [];

    const receipt = await mq.producer({ group: "shop" }).send({ topic: "orders", body: "e" }, { queue: 0 });
    const consumer = mq.pushConsumer({
      group: "billing",
      subscriptions: { orders: "*" },
      consumeConcurrency: 1,
      listener: ({ body, reconsumeTimes }) => {
        got.push(`${body.toString("hex")} ${reconsumeTimes}`);
        return reconsumeTimes === 0 && body.toString() === "c" ? "retry" : "success";
      },
    });
    await consumer.start();
    await clock.advance(10_000);

    expect(receipt).toMatchObject({ queueOffset: 3 });
    expect(got.toSorted()).toEqual(["00ff01 0", "63 0", "63 1", "65 0"]);
    expect(await mq.admin.getTopic("%RETRY%billing")).toMatchObject({ readQueueNums: 2, writeQueueNums: 2 });
    expect(await mq.admin.consumeStats("billing", "orders")).toMatchObject({ lag: 0 });
  });

  it("is migrated on a connection that is attached, too", async () => {
    using folder = tempFolder();
    const database = new Database(writeOldStore(folder));
    await using broker = await openTestBroker({ database });

    const { length } = await browseQueue(broker.mq, "orders", 0);

    expect(length).toBe(3);
    await broker[Symbol.asyncDispose]();
    database.close();
  });

  it("stays as it was when it cannot be migrated", async () => {
    using folder = tempFolder();
    const path = writeOldStore(folder);
    const database = new Database(path);
    database.exec("CREATE TABLE mq_sent_back (mine)");
    const before = [schemaOf(database), database.prepare("SELECT * FROM mq_meta").all()];

    await expect(openBroker(path)).rejects.toMatchObject({ code: "ERR_MQ_STORE" });

    expect([schemaOf(database), database.prepare("SELECT * FROM mq_meta").all()]).toEqual(before);
    database.exec("DROP TABLE mq_sent_back");
    await (await openBroker(path)).close();
    database.close();
  });
});
