import { spawn } from "node:child_process";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { Worker } from "node:worker_threads";
import { describe, expect, it } from "vitest";
import { Processes } from "../../lib/broker/process-identity.js";
import type { ProcessIdentity } from "../../lib/store/engine-table.js";

const processes = new Processes();
const isLinux = process.platform === "linux";

/** Fields of the kernel's line on a process, from its state on. */
function statOf(processId: number): readonly string[] {
  const stat = readFileSync(`/proc/${processId}/stat`, "utf8");
  return stat.slice(stat.lastIndexOf(")") + 2).split(" ");
}

function nextTurn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

describe("Processes", () => {
  it("takes nobody for gone who is there: itself, and its parent", () => {
    const { own } = processes;
    const parent: ProcessIdentity = { ...own, processId: process.ppid, threadId: 0, started: "" };

    expect([processes.isGone(own), processes.isGone(parent)]).toEqual([false, false]);
  });

  it("knows that a process id that nobody has is gone", async () => {
    const child = spawn(process.execPath, ["--version"], { stdio: "ignore" });
    const processId = child.pid as number;
    await once(child, "exit");

    expect(processes.isGone({ ...processes.own, processId })).toBe(true);
  });

  it("cannot tell of another machine, container, or start of the machine", () => {
    expect(processes.isGone({ ...processes.own, space: "elsewhere", processId: 2 ** 30 })).toBe(false);
  });

  it.runIf(isLinux)("knows another process by its start time when the process id is in use again", () => {
    const { own } = processes;

    expect(processes.isGone({ ...own, started: `${Number(own.started) - 1}` })).toBe(true);
  });

  it.runIf(isLinux)("knows that a thread of a process that lives is gone", async () => {
    const code = `const fs = require("fs");
      const [, , thread] = fs.readlinkSync("/proc/thread-self").split("/");
      const stat = fs.readFileSync("/proc/thread-self/stat", "utf8");
      require("worker_threads").parentPort.postMessage([Number(thread), stat.slice(stat.lastIndexOf(")") + 2).split(" ")[19]]);
      setInterval(() => undefined, 1000);`;
    const worker = new Worker(code, { eval: true });
    const [[threadId, started]] = (await once(worker, "message")) as [[number, string]];
    const identity = { ...processes.own, threadId, started };
    const before = processes.isGone(identity);

    await worker.terminate();

    expect([before, processes.isGone(identity)]).toEqual([false, true]);
  });

  it.runIf(isLinux)(
    "knows that a process that was killed is gone before its parent has asked for its exit code",
    async () => {
      // Not a shell any more, which might wait for its child, but a program that never does.
      const shell = spawn("sh", ["-c", "sleep 1000 & echo $!; exec cat"], { stdio: ["pipe", "pipe", "ignore"] });
      const [line] = (await once(shell.stdout, "data")) as [Buffer];
      while (readFileSync(`/proc/${shell.pid}/comm`, "utf8") !== "cat\n") await nextTurn();
      const processId = Number(line.toString());
      const identity = { ...processes.own, processId, threadId: processId, started: statOf(processId)[19] as string };
      const before = processes.isGone(identity);

      process.kill(processId, "SIGKILL");
      while (statOf(processId)[0] !== "Z") await nextTurn();
      const after = processes.isGone(identity);
      shell.kill("SIGKILL");

      expect([before, after]).toEqual([false, true]);
    },
  );
});
