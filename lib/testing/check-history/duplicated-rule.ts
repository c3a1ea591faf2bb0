import type { Departures } from "./departures.js";
import type { HistoryRule } from "./history-rule.js";
import { nameConsumer, nameDelivery, nameMessage } from "./history-text.js";

/**
 * What a group has consumed it never gets again, nor consumes again.
 *
 * @param excuses - departures after which it may: what a client did that is gone since it got the message may not be stored, or have counted no more.
 */
export function duplicatedRule(excuses: Departures): HistoryRule {
  return (event, message, consumption) => {
    const consumed = consumption?.consumedLast;
    if (consumption === undefined || consumed === undefined) return undefined;
    if (excuses.has(consumed.clientId, consumption.consumedSince, event.at)) return undefined;
    const after = `after ${nameConsumer(consumption.consumer)} had consumed it at ${consumed.at}`;
    if (event.state === "delivered")
      return `duplicated: ${nameMessage(message)} was delivered again ${nameDelivery(event)}, ${after}`;
    // What it says of a delivery from before it was gone comes too late to count.
    const wasGone = excuses.has(event.clientId, consumption.firstDeliveredAt(event.clientId) ?? event.at, event.at);
    if (event.state === "consumed" && !consumption.wasDeliveredAgain && !wasGone)
      return `duplicated: ${nameMessage(message)} was consumed again at ${event.at}, ${after}`;
    return undefined;
  };
}
