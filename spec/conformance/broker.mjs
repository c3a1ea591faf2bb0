import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";

const main = fileURLToPath(new URL("../../dist/cjs/cli/main.js", import.meta.url));

/** So that a producer is asked within seconds what became of its transaction. */
const CONFIG = ["transactionTimeOut=2000", "transactionCheckInterval=2000"];

/** `pocketmq serve` on a file and free ports, in a process of its own; `close` ends it and throws when it does not end as it should. */
export async function openBroker() {
  const folder = mkdtempSync(join(tmpdir(), "pocketmq-conformance-"));
  const config = join(folder, "broker.conf");
  writeFileSync(config, `${CONFIG.join("\n")}\n`);
  const ports = ["--nameserver-port", "0", "--broker-port", "0"];
  const options = ["--store", join(folder, "mq.db"), ...ports, "--config", config];
  const child = spawn(process.execPath, [main, "serve", ...options], { stdio: ["ignore", "pipe", "pipe"] });
  let warnings = "";
  child.stderr.setEncoding("utf8").on("data", (text) => {
    warnings += text;
  });
  const exited = once(child, "exit");
  const lines = createInterface({ input: child.stdout });
  const first = await Promise.race([once(lines, "line"), exited.then(() => undefined)]);
  if (first === undefined)
    throw new Error(`serve ended with ${child.exitCode ?? child.signalCode} before it was ready\n${warnings}`);
  const { nameserver } = JSON.parse(first[0]);
  return {
    nameserver,
    warnings: () => warnings,
    async close() {
      child.kill("SIGTERM");
      await exited;
      rmSync(folder, { recursive: true, force: true });
      if (child.exitCode !== 0) throw new Error(`serve ended with ${child.exitCode ?? child.signalCode}\n${warnings}`);
    },
  };
}
