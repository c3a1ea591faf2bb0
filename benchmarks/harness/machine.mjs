import { execFileSync } from "node:child_process";
import { existsSync, readFileSync, realpathSync } from "node:fs";
import { createRequire } from "node:module";
import { cpus, tmpdir, totalmem } from "node:os";
import Database from "better-sqlite3";

const require = createRequire(import.meta.url);

const RIVALS = ["plainjob", "bullmq", "ioredis", "pg-boss", "graphile-worker", "pg", "fastq"];

/** What figures depend on. `servers`: their versions, by name. */
export function describeMachine(root, servers) {
  const database = new Database(":memory:");
  const sqlite = database.prepare("SELECT sqlite_version()").pluck().get();
  database.close();
  return {
    commit: findCommit(root),
    cpu: `${cpus().length} × ${cpus()[0].model.trim()}`,
    memoryGiB: Math.round(totalmem() / 2 ** 30),
    disk: findDisk(realpathSync(tmpdir())),
    platform: `${process.platform} ${process.arch}`,
    node: process.version,
    sqlite,
    betterSqlite3: require("better-sqlite3/package.json").version,
    rivals: { ...Object.fromEntries(RIVALS.map((name) => [name, versionOf(root, name)])), ...servers },
  };
}

/** Read as a file: not every package exports its own. */
function versionOf(root, name) {
  return JSON.parse(readFileSync(`${root}/node_modules/${name}/package.json`, "utf8")).version;
}

function findCommit(root) {
  const git = (...words) => execFileSync("git", words, { cwd: root, encoding: "utf8" }).trim();
  if (!existsSync(`${root}/.git`)) return "unknown";
  return git("rev-parse", "--short=12", "HEAD") + (git("status", "--porcelain", "lib") === "" ? "" : " with changes");
}

function findDisk(folder) {
  if (!existsSync("/proc/mounts")) return "unknown";
  const mounts = readFileSync("/proc/mounts", "utf8")
    .trim()
    .split("\n")
    .map((line) => line.split(" "));
  const [device, , fileSystem] = mounts
    .filter(([, point]) => folder === point || folder.startsWith(point === "/" ? "/" : `${point}/`))
    .sort((a, b) => a[1].length - b[1].length)
    .at(-1);
  return `${device} ${fileSystem}`;
}
