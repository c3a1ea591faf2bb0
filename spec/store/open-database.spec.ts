import { spawnSync } from "node:child_process";
import {
  chmodSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  statSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { fileURLToPath } from "node:url";
import Database from "better-sqlite3";
import { describe, expect, it } from "vitest";
import { isMqError } from "../../lib/errors.js";
import { type OpenedDatabase, openOwned, type Synchronous, withBusyTimeout } from "../../lib/store/open-database.js";
import type { SqliteConnection } from "../../lib/store/sqlite.js";
import { systemClock } from "../../lib/time/clock.js";
import { type TempFolder, tempFolder } from "../support/temp-folder.js";

const NOBODY = 65_534;

function open(path: string, synchronous: Synchronous = "normal"): Promise<OpenedDatabase> {
  return openOwned({ path, synchronous, busyTimeoutMs: 50 });
}

/** `code: message` of the refusal. */
async function refusal(path: string): Promise<string> {
  try {
    (await open(path)).close();
    return "opened";
  } catch (error) {
    return isMqError(error) ? `${error.code}: ${error.message}` : `not ours: ${String(error)}`;
  }
}

/** Everything in the folder of a spec, with bytes and times; what SQLite keeps in memory that processes share is left out. */
function contents(folder: TempFolder): readonly unknown[] {
  const names = readdirSync(folder.path).filter((name) => !name.endsWith("-shm"));
  return names.map((name) => {
    const stats = statSync(folder.file(name), { bigint: true });
    const bytes = stats.isFile() ? readFileSync(folder.file(name)).toString("base64") : undefined;
    return { name, mtimeNs: stats.mtimeNs, size: stats.size, bytes };
  });
}

function makeDatabase(path: string, sql: string): void {
  const database = new Database(path);
  database.exec(sql);
  database.close();
}

/** A database with a WAL that its owner left behind when it was killed. */
function makeCrashedDatabase(path: string, sql: string): void {
  const script = `const d = new (require("better-sqlite3"))(process.argv[1]); d.exec(process.argv[2]); process.kill(process.pid, "SIGKILL");`;
  spawnSync(process.execPath, ["--eval", script, path, sql]);
}

function pragma(connection: SqliteConnection, name: string): unknown {
  return connection.pragma(name, { simple: true });
}

describe("openOwned", () => {
  it("makes a file with the layout and the settings of a store", async () => {
    using folder = tempFolder();

    const database = await open(folder.file("app.db"));
    const found = [
      "page_size",
      "auto_vacuum",
      "application_id",
      "journal_mode",
      "synchronous",
      "wal_autocheckpoint",
      "busy_timeout",
    ].map((name) => [name, pragma(database.connection, name)]);
    database.close();

    expect(Object.fromEntries(found)).toEqual({
      page_size: 4096,
      auto_vacuum: 2,
      application_id: 0x506b4d51,
      journal_mode: "wal",
      synchronous: 1,
      wal_autocheckpoint: 1_000,
      busy_timeout: 0,
    });
    expect(readFileSync(folder.file("app.db")).toString("latin1", 68, 72)).toBe("PkMQ");
  });

  it.each([
    { synchronous: "full", level: 2 },
    { synchronous: "normal", level: 1 },
    { synchronous: "off", level: 0 },
  ] as const)("sets synchronous to $synchronous", async ({ synchronous, level }) => {
    using folder = tempFolder();

    const database = await open(folder.file("app.db"), synchronous);

    expect(pragma(database.connection, "synchronous")).toBe(level);
    expect(database).toMatchObject({ synchronous, owned: true, realPath: folder.file("app.db") });
    database.close();
  });

  it("opens what it made again, leaves nothing beside it when closed, and may be closed twice", async () => {
    using folder = tempFolder();
    const first = await open(folder.file("app.db"));
    first.connection.exec("CREATE TABLE mq_meta (name TEXT); INSERT INTO mq_meta VALUES ('kept')");
    first.close();

    const second = await open(folder.file("app.db"));
    const kept = second.connection.prepare("SELECT name FROM mq_meta").pluck().all();
    second.close();
    second.close();

    expect(kept).toEqual(["kept"]);
    expect(readdirSync(folder.path)).toEqual(["app.db"]);
  });

  it("opens what a killed process left, with all that it committed", async () => {
    using folder = tempFolder();
    (await open(folder.file("app.db"))).close();
    makeCrashedDatabase(
      folder.file("app.db"),
      "CREATE TABLE mq_meta (name TEXT); INSERT INTO mq_meta VALUES ('committed')",
    );
    expect(readdirSync(folder.path)).toContain("app.db-wal");

    const database = await open(folder.file("app.db"));

    expect(database.connection.prepare("SELECT name FROM mq_meta").pluck().all()).toEqual(["committed"]);
    database.close();
  });

  it("makes a store of an empty file, and of a database without tables whatever its page size", async () => {
    using folder = tempFolder();
    writeFileSync(folder.file("empty.db"), "");
    makeDatabase(folder.file("bare.db"), "PRAGMA page_size = 512; PRAGMA user_version = 3");
    makeDatabase(
      folder.file("bare-wal.db"),
      "PRAGMA page_size = 512; PRAGMA journal_mode = WAL; PRAGMA user_version = 3",
    );

    const layouts: unknown[] = [];
    for (const name of ["empty.db", "bare.db", "bare-wal.db"]) {
      const { connection, close } = await open(folder.file(name));
      layouts.push(
        ["page_size", "auto_vacuum", "application_id", "journal_mode"].map((key) => pragma(connection, key)),
      );
      close();
    }

    expect(layouts).toEqual(new Array(3).fill([4096, 2, 0x506b4d51, "wal"]));
  });

  it("gives the real path behind a symbolic link", async () => {
    using folder = tempFolder();
    mkdirSync(folder.file("real"));
    symlinkSync(folder.file("real"), folder.file("link"));

    const database = await open(folder.file("link/app.db"));

    expect(database.realPath).toBe(folder.file("real/app.db"));
    database.close();
  });

  it("promises nothing about a database in memory, which has no path", async () => {
    const database = await open(":memory:", "full");

    expect(database).toMatchObject({ synchronous: "off", owned: true, realPath: undefined });
    database.close();
  });

  it("waits while another connection holds the file", async () => {
    using folder = tempFolder();
    const other = new Database(folder.file("app.db"));
    other.exec("PRAGMA journal_mode = DELETE; BEGIN EXCLUSIVE");
    const opening = open(folder.file("app.db"));
    systemClock.at(systemClock.now() + 60, () => other.close());

    const database = await opening;

    expect(pragma(database.connection, "application_id")).toBe(0x506b4d51);
    database.close();
  });

  it("lets two openers make one file at once", async () => {
    using folder = tempFolder();

    const databases = await Promise.all(Array.from({ length: 5 }, () => open(folder.file("app.db"))));

    expect(databases.map(({ connection }) => pragma(connection, "application_id"))).toEqual(
      new Array(5).fill(0x506b4d51),
    );
    for (const database of databases) database.close();
  });
});

describe("openOwned refuses and leaves untouched", () => {
  const HINT = /^ERR_MQ_STORE_FORMAT: .*app\.db is a database of another application .*\{ database \}/;

  it.each([
    {
      what: "a file that is not SQLite",
      prepare: (path: string) => writeFileSync(path, "id;name\n1;one\n".repeat(1_000)),
      says: /^ERR_MQ_STORE_FORMAT: .*not an SQLite database/,
    },
    {
      what: "a file of a few bytes",
      prepare: (path: string) => writeFileSync(path, "hello"),
      says: /^ERR_MQ_STORE_FORMAT: /,
    },
    {
      what: "a damaged header",
      prepare: (path: string) => damage(path, 20, 4),
      says: /^ERR_MQ_STORE_FORMAT: .*not an SQLite database/,
    },
    {
      what: "a damaged schema page",
      prepare: (path: string) => damage(path, 100, 400),
      says: /^ERR_MQ_STORE: .*damaged/,
    },
    { what: "a truncated file", prepare: (path: string) => truncate(path), says: /^ERR_MQ_STORE: .*damaged/ },
    {
      what: "a database of another application",
      prepare: (path: string) => makeDatabase(path, "PRAGMA application_id = 7"),
      says: HINT,
    },
    {
      what: "tables of somebody else",
      prepare: (path: string) => makeDatabase(path, "CREATE TABLE invoice (id)"),
      says: HINT,
    },
    {
      what: "tables of somebody else beside ours",
      prepare: (path: string) => makeDatabase(path, "CREATE TABLE mq_meta (id); CREATE TABLE invoice (id)"),
      says: HINT,
    },
    {
      what: "such tables in WAL mode",
      prepare: (path: string) => makeDatabase(path, "PRAGMA journal_mode = WAL; CREATE TABLE invoice (id)"),
      says: HINT,
    },
    { what: "a folder", prepare: (path: string) => mkdirSync(path), says: /^ERR_MQ_STORE: .*it is a folder/ },
    {
      what: "something that is no file",
      prepare: (path: string) => void spawnSync("mkfifo", [path]),
      says: /^ERR_MQ_STORE: .*it is not a file/,
    },
  ])("$what", async ({ prepare, says }) => {
    using folder = tempFolder();
    prepare(folder.file("app.db"));
    const before = contents(folder);

    const said = await refusal(folder.file("app.db"));

    expect(said).toMatch(says);
    expect(said).toContain(folder.file("app.db"));
    expect(contents(folder)).toEqual(before);
    expect(readdirSync(folder.path)).toEqual(["app.db"]);
  });

  it("tables of somebody else in the WAL that a killed process left", async () => {
    using folder = tempFolder();
    makeCrashedDatabase(folder.file("app.db"), "PRAGMA journal_mode = WAL; CREATE TABLE invoice (id)");
    const before = contents(folder);

    const said = await refusal(folder.file("app.db"));

    expect(said).toMatch(HINT);
    expect(contents(folder)).toEqual(before);
  });

  it("the same behind a symbolic link", async () => {
    using folder = tempFolder();
    mkdirSync(folder.file("real"));
    makeCrashedDatabase(folder.file("real/app.db"), "PRAGMA journal_mode = WAL; CREATE TABLE invoice (id)");
    symlinkSync("real/app.db", folder.file("link.db"));
    const before = readdirSync(folder.file("real"));
    const bytes = readFileSync(folder.file("real/app.db"));

    const said = await refusal(folder.file("link.db"));

    expect(said).toMatch(HINT);
    expect(readdirSync(folder.file("real"))).toEqual(before);
    expect(readFileSync(folder.file("real/app.db"))).toEqual(bytes);
  });

  it("a missing folder, and a file in its place", async () => {
    using folder = tempFolder();
    writeFileSync(folder.file("plain"), "");

    expect(await refusal(folder.file("missing/app.db"))).toMatch(/^ERR_MQ_STORE: .*there is no folder .*missing$/);
    expect(await refusal(folder.file("plain/app.db"))).toMatch(/^ERR_MQ_STORE: .*there is no folder .*plain$/);
    expect(readdirSync(folder.path)).toEqual(["plain"]);
  });

  it.each(["", "app.db ", "app.db\0.txt"])("a name that SQLite would read as another one: %j", async (path) => {
    expect(await refusal(path)).toMatch(/^ERR_MQ_INVALID_ARGUMENT: path must be /);
  });

  it("a read-only file", async () => {
    using folder = tempFolder();
    (await open(folder.file("app.db"))).close();
    chmodSync(folder.file("app.db"), 0o444);
    chmodSync(folder.path, 0o777);
    const before = contents(folder);

    const said = refusalToSomebodyElse(folder.file("app.db"));

    expect(said).toMatch(/^ERR_MQ_STORE: .*it is read-only\n$/);
    expect(contents(folder)).toEqual(before);
    expect(readdirSync(folder.path)).toEqual(["app.db"]);
  });

  it("a file in a read-only folder, there or to be made", async () => {
    using folder = tempFolder();
    (await open(folder.file("app.db"))).close();
    chmodSync(folder.file("app.db"), 0o666);
    chmodSync(folder.path, 0o555);
    const before = contents(folder);

    const said = ["app.db", "new.db"].map((name) => refusalToSomebodyElse(folder.file(name)));

    expect(said).toEqual(
      new Array(2).fill(
        expect.stringMatching(/^ERR_MQ_STORE: .*its folder is read-only, but SQLite needs files beside it\n$/),
      ),
    );
    expect(contents(folder)).toEqual(before);
    chmodSync(folder.path, 0o755);
  });

  it("a file whose permissions look better than they are, of which none stays open", async ({ skip }) => {
    if (process.geteuid?.() !== 0) skip("only root can lend itself to another user");
    using folder = tempFolder();
    (await open(folder.file("app.db"))).close();
    chmodSync(folder.file("app.db"), 0o444);
    chmodSync(folder.path, 0o777);
    const before = readFileSync(folder.file("app.db"));

    // The effective user decides about opening, the real one (still root) about what may be seen of permissions.
    const said = refusalInChild(folder.file("app.db"), { preparation: `process.seteuid(${NOBODY});` });

    expect(said).toMatch(/^ERR_MQ_STORE: .*read-only \(SQLITE_READONLY\)\n$/);
    expect(readFileSync(folder.file("app.db"))).toEqual(before);
  });
});

describe("withBusyTimeout", () => {
  it("holds during the work only, and is put back when that throws", async () => {
    const { connection, close } = await open(":memory:");
    connection.pragma("busy_timeout = 123");

    const during = withBusyTimeout(connection, 7, () => pragma(connection, "busy_timeout"));
    const thrown = (): unknown =>
      withBusyTimeout(connection, 9, () => {
        throw new Error("from the work");
      });

    expect(during).toBe(7);
    expect(thrown).toThrow("from the work");
    expect(pragma(connection, "busy_timeout")).toBe(123);
    close();
  });

  it("gives what the work throws even after it closed the connection", async () => {
    const { connection, close } = await open(":memory:");

    const work = (): unknown =>
      withBusyTimeout(connection, 9, () => {
        close();
        throw new Error("from the work");
      });

    expect(work).toThrow("from the work");
  });
});

function makeStore(path: string): void {
  makeDatabase(
    path,
    `PRAGMA application_id = ${0x506b4d51}; CREATE TABLE mq_meta (name TEXT); INSERT INTO mq_meta VALUES (zeroblob(50000))`,
  );
}

function damage(path: string, position: number, length: number): void {
  makeStore(path);
  const bytes = readFileSync(path);
  writeFileSync(path, bytes.fill(0xee, position, position + length));
}

function truncate(path: string): void {
  makeStore(path);
  truncateSync(path, 4096 + 700);
}

/** What `refusal` says in a process that is not root, who may do everything. */
function refusalToSomebodyElse(path: string): string {
  return refusalInChild(path, { identity: process.geteuid?.() === 0 ? { uid: NOBODY, gid: NOBODY } : {} });
}

/** What `refusal` says in another process, on the compiled library, and which files in that folder it still holds then. */
function refusalInChild(path: string, { preparation = "", identity = {} }: ChildOptions): string {
  const library = fileURLToPath(new URL("../../dist/cjs/store/open-database.js", import.meta.url));
  const source = `
    import { existsSync, readdirSync, readlinkSync } from "node:fs";
    import { openOwned } from ${JSON.stringify(library)};
    ${preparation}
    const said = await openOwned({ path: ${JSON.stringify(path)}, synchronous: "normal", busyTimeoutMs: 50 }).then(
      () => "opened",
      (error) => error.code + ": " + error.message,
    );
    console.log(said);
    const links = existsSync("/proc/self/fd") ? readdirSync("/proc/self/fd").map((name) => "/proc/self/fd/" + name) : [];
    for (const link of links.filter((name) => existsSync(name))) {
      if (readlinkSync(link).startsWith(${JSON.stringify(path)})) console.log("still open: " + readlinkSync(link));
    }`;
  const child = spawnSync(process.execPath, ["--input-type=module", "--eval", source], {
    encoding: "utf8",
    ...identity,
  });
  return `${child.stdout}${child.stderr}`;
}

interface ChildOptions {
  /** Runs before the file is opened. */
  readonly preparation?: string;
  readonly identity?: { readonly uid?: number; readonly gid?: number };
}
