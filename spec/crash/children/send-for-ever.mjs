// Sends until it is killed, at most 500 pending; every seventh send is a batch of five.
// node send-for-ever.mjs PATH ROUND
// Tells: resolved BODY QUEUE OFFSET

import { openBroker } from "../../../dist/esm/index.js";
import { tell } from "./crash-point.mjs";

const [path, round] = process.argv.slice(2);
const mq = await openBroker({ path, synchronous: "normal" });
const producer = mq.producer({ group: "senders" });

async function send(name) {
  const bodies = name % 7 === 0 ? [0, 1, 2, 3, 4].map((part) => `${round}-${name}-${part}`) : [`${round}-${name}`];
  const messages = bodies.map((body) => ({ topic: "orders", body }));
  const receipts = messages.length === 1 ? [await producer.send(messages[0])] : await producer.sendBatch(messages);
  for (const [index, { queueId, queueOffset }] of receipts.entries())
    tell("resolved", bodies[index], queueId, queueOffset);
}

async function sendInTurn(lane) {
  for (let name = lane; ; name += 500) await send(name);
}
for (let lane = 0; lane < 500; lane += 1) void sendInTurn(lane);
