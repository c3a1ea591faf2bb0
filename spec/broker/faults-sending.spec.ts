import { describe, expect, it } from "vitest";
import { FAULT_CODES, type Operation, tryFaults } from "../support/fault-rules.js";

const OPERATIONS: Readonly<Record<string, () => Operation>> = {
  "two sends of one turn": () => ({
    act: (trial) => {
      trial.send("a");
      trial.send("b", 1);
    },
  }),
  "a batch": () => ({ act: (trial) => trial.sendBatch("a", "b", "c") }),
  "a synchronous send": () => ({ isSynchronous: true, act: (trial) => trial.sendSync("a") }),
  "a synchronous send behind one that is pending": () => ({
    isSynchronous: true,
    act: (trial) => {
      trial.send("a");
      trial.sendSync("b");
    },
  }),
  "a send in the owner's transaction": () => ({
    isSynchronous: true,
    prepare: (trial) => trial.driver.database.exec("CREATE TABLE invoice (body)"),
    act: (trial) => trial.sendInTransaction("a"),
    problems: (trial) => {
      const rows = trial.driver.database.prepare("SELECT body FROM invoice").pluck().all();
      return rows.length === trial.copies().size ? [] : ["the owner's row and the message are not stored together"];
    },
  }),
};

describe.each(Object.entries(OPERATIONS))("a fault in %s", (_name, operation) => {
  it.each(FAULT_CODES)(
    "%s: it is entirely done or not at all, the error says why, and the next call works",
    async (code) => {
      expect(await tryFaults(operation, code)).toEqual([]);
    },
  );
});
