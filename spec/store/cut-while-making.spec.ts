import { copyFileSync, existsSync, writeFileSync } from "node:fs";
import Database from "better-sqlite3";
import { describe, expect, it } from "vitest";
import { openBroker } from "../../lib/index.js";
import { tempFolder } from "../support/temp-folder.js";

describe("a store in whose making the power was cut", () => {
  it("has its journal rolled back when it is opened, also when there is a write-ahead log beside it", async () => {
    using folder = tempFolder();
    const path = folder.file("app.db");
    await (await openBroker(path)).close();
    const database = new Database(path);
    // Pages are written into the file before the transaction ends.
    database.exec("PRAGMA journal_mode = DELETE; PRAGMA cache_size = 2; BEGIN; DROP TABLE mq_log");
    database.exec("CREATE TABLE mq_log (x); INSERT INTO mq_log VALUES (randomblob(100000))");
    for (const end of ["", "-journal"]) copyFileSync(`${path}${end}`, `${folder.file("cut.db")}${end}`);
    database.close();
    writeFileSync(folder.file("cut.db-wal"), Buffer.alloc(32));

    const mq = await openBroker(folder.file("cut.db"));
    const { problems } = await mq.admin.checkStore();
    await mq.close();

    expect(problems).toEqual([]);
    expect(existsSync(folder.file("cut.db-journal"))).toBe(false);
  });
});
