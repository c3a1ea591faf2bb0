import { spawnSync } from "node:child_process";
import { cpSync, linkSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import Database from "better-sqlite3";
import { describe, expect, it } from "vitest";
import { checkDriverVersion, findDriverVersion, loadDriver } from "../../lib/store/driver.js";
import { assertOneDriverCopy, copiesInMaps, copiesInReport } from "../../lib/store/driver-copies.js";
import { type TempFolder, tempFolder } from "../support/temp-folder.js";

const root = fileURLToPath(new URL("../..", import.meta.url));
const BINARY = join("better-sqlite3", "build", "Release", "better_sqlite3.node");

/** The installed driver once more, with what it needs to find its binary. */
function copyDriver(folder: TempFolder, { binary }: { readonly binary: "copied" | "linked" | "missing" }): string {
  const modules = folder.file("node_modules");
  for (const name of ["better-sqlite3", "bindings", "file-uri-to-path"]) {
    const from = join(root, "node_modules", name);
    const filter = (path: string): boolean => !/[\\/](?:deps|src|build)(?:[\\/]|$)/.test(path.slice(from.length));
    cpSync(from, join(modules, name), { recursive: true, filter });
  }
  if (binary !== "missing") {
    mkdirSync(dirname(join(modules, BINARY)), { recursive: true });
    const place = binary === "copied" ? cpSync : linkSync;
    place(join(root, "node_modules", BINARY), join(modules, BINARY));
  }
  return join(modules, "better-sqlite3");
}

/** Runs a module on the compiled library in a process of its own; gives what it printed. */
function runModule(source: string, cwd: string = root): string {
  const { stdout, stderr } = spawnSync(process.execPath, ["--input-type=module", "--eval", source], {
    cwd,
    encoding: "utf8",
  });
  return `${stdout}${stderr}`;
}

const library = (name: string): string => JSON.stringify(join(root, "dist", "cjs", "store", `${name}.js`));

const OPEN_OWNED = `const { openOwned } = await import(${library("open-database")});
      (await openOwned({ path: ":memory:", synchronous: "full", busyTimeoutMs: 0 })).close();`;
const ADOPT = `const { adopt } = await import(${library("adopt-database")});
      const { loadDriver } = await import(${library("driver")});
      adopt(new (await loadDriver())(":memory:")).close();`;

/** Source that loads two drivers and prints the code and message with which opening is refused, or "opened". */
function openWithBoth(copy: string, open: string = OPEN_OWNED): string {
  return `
    import { createRequire } from "node:module";
    const Copy = createRequire("/")(${JSON.stringify(copy)});
    new Copy(":memory:").close();
    try {
      ${open}
      console.log("opened");
    } catch (error) {
      console.log(error.code, error.message);
    }`;
}

describe("a second copy of the driver in the process", () => {
  it.each([
    ["a file of our own", OPEN_OWNED],
    ["a connection of the user's", ADOPT],
  ])("is refused with the paths of both when %s is opened", (_, open) => {
    using folder = tempFolder();
    const copy = copyDriver(folder, { binary: "copied" });

    const printed = runModule(openWithBoth(copy, open));

    expect(printed).toMatch(/^ERR_MQ_DRIVER two copies/);
    expect(printed).toContain(join(root, "node_modules", BINARY));
    expect(printed).toContain(join(folder.path, "node_modules", BINARY));
  });

  it("is none when both are links to one file, which is loaded once", () => {
    using folder = tempFolder(join(root, "node_modules"));
    const copy = copyDriver(folder, { binary: "linked" });

    expect(runModule(openWithBoth(copy))).toBe("opened\n");
  });

  it("is none when one binary is loaded through two module registries", async () => {
    await loadDriver();

    expect(() => assertOneDriverCopy()).not.toThrow();
  });

  it("is found in the memory map by inode, whatever else is mapped", () => {
    const maps = [
      "7f10-7f20 r--p 00000000 fe:00 101 /app/node_modules/better-sqlite3/build/Release/better_sqlite3.node",
      "7f20-7f30 r-xp 00010000 fe:00 101 /app/node_modules/better-sqlite3/build/Release/better_sqlite3.node",
      "7f30-7f40 r--p 00000000 fe:00 101 /linked/better_sqlite3.node",
      "7f40-7f50 r--p 00000000 fe:00 102 /old one/better_sqlite3.node (deleted)",
      "7f50-7f60 r--p 00000000 fe:00 103 /app/node_modules/better-sqlite3/prebuilds/linux-x64.node",
      "7f60-7f70 r--p 00000000 fe:00 104 /app/node_modules/better-sqlite3/build/Release/test_extension.node",
      "7f70-7f80 rw-p 00000000 00:00 0 [heap]",
      "7f80-7f90 rw-p 00000000 00:00 0 ",
    ].join("\n");

    expect(copiesInMaps(maps)).toEqual([
      "/app/node_modules/better-sqlite3/build/Release/better_sqlite3.node",
      "/old one/better_sqlite3.node",
      "/app/node_modules/better-sqlite3/prebuilds/linux-x64.node",
    ]);
  });

  it("is found in a diagnostic report, where there is no memory map to read", () => {
    const sharedObjects = [
      "C:\\app\\better_sqlite3.node",
      "C:\\app\\better_sqlite3.node",
      "C:\\windows\\kernel32.dll",
      "D:\\b\\better_sqlite3.node",
    ];

    expect(copiesInReport({ sharedObjects })).toEqual(["C:\\app\\better_sqlite3.node", "D:\\b\\better_sqlite3.node"]);
    expect(copiesInReport({})).toEqual([]);
  });

  it("is looked for in this process's own report as in its memory map", async () => {
    await loadDriver();

    expect(copiesInReport(process.report.getReport())).toEqual([join(root, "node_modules", BINARY)]);
  });
});

describe("loadDriver", () => {
  it("gives the driver", async () => {
    const driver = await loadDriver();

    expect(driver).toBe(Database);
  });

  it("says what to install when the driver is missing", () => {
    using folder = tempFolder();
    const library = installLibrary(folder);

    expect(runModule(loadAndPrint(library))).toMatch(
      /^ERR_MQ_DRIVER better-sqlite3 cannot be loaded: .*npm install better-sqlite3/,
    );
  });

  it("says what to do when the driver has no binary", () => {
    using folder = tempFolder();
    copyDriver(folder, { binary: "missing" });
    const library = installLibrary(folder);

    expect(runModule(loadAndPrint(library))).toMatch(
      /^ERR_MQ_DRIVER better-sqlite3 has no binary .*npm rebuild better-sqlite3/,
    );
  });

  it("refuses version 13 on a Node that it would crash, before it is constructed", () => {
    using folder = tempFolder();
    const driver = copyDriver(folder, { binary: "missing" });
    pretendVersion(driver, "13.2.0");
    const library = installLibrary(folder);

    const printed = runModule(
      `Object.defineProperty(process.versions, "node", { value: "20.20.2" });${loadAndPrint(library)}`,
    );

    expect(printed).toMatch(/^ERR_MQ_DRIVER better-sqlite3 13\.2\.0 crashes Node 20\.20\.2/);
  });

  it("reads the version of exactly the copy that it got", () => {
    expect(findDriverVersion(Database as never)).toMatch(/^12\./);
  });
});

describe("checkDriverVersion", () => {
  it.each([
    ["12.11.1", "20.20.2"],
    ["12.11.1", "24.0.0"],
    ["13.2.0", "22.12.0"],
    ["13.2.0", "24.0.0"],
    [undefined, "20.20.2"],
  ])("accepts better-sqlite3 %s on Node %s", (driverVersion, nodeVersion) => {
    expect(() => checkDriverVersion(driverVersion, nodeVersion)).not.toThrow();
  });

  it.each([
    ["13.0.0", "20.20.2"],
    ["14.1.0", "21.7.0"],
  ])("refuses better-sqlite3 %s on Node %s", (driverVersion, nodeVersion) => {
    expect(() => checkDriverVersion(driverVersion, nodeVersion)).toThrow(
      expect.objectContaining({ code: "ERR_MQ_DRIVER" }),
    );
  });
});

/** The compiled library in a folder with node_modules of its own; gives the path of its driver module. */
function installLibrary(folder: TempFolder): string {
  cpSync(join(root, "dist", "cjs"), folder.file("dist"), { recursive: true });
  return join(folder.path, "dist", "store", "driver.js");
}

function loadAndPrint(library: string): string {
  return `
    import(${JSON.stringify(library)}).then(({ loadDriver }) => loadDriver()).then(
      () => console.log("loaded"),
      (error) => console.log(error.code, error.message),
    );`;
}

function pretendVersion(driver: string, version: string): void {
  const manifest: Record<string, unknown> = JSON.parse(readFileSync(join(driver, "package.json"), "utf8"));
  writeFileSync(join(driver, "package.json"), JSON.stringify({ ...manifest, version }));
}
