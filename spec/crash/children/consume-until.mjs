// Consumes 40 messages until their offsets are stored, then ten more, and stops on the way.
// node consume-until.mjs PATH inside|waiting|before-offset|after-offset
// `inside`: the listener of the 45th blocks · `waiting`: it never ends, and the offsets of the others are stored
// Tells: consumed BODY (the listener is about to return) · stopped

import { openBroker } from "../../../dist/esm/index.js";
import { KEEP_ALL, stopHere, tell, watchStatements } from "./crash-point.mjs";

const [path, point] = process.argv.slice(2);
const [stored, more] = [40, 10];
let isArmed = false;
let hasOffsets = false;
watchStatements({
  before: (source) => {
    if (source.startsWith("INSERT INTO mq_consume_offset")) hasOffsets = true;
    if (source === "COMMIT" && isArmed && hasOffsets && point === "before-offset") stopHere();
  },
  after: (source) => {
    if (source !== "COMMIT" || !hasOffsets) return;
    hasOffsets = false;
    if (isArmed && (point === "after-offset" || point === "waiting")) stopHere();
    onOffsets();
  },
});

const mq = await openBroker({ path, synchronous: "normal", retention: KEEP_ALL });
const producer = mq.producer({ group: "senders" });
const offset = mq.database.prepare("SELECT next_offset FROM mq_consume_offset").pluck();
let first = 0;
let goOn;
function onOffsets() {
  // Within the commit of the broker: look at the row in the next turn.
  setImmediate(() => {
    if (!isArmed && offset.get() === stored) goOn();
  });
}

let consumed = 0;
const consumer = mq.pushConsumer({
  group: "readers",
  subscriptions: { orders: "*" },
  listener: (message) => {
    consumed += 1;
    if (consumed === stored + more) isArmed = true;
    if (consumed === stored + more / 2) {
      if (point === "inside") stopHere();
      if (point === "waiting") return new Promise(() => undefined);
    }
    tell("consumed", message.text());
    return "success";
  },
});
await consumer.start();

async function send(count) {
  const names = Array.from({ length: count }, (_, index) => first + index);
  first += count;
  await producer.sendBatch(
    names.map((name) => ({ topic: "orders", body: `${name}` })),
    { queue: 0 },
  );
}

const firstAreStored = new Promise((resolve) => {
  goOn = resolve;
});
await send(stored);
await firstAreStored;
tell("stored", stored);
await send(more);
