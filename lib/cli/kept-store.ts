import { existsSync, mkdtempSync, readdirSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { CommandError } from "./command-error.js";

const PREFIX = "pocketmq-demo-";
const FILE = "flights.db";

/** Where a run keeps its messages: the file that was asked for, or one in a fresh folder under the system's temporary folder. */
export function newStore(asked: string | undefined): string {
  if (asked !== undefined) return resolve(asked);
  return join(mkdtempSync(join(tmpdir(), PREFIX)), FILE);
}

/** The file that was asked for, or that of the run or look that used one of the fresh folders last. Always one that exists. */
export function keptStore(asked: string | undefined): string {
  if (asked !== undefined) {
    const path = resolve(asked);
    if (!existsSync(path)) throw new CommandError(`there is no store ${path}`);
    return path;
  }
  const [latest] = readdirSync(tmpdir())
    .filter((name) => name.startsWith(PREFIX))
    .map((name) => join(tmpdir(), name))
    .map((folder) => ({ path: join(folder, FILE), usedAt: modifiedAt(folder) ?? 0 }))
    .filter(({ path }) => modifiedAt(path) !== undefined)
    .sort((a, b) => b.usedAt - a.usedAt);
  if (latest !== undefined) return latest.path;
  throw new CommandError(`no earlier run has kept a store under ${tmpdir()}; pocketmq demo --input FILE makes one`);
}

/** `undefined` for what does not exist or belongs to another user. */
function modifiedAt(path: string): number | undefined {
  const stats = statSync(path, { throwIfNoEntry: false });
  const isMine = process.getuid === undefined || stats?.uid === process.getuid();
  return isMine ? stats?.mtimeMs : undefined;
}
