import { spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";

const script = fileURLToPath(new URL("echo-server.cjs", import.meta.url));

/** A process that does nothing, four times a second: what waking up costs on this machine. */
export async function startTimer() {
  const child = spawn(process.execPath, ["-e", "setInterval(() => undefined, 250)"], { stdio: "ignore" });
  const exited = once(child, "exit");
  await once(child, "spawn");
  return {
    pid: child.pid,
    close: async () => {
      child.kill();
      await exited;
    },
  };
}

export async function startEcho() {
  const child = spawn(process.execPath, [script], { stdio: ["ignore", "pipe", "inherit"] });
  const exited = once(child, "exit");
  const [line] = await once(createInterface({ input: child.stdout }), "line");
  return {
    ...{ pid: child.pid, broker: `127.0.0.1:${line}` },
    close: async () => {
      child.kill();
      await exited;
    },
  };
}
