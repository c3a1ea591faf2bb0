import { mkdtempSync, realpathSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

/** A folder of a spec's own, real path, removed with everything in it when disposed. */
export interface TempFolder extends Disposable {
  readonly path: string;
  /** The path of a file in it. */
  file(name: string): string;
}

/** @param parent - default: the system's folder for temporary files, which may be another file system than that of the project. */
export function tempFolder(parent: string = tmpdir()): TempFolder {
  const path = realpathSync(mkdtempSync(join(parent, "pocketmq-spec-")));
  return {
    path,
    file: (name) => join(path, name),
    [Symbol.dispose]: () => rmSync(path, { recursive: true, force: true, maxRetries: 3 }),
  };
}
