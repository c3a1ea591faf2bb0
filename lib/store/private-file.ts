import { chmodSync, closeSync, existsSync, fchmodSync, linkSync, openSync, rmSync } from "node:fs";
import { systemChance } from "../time/chance.js";

/** Its owner may read and write it, nobody else. SQLite gives the files that it makes beside a database the mode of that. */
const PRIVATE = 0o600;

/**
 * Makes an empty file for its owner alone, whatever the umask. One that is there keeps its mode: somebody chose it.
 *
 * SQLite would make it with the mode that the umask leaves, and whoever opens it before that is changed reads all that is written later. So it is made
 * under another name and then linked to its own:
 *
 * - It has its mode from the first moment that it has its name. A crash leaves an empty file under the other name, or that name beside the right one;
 *   never a store that others can read.
 * - A link replaces nothing: of several that make the file at once one does, and the others find it there.
 * - Its descriptor is closed before a database can be opened by its name. Later that would drop the locks that SQLite holds in this process.
 *
 * @returns "impossible" where a file cannot be made so: SQLite makes it then, or says why it cannot, and {@link makePrivate} changes its mode.
 */
export function createPrivate(path: string): "done" | "impossible" {
  // On Windows a mode says only whether a file is read-only; who may read it is inherited from its folder.
  if (process.platform === "win32" || existsSync(path)) return "done";
  const other = `${path}-new-${systemChance.nextInt(2 ** 32).toString(36)}`;
  try {
    const descriptor = openSync(other, "wx", PRIVATE);
    try {
      fchmodSync(descriptor, PRIVATE);
    } finally {
      closeSync(descriptor);
    }
    linkSync(other, path);
    return "done";
  } catch {
    return existsSync(path) ? "done" : "impossible";
  } finally {
    rmSync(other, { force: true });
  }
}

/**
 * For a file that SQLite has just made where there are no hard links: on FAT, in the private storage of Android. Its content is still empty; a crash
 * before this leaves an empty file that keeps its mode.
 */
export function makePrivate(path: string): void {
  try {
    chmodSync(path, PRIVATE);
  } catch {
    // Such file systems often know no modes, and refuse to change what they show instead.
  }
}
