import { existsSync, readFileSync } from "node:fs";
import { MqError } from "../errors.js";

const PROCESS_MAPS = "/proc/self/maps";

/**
 * Refuses to go on when two binaries of better-sqlite3 are loaded in this process.
 *
 * POSIX locks belong to the process: with one file open in two copies of SQLite, each walks through the locks of the other, and
 * acknowledged transactions disappear. Two module registries (Jest, the two builds of a package) with one binary are harmless.
 */
export function assertOneDriverCopy(): void {
  const [first, second] = existsSync(PROCESS_MAPS)
    ? copiesInMaps(readFileSync(PROCESS_MAPS, "utf8"))
    : copiesInReport(process.report.getReport());
  if (first === undefined || second === undefined) return;
  throw new MqError(
    "ERR_MQ_DRIVER",
    `two copies of better-sqlite3 are loaded in this process, which loses data when they share a file: ${first} and ${second}; ` +
      "keep one (npm ls better-sqlite3, npm dedupe)",
  );
}

/** The paths of the driver's binaries among the mapped files, one for each inode: hard links to one file are loaded once. */
export function copiesInMaps(maps: string): string[] {
  const pathByInode = new Map<string, string>();
  // address perms offset dev inode path
  for (const [, inode = "", path = ""] of maps.matchAll(/^\S+ \S+ \S+ (\S+ \d+) +(\/.*\.node)(?: \(deleted\))?$/gm)) {
    if (isDriver(path) && !pathByInode.has(inode)) pathByInode.set(inode, path);
  }
  return [...pathByInode.values()];
}

/** The same from a diagnostic report, where there is no `/proc`. */
export function copiesInReport(report: object): string[] {
  const { sharedObjects = [] } = report as { readonly sharedObjects?: readonly string[] };
  return [...new Set(sharedObjects.filter(isDriver))];
}

/** Version 12 has build/Release/better_sqlite3.node (as its forks do), version 13 prebuilds/linux-x64.node and so on. */
function isDriver(path: string): boolean {
  return /[\\/]better_sqlite3\.node$|[\\/]better-sqlite3[^\\/]*[\\/]prebuilds[\\/][^\\/]+\.node$/.test(path);
}
