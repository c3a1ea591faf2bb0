import { spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";

const script = fileURLToPath(new URL("echo-server.cjs", import.meta.url));

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
