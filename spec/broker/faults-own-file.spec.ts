import { describe, expect, it } from "vitest";
import { USUAL_CODES } from "../support/fault-codes.js";
import { tryFaults } from "../support/fault-rules.js";
import { WORKLOADS } from "../support/fault-workloads/all.js";

/** Those that do not go the same way on a connection of the broker's own as on one of a user's, by more than what is set for each statement. */
const OPERATIONS = [
  "two sends of one turn",
  "a synchronous send behind one that is pending",
  "a send in the owner's transaction",
  "sending a message back",
  "the move of a retry that is due",
  "starting a consumer of a new group",
  "closing a broker with offsets that are not stored yet",
  "making a topic",
  "listing topics",
] as const;

describe.each(OPERATIONS)("a fault in %s, in a file of the broker's own", (name) => {
  const make = WORKLOADS[name]?.make ?? expect.fail(`there is no operation "${name}"`);

  it.each(USUAL_CODES)("%s: it is done or says why not, and all goes on", async (code) => {
    expect(await tryFaults(() => ({ ...make(), place: "file" }), code)).toEqual([]);
  });
});
