import type { Workload } from "../fault-operation.js";
import { type FaultTrial, TOPIC } from "../fault-trial.js";

/** A consumer that subscribes to another topic. */
async function startElsewhere(trial: FaultTrial): Promise<void> {
  await trial.mq.admin.createTopic("invoices");
  trial.start();
  await trial.pass();
  trial.send("a");
  trial.send("b", 1);
}

export const SUBSCRIBING: Workload = {
  "subscribing to a topic with a backlog": {
    covers: ["PushConsumer.subscribe", "rebalance", "pull loop"],
    make: () => ({
      firstSubscriptions: { invoices: "*" },
      prepare: startElsewhere,
      act: (trial) => trial.call("subscribe", () => trial.consumer.subscribe(TOPIC)),
    }),
  },
  "unsubscribing from one topic and subscribing to another": {
    covers: ["PushConsumer.unsubscribe", "rebalance"],
    make: () => ({
      firstSubscriptions: { invoices: "*" },
      prepare: startElsewhere,
      act: (trial) =>
        trial.call("unsubscribe", () => {
          trial.consumer.unsubscribe("invoices");
          trial.consumer.subscribe(TOPIC);
        }),
    }),
  },
  "sharing a topic that grows": {
    covers: ["rebalance"],
    make: () => ({
      prepare: async (trial) => {
        await trial.mq.admin.createTopic(TOPIC, { readQueueNums: 1, writeQueueNums: 2 });
        trial.start();
        await trial.pass();
        trial.send("a", 1);
      },
      act: (trial) => trial.call("updateTopic", () => trial.mq.admin.updateTopic(TOPIC, { readQueueNums: 2 })),
    }),
  },
};
