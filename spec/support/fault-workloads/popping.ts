import type { MessageView } from "../../../lib/index.js";
import type { Workload } from "../fault-operation.js";
import type { PopResult } from "../fault-popper.js";
import { type FaultTrial, GROUP } from "../fault-trial.js";

const INVISIBLE_MS = 10_000;

/** What is to become of a message, decided later. */
function later(): { readonly result: Promise<PopResult>; readonly say: (result: PopResult) => void } {
  let say: (result: PopResult) => void = () => undefined;
  const result = new Promise<PopResult>((resolve) => {
    say = resolve;
  });
  return { result, say };
}

/** Somebody receives, and has these messages in hand, when it returns. */
async function receive(trial: FaultTrial, ...bodies: readonly string[]): Promise<void> {
  trial.start();
  await trial.pass();
  for (const body of bodies) trial.send(body);
  await trial.pass();
}

async function makeOrderly(trial: FaultTrial): Promise<void> {
  await trial.mq.admin.createGroup(GROUP, { consumeMessageOrderly: true });
}

const isFirst = ({ deliveryAttempt }: MessageView): boolean => deliveryAttempt === 1;

export const POPPING: Workload = {
  "receiving what is there": {
    covers: ["SimpleConsumer.start", "SimpleConsumer.receive", "popping"],
    make: () => ({
      popper: {},
      prepare: async (trial) => {
        trial.sendBatch("a", "b");
        await trial.pass();
      },
      act: (trial) => trial.start(),
    }),
  },
  "receiving what comes": {
    covers: ["SimpleConsumer.receive", "popping"],
    make: () => ({
      popper: {},
      prepare: (trial) => receive(trial),
      act: (trial) => {
        trial.send("a");
        trial.send("b", 1);
      },
    }),
  },
  "acknowledging what was received": {
    covers: ["SimpleConsumer.ack"],
    make: () => {
      const { result, say } = later();
      return {
        popper: { handle: (message) => (message.text() === "a" && isFirst(message) ? result : "acknowledge") },
        prepare: (trial) => receive(trial, "a"),
        act: () => say("acknowledge"),
      };
    },
  },
  "changing an invisible duration": {
    covers: ["SimpleConsumer.changeInvisibleDuration"],
    make: () => {
      const { result, say } = later();
      return {
        popper: { handle: (message) => (message.text() === "a" && isFirst(message) ? result : "acknowledge") },
        prepare: (trial) => receive(trial, "a"),
        act: () => say(2_000),
      };
    },
  },
  "receiving again what was not acknowledged": {
    covers: ["messages that are visible again"],
    make: () => ({
      popper: { handle: (message) => (message.text() !== "next" && isFirst(message) ? "leave" : "acknowledge") },
      prepare: (trial) => receive(trial, "a", "b"),
      act: (trial) => trial.pass(INVISIBLE_MS),
    }),
  },
  "burying what was received as often as allowed": {
    covers: ["dead letters"],
    make: () => ({
      popper: { handle: (message) => (message.text() === "a" ? "leave" : "acknowledge") },
      prepare: async (trial) => {
        await trial.mq.admin.createGroup(GROUP, { retryMaxTimes: 0 });
        await receive(trial, "a");
      },
      act: (trial) => trial.pass(INVISIBLE_MS),
      dead: ["a"],
    }),
  },
  "receiving again in order": {
    covers: ["popping in order"],
    make: () => ({
      popper: { handle: (message) => (message.text() === "a" && isFirst(message) ? 3_000 : "acknowledge") },
      prepare: async (trial) => {
        await makeOrderly(trial);
        await receive(trial, "a");
      },
      act: async (trial) => {
        trial.send("b");
        await trial.pass();
        await trial.pass(3_000);
      },
    }),
  },
  "subscribing, with members in other processes": {
    covers: ["SimpleConsumer.subscribe", "SimpleConsumer.unsubscribe", "members and claims"],
    make: () => ({
      place: "guest on a file",
      popper: {},
      prepare: (trial) => receive(trial),
      act: (trial) => {
        trial.call("subscribe", () => trial.popper.subscribe("refunds"));
        trial.call("unsubscribe", () => trial.popper.unsubscribe("refunds"));
        trial.send("a");
      },
    }),
  },
  "closing a simple consumer": {
    covers: ["SimpleConsumer.close"],
    make: () => {
      const { result, say } = later();
      return {
        place: "guest on a file",
        popper: { handle: (message) => (message.text() === "a" && isFirst(message) ? result : "acknowledge") },
        prepare: (trial) => receive(trial, "a"),
        act: (trial) => {
          say("acknowledge");
          void trial.callOnce("close", async () => {
            // The acknowledgement begins in a microtask.
            await Promise.resolve();
            await trial.closePopper();
          });
        },
      };
    },
  },
  "disposing of a simple consumer": {
    covers: ["SimpleConsumer.[Symbol.asyncDispose]"],
    make: () => ({
      place: "guest on a file",
      popper: {},
      prepare: (trial) => receive(trial),
      act: (trial) => {
        trial.send("a");
        void trial.callOnce("close", () => trial.disposePopper());
      },
    }),
  },
};
