// Mounts a file system that this process serves through FUSE: an empty folder, in which nothing can be made.
// For a mount namespace of its own: unshare --mount node fuse-folder.mjs FOLDER LIBRARY
// Prints what opening FOLDER/app.db says, first as it is and then with allowNetworkFileSystem.

import { execFileSync } from "node:child_process";
import { openSync, readSync, writeSync } from "node:fs";
import { createRequire } from "node:module";
import { isMainThread, Worker, workerData } from "node:worker_threads";

const [LOOKUP, FORGET, GETATTR, STATFS, INIT, INTERRUPT, BATCH_FORGET] = [1, 2, 3, 17, 26, 36, 42];
const [ENOENT, ENOSYS] = [2, 38];

/** The body of the reply, or the number of an error; `undefined` where the kernel waits for none. */
function answer(opcode) {
  if (opcode === FORGET || opcode === BATCH_FORGET || opcode === INTERRUPT) return undefined;
  if (opcode === LOOKUP) return ENOENT;
  if (opcode === STATFS) return Buffer.alloc(80);
  if (opcode === INIT) {
    const init = Buffer.alloc(64);
    init.writeUInt32LE(7, 0); // major
    init.writeUInt32LE(31, 4); // minor
    init.writeUInt32LE(4096, 20); // max_write
    return init;
  }
  if (opcode === GETATTR) {
    const attributes = Buffer.alloc(104);
    attributes.writeBigUInt64LE(1n, 16); // inode
    attributes.writeUInt32LE(0o40755, 76); // mode
    attributes.writeUInt32LE(2, 80); // links
    return attributes;
  }
  return ENOSYS;
}

function serve(device) {
  const request = Buffer.alloc(1 << 17);
  for (;;) {
    try {
      readSync(device, request);
    } catch {
      return; // unmounted
    }
    const reply = answer(request.readUInt32LE(4));
    if (reply === undefined) continue;
    const body = typeof reply === "number" ? Buffer.alloc(0) : reply;
    const header = Buffer.alloc(16);
    header.writeUInt32LE(16 + body.length, 0);
    header.writeInt32LE(typeof reply === "number" ? -reply : 0, 4);
    request.copy(header, 8, 8, 16); // the request's number
    writeSync(device, Buffer.concat([header, body]));
  }
}

if (isMainThread) {
  const [folder, library] = process.argv.slice(2);
  const device = openSync("/dev/fuse", "r+");
  execFileSync("mount", ["-i", "-t", "fuse", "-o", "fd=3,rootmode=40000,user_id=0,group_id=0", "spec", folder], {
    stdio: ["ignore", "inherit", "inherit", device],
  });
  const server = new Worker(new URL(import.meta.url), { workerData: device });
  await new Promise((resolve) => server.once("online", resolve));
  const { openOwned } = createRequire(import.meta.url)(library);
  for (const allowNetworkFileSystem of [false, true]) {
    const options = { path: `${folder}/app.db`, synchronous: "normal", busyTimeoutMs: 50, allowNetworkFileSystem };
    const said = await openOwned(options).then(
      () => "opened",
      (error) => `${error.code}: ${error.message}`,
    );
    console.log(said);
  }
  execFileSync("umount", ["--lazy", folder]);
} else {
  serve(workerData);
}
