import { copyFileSync, existsSync } from "node:fs";
import { join } from "node:path";
import { cacheFolder, mustRun, runScenarios, sourceFolder } from "./processes.mjs";

const SCENARIOS = [
  ...["send-sync", "content", "content-compressed", "delay", "clustering", "broadcasting", "tags", "restart"],
  ...["ordered", "retry", "dead-letter"],
];

export function nodeClient() {
  const folder = cacheFolder("ali-ons");
  const source = sourceFolder("ali-ons");
  return {
    name: "ali-ons",
    tools: ["npm"],
    scenarios: SCENARIOS,
    async prepare() {
      copyFileSync(join(source, "package.json"), join(folder, "package.json"));
      if (existsSync(join(folder, "node_modules", "ali-ons"))) return;
      await mustRun("npm", ["install", "--no-package-lock", "--no-audit", "--no-fund"], {
        cwd: folder,
        timeoutMs: 600_000,
      });
    },
    run({ nameserver, wanted }) {
      const program = [join(source, "main.mjs"), folder, nameserver, Date.now().toString(36), ...wanted];
      return runScenarios(process.execPath, program, {});
    },
  };
}
