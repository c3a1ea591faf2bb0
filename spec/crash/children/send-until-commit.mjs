// Sends ten messages a turn and stops before or after the n-th commit that holds messages.
// node send-until-commit.mjs PATH SYNCHRONOUS before|after N
// Tells: sent BODY · resolved BODY QUEUE OFFSET · stopped

import { openBroker } from "../../../dist/esm/index.js";
import { stopHere, tell, watchStatements } from "./crash-point.mjs";

const [path, synchronous, moment, commits] = process.argv.slice(2);
let written = 0;
let hasMessages = false;
const stopAtCommit = (at) => (source) => {
  if (source.startsWith("INSERT INTO mq_log")) hasMessages = true;
  if (source !== "COMMIT" || at !== moment || !hasMessages) return;
  written += 1;
  hasMessages = false;
  if (written === Number(commits)) stopHere();
};
watchStatements({ before: stopAtCommit("before"), after: stopAtCommit("after") });

const mq = await openBroker({ path, synchronous });
const producer = mq.producer({ group: "senders" });
for (let turn = 0; turn < 1_000; turn += 1) {
  const sends = Array.from({ length: 10 }, async (_, index) => {
    const body = `${turn}-${index}`;
    tell("sent", body);
    const receipt = await producer.send({ topic: "orders", body }, { queue: index % 4 });
    tell("resolved", body, receipt.queueId, receipt.queueOffset);
  });
  await Promise.all(sends);
}
