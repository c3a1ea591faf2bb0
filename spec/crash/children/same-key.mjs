// A member of group `workers`, to which all messages of topic `orders` have the same key.
// node same-key.mjs PATH exactlyOnce|idempotent
// What is done for a key waits for a line on standard input; that of exactlyOnce blocks the thread, in its transaction.
// Tells: assigned COUNT (of its queues) · got BODY · doing BODY · returned BODY RESULT

import { readSync } from "node:fs";
import { exactlyOnce, idempotent, openBroker } from "../../../dist/esm/index.js";
import { KEEP_ALL, tell } from "./crash-point.mjs";

const [path, kind] = process.argv.slice(2);
const mq = await openBroker({ path, synchronous: "normal", retention: KEEP_ALL, seed: process.pid });
const key = () => "the key";
const waits = {
  exactlyOnce: exactlyOnce(mq, { key }, (message, database) => {
    database.prepare("INSERT INTO done (body) VALUES (?)").run(message.text());
    tell("doing", message.text());
    readSync(0, Buffer.alloc(1));
  }),
  idempotent: idempotent(mq, { key }, async (message) => {
    tell("doing", message.text());
    await new Promise((resolve) => process.stdin.once("data", resolve));
  }),
};
mq.on("group:rebalanced", ({ assignment }) =>
  tell("assigned", assignment.filter(({ topic }) => topic === "orders").length),
);
const consumer = mq.pushConsumer({
  group: "workers",
  subscriptions: { orders: "*" },
  listener: (message, context) => {
    tell("got", message.text());
    // Its own promise is returned: the acknowledgement is in its transaction.
    const waiting = waits[kind](message, context);
    waiting.then((result) => tell("returned", message.text(), result ?? "success"));
    return waiting;
  },
});
await consumer.start();
// Its parent is gone by then: what comes on standard input is not always waited for.
setTimeout(() => process.exit(1), 60_000);
