import { openBroker } from "../../../../dist/esm/index.js";

/** Opens a file of the broker's own. */
export async function openOwned({ path, synchronous, seed, clock, logger }) {
  const mq = await openBroker({ path, synchronous, seed, clock, logger });
  return { mq, close: () => mq.close() };
}

/** What the settings of such a file promise. */
export const OWNED_LEVELS = [
  { synchronous: "full", promise: "full" },
  { synchronous: "normal", promise: "normal" },
];
