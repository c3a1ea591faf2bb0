import Database from "better-sqlite3";
import { describe, expect, it } from "vitest";
import { exactlyOnce } from "../../lib/index.js";
import { storedIn } from "../support/shared-connection.js";
import { openTestBroker } from "../support/test-broker.js";

const ONE_QUEUE = { defaultQueueCount: 1 };

/** Its rows need a parent when they are committed. */
function openOwner(): Database.Database {
  const database = new Database(":memory:");
  database.pragma("foreign_keys = ON");
  database.exec(`
    CREATE TABLE parent (id INTEGER PRIMARY KEY);
    CREATE TABLE child (id INTEGER REFERENCES parent (id) DEFERRABLE INITIALLY DEFERRED);
    INSERT INTO parent VALUES (1), (3)`);
  return database;
}

describe("a constraint that only a commit looks at", () => {
  it("undoes a transaction that breaks it, which throws what SQLite says, and the broker goes on", async () => {
    const database = openOwner();
    await using broker = await openTestBroker({ ...ONE_QUEUE, database });
    const producer = broker.mq.producer({ group: "shop" });

    const transact = (): unknown =>
      broker.mq.transaction(() => {
        database.exec("INSERT INTO child VALUES (7)");
        producer.sendSync({ topic: "orders", body: "undone" });
        return "done";
      });

    expect(transact).toThrow(expect.objectContaining({ code: "SQLITE_CONSTRAINT_FOREIGNKEY" }));
    await producer.send({ topic: "orders", body: "next" });
    expect(await storedIn(broker.mq, "orders")).toEqual(["0 next"]);
    expect(database.prepare("SELECT count(*) FROM child").pluck().get()).toBe(0);
  });

  it("fails the one effect of a turn that breaks it, and the others are stored", async () => {
    const database = openOwner();
    await using broker = await openTestBroker({ ...ONE_QUEUE, database });
    const { mq, clock } = broker;
    const retried: string[] = [];
    mq.on("message:retried", ({ messageId }) => void retried.push(messageId));
    const insert = database.prepare("INSERT INTO child VALUES (?)");
    const listener = exactlyOnce(mq, {}, (message) => void insert.run(Number(message.text())));
    await mq.pushConsumer({ group: "billing", subscriptions: { orders: "*" }, listener }).start();

    const producer = mq.producer({ group: "shop" });
    await Promise.all(["1", "2", "3"].map((body) => producer.send({ topic: "orders", body })));
    await clock.advance(100);
    const before = [database.prepare("SELECT id FROM child ORDER BY id").pluck().all(), retried.length];
    database.exec("INSERT INTO parent VALUES (2)");
    await clock.advance(10_000);

    expect(before).toEqual([[1, 3], 1]);
    expect(database.prepare("SELECT id FROM child ORDER BY id").pluck().all()).toEqual([1, 2, 3]);
  });
});
