import { spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";

const main = fileURLToPath(new URL("../../dist/cjs/cli/main.js", import.meta.url));

/** `pocketmq serve` on free ports, in a process of its own. */
export async function startServe(options) {
  const child = spawn(process.execPath, [main, "serve", "--nameserver-port", "0", "--broker-port", "0", ...options], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  const exited = once(child, "exit");
  const first = await Promise.race([
    once(createInterface({ input: child.stdout }), "line"),
    exited.then(([code, signal]) => {
      throw new Error(`serve ended with ${code ?? signal} before it was ready`);
    }),
  ]);
  const { nameserver, broker, pid } = JSON.parse(first[0]);
  return {
    ...{ nameserver, broker, pid },
    close: async () => {
      child.kill("SIGTERM");
      const [code, signal] = await exited;
      if (code !== 0) throw new Error(`serve ended with ${code ?? signal}`);
    },
  };
}
