import { join } from "node:path";
import { cacheFolder, mustRun, runScenarios, sourceFolder } from "./processes.mjs";

const SCENARIOS = [
  ...["send-sync", "send-async", "send-oneway", "send-batch", "send-refused", "content", "content-compressed", "delay"],
  ...["clustering", "broadcasting", "tags", "restart", "orderly", "retry", "dead-letter", "transaction"],
  ...["pull-poll", "pull-from"],
];

export function goClient() {
  const folder = cacheFolder("go");
  const program = join(folder, "conformance");
  return {
    name: "go",
    tools: ["go"],
    scenarios: SCENARIOS,
    prepare: () => mustRun("go", ["build", "-o", program, "."], { cwd: sourceFolder("go"), timeoutMs: 600_000 }),
    run({ nameserver, wanted }) {
      // The client keeps broadcasting offsets in the home of the user.
      const env = { ...process.env, HOME: folder };
      return runScenarios(program, [nameserver, Date.now().toString(36), ...wanted], { env });
    },
  };
}
