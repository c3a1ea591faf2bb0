import type { Admin, Broker, MessageQueue } from "../../../lib/index.js";
import type { CoveringOperation, Workload } from "../fault-operation.js";
import { type FaultTrial, GROUP, TOPIC } from "../fault-trial.js";

type Administer = (trial: FaultTrial) => unknown;

const QUEUE: MessageQueue = { topic: TOPIC, brokerName: "broker-a", queueId: 0 };

/** A topic with messages, a group with progress, and nothing of it cached. */
async function prepare(trial: FaultTrial): Promise<void> {
  await trial.mq.admin.createTopic("archive");
  await trial.mq.admin.createGroup("auditing");
  trial.send("a");
  trial.sendBatch("b", "c");
  trial.start();
  await trial.pass();
  await trial.reopen();
  trial.sends.clear();
  trial.starts.length = 0;
}

function reading(method: keyof Broker["admin"], run: Administer): CoveringOperation {
  return {
    covers: [`Admin.${method}`],
    make: () => ({ isReading: true, isWhole: true, prepare, act: (trial) => trial.call(method, () => run(trial)) }),
  };
}

function changing(method: keyof Admin, run: Administer): CoveringOperation {
  return {
    covers: [`Admin.${method}`],
    make: () => ({ isWhole: true, prepare, act: (trial) => trial.call(method, () => run(trial)) }),
  };
}

export const ADMINISTERING: Workload = {
  "making a topic": changing("createTopic", ({ mq }) => mq.admin.createTopic("invoices", { readQueueNums: 3 })),
  "changing a topic": changing("updateTopic", ({ mq }) => mq.admin.updateTopic("archive", { perm: "R" })),
  "making a group": changing("createGroup", ({ mq }) => mq.admin.createGroup("shipping", { retryMaxTimes: 3 })),
  "changing a group": changing("updateGroup", ({ mq }) => mq.admin.updateGroup("auditing", { consumeEnable: false })),
  "reading a topic": reading("getTopic", ({ mq }) => mq.admin.getTopic(TOPIC)),
  "listing topics": reading("listTopics", ({ mq }) => mq.admin.listTopics({ system: true })),
  "reading a topic's figures": reading("topicStats", ({ mq }) => mq.admin.topicStats(TOPIC)),
  "reading a group": reading("getGroup", ({ mq }) => mq.admin.getGroup(GROUP)),
  "listing groups": reading("listGroups", ({ mq }) => mq.admin.listGroups()),
  "reading a group's figures": reading("consumeStats", ({ mq }) => mq.admin.consumeStats(GROUP)),
  "reading where a queue begins": reading("minOffset", ({ mq }) => mq.admin.minOffset(QUEUE)),
  "reading where a queue ends": reading("maxOffset", ({ mq }) => mq.admin.maxOffset(QUEUE)),
  "looking for an offset by time": reading("searchOffset", (trial) =>
    trial.mq.admin.searchOffset(QUEUE, trial.clock.now() - 10, "upper"),
  ),
  "browsing a queue": reading("browse", async ({ mq }) => {
    const messages = await mq.admin.browse(QUEUE, 0, 10);
    return messages.map((message) => message.text());
  }),
  "checking the store": reading("checkStore", ({ mq }) => mq.admin.checkStore()),
  "asking what a send survives": {
    covers: ["Broker.synchronous"],
    make: () => ({
      place: "guest on a file",
      isReading: true,
      isWhole: true,
      act: (trial) => trial.call("synchronous", () => trial.mq.synchronous),
    }),
  },
};
