import { spawnSync } from "node:child_process";
import fs, { accessSync, constants, mkdirSync, readdirSync, symlinkSync } from "node:fs";
import { syncBuiltinESMExports } from "node:module";
import { fileURLToPath } from "node:url";
import Database from "better-sqlite3";
import { afterEach, describe, expect, it, vi } from "vitest";
import { openBroker } from "../../lib/index.js";
import { networkFileSystemName } from "../../lib/store/network-file-system.js";
import { tempFolder } from "../support/temp-folder.js";

const NFS = 0x6969n;
const EXT4 = 0xef53n;

/** Until the spec ends, Linux says of each place what `typeOf` returns for it, or an error where that is `undefined`. */
function replaceTypes(typeOf: (path: string) => bigint | undefined): void {
  const statfs = (path: string): { readonly type: bigint } => {
    const type = typeOf(path);
    if (type === undefined) throw Object.assign(new Error(`ENOENT: statfs '${path}'`), { code: "ENOENT" });
    return { type };
  };
  vi.spyOn(fs, "statfsSync").mockImplementation(statfs as unknown as typeof fs.statfsSync);
  syncBuiltinESMExports();
}

afterEach(() => {
  vi.restoreAllMocks();
  syncBuiltinESMExports();
});

describe("networkFileSystemName", () => {
  it.each<[type: bigint, name: string]>([
    [NFS, "NFS"],
    [0x517bn, "SMB"],
    [0xfe534d42n, "SMB"],
    [0xff534d42n, "CIFS"],
    [0x01021997n, "9p"],
    [0x65735546n, "FUSE"],
    [0x00c36400n, "Ceph"],
    [0x5346414fn, "AFS"],
    [0x6b414653n, "AFS"],
    [0x73757245n, "Coda"],
    [0x564cn, "NCP"],
    [0x0bd00bd0n, "Lustre"],
    [0x19830326n, "BeeGFS"],
    [0x47504653n, "GPFS"],
    [0x01161970n, "GFS2"],
    [0x7461636fn, "OCFS2"],
    [0x61636673n, "ACFS"],
    [0xaad7aaean, "PanFS"],
    [0xbeefdeadn, "StorNext"],
    [0x786f4256n, "a shared folder of VirtualBox"],
    [0xbacbacbcn, "a shared folder of VMware"],
    [0x7c7c6673n, "a shared folder of Parallels"],
  ])("knows %d as %s, whatever the sign of a machine's word makes of it", (type, name) => {
    const negative = BigInt.asIntN(32, type);

    const names = [type, negative, BigInt.asUintN(64, negative)].map(networkFileSystemName);

    expect(names).toEqual([name, name, name]);
  });

  it.each([
    ["ext4", EXT4],
    ["xfs", 0x58465342n],
    ["btrfs", 0x9123683en],
    ["zfs", 0x2fc12fc1n],
    ["f2fs", 0xf2f52010n],
    ["tmpfs", 0x01021994n],
    ["overlayfs", 0x794c7630n],
    ["ecryptfs", 0xf15fn],
    ["ntfs", 0x5346544en],
    ["vfat", 0x4d44n],
    ["exfat", 0x2011bab0n],
    ["what says nothing", 0n],
  ])("takes %s for local", (_name, type) => {
    expect(networkFileSystemName(type)).toBeUndefined();
  });
});

describe.runIf(process.platform === "linux")("a store on a network file system", () => {
  const REFUSED = { code: "ERR_MQ_STORE", message: expect.stringMatching(/it lies on NFS, .*allowNetworkFileSystem/) };

  it("is refused before anything is created", async () => {
    using folder = tempFolder();
    replaceTypes((path) => (path === folder.path ? NFS : undefined));

    await expect(openBroker(folder.file("app.db"))).rejects.toMatchObject(REFUSED);

    await expect(openBroker(folder.file("app.db"))).rejects.toThrow(`cannot use ${folder.file("app.db")}: `);
    expect(readdirSync(folder.path)).toEqual([]);
  });

  it("is refused behind a symbolic link to its folder, to it, and to where it is to be made", async () => {
    using folder = tempFolder();
    mkdirSync(folder.file("remote"));
    await (await openBroker(folder.file("remote/app.db"))).close();
    symlinkSync("remote", folder.file("folder"));
    symlinkSync("remote/app.db", folder.file("store.db"));
    symlinkSync("remote/new.db", folder.file("new.db"));
    replaceTypes((path) => (path.startsWith(folder.file("remote")) ? NFS : EXT4));

    for (const name of ["folder/app.db", "folder/other.db", "store.db", "new.db"]) {
      await expect(openBroker(folder.file(name)), name).rejects.toMatchObject(REFUSED);
    }
    expect(readdirSync(folder.file("remote"))).toEqual(["app.db"]);
  });

  it("is refused when only the file is mounted from there", async () => {
    using folder = tempFolder();
    await (await openBroker(folder.file("app.db"))).close();
    replaceTypes((path) => (path === folder.file("app.db") ? NFS : EXT4));

    await expect(openBroker(folder.file("app.db"))).rejects.toMatchObject(REFUSED);
  });

  it("is refused as a connection of the user's, whose file stays as it is and can be given to another broker", async () => {
    using folder = tempFolder();
    const database = new Database(folder.file("app.db"));
    replaceTypes(() => NFS);

    await expect(openBroker({ database })).rejects.toMatchObject(REFUSED);

    expect(database.prepare("SELECT name FROM sqlite_schema").all()).toEqual([]);
    await (await openBroker({ database, allowNetworkFileSystem: true })).close();
    database.close();
  });

  it("is opened when that is allowed", async () => {
    using folder = tempFolder();
    replaceTypes(() => NFS);

    const mq = await openBroker({ path: folder.file("app.db"), allowNetworkFileSystem: true });

    expect(mq.synchronous).toBe("full");
    await mq.close();
  });

  it("is none where the system says nothing", async () => {
    using folder = tempFolder();
    replaceTypes(() => undefined);

    await (await openBroker(folder.file("app.db"))).close();

    expect(readdirSync(folder.path)).toEqual(["app.db"]);
  });

  it("is none in memory", async () => {
    const database = new Database(":memory:");
    replaceTypes(() => NFS);

    for (const options of [{ path: ":memory:" }, { database }]) await (await openBroker(options)).close();

    database.close();
  });

  it("is refused on a real one", ({ skip }) => {
    if (!canMountFuse()) skip("needs root, /dev/fuse and a mount namespace");
    using folder = tempFolder();
    const [script, library] = ["./fuse-folder.mjs", "../../dist/cjs/store/open-database.js"].map((path) =>
      fileURLToPath(new URL(path, import.meta.url)),
    ) as [string, string];

    const { stdout, stderr } = spawnSync("unshare", ["--mount", process.execPath, script, folder.path, library], {
      encoding: "utf8",
      timeout: 20_000,
      killSignal: "SIGKILL",
    });

    const [refused, allowed] = stdout.split("\n");
    expect(stderr).toBe("");
    expect(refused).toMatch(/^ERR_MQ_STORE: .*app\.db: it lies on FUSE, /);
    expect(allowed).toMatch(/^ERR_MQ_STORE: .*SQLITE_CANTOPEN/);
  });
});

function canMountFuse(): boolean {
  try {
    accessSync("/dev/fuse", constants.R_OK | constants.W_OK);
  } catch {
    return false;
  }
  const script = "mount -t tmpfs none /mnt && mkdir /mnt/try";
  return process.geteuid?.() === 0 && spawnSync("unshare", ["--mount", "sh", "-c", script]).status === 0;
}
