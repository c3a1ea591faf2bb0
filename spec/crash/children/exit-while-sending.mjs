// Sends 1,000 messages in one turn and calls process.exit as soon as the n-th is resolved.
// node exit-while-sending.mjs PATH N
// Tells: sent BODY · resolved BODY QUEUE OFFSET

import { openBroker } from "../../../dist/esm/index.js";
import { tell } from "./crash-point.mjs";

const [path, last] = process.argv.slice(2);
const mq = await openBroker(path);
const producer = mq.producer({ group: "senders" });
let resolved = 0;
for (let name = 0; name < 1_000; name += 1) {
  tell("sent", name);
  void producer.send({ topic: "orders", body: `${name}` }, { queue: name % 4 }).then(({ queueId, queueOffset }) => {
    tell("resolved", name, queueId, queueOffset);
    resolved += 1;
    if (resolved === Number(last)) process.exit(0);
  });
}
