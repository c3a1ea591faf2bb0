import { describe, expect, it } from "vitest";
import { OUTAGE_CODES } from "../support/fault-codes.js";
import { tryOutages } from "../support/fault-rules.js";
import { WORKLOADS } from "../support/fault-workloads/all.js";

/** After which somebody goes on by himself. */
const OPERATIONS = [
  "two sends of one turn",
  "a send in the owner's transaction",
  "acknowledging one message and sending another",
  "sending a message back while one before it is being consumed",
  "sending a message back for the last time",
  "the move of a retry that is due",
  "consuming what the owner's transaction stored",
  "consuming a backlog in several pulls",
  "a batch of which the listener takes only the first",
  "acknowledging a message of a broadcasting group",
  "noting each day that a broadcasting instance is there",
  "noticing what another connection stored",
  "noticing a topic that another connection made",
  "starting a consumer of a new group",
  "starting a broadcasting consumer that was here before",
  "receiving what comes",
  "receiving again what was not acknowledged",
  "unsubscribing from one topic and subscribing to another",
  "closing a broker with offsets that are not stored yet",
  "closing a consumer",
  "checks that say commit and rollback",
] as const;

describe.each(OPERATIONS)("a disk that is gone for six seconds in %s", (name) => {
  const make = WORKLOADS[name]?.make ?? expect.fail(`there is no operation "${name}"`);

  it.each(OUTAGE_CODES)(
    "%s: nobody asks it without pause, nothing is lost or doubled, and all goes on",
    async (code) => {
      expect(await tryOutages(make, code)).toEqual([]);
    },
  );
});
