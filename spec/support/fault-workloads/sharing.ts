import Database from "better-sqlite3";
import { type Broker, openBroker } from "../../../lib/index.js";
import type { Workload } from "../fault-operation.js";
import { type FaultTrial, TOPIC } from "../fault-trial.js";

/** After which queues are shared anew though nobody has told of anything. */
const ROUND_MS = 20_000;

/** A broker on another connection to the same file, which no fault hits. */
async function withOther(trial: FaultTrial, work: (other: Broker) => void): Promise<void> {
  const database = new Database(trial.place.path);
  const other = await openBroker({ database, clock: trial.clock, seed: 2, defaultQueueCount: 2 });
  work(other);
  await other.close();
  database.close();
}

function sendFrom(other: Broker, ...bodies: readonly string[]): void {
  const producer = other.producer({ group: "shop" });
  for (const body of bodies) producer.sendSync({ topic: TOPIC, body }, { queue: 0 });
}

export const SHARING: Workload = {
  "noticing what another connection stored": {
    covers: ["look for foreign commits", "pull loop"],
    make: () => ({
      place: "guest on a file",
      prepare: async (trial) => {
        trial.send("first");
        trial.start();
        await trial.pass();
      },
      act: (trial) => withOther(trial, (other) => sendFrom(other, "a", "b")),
    }),
  },
  "noticing a topic that another connection made": {
    covers: ["look for foreign commits", "rebalance"],
    make: () => ({
      place: "guest on a file",
      prepare: async (trial) => {
        trial.start();
        await trial.pass();
      },
      act: (trial) => withOther(trial, (other) => sendFrom(other, "a", "b")),
    }),
  },
  "sharing the queues anew after 20 s": {
    covers: ["rebalance rounds", "rebalance"],
    make: () => ({
      place: "guest on a file",
      prepare: async (trial) => {
        trial.start();
        await trial.pass();
        await withOther(trial, (other) => sendFrom(other, "a"));
        await trial.pass();
      },
      act: async (trial) => {
        await trial.pass(ROUND_MS);
        trial.send("b", 1);
      },
    }),
  },
};
