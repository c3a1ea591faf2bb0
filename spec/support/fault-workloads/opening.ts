import { readFileSync } from "node:fs";
import type { Workload } from "../fault-operation.js";
import type { FaultTrial } from "../fault-trial.js";

const OLD_STORE = readFileSync(new URL("../../store/format-1.sql", import.meta.url), "utf8");

/** What its group has acknowledged. */
const CONSUMED_LONG_AGO = ["a", "ä €"];

/** Waits for locks in real time. */
const open = (trial: FaultTrial): Promise<void> => trial.callOnce("openBroker", () => trial.open());

async function openBefore(trial: FaultTrial): Promise<void> {
  await trial.open();
  trial.send("a");
  await trial.pass();
  await trial.close();
}

export const OPENING: Workload = {
  "opening a broker on a connection without tables": {
    covers: ["openBroker", "making the tables"],
    make: () => ({ isOpening: true, isWhole: true, act: open }),
  },
  "opening a broker on a connection with a store": {
    covers: ["openBroker"],
    make: () => ({ isOpening: true, isReading: true, isWhole: true, prepare: openBefore, act: open }),
  },
  "opening a broker on a store of format 1": {
    covers: ["openBroker", "migrations"],
    make: () => ({
      isOpening: true,
      isWhole: true,
      prepare: (trial) => {
        trial.database.exec(OLD_STORE);
        trial.consumed.push(...CONSUMED_LONG_AGO);
      },
      act: open,
    }),
  },
  "making a file": {
    covers: ["openBroker", "making the file"],
    make: () => ({ place: "file", isOpening: true, act: open }),
  },
  "opening a file": {
    covers: ["openBroker"],
    make: () => ({ place: "file", isOpening: true, isReading: true, prepare: openBefore, act: open }),
  },
};
