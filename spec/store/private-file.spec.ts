import { spawnSync } from "node:child_process";
import fs, { chmodSync, readdirSync, statSync, symlinkSync, writeFileSync } from "node:fs";
import { syncBuiltinESMExports } from "node:module";
import { fileURLToPath } from "node:url";
import { afterEach, describe, expect, it, vi } from "vitest";
import { openOwned } from "../../lib/store/open-database.js";
import { type TempFolder, tempFolder } from "../support/temp-folder.js";

const PRIVATE = "600";

/** Opens a store, lets `look` see the files while it is open, and closes it. */
async function whileOpen<T>(path: string, look: () => T): Promise<T> {
  const database = await openOwned({ path, synchronous: "normal", busyTimeoutMs: 50 });
  try {
    return look();
  } finally {
    database.close();
  }
}

/** Of each file in the folder, the mode. */
function modes(folder: TempFolder): Readonly<Record<string, string>> {
  const modeOf = (name: string): string => (statSync(folder.file(name)).mode & 0o777).toString(8);
  return Object.fromEntries(readdirSync(folder.path).map((name) => [name, modeOf(name)]));
}

/** Replaces `linkSync` of `node:fs` until the spec ends, also for those who imported it before. */
function replaceLink(link: (existing: fs.PathLike, path: fs.PathLike) => void): void {
  vi.spyOn(fs, "linkSync").mockImplementation(link);
  syncBuiltinESMExports();
}

afterEach(() => {
  vi.restoreAllMocks();
  syncBuiltinESMExports();
});

// Windows has no such modes.
describe.skipIf(process.platform === "win32")("the files of a store", () => {
  it.each(["000", "022", "077", "777"])("are for their owner alone under the umask %s", async (umask) => {
    using folder = tempFolder();
    const before = process.umask(umask);

    const found = await whileOpen(folder.file("app.db"), () => modes(folder)).finally(() => process.umask(before));

    expect(found).toEqual({ "app.db": PRIVATE, "app.db-wal": PRIVATE, "app.db-shm": PRIVATE });
    expect(readdirSync(folder.path)).toEqual(["app.db"]);
  });

  it("keep the mode that they had, and give it to those beside them", async () => {
    using folder = tempFolder();
    writeFileSync(folder.file("empty.db"), "");
    chmodSync(folder.file("empty.db"), 0o664);
    await whileOpen(folder.file("store.db"), () => chmodSync(folder.file("store.db"), 0o640));

    const shared = await whileOpen(folder.file("empty.db"), () => modes(folder));
    const readable = await whileOpen(folder.file("store.db"), () => modes(folder));

    expect(shared).toMatchObject({ "empty.db": "664", "empty.db-wal": "664", "empty.db-shm": "664" });
    expect(readable).toMatchObject({ "store.db": "640", "store.db-wal": "640", "store.db-shm": "640" });
  });

  it("are for their owner alone behind a symbolic link to a missing file", async () => {
    using folder = tempFolder();
    symlinkSync("app.db", folder.file("link.db"));

    const found = await whileOpen(folder.file("link.db"), () => modes(folder));

    expect(found).toEqual({ "app.db": PRIVATE, "app.db-wal": PRIVATE, "app.db-shm": PRIVATE, "link.db": PRIVATE });
  });

  it("are for their owner alone where there are no hard links", async () => {
    using folder = tempFolder();
    replaceLink(() => {
      throw Object.assign(new Error("EPERM: operation not permitted, link"), { code: "EPERM" });
    });

    const found = await whileOpen(folder.file("app.db"), () => modes(folder));

    expect(found).toEqual({ "app.db": PRIVATE, "app.db-wal": PRIVATE, "app.db-shm": PRIVATE });
  });

  it("keep the mode that somebody else gave them at the same moment", async () => {
    using folder = tempFolder();
    const { linkSync } = fs;
    replaceLink((existing, path) => {
      writeFileSync(folder.file("app.db"), "");
      chmodSync(folder.file("app.db"), 0o660);
      linkSync(existing, path);
    });

    const found = await whileOpen(folder.file("app.db"), () => modes(folder));

    expect(found).toEqual({ "app.db": "660", "app.db-wal": "660", "app.db-shm": "660" });
  });

  it.each([
    { moment: "before the file has its name", call: "linkSync", left: [/^app\.db-new-/] },
    { moment: "after the file has its name", call: "rmSync", left: [/^app\.db$/, /^app\.db-new-/] },
  ])("are for their owner alone after a process was killed $moment", async ({ call, left }) => {
    using folder = tempFolder();

    openAndDie(folder.file("app.db"), call);

    expect(readdirSync(folder.path)).toEqual(left.map((name) => expect.stringMatching(name)));
    const found = await whileOpen(folder.file("app.db"), () => modes(folder));
    expect(found).toMatchObject({ "app.db": PRIVATE, "app.db-wal": PRIVATE, "app.db-shm": PRIVATE });
  });
});

/** Opens a store on the compiled library in a process that kills itself at a call of `node:fs`. */
function openAndDie(path: string, call: string): void {
  const library = fileURLToPath(new URL("../../dist/cjs/store/open-database.js", import.meta.url));
  const source = `
    process.umask(0);
    require("node:fs")[${JSON.stringify(call)}] = () => process.kill(process.pid, "SIGKILL");
    const { openOwned } = require(${JSON.stringify(library)});
    openOwned({ path: ${JSON.stringify(path)}, synchronous: "normal", busyTimeoutMs: 50 });`;
  const { signal } = spawnSync(process.execPath, ["--eval", source], { encoding: "utf8" });
  expect(signal).toBe("SIGKILL");
}
