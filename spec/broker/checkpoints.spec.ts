import { statSync } from "node:fs";
import Database from "better-sqlite3";
import { describe, expect, it } from "vitest";
import { tempFolder } from "../support/temp-folder.js";
import { openTestBroker } from "../support/test-broker.js";

const MIB = 1024 * 1024;
const LARGE = "x".repeat(MIB - 1_000);

describe("the write-ahead log of a file of ours", () => {
  it("starts anew when it is larger than 16 MiB, also while SQLite does not do it by itself", async () => {
    using folder = tempFolder();
    await using test = await openTestBroker({ path: folder.file("app.db"), defaultQueueCount: 1 });
    const producer = test.mq.producer({ group: "shop" });
    // As when others write all the time: then SQLite finds the log never copied to its end.
    test.mq.database.pragma("wal_autocheckpoint = 0");

    for (let count = 0; count < 48; count += 1) await producer.send({ topic: "orders", body: LARGE });
    await test.clock.settle();
    await producer.send({ topic: "orders", body: "small" });

    expect(statSync(folder.file("app.db-wal")).size).toBeLessThanOrEqual(32 * MIB);
    expect(await test.mq.admin.checkStore()).toEqual({ problems: [] });
  });

  it("keeps growing while somebody reads in it, and sending goes on", async () => {
    using folder = tempFolder();
    await using test = await openTestBroker({ path: folder.file("app.db"), defaultQueueCount: 1 });
    const producer = test.mq.producer({ group: "shop" });
    const errors: unknown[] = [];
    test.mq.on("error", (error) => void errors.push(error));
    await producer.send({ topic: "orders", body: "first" });
    const reader = new Database(folder.file("app.db"));
    reader.exec("BEGIN; SELECT count(*) FROM mq_log");

    for (let count = 0; count < 40; count += 1) await producer.send({ topic: "orders", body: LARGE });
    reader.close();

    expect(errors).toEqual([]);
    expect((await test.mq.admin.topicStats("orders"))[0]?.maxOffset).toBe(41);
  });
});
