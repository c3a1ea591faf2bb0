// Loads the package the way the argument says and prints what is different afterwards; nothing should be.

const { createHook } = require("node:async_hooks");

let timersMade = 0;
createHook({
  init(_id, type) {
    if (type === "Timeout") timersMade += 1;
  },
}).enable();

const state = () => ({
  timersMade,
  resources: process.getActiveResourcesInfo().sort(),
  listeners: process.eventNames().map((name) => `${String(name)} ${process.listenerCount(name)}`),
  globals: Reflect.ownKeys(globalThis).map(String),
  driver: Object.keys(require.cache).filter((file) => file.includes("/better-sqlite3/")),
  addons: process.report.getReport().sharedObjects.filter((file) => file.endsWith(".node")),
});

async function main() {
  const warnings = [];
  process.on("warning", (warning) => warnings.push(warning.message));
  await import("node:path");
  const before = state();

  if (process.argv[2] === "import") await import("pocketmq");
  else require("pocketmq");

  // Node's own module loader reads files; give what it began the turns to end.
  for (let turn = 0; turn < 200; turn += 1) await new Promise((resolve) => setImmediate(resolve));
  const after = state();
  const changes = Object.keys(before).flatMap((key) => {
    const [old, now] = [[before[key]].flat(), [after[key]].flat()];
    return now.filter((item) => !old.includes(item)).map((item) => `${key}: ${item}`);
  });
  process.stdout.write(`${JSON.stringify({ changes, warnings })}\n`);
}

main().catch((failure) => {
  process.stderr.write(`${failure.stack}\n`);
  process.exitCode = 1;
});
