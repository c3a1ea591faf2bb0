import { describe, expect, it } from "vitest";
import { USUAL_CODES } from "../support/fault-codes.js";
import { tryFaults } from "../support/fault-rules.js";
import { STARTING } from "../support/fault-workloads/starting.js";

describe.each(Object.entries(STARTING))("a fault in %s", (_name, { make }) => {
  it.each(USUAL_CODES)("%s: it starts or says why not, may be started again, and consumes all", async (code) => {
    expect(await tryFaults(make, code)).toEqual([]);
  });
});
