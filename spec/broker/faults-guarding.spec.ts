import { describe, expect, it } from "vitest";
import { USUAL_CODES } from "../support/fault-codes.js";
import { tryFaults, tryOutages } from "../support/fault-rules.js";
import { GUARDING } from "../support/fault-workloads/guarding.js";

describe.each(Object.entries(GUARDING))("a fault in %s", (_name, { make }) => {
  it.each(USUAL_CODES)("%s: it is reported, and sends are taken as soon as the disk has room", async (code) => {
    expect(await tryFaults(make, code)).toEqual([]);
  });

  it.each(USUAL_CODES)("%s for six seconds: the same", async (code) => {
    expect(await tryOutages(make, code)).toEqual([]);
  });
});
