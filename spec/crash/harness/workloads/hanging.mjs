// As `shared-group`, with processes that are stopped for longer than their lease and go on.

import { openBroker } from "../../../../dist/esm/index.js";
import { sharedGroup } from "./shared-group.mjs";

/** The shortest that a broker takes. */
const LEASE_MS = 1_000;

export const hanging = {
  ...sharedGroup,
  name: "hanging",
  hangsMs: 1.7 * LEASE_MS,
  open: ({ path, ...settings }) => openBroker({ path, ...settings, leaseMs: LEASE_MS }),
};
