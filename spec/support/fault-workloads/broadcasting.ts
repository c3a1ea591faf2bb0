import type { Workload } from "../fault-operation.js";
import { deliver, later } from "./consuming.js";

const BROADCASTING = { messageModel: "broadcasting", consumeFromWhere: "first-offset" } as const;
const DAY = 24 * 60 * 60 * 1_000;

export const BROADCASTING_GROUPS: Workload = {
  "acknowledging a message of a broadcasting group": {
    covers: ["offsets after 50 ms", "broadcasting instances"],
    make: () => {
      const { result, say } = later();
      return {
        consumer: BROADCASTING,
        listener: (message) => (message.text() === "a" ? result : "success"),
        prepare: (trial) => deliver(trial, "a"),
        act: () => say("success"),
      };
    },
  },
  "noting each day that a broadcasting instance is there": {
    covers: ["broadcasting instances"],
    make: () => ({
      consumer: BROADCASTING,
      prepare: (trial) => deliver(trial, "a"),
      act: (trial) => trial.pass(DAY),
    }),
  },
};
