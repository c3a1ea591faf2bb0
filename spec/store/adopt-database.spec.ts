import { symlinkSync } from "node:fs";
import Database from "better-sqlite3";
import { describe, expect, it } from "vitest";
import { adopt } from "../../lib/store/adopt-database.js";
import { tempFolder } from "../support/temp-folder.js";

const PRAGMAS = [
  "journal_mode",
  "synchronous",
  "busy_timeout",
  "foreign_keys",
  "wal_autocheckpoint",
  "cache_size",
  "application_id",
];

function settings(database: Database.Database): readonly unknown[] {
  return PRAGMAS.map((name) => database.pragma(name, { simple: true }));
}

describe("adopt", () => {
  it("changes no setting and closes nothing", () => {
    using folder = tempFolder();
    const database = new Database(folder.file("app.db"), { timeout: 1_234 });
    database.exec("PRAGMA cache_size = 77; CREATE TABLE invoice (id)");
    const before = settings(database);

    const opened = adopt(database);
    opened.close();

    expect(opened).toMatchObject({ connection: database, owned: false });
    expect(database.open).toBe(true);
    expect(settings(database)).toEqual(before);
    database.close();
  });

  it.each([
    { journal: "WAL", level: "EXTRA", promise: "full" },
    { journal: "WAL", level: "FULL", promise: "full" },
    { journal: "WAL", level: "NORMAL", promise: "normal" },
    { journal: "WAL", level: "OFF", promise: "off" },
    { journal: "DELETE", level: "EXTRA", promise: "full" },
    { journal: "DELETE", level: "FULL", promise: "normal" },
    { journal: "DELETE", level: "NORMAL", promise: "off" },
    { journal: "TRUNCATE", level: "FULL", promise: "full" },
    { journal: "TRUNCATE", level: "NORMAL", promise: "off" },
    { journal: "PERSIST", level: "FULL", promise: "full" },
    { journal: "PERSIST", level: "NORMAL", promise: "off" },
    { journal: "PERSIST", level: "OFF", promise: "off" },
    { journal: "MEMORY", level: "FULL", promise: "off" },
    { journal: "OFF", level: "FULL", promise: "off" },
  ])("reports that journal $journal with synchronous $level promises $promise", ({ journal, level, promise }) => {
    using folder = tempFolder();
    const database = new Database(folder.file("app.db"));
    if (journal === "OFF") database.unsafeMode();
    database.exec(`PRAGMA journal_mode = ${journal}; PRAGMA synchronous = ${level}`);

    const opened = adopt(database);

    expect(opened.synchronous).toBe(promise);
    database.close();
  });

  it("reports what the owner changed the setting to, and the last one known while he iterates or after he closed", () => {
    using folder = tempFolder();
    const database = new Database(folder.file("app.db"));
    database.exec("PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL");
    const opened = adopt(database);

    const reports = [opened.synchronous];
    database.pragma("synchronous = OFF");
    reports.push(opened.synchronous);
    const rows = database.prepare("VALUES (1), (2)").iterate();
    rows.next();
    reports.push(opened.synchronous);
    rows.return?.();
    database.close();
    reports.push(opened.synchronous);

    expect(reports).toEqual(["full", "off", "off", "off"]);
  });

  it.each([":memory:", ""])("promises nothing about a database %j, which has no path", (name) => {
    const database = new Database(name);

    expect(adopt(database)).toMatchObject({ synchronous: "off", realPath: undefined });
    database.close();
  });

  it("gives the real path of the main database, other attached ones notwithstanding", () => {
    using folder = tempFolder();
    new Database(folder.file("real.db")).exec("CREATE TABLE invoice (id)").close();
    symlinkSync(folder.file("real.db"), folder.file("link.db"));
    const database = new Database(folder.file("link.db"));
    database.exec(`ATTACH '${folder.file("other.db")}' AS other`);

    expect(adopt(database).realPath).toBe(folder.file("real.db"));
    database.close();
  });

  it("reads numbers as numbers from a connection whose owner prefers big integers", () => {
    using folder = tempFolder();
    const database = new Database(folder.file("app.db"));
    database.defaultSafeIntegers();
    database.exec("PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL");

    expect(adopt(database).synchronous).toBe("normal");
    database.close();
  });
});

describe("adopt refuses", () => {
  const INVALID = "ERR_MQ_INVALID_ARGUMENT";
  const noMethods = { open: true, readonly: false, inTransaction: false, prepare: () => ({}), exec: () => undefined };

  it.each([
    { what: "no object", make: () => "app.db", code: INVALID, says: /database has no method prepare/ },
    { what: "null", make: () => null, code: INVALID, says: /database has no method prepare/ },
    {
      what: "a database of another driver",
      make: () => noMethods,
      code: INVALID,
      says: /database has no method pragma/,
    },
    {
      what: "a driver with other statements",
      make: () => ({ ...noMethods, pragma: () => [] }),
      code: INVALID,
      says: /a statement of database has no method run/,
    },
    {
      what: "a closed connection",
      make: () => new Database(":memory:").close(),
      code: INVALID,
      says: /got a closed one/,
    },
    {
      what: "a connection in a transaction",
      make: () => new Database(":memory:").exec("BEGIN"),
      code: "ERR_MQ_IN_TRANSACTION",
      says: /must not be in a transaction/,
    },
  ])("$what", ({ make, code, says }) => {
    const database = make();

    expect(() => adopt(database as never)).toThrow(
      expect.objectContaining({ code, message: expect.stringMatching(says) }),
    );
  });

  it("a read-only connection", () => {
    using folder = tempFolder();
    new Database(folder.file("app.db")).exec("CREATE TABLE invoice (id)").close();
    const database = new Database(folder.file("app.db"), { readonly: true });

    expect(() => adopt(database)).toThrow(
      expect.objectContaining({ code: INVALID, message: expect.stringMatching(/read-only/) }),
    );
    database.close();
  });

  it("a connection whose owner is iterating, until he is done", () => {
    const database = new Database(":memory:");
    const rows = database.prepare("VALUES (1), (2)").iterate();
    rows.next();

    expect(() => adopt(database)).toThrow(expect.objectContaining({ code: "ERR_MQ_SYSTEM_BUSY" }));
    rows.return?.();
    expect(adopt(database).owned).toBe(false);
    database.close();
  });
});
