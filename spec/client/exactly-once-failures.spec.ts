import Database from "better-sqlite3";
import { describe, expect, it } from "vitest";
import { exactlyOnce, type MessageView } from "../../lib/index.js";
import { openFaultDriver } from "../support/fault-driver.js";
import { tempFolder } from "../support/temp-folder.js";
import { bill, billing, openShop, type Shop, TOPIC } from "./dedup-shop.js";

const RETRY_MS = 10_100;

/** Effects that bill, and fail once at a message with this body, after they did. */
function failingAt(shop: Shop, body: string, fail: (database: Database.Database) => void) {
  return exactlyOnce(shop.mq, {}, (message: MessageView, database) => {
    bill(message, database);
    if (message.text() === body && message.reconsumeTimes === 0) fail(database);
  });
}

describe("an effect that ends the transaction", () => {
  it.each([
    ["rolls it back", (database: Database.Database) => void database.exec("ROLLBACK")],
    [
      "rolls it back and begins another",
      (database: Database.Database) => void database.exec("ROLLBACK; BEGIN; INSERT INTO invoice VALUES ('ghost')"),
    ],
    [
      "rolls it back and throws",
      (database: Database.Database) => {
        database.exec("ROLLBACK");
        throw new Error("all is lost");
      },
    ],
    [
      "fills the disk and swallows that",
      (database: Database.Database) => {
        const pages = Number(database.pragma("page_count", { simple: true }));
        database.pragma(`max_page_count = ${pages + 2}`);
        expect(() => database.prepare("INSERT INTO invoice VALUES (zeroblob(300000))").run()).toThrow("full");
        database.pragma("max_page_count = 100000");
        expect(database.inTransaction).toBe(false);
      },
    ],
  ])("as it %s: fails and is retried, those before and behind it are stored by another one", async (_how, end) => {
    await using shop = await openShop();
    await shop.consume(failingAt(shop, "b", end));

    await shop.send("a", "b", "c");
    await shop.test.clock.settle();

    expect(shop.mq.database.inTransaction).toBe(false);
    expect([shop.invoices(), shop.keys()]).toEqual([["a", "c"], 2]);
    expect(shop.warnings()).toEqual([expect.stringContaining("SQLite ended the transaction of an effect")]);
    await shop.test.clock.advance(RETRY_MS);
    expect(shop.invoices()).toEqual(["a", "c", "b"]);
  });

  it("by committing it: fails, and what it committed, with its key, is not done again", async () => {
    await using shop = await openShop();
    await shop.consume(failingAt(shop, "b", (database) => void database.exec("COMMIT")));

    await shop.send("a", "b", "c");
    await shop.test.clock.settle();

    expect(shop.invoices()).toEqual(["a", "b", "c"]);
    expect(shop.warnings()).toEqual([expect.stringContaining("ended it itself")]);
    await shop.test.clock.advance(RETRY_MS);
    expect([shop.invoices(), shop.keys()]).toEqual([["a", "b", "c"], 3]);
  });
});

describe("a full disk", () => {
  it("that ends the transaction fails all effects of the turn, which are retried", async () => {
    await using shop = await openShop();
    const { database } = shop.mq;
    const limit = Number(database.pragma("max_page_count", { simple: true }));
    await shop.consume(
      failingAt(shop, "b", () => {
        const pages = Number(database.pragma("page_count", { simple: true }));
        database.pragma(`max_page_count = ${pages + 2}`);
        database.prepare("INSERT INTO invoice VALUES (zeroblob(300000))").run();
      }),
    );

    await shop.send("a", "b", "c");
    await shop.test.clock.settle();
    const whileFull = [shop.invoices(), shop.keys(), shop.storedOffset() ?? 0];
    database.pragma(`max_page_count = ${limit}`);
    await shop.test.clock.advance(RETRY_MS + 5_000);

    expect(whileFull).toEqual([[], 0, 0]);
    expect([...shop.invoices()].sort()).toEqual(["a", "b", "c"]);
  });
});

describe("an effect for which there is no room", () => {
  it("fails alone where SQLite goes on with the transaction, and disk:full tells of it", async () => {
    using folder = tempFolder();
    const driver = openFaultDriver(folder.file("app.db"));
    await using shop = await openShop({ database: driver.database });
    const told: number[] = [];
    shop.mq.on("disk:full", ({ freeBytes }) => void told.push(freeBytes));
    await shop.consume(
      exactlyOnce(shop.mq, {}, (message, database) => {
        if (message.text() === "b" && message.reconsumeTimes === 0)
          driver.fail("INSERT INTO invoice", "SQLITE_FULL", "before");
        try {
          bill(message, database);
        } finally {
          driver.heal();
        }
      }),
    );

    await shop.send("a", "b", "c");
    await shop.test.clock.settle();

    expect([shop.invoices(), told.length]).toEqual([["a", "c"], 1]);
    await shop.test.clock.advance(RETRY_MS);
    expect(shop.invoices()).toEqual(["a", "c", "b"]);
  });
});

