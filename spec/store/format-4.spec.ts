import { readFileSync } from "node:fs";
import Database from "better-sqlite3";
import { describe, expect, it } from "vitest";
import { openBroker } from "../../lib/index.js";
import { FORMAT_VERSION, migrate } from "../../lib/store/migrations.js";
import type { SqliteConnection } from "../../lib/store/sqlite.js";
import { storedIn } from "../support/shared-connection.js";
import { openTestBroker } from "../support/test-broker.js";

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
});
