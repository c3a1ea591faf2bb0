// Processes that are started in advance: Node takes longer to start than most of them live.

import { spawn } from "node:child_process";
import { fileURLToPath } from "node:url";

const SCRIPT = fileURLToPath(new URL("crash-child.mjs", import.meta.url));

/** A process of the harness, from its start to its end. */
class CrashChild {
  /** When it was told to die, or `undefined`. */
  killedAt;
  stderr = "";
  #process;
  #onEntry = () => undefined;
  /** What follows the last line that is whole: a process that is killed may have written half a line. */
  #rest = "";

  constructor() {
    this.#process = spawn(process.execPath, [SCRIPT], { stdio: ["pipe", "pipe", "pipe"] });
    this.#process.stdout.setEncoding("utf8").on("data", (text) => this.#read(text));
    this.#process.stderr.setEncoding("utf8").on("data", (text) => {
      this.stderr += text;
    });
    // Whoever writes to a process that was killed is told so; its end says enough.
    this.#process.stdin.on("error", () => undefined);
    /** Resolves when it is gone and all that it had told is read. */
    this.ended = new Promise((resolve, reject) => {
      this.#process.once("error", reject);
      this.#process.once("close", (code, signal) => resolve({ code, signal }));
    });
  }

  /** @param onEntry - gets each thing that it tells. */
  begin(job, onEntry) {
    this.#onEntry = onEntry;
    this.#process.stdin.write(`${JSON.stringify(job)}\n`);
  }

  stop() {
    this.#process.stdin.write("stop\n");
  }

  stall() {
    this.#process.kill("SIGSTOP");
  }

  resume() {
    this.#process.kill("SIGCONT");
  }

  kill() {
    this.killedAt ??= Date.now();
    this.#process.kill("SIGKILL");
  }

  #read(text) {
    const lines = `${this.#rest}${text}`.split("\n");
    this.#rest = lines.pop();
    for (const line of lines) this.#onEntry(JSON.parse(line));
  }
}

export class ChildPool {
  #spares = [];
  #size;

  constructor(size) {
    this.#size = size;
    this.#fill();
  }

  take() {
    const child = this.#spares.shift() ?? new CrashChild();
    this.#fill();
    return child;
  }

  async close() {
    this.#size = 0;
    const spares = this.#spares.splice(0);
    for (const spare of spares) spare.kill();
    await Promise.all(spares.map(({ ended }) => ended));
  }

  #fill() {
    while (this.#spares.length < this.#size) this.#spares.push(new CrashChild());
  }
}
