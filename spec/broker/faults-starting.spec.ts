import { describe, expect, it } from "vitest";
import { FAULT_CODES, type Operation, tryFaults } from "../support/fault-rules.js";

const OPERATIONS: Readonly<Record<string, () => Operation>> = {
  "starting a consumer": () => ({
    prepare: (trial) => trial.send("a"),
    act: (trial) => trial.start(),
  }),
  "starting a broadcasting consumer": () => ({
    consumer: { messageModel: "broadcasting", consumeFromWhere: "first-offset" },
    prepare: (trial) => trial.send("a"),
    act: (trial) => trial.start(),
  }),
};

describe.each(Object.entries(OPERATIONS))("a fault in %s", (_name, operation) => {
  it.each(FAULT_CODES)("%s: it starts or says why not, may be started again, and consumes all", async (code) => {
    expect(await tryFaults(operation, code)).toEqual([]);
  });
});
