import type { Workload } from "../fault-operation.js";
import { type FaultTrial, isDone, TOPIC } from "../fault-trial.js";

function makeInvoices(trial: FaultTrial): void {
  trial.database.exec("CREATE TABLE invoice (body)");
}

function invoiceProblems(trial: FaultTrial): readonly string[] {
  const rows = trial.database.prepare("SELECT body FROM invoice").pluck().all();
  return rows.length === trial.copies().size ? [] : ["the owner's row and the message are not stored together"];
}

export const SENDING: Workload = {
  "two sends of one turn": {
    covers: ["Producer.send", "group commit"],
    make: () => ({
      act: (trial) => {
        trial.send("a");
        trial.send("b", 1);
      },
    }),
  },
  "sends that are put off": {
    covers: ["Producer.send", "group commit"],
    make: () => ({
      act: (trial) => {
        trial.send("a", 0, 5_000);
        trial.send("b", 0, 5_000);
      },
    }),
  },
  "messages whose time comes": {
    covers: ["due scheduler"],
    make: () => ({
      prepare: async (trial) => {
        trial.send("a", 0, 1_000);
        trial.send("b", 1, 1_000);
        await trial.pass();
      },
      act: (trial) => trial.pass(1_000),
    }),
  },
  "recalling one of two messages that are due together": {
    covers: ["Producer.recall"],
    make: () => {
      let handle = "";
      return {
        isWhole: true,
        prepare: async (trial) => {
          trial.send("a", 0, 60_000);
          const sending = trial.producer.send({ topic: TOPIC, body: "b", delayMs: 60_000 }, { queue: 0 });
          await trial.pass();
          handle = (await sending).recallHandle ?? "";
        },
        act: (trial) => trial.call("recall", () => trial.producer.recall(TOPIC, handle)),
        problems: (trial) => {
          const isLeft = (trial.copies().get("b") ?? []).length > 0;
          return isLeft && isDone(trial.calls.get("recall")) ? ["it is recalled, and is still there"] : [];
        },
      };
    },
  },
  "a batch": {
    covers: ["Producer.sendBatch"],
    make: () => ({ isWhole: true, act: (trial) => trial.sendBatch("a", "b", "c") }),
  },
  "a send whose outcome nobody waits for": {
    covers: ["Producer.sendOneway"],
    make: () => ({
      isUnheard: true,
      act: (trial) => trial.call("sendOneway", () => trial.producer.sendOneway({ topic: "orders", body: "a" })),
    }),
  },
  "a synchronous send": {
    covers: ["Producer.sendSync"],
    make: () => ({ isSynchronous: true, isWhole: true, act: (trial) => trial.sendSync("a") }),
  },
  "a synchronous batch": {
    covers: ["Producer.sendBatchSync"],
    make: () => ({ isSynchronous: true, isWhole: true, act: (trial) => trial.sendSync("a", "b", "c") }),
  },
  "a synchronous send behind one that is pending": {
    covers: ["Producer.sendSync"],
    make: () => ({
      isSynchronous: true,
      act: (trial) => {
        trial.send("a");
        trial.sendSync("b");
      },
    }),
  },
  "a send in the owner's transaction": {
    covers: ["Broker.transaction", "Producer.sendSync"],
    make: () => ({
      isSynchronous: true,
      isWhole: true,
      prepare: makeInvoices,
      act: (trial) => trial.sendInTransaction("a"),
      problems: invoiceProblems,
    }),
  },
  "the owner's transaction behind a send that is pending": {
    covers: ["Broker.transaction"],
    make: () => ({
      isSynchronous: true,
      act: (trial) => {
        trial.send("first");
        trial.call("transaction", () => trial.mq.transaction(({ name }) => name));
      },
    }),
  },
  "closing a producer whose send is pending": {
    covers: ["Producer.close"],
    make: () => ({
      isWhole: true,
      act: (trial) => {
        trial.send("a");
        void trial.callOnce("close", () => trial.closeProducer());
      },
    }),
  },
  "disposing of a producer whose send is pending": {
    covers: ["Producer.[Symbol.asyncDispose]"],
    make: () => ({
      isWhole: true,
      act: (trial) => {
        trial.send("a");
        void trial.callOnce("close", () => trial.disposeProducer());
      },
    }),
  },
};
