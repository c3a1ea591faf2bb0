import Database from "better-sqlite3";
import { describe, expect, it } from "vitest";
import { openBroker } from "../../lib/index.js";
import { FORMAT_VERSION, migrate, readFormatVersion } from "../../lib/store/migrations.js";
import type { SqliteConnection } from "../../lib/store/sqlite.js";
import { tempFolder } from "../support/temp-folder.js";
import { openTestBroker } from "../support/test-broker.js";
import { thrown } from "../support/thrown.js";

const asConnection = (database: Database.Database): SqliteConnection => database as unknown as SqliteConnection;

/** Schema and rows, for a comparison with what is there later. */
function contentOf(database: Database.Database): unknown {
  const schema = database.prepare("SELECT * FROM sqlite_schema").all();
  return [schema, database.prepare("SELECT * FROM mq_meta").all()];
}

describe("readFormatVersion", () => {
  it("is 0 where there is no store", () => {
    expect(readFormatVersion(asConnection(new Database(":memory:")))).toBe(0);
  });

  it("is this library's after a migration", () => {
    const database = new Database(":memory:");

    migrate(asConnection(database), 0);

    expect(readFormatVersion(asConnection(database))).toBe(FORMAT_VERSION);
  });

  it.each([[0], [-1], [1.5], ["1"], [null]])("refuses the format version %j, which nobody wrote", (version) => {
    const database = new Database(":memory:");
    database.exec("CREATE TABLE mq_meta (name TEXT PRIMARY KEY, value)");
    database.prepare("INSERT INTO mq_meta VALUES ('format_version', ?)").run(version);

    expect(thrown(() => readFormatVersion(asConnection(database))).code).toBe("ERR_MQ_STORE_FORMAT");
  });

  it("refuses a table named mq_meta that is somebody else's", () => {
    const database = new Database(":memory:");
    database.exec("CREATE TABLE mq_meta (id INTEGER)");

    expect(thrown(() => readFormatVersion(asConnection(database))).code).toBe("ERR_MQ_STORE_FORMAT");
  });
});

describe("migrate", () => {
  it("does nothing to a store of this format", () => {
    const database = new Database(":memory:");
    migrate(asConnection(database), 0);
    const before = contentOf(database);

    migrate(asConnection(database), FORMAT_VERSION);

    expect(contentOf(database)).toEqual(before);
  });

  it("makes strict tables whose names all begin with mq_", () => {
    const database = new Database(":memory:");

    migrate(asConnection(database), 0);

    const tables = database.pragma("table_list") as { readonly name: string; readonly strict: number }[];
    const ours = tables.filter(({ name }) => !name.startsWith("sqlite_"));
    expect(ours.length).toBeGreaterThan(0);
    expect(ours.filter(({ name, strict }) => !name.startsWith("mq_") || strict !== 1)).toEqual([]);
  });
});

describe("openBroker", () => {
  it("refuses a store that a newer version wrote, names both formats and leaves it untouched", async () => {
    using folder = tempFolder();
    const path = folder.file("app.db");
    await (await openBroker(path)).close();
    const newer = new Database(path);
    newer.prepare("UPDATE mq_meta SET value = ? WHERE name = 'format_version'").run(FORMAT_VERSION + 7);
    newer.exec("CREATE TABLE mq_of_the_future (id)");
    const before = contentOf(newer);

    const refused = openBroker(path);

    await expect(refused).rejects.toMatchObject({ code: "ERR_MQ_STORE_FORMAT", responseCode: undefined });
    await expect(refused).rejects.toThrow(
      new RegExp(`app\\.db has format ${FORMAT_VERSION + 7}, .* up to ${FORMAT_VERSION}: open it with a newer one`),
    );
    expect(contentOf(newer)).toEqual(before);
    expect(newer.pragma("journal_mode", { simple: true })).toBe("wal");
    newer.close();
  });

  it("refuses a newer store on an attached connection, which stays open and as it was", async () => {
    const database = new Database(":memory:");
    const first = await openTestBroker({ database });
    await first[Symbol.asyncDispose]();
    database.prepare("UPDATE mq_meta SET value = 1000 WHERE name = 'format_version'").run();
    const before = contentOf(database);

    await expect(openBroker({ database })).rejects.toMatchObject({ code: "ERR_MQ_STORE_FORMAT" });

    expect(database.inTransaction).toBe(false);
    expect(contentOf(database)).toEqual(before);
    database.close();
  });

  it("makes the tables in one transaction: when one cannot be made, none is there", async () => {
    const database = new Database(":memory:");
    database.exec("CREATE TABLE mq_log (mine); INSERT INTO mq_log VALUES (7)");

    await expect(openBroker({ database })).rejects.toMatchObject({ code: "ERR_MQ_STORE" });

    expect(database.inTransaction).toBe(false);
    expect(database.prepare("SELECT name FROM sqlite_schema WHERE type = 'table'").pluck().all()).toEqual(["mq_log"]);
    expect(database.prepare("SELECT mine FROM mq_log").pluck().all()).toEqual([7]);
    database.close();
  });

  it("leaves nothing of the tables behind when the disk is full", async () => {
    using folder = tempFolder();
    const database = new Database(folder.file("app.db"));
    database.exec("CREATE TABLE invoice (id)");
    database.pragma(`max_page_count = ${Number(database.pragma("page_count", { simple: true })) + 3}`);

    await expect(openBroker({ database })).rejects.toMatchObject({ code: "ERR_MQ_SERVICE_NOT_AVAILABLE" });

    expect(database.prepare("SELECT name FROM sqlite_schema").pluck().all()).toEqual(["invoice"]);
    database.pragma("max_page_count = 1000");
    await (await openBroker({ database })).close();
    database.close();
  });

  it("waits while another process makes the tables", async () => {
    using folder = tempFolder();
    const database = new Database(folder.file("app.db"));
    database.pragma("journal_mode = WAL");
    const rival = new Database(folder.file("app.db"));
    rival.exec("BEGIN IMMEDIATE");
    migrate(asConnection(rival), 0);

    const opening = openBroker({ database });
    await new Promise<void>((resolve) => setImmediate(resolve));
    rival.exec("COMMIT");
    rival.close();

    await (await opening).close();
    expect(readFormatVersion(asConnection(database))).toBe(FORMAT_VERSION);
    database.close();
  });
});
