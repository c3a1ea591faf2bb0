import type { Workload } from "../fault-operation.js";

export const STARTING: Workload = {
  "starting a consumer of a new group": {
    covers: ["PushConsumer.start", "pull loop", "rebalance"],
    make: () => ({
      prepare: (trial) => trial.send("a"),
      act: (trial) => trial.start(),
    }),
  },
  "starting a consumer of a known group that has consumed": {
    covers: ["PushConsumer.start", "pull loop"],
    make: () => ({
      prepare: async (trial) => {
        trial.send("a");
        trial.start();
        await trial.pass();
        await trial.reopen();
        trial.send("b", 1);
      },
      act: (trial) => trial.start(),
    }),
  },
  "starting a broadcasting consumer": {
    covers: ["PushConsumer.start", "broadcasting instances"],
    make: () => ({
      consumer: { messageModel: "broadcasting", consumeFromWhere: "first-offset" },
      prepare: (trial) => trial.send("a"),
      act: (trial) => trial.start(),
    }),
  },
  "starting a broadcasting consumer that was here before": {
    covers: ["PushConsumer.start", "broadcasting instances"],
    make: () => ({
      consumer: { messageModel: "broadcasting", consumeFromWhere: "first-offset" },
      prepare: async (trial) => {
        trial.send("a");
        trial.start();
        await trial.pass();
        await trial.reopen();
        trial.send("b");
      },
      act: (trial) => trial.start(),
    }),
  },
};
