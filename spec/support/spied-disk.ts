import fs from "node:fs";
import { vi } from "vitest";

export const MIB: number = 1024 * 1024;
const BLOCK_BYTES = 1024;

/** What a disk has; a percent of it is kept for root, which is neither used nor free. */
export interface SpiedDisk {
  usedBytes: number;
  freeBytes: number;
  /** How often somebody asked, for which folder. */
  readonly asked: string[];
  /** What asking fails with. */
  failure: Error | undefined;
}

/** From now on, until the spec is over, every disk is this one. */
export function spyDisk({
  usedBytes,
  freeBytes,
}: {
  readonly usedBytes: number;
  readonly freeBytes: number;
}): SpiedDisk {
  const disk: SpiedDisk = { usedBytes, freeBytes, asked: [], failure: undefined };
  const answer = (folder: fs.PathLike): fs.StatsFs => {
    disk.asked.push(String(folder));
    if (disk.failure !== undefined) throw disk.failure;
    const [used, free] = [disk.usedBytes / BLOCK_BYTES, disk.freeBytes / BLOCK_BYTES];
    const reserved = Math.floor((used + free) / 100);
    const blocks = used + free + reserved;
    return { type: 0xef53, bsize: BLOCK_BYTES, blocks, bfree: free + reserved, bavail: free, files: 0, ffree: 0 };
  };
  vi.spyOn(fs, "statfsSync").mockImplementation(answer as typeof fs.statfsSync);
  return disk;
}

/** A disk of 100 GiB of which so many percent are in use. */
export function diskAt(percent: number): { readonly usedBytes: number; readonly freeBytes: number } {
  return { usedBytes: percent * 1024 * MIB, freeBytes: (100 - percent) * 1024 * MIB };
}
