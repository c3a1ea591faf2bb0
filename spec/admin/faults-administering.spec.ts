import { describe, expect, it } from "vitest";
import { USUAL_CODES } from "../support/fault-codes.js";
import { tryFaults } from "../support/fault-rules.js";
import { ADMINISTERING } from "../support/fault-workloads/administering.js";

describe.each(Object.entries(ADMINISTERING))("a fault in %s", (_name, { make }) => {
  it.each(USUAL_CODES)("%s: it is done or says why not, and works when it is called again", async (code) => {
    expect(await tryFaults(make, code)).toEqual([]);
  });
});
