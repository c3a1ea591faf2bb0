// Loads an entry point of the package the way the arguments say and prints what is different afterwards.

const { createHook } = require("node:async_hooks");

const [way, entryPoint] = process.argv.slice(2);
/** What only the other entry points need. */
const OTHERS = {
  pocketmq: /[/]cjs[/](testing|wire)[/]/,
  "pocketmq/testing": /[/]cjs[/](index[.]js|cli[/]|wire[/])/,
  "pocketmq/wire": /[/]cjs[/](index[.]js|cli[/]|testing[/])/,
};
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
  others: Object.keys(require.cache).filter((file) => OTHERS[entryPoint].test(file)),
  addons: process.report.getReport().sharedObjects.filter((file) => file.endsWith(".node")),
});

async function main() {
  const warnings = [];
  process.on("warning", (warning) => warnings.push(warning.message));
  await import("node:path");
  const before = state();

  if (way === "import") await import(entryPoint);
  else require(entryPoint);

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
