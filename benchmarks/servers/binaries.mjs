import { accessSync, constants, existsSync, readdirSync } from "node:fs";
import { delimiter, join } from "node:path";

/** Where Debian keeps the programs of each PostgreSQL version, newest first: none of them is on the PATH. */
const VERSIONED = "/usr/lib/postgresql";

/** The folder on the PATH, or of a versioned PostgreSQL, that holds all of these programs; `undefined` where there is none. */
export function findFolderOf(...programs) {
  const versions = existsSync(VERSIONED) ? readdirSync(VERSIONED).sort((a, b) => Number(b) - Number(a)) : [];
  const folders = [
    ...(process.env.PATH ?? "").split(delimiter).filter((folder) => folder !== ""),
    ...versions.map((version) => join(VERSIONED, version, "bin")),
  ];
  return folders.find((folder) => programs.every((program) => isExecutable(join(folder, program))));
}

function isExecutable(path) {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}