describe("a commit that fails", () => {
  it("stores nothing of all effects of the turn, which are retried", async () => {
    const driver = openFaultDriver();
    await using shop = await openShop({ database: driver.database });
    await shop.consume(
      exactlyOnce(shop.mq, {}, (message, database) => {
        bill(message, database);
        if (message.reconsumeTimes === 0) driver.fail("COMMIT", "SQLITE_FULL", "rolled back");
      }),
    );

    await shop.send("a", "b");
    await shop.test.clock.settle();
    driver.heal();

    expect([shop.invoices(), shop.keys(), shop.storedOffset() ?? 0]).toEqual([[], 0, 0]);
    await shop.test.clock.advance(RETRY_MS + 5_000);
    expect([...shop.invoices()].sort()).toEqual(["a", "b"]);
  });
});

describe("a store that another process has locked", () => {
  it("gets the effects once the lock is gone, and the event loop goes on meanwhile", async () => {
    using folder = tempFolder();
    await using shop = await openShop({ path: folder.file("app.db") });
    const { clock } = shop.test;
    const rival = new Database(folder.file("app.db"), { timeout: 0 });
    const once = billing(shop.mq);
    await shop.consume((message, context) => {
      rival.exec("BEGIN IMMEDIATE");
      return once(message, context);
    });
    await shop.send("a");

    await clock.advance(2_900);
    const whileLocked = shop.invoices();
    rival.exec("ROLLBACK");
    await clock.advance(50);
    rival.close();

    expect([whileLocked, shop.invoices()]).toEqual([[], ["a"]]);
    expect([shop.storedOffset(), shop.warnings()]).toEqual([1, []]);
  });

  it("for 3 s fails the delivery, which is retried", async () => {
    using folder = tempFolder();
    await using shop = await openShop({ path: folder.file("app.db") });
    const { clock } = shop.test;
    const rival = new Database(folder.file("app.db"), { timeout: 0 });
    const once = billing(shop.mq);
    await shop.consume((message, context) => {
      if (message.reconsumeTimes === 0) rival.exec("BEGIN IMMEDIATE");
      return once(message, context);
    });
    await shop.send("a");

    await clock.advance(3_100);
    const warnings = shop.warnings();
    rival.exec("ROLLBACK");
    rival.close();
    await clock.advance(RETRY_MS + 100);

    expect(warnings).toEqual([expect.stringContaining("another writer held the store's lock")]);
    expect(shop.invoices()).toEqual(["a"]);
  });
});

