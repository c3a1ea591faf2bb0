import { describe, expect, it } from "vitest";
import { USUAL_CODES } from "../support/fault-codes.js";
import { tryFaults } from "../support/fault-rules.js";
import { EXPIRING } from "../support/fault-workloads/expiring.js";

describe.each(Object.entries(EXPIRING))("a fault in %s", (_name, { make }) => {
  it.each(USUAL_CODES)("%s: it is reported, nothing else is lost, and it is tried again", async (code) => {
    expect(await tryFaults(make, code)).toEqual([]);
  });
});
