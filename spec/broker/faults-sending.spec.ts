import { describe, expect, it } from "vitest";
import { USUAL_CODES } from "../support/fault-codes.js";
import { tryFaults } from "../support/fault-rules.js";
import { SENDING } from "../support/fault-workloads/sending.js";

describe.each(Object.entries(SENDING))("a fault in %s", (_name, { make }) => {
  it.each(USUAL_CODES)(
    "%s: it is entirely done or not at all, the error says why, and the next call works",
    async (code) => {
      expect(await tryFaults(make, code)).toEqual([]);
    },
  );
});
