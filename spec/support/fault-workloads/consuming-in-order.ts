import type { Workload } from "../fault-operation.js";
import { deliver, later } from "./consuming.js";

export const CONSUMING_IN_ORDER: Workload = {
  "acknowledging a message in order": {
    covers: ["orderly listener"],
    make: () => {
      const { result, say } = later();
      return {
        isOrderly: true,
        listener: (message) => (message.text() === "a" ? result : "success"),
        prepare: (trial) => deliver(trial, "a", "b"),
        act: () => say("success"),
      };
    },
  },
  "a message that suspends its queue": {
    covers: ["queue locks"],
    make: () => {
      const { result, say } = later();
      return {
        isOrderly: true,
        listener: (message) => (message.text() === "a" && message.reconsumeTimes === 0 ? result : "success"),
        prepare: (trial) => deliver(trial, "a", "b"),
        act: async (trial) => {
          say("retry");
          await trial.pass();
          await trial.pass(1_000);
        },
      };
    },
  },
  "burying a message that has used up its attempts": {
    covers: ["dead letters"],
    make: () => {
      const { result, say } = later();
      return {
        isOrderly: true,
        consumer: { maxReconsumeTimes: 0 },
        listener: (message) => (message.text() === "a" ? result : "success"),
        prepare: (trial) => deliver(trial, "a", "b"),
        act: () => say("retry"),
        dead: ["a"],
      };
    },
  },
};
