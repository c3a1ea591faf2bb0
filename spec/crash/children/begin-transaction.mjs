// A process that stores a half message and does nothing else until it is killed.
// node begin-transaction.mjs PATH GROUP TOPIC BODY
// Tells: begun TRANSACTION_ID · checked (it is asked for it)

import { openBroker } from "../../../dist/esm/index.js";
import { tell } from "./crash-point.mjs";

const [path, group, topic, body] = process.argv.slice(2);
const mq = await openBroker({ path, synchronous: "normal" });
const producer = mq.transactionProducer({
  group,
  checkLocalTransaction: () => {
    tell("checked");
    return "unknown";
  },
});
await producer.start();
const { messageId } = await producer.beginTransaction().send({ topic, body });
tell("begun", messageId);
// Its parent is gone.
process.stdin.once("end", () => process.exit(1));
process.stdin.resume();
