import { statSync } from "node:fs";
import Database from "better-sqlite3";
import { describe, expect, it } from "vitest";
import type { SqliteDatabase } from "../../lib/store/sqlite.js";
import { tempFolder } from "../support/temp-folder.js";
import { openTestBroker, type TestBroker } from "../support/test-broker.js";

const MIB = 1024 * 1024;
const DAY = 24 * 60 * 60 * 1_000;
const BODY = Buffer.alloc(MIB - 1_000, "x");

async function sendMiB({ mq }: TestBroker<SqliteDatabase>, count: number): Promise<void> {
  const producer = mq.producer({ group: "shop" });
  for (let sent = 0; sent < count; sent += 1) await producer.send({ topic: "orders", body: BODY });
}

function pagesOf({ mq }: TestBroker<SqliteDatabase>): { readonly free: number; readonly all: number } {
  const read = (name: string): number => Number(mq.database.pragma(name, { simple: true }));
  return { free: read("freelist_count"), all: read("page_count") };
}

describe("the space of messages that were deleted", () => {
  it("is given back to the disk where less than half of a large file is in use, up to a quarter of what is left", async () => {
    using folder = tempFolder();
    const path = folder.file("app.db");
    await using broker = await openTestBroker({ path, synchronous: "off", defaultQueueCount: 1 });
    await sendMiB(broker, 60);
    await broker.clock.advance(2 * DAY);
    // At the end of the file, from where they have to move.
    await sendMiB(broker, 15);

    await broker.clock.advance(2 * DAY);

    const { free, all } = pagesOf(broker);
    expect(free).toBe(Math.floor((all - free) / 3));
    expect(all * 4_096).toBeLessThan(21 * MIB);
    expect(statSync(path).size).toBe(all * 4_096);
    expect((await broker.mq.admin.topicStats("orders"))[0]).toMatchObject({ minOffset: 60, maxOffset: 75 });
  });

  it("is kept for what comes where more than half of the file is in use, or it is small", async () => {
    for (const [old, recent] of [
      [30, 35],
      [10, 0],
    ] as const) {
      using folder = tempFolder();
      const path = folder.file("app.db");
      await using broker = await openTestBroker({ path, synchronous: "off", defaultQueueCount: 1 });
      await sendMiB(broker, old);
      await broker.clock.advance(2 * DAY);
      await sendMiB(broker, recent);
      const before = pagesOf(broker);

      await broker.clock.advance(2 * DAY);
      const emptied = pagesOf(broker);
      await sendMiB(broker, old);

      expect(emptied.all).toBe(before.all);
      expect(emptied.free).toBeGreaterThan(old * 250);
      // The counter of the last hour that was done may need a page.
      expect(pagesOf(broker).all).toBeLessThanOrEqual(before.all + 4);
    }
  });

  it("is kept in a database of somebody else's", async () => {
    using folder = tempFolder();
    using database = Object.assign(new Database(folder.file("app.db")), {
      [Symbol.dispose](): void {
        database.close();
      },
    });
    database.pragma("auto_vacuum = INCREMENTAL");
    database.pragma("journal_mode = WAL");
    await using broker = await openTestBroker({ database, defaultQueueCount: 1 });
    await sendMiB(broker, 20);
    const { all } = pagesOf(broker);

    await broker.clock.advance(4 * DAY);

    expect(pagesOf(broker)).toMatchObject({ all });
    expect(pagesOf(broker).free).toBeGreaterThan(5_000);
  });

  it("is kept in a file in which somebody has turned giving back off, and the broker comes to rest", async () => {
    using folder = tempFolder();
    const path = folder.file("app.db");
    await (await openTestBroker({ path }))[Symbol.asyncDispose]();
    const other = new Database(path);
    other.exec("PRAGMA journal_mode = DELETE; PRAGMA auto_vacuum = NONE; VACUUM");
    other.close();
    await using broker = await openTestBroker({ path, synchronous: "off", defaultQueueCount: 1 });
    await sendMiB(broker, 20);
    const { all } = pagesOf(broker);

    await broker.clock.advance(4 * DAY);

    expect(pagesOf(broker).all).toBeLessThanOrEqual(all + 4);
    expect(pagesOf(broker).free).toBeGreaterThan(5_000);
  });
});
