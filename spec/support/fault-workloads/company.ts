import Database from "better-sqlite3";
import type { Operation, Workload } from "../fault-operation.js";
import { type FaultTrial, GROUP, TOPIC } from "../fault-trial.js";

/** Twice is more than a third of the lease, once less than what counts as having slept. */
const BEAT_MS = 1_900;
/** Longer than it takes to find out that a process is gone. */
const FOUND_MS = 300;
/** No process has it. */
const NOBODY = 2 ** 22;

/** Another process writes to the tables. */
function elsewhere(trial: FaultTrial, sql: string): void {
  const database = new Database(trial.place.path);
  database.exec(`BEGIN IMMEDIATE; ${sql}; UPDATE mq_meta SET value = value + 1 WHERE name = 'member_changes'; COMMIT`);
  database.close();
}

/** The only member, with a message in each queue that it has consumed. */
async function alone(trial: FaultTrial): Promise<void> {
  trial.send("a");
  trial.start();
  await trial.pass();
}

/** The same, and a member in another process that has half of its queues by now. */
async function withOther(trial: FaultTrial): Promise<void> {
  await alone(trial);
  await (await trial.company()).join(GROUP, TOPIC, trial.consumed);
  await trial.pass();
}

function withCompany(operation: Omit<Operation, "place" | "mayRepeat">): Operation {
  // What is in hand while its queue goes to another member comes again.
  return { place: "guest on a file", mayRepeat: true, ...operation };
}

/** The row of a broker on this machine whose process is no more, with all queues of the topic. */
const GONE = `
  UPDATE mq_meta SET value = value + 1 WHERE name = 'engine_keys';
  INSERT INTO mq_engine SELECT (SELECT value FROM mq_meta WHERE name = 'engine_keys'), process_space, ${NOBODY}, ${NOBODY}, '1', 1, 10000, 0
    FROM mq_engine LIMIT 1`;

export const COMPANY: Workload = {
  "joining a group that has a member in another process": {
    covers: ["members and claims", "rebalance"],
    make: () =>
      withCompany({
        prepare: async (trial) => {
          trial.send("a");
          trial.send("b", 1);
          await trial.pass();
          await (await trial.company()).join(GROUP, TOPIC, trial.consumed);
          await trial.pass();
        },
        act: (trial) => trial.start(),
      }),
  },
  "giving queues to a member in another process": {
    covers: ["members and claims", "rebalance"],
    make: () =>
      withCompany({
        prepare: alone,
        act: async (trial) => {
          await (await trial.company()).join(GROUP, TOPIC, trial.consumed);
          trial.send("b", 0);
          trial.send("c", 1);
        },
      }),
  },
  "leaving a group that has a member in another process": {
    covers: ["members and claims", "PushConsumer.close"],
    make: () =>
      withCompany({
        prepare: withOther,
        act: async (trial) => {
          await trial.callOnce("closeConsumer", () => trial.closeConsumer());
          trial.send("b", 0);
        },
      }),
  },
  "taking the queues of a member that left in another process": {
    covers: ["members and claims", "look for foreign commits"],
    make: () =>
      withCompany({
        prepare: withOther,
        act: async (trial) => {
          await trial.companion.leave();
          trial.send("b", 0);
          trial.send("c", 1);
        },
      }),
  },
  "telling others that this process is there": {
    covers: ["beats"],
    make: () =>
      withCompany({
        prepare: async (trial) => {
          await withOther(trial);
          await trial.pass(BEAT_MS);
        },
        act: (trial) => trial.pass(BEAT_MS),
      }),
  },
  "finding out that another process is gone": {
    covers: ["taking over"],
    make: () =>
      withCompany({
        prepare: async (trial) => {
          await alone(trial);
          await trial.pass(FOUND_MS);
        },
        act: async (trial) => {
          elsewhere(trial, GONE);
          await trial.pass();
          await trial.pass(FOUND_MS);
          trial.send("b", 1);
        },
      }),
  },
  "taking part again after being taken for gone": {
    covers: ["being taken for gone", "members and claims"],
    make: () =>
      withCompany({
        prepare: alone,
        act: async (trial) => {
          elsewhere(trial, "DELETE FROM mq_claim; DELETE FROM mq_member; DELETE FROM mq_engine");
          await trial.pass();
          trial.send("b", 1);
        },
      }),
  },
};
