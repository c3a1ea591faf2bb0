import Database from "better-sqlite3";
import { describe, expect, it } from "vitest";
import { openFaultDriver, TAKING_THE_LOCK } from "../support/fault-driver.js";
import { storedIn } from "../support/shared-connection.js";
import { type TempFolder, tempFolder } from "../support/temp-folder.js";
import { openTestBroker } from "../support/test-broker.js";

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
    const commits = [1, 2, 3];
    driver.onRun = (source) => {
      const id = source === TAKING_THE_LOCK ? commits.shift() : undefined;
      if (id !== undefined) rival.prepare("INSERT INTO invoice VALUES (?)").run(id);
    };

    const seen = test.mq.transaction(() => {
      producer.sendSync({ topic: "orders", body: "a" });
      return database.prepare("SELECT id FROM invoice").pluck().all();
    });
    driver.onRun = undefined;

    expect(seen).toEqual([1, 2, 3]);
    expect(await storedIn(test.mq, "orders")).toEqual(["0 a"]);
  });

  it("leaves the owner's other databases to whoever writes to them, until the owner does", async () => {
    using folder = tempFolder();
    await using guest = await openGuest(folder);
    const { driver, test, producer } = guest;
    const other = new Database(folder.file("other.db"), { timeout: 0 });
    other.exec("CREATE TABLE note (id INTEGER)");
    driver.database.prepare("ATTACH ? AS other").run(folder.file("other.db"));
    other.exec("BEGIN IMMEDIATE");

    await producer.send({ topic: "orders", body: "a" });
    test.mq.transaction(() => producer.sendSync({ topic: "orders", body: "b" }));
    other.exec("ROLLBACK");
    test.mq.transaction((database) => {
      database.prepare("INSERT INTO other.note VALUES (1)").run();
      producer.sendSync({ topic: "orders", body: "c" });
    });

    expect(await storedIn(test.mq, "orders")).toEqual(["0 a", "1 b", "2 c"]);
    expect(other.prepare("SELECT id FROM note").pluck().all()).toEqual([1]);
    other.close();
  });
});
