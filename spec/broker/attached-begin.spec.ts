import Database from "better-sqlite3";
import { describe, expect, it } from "vitest";
import { openFaultDriver, TAKING_THE_LOCK } from "../support/fault-driver.js";
import { storedIn } from "../support/shared-connection.js";
import { type TempFolder, tempFolder } from "../support/temp-folder.js";
import { openTestBroker } from "../support/test-broker.js";
import { thrown } from "../support/thrown.js";

/** Who waits so long at each attempt to begin is stopped by the time-out of the spec. */
const OWNERS_TIMEOUT_MS = 2_000;

/** A guest on a file with a write-ahead log, and another connection to it. */
async function openGuest(folder: TempFolder) {
  const path = folder.file("app.db");
  const driver = openFaultDriver(path, { timeout: OWNERS_TIMEOUT_MS });
  driver.database.pragma("journal_mode = WAL");
  const test = await openTestBroker({ database: driver.database, defaultQueueCount: 1 });
  const rival = new Database(path, { timeout: 0 });
  rival.exec("CREATE TABLE invoice (id INTEGER)");
  return {
    ...{ driver, test, rival, producer: test.mq.producer({ group: "shop" }) },
    [Symbol.asyncDispose]: async () => {
      rival.close();
      await test[Symbol.asyncDispose]();
      driver.database.close();
    },
  };
}

describe("a guest on a connection with a write-ahead log, whose owner waits long for locks", () => {
  it("does not wait for another writer, but looks again later", async () => {
    using folder = tempFolder();
    await using guest = await openGuest(folder);
    const { test, rival, producer } = guest;
    rival.exec("BEGIN IMMEDIATE; INSERT INTO invoice VALUES (1)");

    const sent = producer.send({ topic: "orders", body: "a" });
    await test.clock.advance(500);
    rival.exec("COMMIT");
    await test.clock.advance(50);

    expect((await sent).queueOffset).toBe(0);
    expect(await storedIn(test.mq, "orders")).toEqual(["0 a"]);
  });

  it("begins again when another connection commits between its look at the store and its write, and sees what that stored", async () => {
    using folder = tempFolder();
    await using guest = await openGuest(folder);
    const { driver, test, rival, producer } = guest;
    const { database } = driver;
    const commits = [1, 2];
    driver.onRun = (source) => {
      const id = source === TAKING_THE_LOCK ? commits.shift() : undefined;
      if (id !== undefined) rival.prepare("INSERT INTO invoice VALUES (?)").run(id);
    };

    const seen = test.mq.transaction(() => {
      producer.sendSync({ topic: "orders", body: "a" });
      return database.prepare("SELECT id FROM invoice").pluck().all();
    });
    driver.onRun = undefined;

    expect(seen).toEqual([1, 2]);
    expect(await storedIn(test.mq, "orders")).toEqual(["0 a"]);
  });

  it("takes the lock as usual where others commit again and again in between", async () => {
    using folder = tempFolder();
    await using guest = await openGuest(folder);
    const { driver, test, rival, producer } = guest;
    let commits = 0;
    driver.onRun = (source) => {
      if (source !== TAKING_THE_LOCK) return;
      commits += 1;
      rival.prepare("INSERT INTO invoice VALUES (?)").run(commits);
    };

    await producer.send({ topic: "orders", body: "a" });
    driver.onRun = undefined;

    expect(commits).toBe(3);
    expect(await storedIn(test.mq, "orders")).toEqual(["0 a"]);
  });

  it("is in the way of nobody for ever: not in unsafe mode, in which the owner's iterator keeps an old snapshot", async () => {
    using folder = tempFolder();
    await using guest = await openGuest(folder);
    const { driver, test, rival, producer } = guest;
    rival.exec("INSERT INTO invoice VALUES (1), (2), (3)");
    driver.database.unsafeMode(true);
    const rows = driver.database.prepare("SELECT id FROM invoice").iterate();
    rows.next();
    rival.exec("INSERT INTO invoice VALUES (4)");

    const sent = producer.send({ topic: "orders", body: "a" });
    await test.clock.advance(100);
    rows.return?.();
    await test.clock.advance(100);

    expect((await sent).queueOffset).toBe(0);
    driver.database.unsafeMode(false);
  });
});

describe("a guest whose owner has attached another database", () => {
  it("locks that too from the beginning of a transaction, as SQLite does", async () => {
    using folder = tempFolder();
    await using guest = await openGuest(folder);
    const { driver, test, producer } = guest;
    const path = folder.file("other.db");
    const other = new Database(path, { timeout: 0 });
    other.exec("PRAGMA journal_mode = WAL; CREATE TABLE note (id INTEGER)");
    driver.database.prepare("ATTACH ? AS other").run(path);

    test.mq.transaction((database) => {
      const ids = database.prepare("SELECT id FROM other.note").all();
      expect(() => other.exec("INSERT INTO note VALUES (1)")).toThrow("locked");
      database.prepare("INSERT INTO other.note VALUES (2)").run();
      producer.sendSync({ topic: "orders", body: `${ids.length}` });
    });

    expect(other.prepare("SELECT id FROM note").pluck().all()).toEqual([2]);
    expect(await storedIn(test.mq, "orders")).toEqual(["0 0"]);
    other.close();
  });

  it("waits for busyTimeoutMs for whoever reads there when it commits, not as long as the owner would", async () => {
    using folder = tempFolder();
    await using guest = await openGuest(folder);
    const { driver, test, producer } = guest;
    const path = folder.file("other.db");
    const reader = new Database(path, { timeout: 0 });
    reader.exec("CREATE TABLE note (id INTEGER); INSERT INTO note VALUES (1)");
    driver.database.prepare("ATTACH ? AS other").run(path);
    await test.mq.admin.createTopic("orders");
    const timeouts: unknown[] = [];
    driver.onRun = (source) => {
      if (source === "COMMIT") timeouts.push(driver.database.pragma("busy_timeout", { simple: true }));
    };
    reader.exec("BEGIN");
    reader.prepare("SELECT * FROM note").all();

    const refused = thrown(() =>
      test.mq.transaction((database) => {
        database.prepare("INSERT INTO other.note VALUES (2)").run();
        producer.sendSync({ topic: "orders", body: "a" });
      }),
    );
    driver.onRun = undefined;

    expect(refused).toMatchObject({ code: "ERR_MQ_SYSTEM_BUSY" });
    expect(timeouts).toEqual([50]);
    expect(await storedIn(test.mq, "orders")).toEqual([]);
    reader.close();
  });
});
