import { readFileSync } from "node:fs";
import Database from "better-sqlite3";
import { describe, expect, it } from "vitest";
import { openBroker } from "../../lib/index.js";
import { FORMAT_VERSION, migrate } from "../../lib/store/migrations.js";
import type { SqliteConnection } from "../../lib/store/sqlite.js";
import { storedIn } from "../support/shared-connection.js";
import { openTestBroker } from "../support/test-broker.js";
import { VirtualClock } from "../support/virtual-clock.js";

const DAY = 24 * 60 * 60 * 1_000;

/** Messages are put off to one, two, two and three seconds after the start of the virtual clock. */
function openOldStore(): Database.Database {
  const database = new Database(":memory:");
  database.exec(readFileSync(new URL("format-4.sql", import.meta.url), "utf8"));
  return database;
}

/** Tables and indexes, and what they are made of. */
function schemaOf(database: Database.Database): readonly unknown[] {
  const rows = database.prepare("SELECT name, sql FROM sqlite_schema WHERE sql IS NOT NULL ORDER BY name").all();
  return (rows as { readonly name: string; readonly sql: string }[]).map(({ name, sql }) => [
    name,
    sql.replace(/\s+/g, " ").replaceAll("( ", "(").replaceAll(" )", ")").replaceAll(" ,", ","),
  ]);
}

describe("a store of format 4", () => {
  it("has the tables of a new store once it was opened", async () => {
    const [old, fresh] = [openOldStore(), new Database(":memory:")];

    await (await openBroker({ database: old })).close();

    migrate(fresh as unknown as SqliteConnection, 0);
    expect(old.prepare("SELECT value FROM mq_meta WHERE name = 'format_version'").pluck().get()).toBe(FORMAT_VERSION);
    expect(schemaOf(old)).toEqual(schemaOf(fresh));
    old.close();
  });

  it("is opened beside a view of its owner's that is broken", async () => {
    const database = openOldStore();
    database.exec("CREATE VIEW broken AS SELECT * FROM gone");

    await (await openBroker({ database })).close();

    expect(database.prepare("SELECT count(*) FROM mq_due").pluck().get()).toBe(4);
    database.close();
  });

  it("delivers what was put off at its times, those of one time in the order of the sends, new ones behind them", async () => {
    const database = openOldStore();
    const broker = await openTestBroker({ database });
    const { mq, clock } = broker;
    await mq.producer({ group: "shop" }).send({ topic: "orders", body: "third of two", delayMs: 2_000 });

    const seen: (readonly string[])[] = [];
    for (let second = 0; second < 4; second += 1) {
      seen.push(await storedIn(mq, "orders").catch(() => []));
      await clock.advance(1_000);
    }

    expect(seen.slice(0, 2)).toEqual([[], ["0 early"]]);
    expect(await storedIn(mq, "orders")).toEqual([
      "0 early",
      "1 first of two",
      "2 second of two",
      "3 third of two",
      "4 late",
    ]);
    await broker[Symbol.asyncDispose]();
    database.close();
  });

  it("knows who had subscribed to what, as far as format 4 did", async () => {
    const database = openOldStore();
    const member = database.prepare("INSERT INTO mq_member VALUES (?, ?, 1, 1, ?, NULL, ?, 'push', 0)");
    member.run("billing", "a", "clustering", '[["orders","*"],["bills","paid"]]');
    member.run("billing", "b", "clustering", '[["orders","*"],["bills","paid"]]');
    member.run("boards", "c", "broadcasting", '[["orders","*"]]');
    for (const [index, text] of ["no JSON", "7", '["orders"]', "[[]]", '[[7,"*"]]', '{"0":"orders"}'].entries())
      member.run("damaged", String(index), "clustering", text);
    database.exec(`
      INSERT INTO mq_group VALUES ('billing', 1, 1, 0, 1, 16, NULL), ('gone', 1, 1, 0, 1, 16, NULL);
      INSERT INTO mq_topic VALUES ('%RETRY%billing', 1, 1, 6, 0, 'NORMAL'), ('%RETRY%stranger', 1, 1, 6, 0, 'NORMAL')`);

    await (await openBroker({ database })).close();

    expect(database.prepare("SELECT topic, consumer_group FROM mq_subscription").raw().all()).toEqual([
      ["%RETRY%billing", "billing"],
      ["bills", "billing"],
      ["orders", "billing"],
    ]);
    database.close();
  });

  it("loses nothing old when it is opened first, so that groups may come that have not consumed it", async () => {
    const database = openOldStore();
    const old = new VirtualClock().now() - 30 * DAY;
    database.exec(`
      INSERT INTO mq_queue VALUES (1, 'orders', 0, 0);
      INSERT INTO mq_log SELECT 0, 1, 0, 1, ${old}, records FROM mq_due WHERE due_key = 1`);
    const broker = await openTestBroker({ database });
    const { mq, clock } = broker;
    await clock.advance(1_000);
    const consumer = mq.simpleConsumer({ group: "billing", subscriptions: { orders: "*" } });
    await consumer.start();
    await consumer.close();

    await clock.advance(2 * DAY);

    expect((await storedIn(mq, "orders"))[0]).toBe("0 late");
    await broker[Symbol.asyncDispose]();
    database.close();
  });
});
