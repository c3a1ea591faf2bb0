// A member of a group, until it is killed.
// node member.mjs PATH GROUP TOPIC [INSTANCE]
// Tells: started · assigned QUEUES, whenever that changes · got BODY · stored OFFSET, when one is higher than before

import { openBroker } from "../../../dist/esm/index.js";
import { KEEP_ALL, tell } from "./crash-point.mjs";

const [path, group, topic, instanceName] = process.argv.slice(2);
// Seeded, its address is that of seeded brokers in specs.
const mq = await openBroker({ path, retention: KEEP_ALL, synchronous: "normal", seed: process.pid });
mq.on("group:rebalanced", ({ assignment }) => tell("assigned", assignment.map(({ queueId }) => queueId).join()));
const consumer = mq.pushConsumer({
  group,
  instanceName,
  subscriptions: { [topic]: "*" },
  // So that what is stored by then can be told one by one.
  consumeConcurrency: 1,
  listener: (message) => tell("got", message.text()),
});
await consumer.start();
tell("started");
let stored = 0;
setInterval(async () => {
  const row = mq.database.prepare("SELECT max(next_offset) AS next FROM mq_consume_offset WHERE topic = ?").get(topic);
  while ((row.next ?? 0) > stored) {
    stored += 1;
    tell("stored", stored);
  }
}, 5);
