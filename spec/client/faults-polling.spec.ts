import { describe, expect, it } from "vitest";
import { USUAL_CODES } from "../support/fault-codes.js";
import { tryFaults } from "../support/fault-rules.js";
import { POLLING } from "../support/fault-workloads/polling.js";

describe.each(Object.entries(POLLING))("a fault in %s", (_name, { make }) => {
  it.each(USUAL_CODES)("%s: it is reported, nothing is lost or passed over, and all goes on", async (code) => {
    expect(await tryFaults(make, code)).toEqual([]);
  });
});
