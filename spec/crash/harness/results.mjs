// The results file: a line of JSON for each slice.

import { appendFileSync, existsSync, readFileSync } from "node:fs";
import { createRequire } from "node:module";
import Database from "better-sqlite3";

const require = createRequire(import.meta.url);

export function readResults(file) {
  if (file === undefined || !existsSync(file)) return [];
  return readFileSync(file, "utf8")
    .split("\n")
    .filter((line) => line !== "")
    .map((line) => JSON.parse(line));
}

export function appendResult(file, result) {
  if (file !== undefined) appendFileSync(file, `${JSON.stringify(result)}\n`);
}

export function describeVersions() {
  const database = new Database(":memory:");
  const sqlite = database.prepare("SELECT sqlite_version()").pluck().get();
  database.close();
  const versionOf = (name) => require(name).version;
  return {
    pocketmq: versionOf("../../../package.json"),
    node: process.version,
    sqlite,
    betterSqlite3: versionOf("better-sqlite3/package.json"),
    platform: `${process.platform} ${process.arch}`,
  };
}
