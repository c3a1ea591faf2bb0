import type { TransactionResolution } from "../../../lib/index.js";
import type { CoveringOperation, Operation, Workload } from "../fault-operation.js";
import { type FaultTrial, isDone, TOPIC } from "../fault-trial.js";

const TIMEOUT_MS = 3_000;
const INTERVAL_MS = 4_000;
const CHECKS = { timeoutMs: TIMEOUT_MS, checkIntervalMs: INTERVAL_MS };
const GIVEN_UP_AT_ONCE = { ...CHECKS, checkMax: 1 };
/** Nobody is asked before a call that failed is made again. */
const UNCHECKED = { timeoutMs: 20_000, checkIntervalMs: INTERVAL_MS };

const COVERED_BY_CHECKS = ["transaction checks", "TransactionProducer.sendInTransaction"];

/** A half message of which nobody knows anything, stored before the fault. */
async function leaveOpen(trial: FaultTrial): Promise<void> {
  trial.transact("a");
  await trial.pass();
}

async function begin(trial: FaultTrial): Promise<void> {
  trial.begin("a");
  await trial.pass();
}

/** Checks that find out what became of two transactions. */
function checking(settings: Operation["settings"], afterMs: number): CoveringOperation {
  return {
    covers: COVERED_BY_CHECKS,
    make: () => ({
      ...(settings !== undefined && { settings }),
      transactor: { execute: () => "unknown", check: (message) => (message.text() === "b" ? "rollback" : "commit") },
      rolledBack: ["b"],
      prepare: async (trial) => {
        trial.transact("b");
        await leaveOpen(trial);
      },
      act: (trial) => trial.pass(afterMs),
    }),
  };
}

/** A check that nobody can answer is the last one. */
function givingUp(profile: "embedded" | "rocketmq", afterMs: readonly number[]): CoveringOperation {
  return {
    covers: ["transaction checks"],
    make: () => ({
      settings: { profile, transaction: GIVEN_UP_AT_ONCE },
      transactor: { execute: () => "unknown" },
      givenUp: ["a"],
      prepare: async (trial) => {
        await leaveOpen(trial);
        for (const ms of afterMs) await trial.pass(ms);
      },
      act: (trial) => trial.pass(INTERVAL_MS),
    }),
  };
}

function ending(end: "commit" | "rollback"): CoveringOperation {
  return {
    covers: ["TransactionProducer.beginTransaction"],
    make: () => ({
      isWhole: true,
      settings: { transaction: UNCHECKED },
      transactor: { execute: () => end },
      rolledBack: end === "rollback" ? ["a"] : [],
      prepare: begin,
      act: (trial) => trial.call(end, () => trial.transactor.end("a", end)),
    }),
  };
}

/** An operator ends a transaction that its producer has not ended. */
function resolving(end: "commit" | "rollback"): CoveringOperation {
  return {
    covers: ["Admin.resolveHalfMessage"],
    make: () => {
      let id = "";
      return {
        isWhole: true,
        settings: { transaction: UNCHECKED },
        transactor: { execute: () => end },
        rolledBack: end === "rollback" ? ["a"] : [],
        prepare: async (trial) => {
          await begin(trial);
          const [half] = await trial.mq.admin.listHalfMessages();
          id = half?.transactionId ?? "";
        },
        act: (trial) => trial.call("resolve", () => trial.mq.admin.resolveHalfMessage(id, end)),
      };
    },
  };
}

/** Another producer of the group settles what the one that leaves has begun. */
function leaving(member: string, leave: (trial: FaultTrial) => unknown): CoveringOperation {
  return {
    covers: [member],
    make: () => ({
      settings: { transaction: CHECKS },
      transactor: {},
      act: (trial) => {
        trial.begin("a");
        void trial.callOnce("close", () => leave(trial));
      },
    }),
  };
}

/** What is said later. */
function later(): {
  readonly said: Promise<TransactionResolution>;
  readonly say: (end: TransactionResolution) => void;
} {
  let say: (end: TransactionResolution) => void = () => undefined;
  const said = new Promise<TransactionResolution>((resolve) => {
    say = resolve;
  });
  return { said, say };
}

