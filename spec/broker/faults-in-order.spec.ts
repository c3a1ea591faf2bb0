import { describe, expect, it } from "vitest";
import { FAULT_CODES } from "../support/fault-codes.js";
import { tryFaults } from "../support/fault-rules.js";
import { CONSUMING_IN_ORDER } from "../support/fault-workloads/consuming-in-order.js";

describe.each(Object.entries(CONSUMING_IN_ORDER))("a fault in %s", (_name, { make }) => {
  it.each(FAULT_CODES)("%s: it is reported, nothing is lost or doubled, and all goes on", async (code) => {
    expect(await tryFaults(make, code)).toEqual([]);
  });
});
