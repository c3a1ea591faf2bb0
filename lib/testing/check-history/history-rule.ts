import type { HistoryEvent } from "../history.js";
import type { Consumption, TrackedMessage } from "./tracked-message.js";

/**
 * Looks at each event before it is entered, and says what is wrong with it, if anything.
 *
 * @param consumption - what the consumer that the event concerns has had of this message; `undefined` where it concerns none, or all.
 */
export type HistoryRule = (
  event: HistoryEvent,
  message: TrackedMessage,
  consumption: Consumption | undefined,
) => string | undefined;