export const TRANSACTING: Workload = {
  "a transaction that is committed, and its message consumed": {
    covers: ["TransactionProducer.sendInTransaction", "Producer.sendHalf"],
    make: () => ({
      settings: { transaction: CHECKS },
      transactor: {},
      prepare: (trial) => trial.start(),
      act: (trial) => trial.transact("a"),
    }),
  },
  "a transaction that is rolled back": {
    covers: ["TransactionProducer.sendInTransaction"],
    make: () => ({
      settings: { transaction: CHECKS },
      transactor: { execute: () => "rollback" },
      rolledBack: ["a"],
      act: (trial) => trial.transact("a"),
    }),
  },
  "checks that say commit and rollback": checking({ transaction: CHECKS }, TIMEOUT_MS),
  "a round of checks that say commit and rollback": checking({ profile: "rocketmq", transaction: CHECKS }, INTERVAL_MS),
  "a check that is not answered for long": {
    covers: ["transaction checks"],
    make: () => {
      const { said, say } = later();
      return {
        settings: { transaction: CHECKS },
        transactor: { execute: () => "unknown", check: () => said },
        prepare: async (trial) => {
          await leaveOpen(trial);
          await trial.pass(TIMEOUT_MS);
        },
        act: async (trial) => {
          await trial.pass(INTERVAL_MS / 2);
          say("commit");
        },
      };
    },
  },
  "a check of which the answer comes late, and is not known": {
    covers: ["transaction checks"],
    make: () => {
      const { said, say } = later();
      let times = 0;
      const check = (): TransactionResolution | Promise<TransactionResolution> => {
        times += 1;
        return times === 1 ? said : "commit";
      };
      return {
        settings: { transaction: CHECKS },
        transactor: { execute: () => "unknown", check },
        prepare: async (trial) => {
          await leaveOpen(trial);
          await trial.pass(TIMEOUT_MS);
          await trial.pass(INTERVAL_MS / 2);
        },
        act: () => say("unknown"),
      };
    },
  },
  "giving up a transaction": givingUp("embedded", [TIMEOUT_MS]),
  "giving up a transaction in a round": givingUp("rocketmq", [INTERVAL_MS]),
  "a round that finds a message of which nobody is to be asked yet": {
    covers: ["transaction checks"],
    make: () => ({
      settings: { profile: "rocketmq", transaction: CHECKS },
      transactor: {},
      prepare: async (trial) => {
        trial.begin("a", { CHECK_IMMUNITY_TIME_IN_SECONDS: "6" });
        await trial.pass();
      },
      act: (trial) => trial.pass(INTERVAL_MS),
    }),
  },
  "beginning a transaction that nobody ends": {
    covers: ["TransactionProducer.beginTransaction"],
    make: () => ({ settings: { transaction: CHECKS }, transactor: {}, act: (trial) => trial.begin("a") }),
  },
  "committing a transaction": ending("commit"),
  "rolling back a transaction": ending("rollback"),
  "starting a producer whose group has an open transaction": {
    covers: ["TransactionProducer.start", "transaction checks"],
    make: () => ({
      settings: { transaction: CHECKS },
      transactor: { isStartedLater: true },
      prepare: async (trial) => {
        const { producer } = trial.transactor;
        const other = trial.mq.transactionProducer({ group: producer.group, checkLocalTransaction: () => "unknown" });
        await other.start();
        await other.beginTransaction().send({ topic: TOPIC, body: "a" });
        await other.close();
        await trial.pass(TIMEOUT_MS);
      },
      act: (trial) => trial.call("start", () => trial.transactor.producer.start()),
    }),
  },
  "closing a producer that has just begun a transaction": leaving("TransactionProducer.close", async (trial) =>
    (await trial.replaceTransactor()).close(),
  ),
  "disposing of a producer that has just begun a transaction": leaving(
    "TransactionProducer.[Symbol.asyncDispose]",
    async (trial) => (await trial.replaceTransactor())[Symbol.asyncDispose](),
  ),
  "sends of one turn by a producer of transactions": {
    covers: ["TransactionProducer.send", "TransactionProducer.sendBatch", "TransactionProducer.sendOneway"],
    make: () => ({
      transactor: {},
      act: (trial) => {
        const { producer } = trial.transactor;
        void trial.callOnce("send", async () => void (await producer.send({ topic: TOPIC, body: "a" })));
        void trial.callOnce("sendBatch", async () => void (await producer.sendBatch([{ topic: TOPIC, body: "b" }])));
        void trial.callOnce("sendOneway", () => producer.sendOneway({ topic: TOPIC, body: "c" }));
      },
    }),
  },
  "a synchronous send and a batch by a producer of transactions": {
    covers: ["TransactionProducer.sendSync", "TransactionProducer.sendBatchSync"],
    make: () => ({
      isSynchronous: true,
      transactor: {},
      act: (trial) => {
        const { producer } = trial.transactor;
        void trial.callOnce("sendSync", () => void producer.sendSync({ topic: TOPIC, body: "a" }));
        void trial.callOnce("sendBatchSync", () => void producer.sendBatchSync([{ topic: TOPIC, body: "b" }]));
      },
    }),
  },
  "recalling with a producer of transactions": {
    covers: ["TransactionProducer.recall"],
    make: () => {
      let handle = "";
      return {
        isWhole: true,
        transactor: {},
        prepare: async (trial) => {
          const sending = trial.producer.send({ topic: TOPIC, body: "b", delayMs: 60_000 }, { queue: 0 });
          await trial.pass();
          handle = (await sending).recallHandle ?? "";
        },
        act: (trial) => trial.call("recall", () => trial.transactor.producer.recall(TOPIC, handle)),
        problems: (trial) => {
          const isLeft = (trial.copies().get("b") ?? []).length > 0;
          return isLeft && isDone(trial.calls.get("recall")) ? ["it is recalled, and is still there"] : [];
        },
      };
    },
  },
  "listing half messages": {
    covers: ["Admin.listHalfMessages"],
    make: () => ({
      isReading: true,
      isWhole: true,
      settings: { transaction: UNCHECKED },
      transactor: {},
      prepare: begin,
      act: (trial) => trial.call("list", () => trial.mq.admin.listHalfMessages()),
    }),
  },
  "resolving a half message with a commit": resolving("commit"),
  "resolving a half message with a rollback": resolving("rollback"),
  "resolving a transaction that was given up": {
    covers: ["Admin.resolveHalfMessage"],
    make: () => {
      let id = "";
      return {
        isWhole: true,
        settings: { transaction: GIVEN_UP_AT_ONCE },
        transactor: { execute: () => "unknown" },
        prepare: async (trial) => {
          await begin(trial);
          const [half] = await trial.mq.admin.listHalfMessages();
          id = half?.transactionId ?? "";
          await trial.pass(TIMEOUT_MS);
          await trial.pass(INTERVAL_MS);
        },
        // Whoever does it twice sends it twice.
        act: (trial) => void trial.callOnce("resolve", () => trial.mq.admin.resolveHalfMessage(id, "commit")),
        problems: (trial) => {
          const isLeft = (trial.copies().get("a") ?? []).join() === "given up";
          return isLeft && isDone(trial.calls.get("resolve")) ? ["it is resolved, and is not sent"] : [];
        },
      };
    },
  },
};
