import { readFileSync } from "node:fs";
import Database from "better-sqlite3";
import { describe, expect, it } from "vitest";
import { openBroker } from "../../lib/index.js";
import { FORMAT_VERSION, migrate } from "../../lib/store/migrations.js";
import type { SqliteConnection } from "../../lib/store/sqlite.js";
import { pop, texts } from "../broker/pop-port.js";
import { openTestPort } from "../support/local-broker.js";
import { tempFolder } from "../support/temp-folder.js";

/** A store of 0.3.0: "billing" has "b" in hand, has sent "c" back and is done with the rest of "orders". */
function writeOldStore(database: Database.Database): void {
  database.exec(readFileSync(new URL("format-3.sql", import.meta.url), "utf8"));
}

/** Tables and indexes, and what they are made of. */
function schemaOf(database: Database.Database): readonly unknown[] {
  const rows = database.prepare("SELECT name, sql FROM sqlite_schema WHERE sql IS NOT NULL ORDER BY name").all();
  return (rows as { readonly name: string; readonly sql: string }[]).map(({ name, sql }) => [
    name,
    sql.replace(/\s+/g, " ").replaceAll("( ", "(").replaceAll(" )", ")").replaceAll(" ,", ","),
  ]);
}

describe("a store of format 3", () => {
  it("has the tables of a new store once it was opened, and its members share queues as before", async () => {
    using folder = tempFolder();
    const [old, fresh] = [new Database(folder.file("app.db")), new Database(":memory:")];
    old.pragma("journal_mode = WAL");
    writeOldStore(old);

    await (await openBroker(folder.file("app.db"))).close();

    migrate(fresh as unknown as SqliteConnection, 0);
    expect(old.prepare("SELECT value FROM mq_meta WHERE name = 'format_version'").pluck().get()).toBe(FORMAT_VERSION);
    expect(schemaOf(old)).toEqual(schemaOf(fresh));
    expect(old.prepare("SELECT consume_type FROM mq_member").pluck().all()).toEqual(["push", "push"]);
    old.close();
  });

  it("is popped from where its group had come to, and what was sent back is passed over", async () => {
    await using broker = await openTestPort({}, { fill: writeOldStore });

    const first = await pop(broker);
    const second = await pop(broker);

    expect([texts(first), texts(second)]).toEqual([["b"], []]);
  });
});
