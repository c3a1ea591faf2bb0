// Opens a store, consumes it as the scenario says, and kills itself at a statement.
// node fail-until-killed.mjs PATH owned|attached retry|dead|running|due STEPS
// attached: with a rollback journal and a cache so small that SQLite writes into the file before the commit
// `retry`: the listener fails on what begins with "a" · `dead`: and it is the last time · `running`: the listener of "first" never ends · `due`: nothing is consumed
// STEPS: JSON, [["before" or "after", beginning of a statement], …] in the order in which they are passed, the last one kills. They count from when
// the listener fails; in `due` from the start.
// Tells: consumed BODY · failed · killed

import Database from "better-sqlite3";
import { openBroker } from "../../../dist/esm/index.js";
import { KEEP_ALL, killHere, tell, watchStatements } from "./crash-point.mjs";

const [path, mode, scenario, json] = process.argv.slice(2);
const steps = JSON.parse(json);
let isArmed = scenario === "due";
const pass = (moment) => (source) => {
  if (!isArmed || steps[0][0] !== moment || !source.startsWith(steps[0][1])) return;
  steps.shift();
  if (steps.length === 0) killHere();
};
watchStatements({ before: pass("before"), after: pass("after") });

// Ends by itself should the point never be reached.
setTimeout(() => process.exit(1), 20_000);
const mq = await openBroker(
  mode === "owned"
    ? { path, synchronous: "normal", retention: KEEP_ALL }
    : { database: openSmall(), retention: KEEP_ALL },
);
if (scenario !== "due") {
  const consumer = mq.pushConsumer({
    group: "readers",
    subscriptions: { orders: "*" },
    maxReconsumeTimes: scenario === "dead" ? 0 : 16,
    listener: (message) => {
      const body = message.text();
      if (body === "first") return new Promise(() => undefined);
      if (!body.startsWith("a")) {
        tell("consumed", body);
        return "success";
      }
      tell("failed");
      isArmed = true;
      return "retry";
    },
  });
  await consumer.start();
}

function openSmall() {
  const database = new Database(path);
  database.pragma("cache_size = 1");
  return database;
}
