import { describe, expect, it } from "vitest";
import { USUAL_CODES } from "../support/fault-codes.js";
import { tryFaults } from "../support/fault-rules.js";
import { DEDUPING } from "../support/fault-workloads/deduping.js";

describe.each(Object.entries(DEDUPING))("a fault in %s", (_name, { make }) => {
  it.each(USUAL_CODES)("%s: it is reported, nothing is lost or doubled, and all goes on", async (code) => {
    expect(await tryFaults(make, code)).toEqual([]);
  });
});
