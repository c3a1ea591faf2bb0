import type { Workload } from "../fault-operation.js";
import type { FaultTrial } from "../fault-trial.js";

type Answer = "success" | "retry";

/** A listener's result that is decided later. */
export function later(): { readonly result: Promise<Answer>; readonly say: (answer: Answer) => void } {
  let say: (answer: Answer) => void = () => undefined;
  const result = new Promise<Answer>((resolve) => {
    say = resolve;
  });
  return { result, say };
}

/** The messages are with the listener when it returns. */
export async function deliver(trial: FaultTrial, ...bodies: readonly string[]): Promise<void> {
  trial.start();
  await trial.pass();
  for (const body of bodies) trial.send(body);
  await trial.pass();
}

export const CONSUMING: Workload = {
  "acknowledging a message": {
    covers: ["offsets after 50 ms"],
    make: () => {
      const { result, say } = later();
      return {
        listener: (message) => (message.text() === "a" ? result : "success"),
        prepare: (trial) => deliver(trial, "a"),
        act: () => say("success"),
      };
    },
  },
  "acknowledging one message and sending another": {
    covers: ["group commit"],
    make: () => {
      const { result, say } = later();
      return {
        listener: (message) => (message.text() === "a" ? result : "success"),
        prepare: (trial) => deliver(trial, "a"),
        act: (trial) => {
          say("success");
          trial.send("b");
        },
      };
    },
  },
  "sending a message back": {
    covers: ["sending back"],
    make: () => {
      const { result, say } = later();
      return {
        listener: (message) => (message.text() === "a" && message.reconsumeTimes === 0 ? result : "success"),
        prepare: (trial) => deliver(trial, "a"),
        act: () => say("retry"),
      };
    },
  },
  "sending a message back while one before it is being consumed": {
    covers: ["sending back"],
    make: () => {
      const [first, second] = [later(), later()];
      return {
        listener: (message) => {
          const body = message.text();
          if (body === "a") return first.result;
          if (body === "b") return message.reconsumeTimes === 0 ? second.result : "success";
          first.say("success");
          return "success";
        },
        prepare: (trial) => deliver(trial, "a", "b"),
        act: () => second.say("retry"),
      };
    },
  },
  "sending a message back for the last time": {
    covers: ["dead letters"],
    make: () => {
      const { result, say } = later();
      return {
        consumer: { maxReconsumeTimes: 0 },
        listener: (message) => (message.text() === "a" ? result : "success"),
        prepare: (trial) => deliver(trial, "a"),
        act: () => say("retry"),
        dead: ["a"],
      };
    },
  },
  "the move of a retry that is due": {
    covers: ["due scheduler"],
    make: () => ({
      listener: (message) => (message.text() !== "next" && message.reconsumeTimes === 0 ? "retry" : "success"),
      prepare: (trial) => deliver(trial, "a", "b"),
      act: (trial) => trial.pass(10_000),
    }),
  },
  "consuming what the owner's transaction stored": {
    covers: ["messages of the owner's transaction"],
    make: () => ({
      isSynchronous: true,
      prepare: async (trial) => {
        trial.database.exec("CREATE TABLE invoice (body)");
        await deliver(trial, "first");
      },
      act: (trial) => trial.sendInTransaction("a"),
    }),
  },
  "consuming a backlog in several pulls": {
    covers: ["PushConsumer.resume", "pull loop"],
    make: () => ({
      consumer: { pullBatchSize: 2 },
      prepare: async (trial) => {
        trial.start();
        await trial.pass();
        trial.consumer.suspend();
        trial.sendBatch("a", "b", "c", "d", "e");
        await trial.pass();
      },
      act: (trial) => trial.call("resume", () => trial.consumer.resume()),
    }),
  },
  "a batch of which the listener takes only the first": {
    covers: ["batch listener"],
    make: () => ({
      batchSize: 4,
      listener: (message) => (message.text() === "b" && message.reconsumeTimes === 0 ? "retry" : "success"),
      prepare: (trial) => deliver(trial),
      act: (trial) => trial.sendBatch("a", "b", "c"),
    }),
  },
};
