/**
 * PostgreSQL with fsync on. `synchronous_commit` is set by the driver for each of its connections. Everything else is as `initdb` leaves it,
 * except for shared_buffers: 128 MB is meant for the smallest of machines.
 *
 * It refuses to run as root; started by root, it runs as the user that Debian's package makes for it.
 */
import { execFileSync, spawnSync } from "node:child_process";
import { chmodSync, chownSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { findFolderOf } from "./binaries.mjs";
import { findFreePort, startProcess } from "./server-process.mjs";

const ROOT = 0;
const USER = "postgres";
export const DATABASE_USER = "bench";

/** Lays out a cluster once: each trial starts on a copy of it. */
export function findPostgres() {
  const programs = findFolderOf("initdb", "postgres");
  if (programs === undefined) return { missing: "no PostgreSQL on this machine" };
  const user = process.getuid?.() === ROOT ? findUser() : {};
  if (user === undefined) return { missing: `PostgreSQL refuses to run as root, and there is no user ${USER}` };
  const template = mkdtempSync(join(tmpdir(), "pocketmq-bench-postgres-"));
  const remove = () => rmSync(template, { recursive: true, force: true });
  if (user.uid !== undefined) chownSync(template, user.uid, user.gid);
  const args = ["--pgdata", template, "--username", DATABASE_USER, "--auth", "trust", "--no-sync"];
  const made = spawnSync(join(programs, "initdb"), [...args, "--encoding", "UTF8", "--locale", "C"], {
    ...asUser(user),
    encoding: "utf8",
  });
  if (made.status !== 0) {
    remove();
    return { missing: `initdb failed: ${(made.stderr ?? String(made.error)).trim().split("\n").at(-1)}` };
  }
  const command = join(programs, "postgres");
  const [version] = /[\d.]+/.exec(execFileSync(command, ["--version"], { encoding: "utf8" }));
  return { version, start: (trialFolder) => start(command, template, user, trialFolder), remove };
}

async function start(command, template, user, trialFolder) {
  const data = join(trialFolder, "postgres");
  // Only its owner may look into a trial's folder; the server's user has to pass through it.
  if (user.uid !== undefined) chmodSync(trialFolder, 0o711);
  execFileSync("cp", ["-a", template, data]);
  const port = await findFreePort();
  const settings = {
    listen_addresses: "127.0.0.1",
    port,
    unix_socket_directories: "",
    fsync: "on",
    synchronous_commit: "on",
    shared_buffers: "512MB",
    max_connections: 200,
  };
  const args = Object.entries(settings).flatMap(([name, value]) => ["-c", `${name}=${value}`]);
  const { pid, stop } = await startProcess(command, ["-D", data, ...args], {
    ready: /database system is ready to accept connections/,
    // An immediate shutdown: its files are removed anyway.
    stopSignal: "SIGQUIT",
    options: asUser(user),
  });
  return { port, pid, stop };
}

function findUser() {
  const idOf = (flag) => spawnSync("id", [flag, USER], { encoding: "utf8" });
  const [uid, gid] = [idOf("-u"), idOf("-g")];
  return uid.status === 0 && gid.status === 0 ? { uid: Number(uid.stdout), gid: Number(gid.stdout) } : undefined;
}

/** In a folder that the user can enter, and with messages in English. */
const asUser = (user) => ({ ...user, cwd: tmpdir(), env: { ...process.env, LC_ALL: "C" } });
