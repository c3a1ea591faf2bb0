import { describe, expect, it } from "vitest";
import { USUAL_CODES } from "../support/fault-codes.js";
import { tryFaults } from "../support/fault-rules.js";
import { OPENING } from "../support/fault-workloads/opening.js";

describe.each(Object.entries(OPENING))("a fault in %s", (_name, { make }) => {
  it.each(USUAL_CODES)("%s: it is opened or nothing is changed, and it can be opened afterwards", async (code) => {
    expect(await tryFaults(make, code)).toEqual([]);
  });
});
