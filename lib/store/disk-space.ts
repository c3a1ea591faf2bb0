import fs from "node:fs";
import { dirname } from "node:path";
import { prepare, type SqliteConnection, type SqliteStatement } from "./sqlite.js";

/** What `df` calls used and available; what a file system keeps for root is neither. */
export interface DiskUsage {
  readonly usedBytes: number;
  readonly freeBytes: number;
}

/** The disk that a database lies on. Asked through the folder: nothing but SQLite opens the file. */
export class DiskSpace {
  readonly folder: string;
  readonly #reusable: SqliteStatement<number>;

  constructor(connection: SqliteConnection, realPath: string) {
    this.folder = dirname(realPath);
    this.#reusable = prepare<number>(
      connection,
      "SELECT freelist_count * page_size FROM pragma_freelist_count, pragma_page_size",
    ).pluck();
  }

  /** `undefined` where nobody says: a sandbox that forbids the call, a file system without a size. */
  read(): DiskUsage | undefined {
    try {
      const { bsize, blocks, bfree, bavail } = fs.statfsSync(this.folder);
      if (!(blocks > 0)) return undefined;
      return { usedBytes: (blocks - bfree) * bsize, freeBytes: bavail * bsize };
    } catch {
      return undefined;
    }
  }

  /** Pages of the file that hold nothing any more. SQLite fills them before the file grows. */
  reusableBytes(): number {
    return this.#reusable.get() ?? 0;
  }
}

/** Source: RocketMQ, `common/.../UtilAll.java`, `getDiskPartitionSpaceUsedPercent`, which counts what was begun as a whole percent. */
export function usedPercent({ usedBytes, freeBytes }: DiskUsage): number {
  const bytes = usedBytes + freeBytes;
  return bytes > 0 ? Math.ceil((usedBytes * 100) / bytes) : 0;
}