describe("what an effect sends with sendSync", () => {
  it("commits with it and is delivered then", async () => {
    await using shop = await openShop();
    const { mq, producer } = shop;
    const received: string[] = [];
    const listener = (message: MessageView): void => void received.push(message.text());
    await mq.pushConsumer({ group: "shipping", subscriptions: { shipments: "*", [TOPIC]: "*" }, listener }).start();
    await shop.consume(
      exactlyOnce(mq, {}, (message, database) => {
        bill(message, database);
        producer.sendSync({ topic: "shipments", body: `ship ${message.text()}` });
        expect(received).not.toContain(`ship ${message.text()}`);
      }),
    );

    await shop.send("a", "b");
    await shop.test.clock.settle();

    expect(shop.warnings()).toEqual([]);
    expect(received).toEqual(["a", "b", "ship a", "ship b"]);
    expect(shop.invoices()).toEqual(["a", "b"]);
  });

  it("is undone with it, its topic and its offset too, and those of others are stored", async () => {
    await using shop = await openShop();
    const { mq, producer } = shop;
    const received: string[] = [];
    const listener = (message: MessageView): void => {
      received.push(`${message.topic} ${message.queueOffset} ${message.text()}`);
    };
    const told: string[] = [];
    mq.on("message:stored", ({ topic, queueOffset }) => void told.push(`${topic} ${queueOffset}`));
    await mq.pushConsumer({ group: "shipping", subscriptions: { ghosts: "*", shipments: "*" }, listener }).start();
    await shop.consume(
      exactlyOnce(mq, {}, (message) => {
        const isFailing = message.text() === "b" && message.reconsumeTimes === 0;
        producer.sendSync({ topic: isFailing ? "ghosts" : "shipments", body: message.text() });
        producer.sendSync({ topic: "shipments", body: `${message.text()} again` });
        if (!isFailing) return;
        // What was looked up last is a topic that there is not.
        expect(() => producer.sendSync({ topic: "ghosts", body: "x" }, { queue: 99 })).toThrow("99");
        throw new Error("the card was refused");
      }),
    );

    await shop.send("a", "b", "c");
    await shop.test.clock.settle();

    const stored = ["shipments 0 a", "shipments 1 a again", "shipments 2 c", "shipments 3 c again"];
    expect(received).toEqual(stored);
    expect(told.filter((text) => !text.startsWith(TOPIC))).toEqual([0, 1, 2, 3].map((offset) => `shipments ${offset}`));
    expect(await mq.admin.listTopics()).not.toContainEqual(expect.objectContaining({ topic: "ghosts" }));
    await shop.test.clock.advance(RETRY_MS);
    expect(received).toEqual([...stored, "shipments 4 b", "shipments 5 b again"]);
    await producer.send({ topic: "ghosts", body: "now it is one" });
    expect(await mq.admin.listTopics()).toContainEqual(expect.objectContaining({ topic: "ghosts" }));
  });

  it("is gone where the effect rolls its own savepoint back, and what it and others send next takes the place", async () => {
    await using shop = await openShop();
    const { mq, producer } = shop;
    await shop.consume(
      exactlyOnce(mq, {}, (message, database) => {
        const sent = producer.sendSync({ topic: "shipments", body: `${message.text()} kept` });
        database.exec("SAVEPOINT own");
        const undone = producer.sendSync({ topic: "shipments", body: `${message.text()} undone` });
        database.exec("ROLLBACK TO own; RELEASE own");
        const next = producer.sendSync({ topic: "shipments", body: `${message.text()} next` });
        expect([undone.queueOffset, next.queueOffset]).toEqual([sent.queueOffset + 1, sent.queueOffset + 1]);
      }),
    );

    await shop.send("a", "b");
    await shop.test.clock.settle();

    const stored = await mq.admin.browse({ topic: "shipments", brokerName: "broker-a", queueId: 0 }, 0, 10);
    expect(stored.map((message) => message.text())).toEqual(["a kept", "a next", "b kept", "b next"]);
    expect(shop.warnings()).toEqual([]);
  });

  it.each([
    ["SQLite has rolled back", "INSERT OR ROLLBACK INTO invoice SELECT body FROM invoice"],
    ["the effect has ended", "ROLLBACK"],
  ])("is refused in a transaction that %s, as is everything else that would be stored alone", async (_name, ending) => {
    await using shop = await openShop();
    const { mq, producer } = shop;
    const refused: unknown[] = [];
    const attempt = (work: () => unknown): void => {
      try {
        work();
        refused.push("stored");
      } catch (error) {
        refused.push((error as { readonly code: string }).code);
      }
    };
    await shop.consume(
      exactlyOnce(mq, {}, (message, database) => {
        producer.sendSync({ topic: "shipments", body: `${message.text()} billed` });
        if (message.text() !== "bad" || refused.length > 0) return;
        database.exec("CREATE UNIQUE INDEX once ON invoice (body); INSERT INTO invoice VALUES ('x')");
        attempt(() => database.exec(ending));
        attempt(() => producer.sendSync({ topic: "shipments", body: "alone" }));
        attempt(() => mq.transaction(() => undefined));
      }),
    );

    await shop.send("a", "bad", "c");
    await shop.test.clock.settle();
    await shop.test.clock.advance(60_000);

    expect(refused.slice(1)).toEqual(["ERR_MQ_SERVICE_NOT_AVAILABLE", "ERR_MQ_IN_TRANSACTION"]);
    const stored = await mq.admin.browse({ topic: "shipments", brokerName: "broker-a", queueId: 0 }, 0, 10);
    expect(stored.map((message) => message.text()).sort()).toEqual(["a billed", "bad billed", "c billed"]);
  });

  it("is stored behind earlier sends that are pending, which send and transaction are not within", async () => {
    await using shop = await openShop();
    const { mq, producer } = shop;
    const refused: Promise<unknown>[] = [];
    const once = exactlyOnce(mq, {}, () => {
      refused.push(producer.send({ topic: "shipments", body: "ghost" }).catch((error: unknown) => error));
      expect(() => mq.transaction(() => undefined)).toThrow("in a transaction already");
      producer.sendSync({ topic: "shipments", body: "second" });
    });
    const sends: Promise<unknown>[] = [];
    await shop.consume((message, context) => {
      sends.push(producer.send({ topic: "shipments", body: "first" }));
      const result = once(message, context);
      sends.push(producer.send({ topic: "shipments", body: "third" }));
      return result;
    });

    await shop.send("a");
    await shop.test.clock.settle();
    await Promise.all(sends);

    const stored = await mq.admin.browse({ topic: "shipments", brokerName: "broker-a", queueId: 0 }, 0, 10);
    expect(stored.map((message) => message.text())).toEqual(["first", "second", "third"]);
    expect(await refused[0]).toMatchObject({ code: "ERR_MQ_IN_TRANSACTION" });
    expect(shop.warnings()).toEqual([]);
  });
});
