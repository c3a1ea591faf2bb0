// Four processes that read with pull consumers and commit by hand, once a batch is processed: nothing is lost, and nothing comes again but what was not committed. They
// share the queues of one group, half of them by polling, half by iterating; the first one also has all queues to itself in a group of its own, by `assign`.

import { setTimeout as pause } from "node:timers/promises";
import { allocateAveragely } from "../../../../dist/esm/index.js";
import { nameOf, sendUntilStopped } from "./sending.mjs";
import { setUpTraffic, TOPIC } from "./traffic.mjs";

const [SHARED, ASSIGNED] = ["readers", "archive"];
const GROUPS = [SHARED, ASSIGNED];
/** A loop commits behind so many messages. */
const LOOP_COMMITS = 5;

export const reading = {
  name: "reading",
  processes: 4,
  isUsual: true,
  topic: TOPIC,
  groups: GROUPS,
  broadcasting: [],
  setUp: (mq) => setUpTraffic(mq, GROUPS),
  work: workOnReading,
  *check() {
    // Nobody buries anything here.
  },
};

async function workOnReading(context) {
  const { mq, tell, index, isDraining, stop } = context;
  mq.on("message:stored", ({ messageId, topic, queueId, queueOffset }) =>
    tell("stored", { messageId, topic, queueId, queueOffset }),
  );
  mq.on("error", ({ code, message }) => tell("failing", { code, message }));
  await startReader(context, SHARED, index % 2 === 0 ? pollAll : iterateAll, (consumer) => consumer.subscribe(TOPIC));
  if (index === 0) {
    const { readQueueNums } = await mq.admin.getTopic(TOPIC);
    const queues = Array.from({ length: readQueueNums }, (_, queueId) => ({
      topic: TOPIC,
      brokerName: "broker-a",
      queueId,
    }));
    await startReader(context, ASSIGNED, pollAll, (consumer) => consumer.assign(queues));
  }
  tell("ready");
  if (!isDraining) await sendUntilStopped(context, TOPIC);
  else if (!stop.aborted) await new Promise((resolve) => stop.addEventListener("abort", resolve, { once: true }));
}

async function startReader(context, group, readAll, choose) {
  const { mq, tell } = context;
  const consumer = mq.pullConsumer({
    group,
    autoCommit: false,
    consumeFromWhere: "first-offset",
    allocateMessageQueueStrategy: (...given) => {
      // Told before a queue is given up: from here on somebody else may have it.
      tell("sharing", { group, clientId: given[1] });
      return allocateAveragely(...given);
    },
  });
  choose(consumer);
  await consumer.start();
  void readAll({ ...context, consumer, group }).catch((error) => {
    if (error.code !== "ERR_MQ_CLOSED") throw error;
  });
}

async function pollAll(reader) {
  const { consumer, chance } = reader;
  for (;;) {
    const messages = await consumer.poll({ timeoutMs: 500, maxMessages: chance.between(1, 12) });
    for (const message of messages) tellOf(reader, "delivered", message);
    if (chance.oneIn(3)) await pause(chance.below(10));
    for (const message of messages) tellOf(reader, "returned", message);
    if (messages.length > 0) await commit(reader);
  }
}

async function iterateAll(reader) {
  const { consumer, chance } = reader;
  let count = 0;
  for await (const message of consumer) {
    tellOf(reader, "delivered", message);
    if (chance.oneIn(10)) await pause(chance.below(10));
    tellOf(reader, "returned", message);
    count += 1;
    if (count % LOOP_COMMITS === 0 || reader.isDraining) await commit(reader);
  }
}

/** A queue that was lost meanwhile is read again by whoever has it now. */
async function commit({ consumer, tell, group }) {
  try {
    await consumer.commit();
    tell("committed", { group, clientId: consumer.clientId });
  } catch (error) {
    if (error.code !== "ERR_MQ_OFFSET") throw error;
    tell("uncommitted", { group, clientId: consumer.clientId });
  }
}

function tellOf({ tell, group, consumer }, event, message) {
  const { messageId, queueId, queueOffset, deliveryAttempt } = message;
  const what = { group, clientId: consumer.clientId, messageId, deliveryAttempt };
  if (event === "delivered") tell(event, { ...what, name: nameOf(message.text()), queueId, queueOffset });
  else tell(event, { ...what, result: "success" });
}
