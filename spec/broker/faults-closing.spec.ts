import { describe, expect, it } from "vitest";
import { USUAL_CODES } from "../support/fault-codes.js";
import { tryFaults } from "../support/fault-rules.js";
import { CLOSING } from "../support/fault-workloads/closing.js";

describe.each(Object.entries(CLOSING))("a fault in %s", (_name, { make }) => {
  it.each(USUAL_CODES)(
    "%s: it is closed, the error says what was not stored, and a new one consumes all",
    async (code) => {
      expect(await tryFaults(make, code)).toEqual([]);
    },
  );
});
