import type { Workload } from "../fault-operation.js";
import type { FaultTrial } from "../fault-trial.js";

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
