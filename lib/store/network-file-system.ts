import { statfsSync } from "node:fs";
import { dirname } from "node:path";
import { MqError } from "../errors.js";

/**
 * By the type that Linux gives for them: what several machines can mount at once, and folders of its host that a guest sees.
 *
 * FUSE is whatever a program makes of it, sshfs and the shared folders of Docker Desktop among others. The cluster file systems (GFS2, GPFS, Lustre, OCFS2)
 * keep files coherent, but SQLite's shared memory is one machine's all the same, and so are the numbers by which our processes know each other.
 *
 * Source: statfs(2), `linux/magic.h`; GNU coreutils 9, `src/stat.c`, those that it calls remote.
 */
const NETWORK_FILE_SYSTEMS: ReadonlyMap<bigint, string> = new Map([
  [0x61636673n, "ACFS"],
  [0x5346414fn, "AFS"],
  [0x6b414653n, "AFS"],
  [0x19830326n, "BeeGFS"],
  [0x00c36400n, "Ceph"],
  [0xff534d42n, "CIFS"],
  [0x73757245n, "Coda"],
  [0x65735546n, "FUSE"],
  [0x01161970n, "GFS2"],
  [0x47504653n, "GPFS"],
  [0x0bd00bd0n, "Lustre"],
  [0x564cn, "NCP"],
  [0x6969n, "NFS"],
  [0x7461636fn, "OCFS2"],
  [0xaad7aaean, "PanFS"],
  [0x7c7c6673n, "a shared folder of Parallels"],
  [0x517bn, "SMB"],
  [0xfe534d42n, "SMB"],
  [0xbeefdeadn, "StorNext"],
  [0x786f4256n, "a shared folder of VirtualBox"],
  [0xbacbacbcn, "a shared folder of VMware"],
  [0x01021997n, "9p"],
]);

/** @param type - `f_type`, of which 32 bits count: it is negative or has the upper half filled where a machine's word has a sign. */
export function networkFileSystemName(type: bigint): string | undefined {
  return NETWORK_FILE_SYSTEMS.get(BigInt.asUintN(32, type));
}

/**
 * Refuses a database on a network file system. SQLite's write-ahead log needs memory that all who have the file open share, and locks that hold between them.
 * There each machine has its own, nobody notices, and the file is damaged.
 *
 * Only Linux says by a fixed number what a file system is; elsewhere nothing is refused.
 *
 * @param path - the real path; the file may be missing, its folder not.
 */
export function refuseNetworkFileSystem(path: string): void {
  if (process.platform !== "linux") return;
  // The WAL lies in the folder; a file may be mounted by itself.
  const name = nameAt(dirname(path)) ?? nameAt(path);
  if (name === undefined) return;
  throw new MqError(
    "ERR_MQ_STORE",
    `cannot use ${path}: it lies on ${name}, where the locks and the shared memory of SQLite may fail and the file be damaged. ` +
      "Move it to a local disk, or set allowNetworkFileSystem if only one machine ever opens it and its locks work",
  );
}

/** `undefined` also for what cannot be asked: a file that is missing, a sandbox that forbids the call. */
function nameAt(path: string): string | undefined {
  try {
    return networkFileSystemName(statfsSync(path, { bigint: true }).type);
  } catch {
    return undefined;
  }
}
