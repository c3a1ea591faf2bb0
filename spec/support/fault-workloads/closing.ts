import type { Workload } from "../fault-operation.js";
import type { FaultTrial } from "../fault-trial.js";
import { deliver, later } from "./consuming.js";

const BROADCASTING = { messageModel: "broadcasting", consumeFromWhere: "first-offset" } as const;

const closeBroker = (trial: FaultTrial): void => void trial.callOnce("close", () => trial.closeBroker());

export const CLOSING: Workload = {
  "closing a broker with a send that is pending": {
    covers: ["Broker.close"],
    make: () => ({
      act: (trial) => {
        trial.send("a");
        closeBroker(trial);
      },
    }),
  },
  "closing a broker with offsets that are not stored yet": {
    covers: ["Broker.close"],
    make: () => ({
      mayRepeat: true,
      prepare: (trial) => deliver(trial),
      act: async (trial) => {
        trial.sendBatch("a", "b");
        await trial.clock.settle();
        closeBroker(trial);
      },
    }),
  },
  "closing a broker with a broadcasting instance": {
    covers: ["Broker.close", "broadcasting instances"],
    make: () => ({
      consumer: BROADCASTING,
      mayRepeat: true,
      prepare: (trial) => deliver(trial),
      act: async (trial) => {
        trial.sendBatch("a", "b");
        await trial.clock.settle();
        closeBroker(trial);
      },
    }),
  },
  "disposing of a broker": {
    covers: ["Broker.[Symbol.asyncDispose]"],
    make: () => ({
      act: (trial) => {
        trial.send("a");
        void trial.callOnce("close", () => trial.disposeBroker());
      },
    }),
  },
  "closing a consumer": {
    covers: ["PushConsumer.close"],
    make: () => ({
      prepare: (trial) => deliver(trial),
      act: async (trial) => {
        trial.sendBatch("a", "b");
        await trial.clock.settle();
        void trial.callOnce("close", () => trial.closeConsumer());
      },
    }),
  },
  "closing a consumer of which a message is being sent back": {
    covers: ["PushConsumer.close", "sending back"],
    make: () => {
      const { result, say } = later();
      return {
        listener: (message) => (message.reconsumeTimes === 0 ? result : "success"),
        mayRepeat: true,
        prepare: (trial) => deliver(trial, "a"),
        act: (trial) => {
          say("retry");
          void trial.callOnce("close", () => trial.closeConsumer());
        },
      };
    },
  },
  "disposing of a broadcasting consumer": {
    covers: ["PushConsumer.[Symbol.asyncDispose]", "broadcasting instances"],
    make: () => ({
      consumer: BROADCASTING,
      prepare: (trial) => deliver(trial),
      act: async (trial) => {
        trial.sendBatch("a", "b");
        await trial.clock.settle();
        void trial.callOnce("close", () => trial.disposeConsumer());
      },
    }),
  },
};
