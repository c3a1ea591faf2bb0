import { describe, expect, it } from "vitest";
import { USUAL_CODES } from "../support/fault-codes.js";
import { tryFaults } from "../support/fault-rules.js";
import { TRANSACTING } from "../support/fault-workloads/transacting.js";

describe.each(Object.entries(TRANSACTING))("a fault in %s", (_name, { make }) => {
  it.each(USUAL_CODES)(
    "%s: it is entirely done or not at all, the error says why, and what was left open is settled by a check",
    async (code) => {
      expect(await tryFaults(make, code)).toEqual([]);
    },
  );
});
