// Runs a workload in processes of its own and returns what they did to the files of the store.

import { execFileSync, spawn } from "node:child_process";
import { mkdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { readLog } from "./recorded-log.mjs";

const TIME_LIMIT_MS = 60_000;

/** Why nothing can be recorded on this machine; `undefined` where it can. */
export function whyNot() {
  if (process.platform !== "linux")
    return `calls are recorded by way of LD_PRELOAD, on Linux only, not on ${process.platform}`;
  if (process.report.getReport().header.glibcVersionRuntime === undefined) return "the C library is not glibc";
  try {
    execFileSync("cc", ["--version"], { stdio: "ignore" });
    return undefined;
  } catch {
    return "there is no C compiler (cc)";
  }
}

/** @returns the path of what is preloaded, in a folder that its owner removes. */
export function compileLibrary(folder) {
  const library = join(folder, "record-calls.so");
  const source = fileURLToPath(new URL("record-calls.c", import.meta.url));
  execFileSync("cc", ["-shared", "-fPIC", "-O2", "-Wall", "-Werror", "-o", library, source, "-ldl"]);
  return library;
}

export class Recorder {
  #folder;
  #library;

  /** @param folder - for the store and the log of one recording. */
  constructor(folder, library) {
    this.#folder = folder;
    this.#library = library;
  }

  /** The workload's processes one after the other, each on what the one before it left. The same seed leads to the same log. */
  async record(workload, synchronous, seed) {
    const store = join(this.#folder, "recorded");
    const log = join(this.#folder, "log");
    mkdirSync(store);
    for (let life = 0; life < (workload.lives ?? 1); life += 1) {
      const args = [workload.name, store, synchronous, seed, life].map(String);
      await this.#run(args, { POCKETMQ_POWER_FOLDER: store, POCKETMQ_POWER_LOG: log });
    }
    const events = readLog(readFileSync(log));
    // A driver that does not call the C library in the usual way would be a store without writes, of which nothing is found.
    for (const kind of ["mark", "write", "create"]) {
      if (!events.some((event) => event.kind === kind)) throw new Error(`no ${kind} of ${workload.name} was recorded`);
    }
    return events;
  }

  /** A process that did all its work kills itself. */
  #run(args, variables) {
    const script = fileURLToPath(new URL("workload-process.mjs", import.meta.url));
    const child = spawn(process.execPath, [script, ...args], {
      env: { ...process.env, ...variables, LD_PRELOAD: this.#library },
      stdio: ["ignore", "pipe", "inherit"],
      timeout: TIME_LIMIT_MS,
      killSignal: "SIGKILL",
    });
    let told = "";
    child.stdout.setEncoding("utf8").on("data", (text) => {
      told += text;
    });
    return new Promise((resolve, reject) => {
      child.once("error", reject);
      child.once("close", (code, signal) => {
        if (told === "done\n") resolve();
        else reject(new Error(`the workload ${args[0]} ended with ${signal ?? `code ${code}`}`));
      });
    });
  }
}
