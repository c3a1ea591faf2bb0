import Database from "better-sqlite3";
import { describe, expect, it } from "vitest";
import { MqError } from "../../lib/errors.js";
import { isBusy, isConnectionBusy, isConnectionClosed, isDiskFull, toMqError } from "../../lib/store/sqlite-error.js";
import { tempFolder } from "../support/temp-folder.js";

function thrownBy(work: () => unknown): unknown {
  try {
    work();
  } catch (error) {
    return error;
  }
  throw new Error("nothing was thrown");
}

describe("toMqError", () => {
  it.each([
    { sqlite: "SQLITE_FULL", code: "ERR_MQ_SERVICE_NOT_AVAILABLE", responseCode: 14 },
    { sqlite: "SQLITE_BUSY", code: "ERR_MQ_SYSTEM_BUSY", responseCode: 2 },
    { sqlite: "SQLITE_BUSY_SNAPSHOT", code: "ERR_MQ_SYSTEM_BUSY", responseCode: 2 },
    { sqlite: "SQLITE_LOCKED_SHAREDCACHE", code: "ERR_MQ_SYSTEM_BUSY", responseCode: 2 },
    { sqlite: "SQLITE_PROTOCOL", code: "ERR_MQ_SYSTEM_BUSY", responseCode: 2 },
    { sqlite: "SQLITE_IOERR_FSYNC", code: "ERR_MQ_STORE", responseCode: 1 },
    { sqlite: "SQLITE_CORRUPT", code: "ERR_MQ_STORE", responseCode: 1 },
    { sqlite: "SQLITE_NOMEM", code: "ERR_MQ_STORE", responseCode: 1 },
    { sqlite: "SQLITE_READONLY_DBMOVED", code: "ERR_MQ_STORE", responseCode: 1 },
    { sqlite: "SQLITE_CANTOPEN", code: "ERR_MQ_STORE", responseCode: 1 },
    { sqlite: "SQLITE_NOTADB", code: "ERR_MQ_STORE_FORMAT", responseCode: undefined },
  ])("makes $code of $sqlite", ({ sqlite, code, responseCode }) => {
    const cause = new Database.SqliteError("whatever it says", sqlite);

    const error = toMqError(cause, "storing messages");

    expect(error).toMatchObject({ code, responseCode, cause });
    expect(error.message).toMatch(new RegExp(`^storing messages failed: .+ \\(${sqlite}\\)$`));
  });

  it("leaves an error of ours as it is", () => {
    const error = new MqError("ERR_MQ_OFFSET", "offset 7 is beyond the end");

    expect(toMqError(error, "reading")).toBe(error);
  });

  it("makes ERR_MQ_STORE of anything else, and names it", () => {
    const error = toMqError(new RangeError("odd"), "reading");

    expect(error).toMatchObject({ code: "ERR_MQ_STORE", message: "reading failed: odd" });
  });

  it("does not take an error of another library for one of SQLite", () => {
    const cause = Object.assign(new Error("no space"), { code: "ENOSPC" });

    expect(toMqError(cause, "reading")).toMatchObject({ code: "ERR_MQ_STORE", message: "reading failed: no space" });
  });
});

describe("isBusy", () => {
  it("is true of all that may succeed later, and of nothing else", () => {
    const codes = [
      "SQLITE_BUSY",
      "SQLITE_BUSY_RECOVERY",
      "SQLITE_LOCKED",
      "SQLITE_PROTOCOL",
      "SQLITE_FULL",
      "SQLITE_IOERR",
    ];

    const busy = codes.filter((code) => isBusy(new Database.SqliteError("whatever it says", code)));

    expect(busy).toEqual(["SQLITE_BUSY", "SQLITE_BUSY_RECOVERY", "SQLITE_LOCKED", "SQLITE_PROTOCOL"]);
    expect([isBusy(undefined), isBusy("SQLITE_BUSY"), isBusy({ code: 5 })]).toEqual([false, false, false]);
  });
});

describe("what better-sqlite3 really throws", () => {
  it("is busy when another connection writes", () => {
    using folder = tempFolder();
    const [writer, other] = [0, 1].map(() => new Database(folder.file("app.db"), { timeout: 0 })) as [
      Database.Database,
      Database.Database,
    ];
    writer.exec("BEGIN IMMEDIATE");

    const error = thrownBy(() => other.exec("BEGIN IMMEDIATE"));

    expect([isBusy(error), isDiskFull(error), isConnectionBusy(error)]).toEqual([true, false, false]);
    writer.close();
    other.close();
  });

  it("is a full disk when the database may not grow", () => {
    const database = new Database(":memory:");
    database.exec("CREATE TABLE filler (bytes BLOB)");
    database.pragma("max_page_count = 3");

    const error = thrownBy(() => database.exec("INSERT INTO filler VALUES (zeroblob(100000))"));

    expect([isBusy(error), isDiskFull(error)]).toEqual([false, true]);
    expect(toMqError(error, "storing")).toMatchObject({ code: "ERR_MQ_SERVICE_NOT_AVAILABLE" });
    database.close();
  });

  it("is a busy connection while its owner iterates", () => {
    const database = new Database(":memory:");
    const rows = database.prepare("VALUES (1), (2)").iterate();
    rows.next();

    const error = thrownBy(() => database.exec("BEGIN"));

    expect([isBusy(error), isConnectionBusy(error), isConnectionClosed(error)]).toEqual([false, true, false]);
    expect(toMqError(error, "storing")).toMatchObject({ code: "ERR_MQ_SYSTEM_BUSY" });
    rows.return?.();
    database.close();
  });

  it("is a closed connection after its owner closed it", () => {
    const database = new Database(":memory:");
    database.close();

    const error = thrownBy(() => database.exec("BEGIN"));

    expect([isConnectionBusy(error), isConnectionClosed(error)]).toEqual([false, true]);
    expect(toMqError(error, "storing")).toMatchObject({ code: "ERR_MQ_CLOSED" });
  });
});
