import { closeSync, openSync, rmSync, statfsSync, writeSync } from "node:fs";
import { join } from "node:path";

const CHUNK = Buffer.alloc(64 * 1024, 1);

/** Somebody else's file on the disk. */
export class Ballast {
  #path;
  #file;

  constructor(folder) {
    this.#path = join(folder, "ballast");
    this.#file = openSync(this.#path, "w");
  }

  /** False: there is no room for a byte more. */
  grow() {
    try {
      return writeSync(this.#file, CHUNK) > 0;
    } catch (error) {
      if (error.code === "ENOSPC") return false;
      throw error;
    }
  }

  fill() {
    while (this.grow());
  }

  remove() {
    closeSync(this.#file);
    rmSync(this.#path);
  }
}

export function freeBytes(folder) {
  const { bavail, bsize } = statfsSync(folder);
  return bavail * bsize;
}
