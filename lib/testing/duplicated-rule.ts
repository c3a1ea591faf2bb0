import type { HistoryRule } from "./history-rule.js";
import { nameConsumer, nameDelivery, nameMessage } from "./history-text.js";

/** What a group has consumed it never gets again, nor consumes again. */
export const findDuplicated: HistoryRule = (event, message, consumption) => {
  const consumed = consumption?.consumed;
  if (consumption === undefined || consumed === undefined) return undefined;
  const after = `after ${nameConsumer(consumption.consumer)} had consumed it at ${consumed.at}`;
  if (event.state === "delivered")
    return `duplicated: ${nameMessage(message)} was delivered again ${nameDelivery(event)}, ${after}`;
  if (event.state === "consumed" && !consumption.wasDeliveredAgain)
    return `duplicated: ${nameMessage(message)} was consumed again at ${event.at}, ${after}`;
  return undefined;
};
