import Database from "better-sqlite3";
import { describe, expect, it } from "vitest";
import { openFaultDriver } from "../support/fault-driver.js";
import { openTestPort, type TestPort } from "../support/local-broker.js";
import { tempFolder } from "../support/temp-folder.js";
import type { VirtualClock } from "../support/virtual-clock.js";

const GROUP = "billing";
const MINUTE_MS = 60_000;
const SCAN = "SELECT dedup_key, expires_at FROM mq_dedup";

interface Keys extends AsyncDisposable {
  readonly clock: VirtualClock;
  /** Keys that are done, in one transaction. */
  record(retainMs: number, ...keys: readonly string[]): Promise<void>;
  stored(): number;
}

async function openKeys(database: Database.Database): Promise<Keys> {
  const test: TestPort = await openTestPort({}, { database });
  const { mq, port, clock } = test;
  await mq.admin.createGroup(GROUP);
  return {
    clock,
    record: async (retainMs, ...keys) => {
      await port.engine.write(() => {
        for (const key of keys) port.engine.dedup.record({ group: GROUP, key }, retainMs);
      });
    },
    stored: () => database.prepare("SELECT count(*) FROM mq_dedup").pluck().get() as number,
    [Symbol.asyncDispose]: () => test[Symbol.asyncDispose]() as Promise<void>,
  };
}

function numbered(count: number, prefix = "order"): string[] {
  return Array.from({ length: count }, (_, index) => `${prefix}-${index}`);
}

describe("keys that have expired", () => {
  it("are deleted, in steps of at most 1,000 keys a statement, and others stay", async () => {
    const driver = openFaultDriver();
    await using keys = await openKeys(driver.database);
    await keys.record(2 * MINUTE_MS, ...numbered(2_500));
    await keys.record(60 * MINUTE_MS, ...numbered(700, "later"));
    const changes: number[] = [];
    const total = driver.database.prepare("SELECT total_changes()").pluck();
    let before = 0;
    driver.onRun = (source) => {
      if (source.startsWith("DELETE FROM mq_dedup")) before = total.get() as number;
    };
    driver.onRan = (source) => {
      if (source.startsWith("DELETE FROM mq_dedup")) changes.push((total.get() as number) - before);
    };

    await keys.clock.advance(2 * MINUTE_MS - 1);
    const untilThen = keys.stored();
    await keys.clock.advance(1);

    expect([untilThen, keys.stored()]).toEqual([3_200, 700]);
    expect(Math.max(...changes)).toBeLessThanOrEqual(1_000);
    expect(changes.reduce((sum, count) => sum + count, 0)).toBe(2_500);
  });

  it("are deleted though they are of a process that died with its lease", async () => {
    const database = new Database(":memory:");
    await using keys = await openKeys(database);
    await keys.record(2 * MINUTE_MS, "a");
    database.exec("INSERT INTO mq_dedup VALUES (1, 'crashed', 12, 0)");

    await keys.clock.advance(2 * MINUTE_MS);

    expect(keys.stored()).toBe(0);
  });

  it("of another process are found within an hour where the broker looks after a file", async () => {
    using folder = tempFolder();
    const path = folder.file("app.db");
    await using test = await openTestPort({}, { path });
    await test.mq.admin.createGroup(GROUP);
    const other = new Database(path);
    other.exec("INSERT INTO mq_dedup_group VALUES (1, 'billing'); INSERT INTO mq_dedup VALUES (1, 'a', NULL, 0)");
    const count = other.prepare("SELECT count(*) FROM mq_dedup").pluck();

    await test.clock.advance(2 * MINUTE_MS);
    const first = count.get();
    other.exec("INSERT INTO mq_dedup VALUES (1, 'b', NULL, 0)");
    await test.clock.advance(61 * MINUTE_MS);

    expect([first, count.get()]).toEqual([0, 0]);
    other.close();
  });

  it("are not looked for while there are none, nor again and again where there are some", async () => {
    using folder = tempFolder();
    // On a file the broker looks after the disk every ten seconds.
    const driver = openFaultDriver(folder.file("app.db"));
    await using keys = await openKeys(driver.database);
    let scans = 0;
    driver.onRead = (source) => {
      if (source.startsWith(SCAN)) scans += 1;
    };

    await keys.clock.advance(10 * MINUTE_MS);
    const whileEmpty = scans;
    await keys.record(10 * MINUTE_MS, "a", "b");
    await keys.record(20 * MINUTE_MS, "c");
    await keys.clock.advance(9 * MINUTE_MS);
    const early = scans;
    await keys.clock.advance(21 * MINUTE_MS);

    expect([whileEmpty, early, keys.stored()]).toEqual([0, 0, 0]);
    // Two passes of one step.
    expect(scans).toBe(2);
    driver.onRead = undefined;
  });

  it("wait for the next minute when deleting them fails, which is reported once each time", async () => {
    const driver = openFaultDriver();
    const test = await openTestPort({}, { database: driver.database });
    await using _test = test;
    await test.mq.admin.createGroup(GROUP);
    const errors: string[] = [];
    test.mq.on("error", ({ message }) => void errors.push(message));
    await test.port.engine.write(() => test.port.engine.dedup.record({ group: GROUP, key: "a" }, 2 * MINUTE_MS));
    driver.fail("DELETE FROM mq_dedup", "SQLITE_IOERR", "before");

    await test.clock.advance(2 * MINUTE_MS);
    const first = [...errors];
    driver.heal();
    await test.clock.advance(MINUTE_MS);

    expect(first).toHaveLength(1);
    expect(errors).toEqual(first);
    expect(driver.database.prepare("SELECT count(*) FROM mq_dedup").pluck().get()).toBe(0);
  });
});

describe("the table of keys", () => {
  it("takes less than 50 bytes of file for a message id, and has no index beside it", async () => {
    const database = new Database(":memory:");
    await using keys = await openKeys(database);
    const pages = (): number => Number(database.pragma("page_count", { simple: true }));
    const before = pages();
    const prefix = "7F0000010001AC1D2B3C4D5E";
    const ids = Array.from(
      { length: 20_000 },
      (_, index) => prefix + index.toString(16).toUpperCase().padStart(8, "0"),
    );

    await keys.record(MINUTE_MS * 60, ...ids);

    expect(((pages() - before) * Number(database.pragma("page_size", { simple: true }))) / 20_000).toBeLessThan(50);
    const indexes = database.prepare(
      "SELECT count(*) FROM sqlite_schema WHERE type = 'index' AND tbl_name = 'mq_dedup'",
    );
    expect(indexes.pluck().get()).toBe(0);
  });
});
