// A process that works on a store with others, as it is told on standard input.
// node peer.mjs PATH NAME [TOPIC …]: a member of group NAME that subscribes to the topics
// Commands: send COUNT TOPIC [QUEUE] · lock · unlock · close
// Tells: started · got TOPIC QUEUE OFFSET BODY · resolved TOPIC QUEUE OFFSET BODY · failed CODE · sent COUNT · locked · unlocked

import { createInterface } from "node:readline";
import { openBroker } from "../../../dist/esm/index.js";
import { KEEP_ALL, tell } from "./crash-point.mjs";

const [path, name, ...topics] = process.argv.slice(2);
const mq = await openBroker({ path, synchronous: "normal", retention: KEEP_ALL });
const producer = mq.producer({ group: name });
if (topics.length > 0) {
  const consumer = mq.pushConsumer({
    group: name,
    subscriptions: Object.fromEntries(topics.map((topic) => [topic, "*"])),
    listener: ({ topic, queueId, queueOffset, body }) => tell("got", topic, queueId, queueOffset, body),
  });
  await consumer.start();
}

let last = 0;
async function send(count, topic, queue) {
  let left = Number(count);
  const sendInTurn = async () => {
    while (left > 0) {
      left -= 1;
      last += 1;
      const body = `${name}-${last}`;
      const options = queue === undefined ? {} : { queue: Number(queue) };
      const { queueId, queueOffset } = await producer.send({ topic, body }, options);
      tell("resolved", topic, queueId, queueOffset, body);
    }
  };
  await Promise.all([sendInTurn(), sendInTurn(), sendInTurn()]);
  tell("sent", count);
}

const commands = {
  send: (...args) => void send(...args).catch((error) => tell("failed", error.code)),
  lock: () => {
    mq.database.exec("BEGIN IMMEDIATE");
    tell("locked");
  },
  unlock: () => {
    mq.database.exec("ROLLBACK");
    tell("unlocked");
  },
  close: async () => {
    await mq.close();
    input.close();
    process.stdin.destroy();
  },
};
const input = createInterface({ input: process.stdin });
input.on("line", (line) => {
  const [command, ...args] = line.split(" ");
  void commands[command](...args);
});
// Its parent is gone.
process.stdin.once("end", () => process.exit(1));
tell("started");
