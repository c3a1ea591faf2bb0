import type { HistoryEvent } from "../history.js";
import type { HistoryRule } from "./history-rule.js";
import { nameConsumer, nameDelivery, nameMessage } from "./history-text.js";
import { attemptOf, type Consumption, type TrackedMessage } from "./tracked-message.js";

/**
 * What is over never comes back: a dead letter to its group, an attempt that was put off for a later one, what was rolled back, what expired. A consumer that
 * had fetched a message before it expired may still deliver it; a history in which that is right should not have the expiry before the delivery.
 */
export const findResurrected: HistoryRule = (event, message, consumption) => {
  if (event.state !== "delivered" || consumption === undefined) return undefined;
  const end = endOf(event, message, consumption);
  if (end === undefined) return undefined;
  return `resurrected: ${nameMessage(message, event)} was delivered to ${nameConsumer(consumption.consumer)} ${nameDelivery(event)}, after it was ${end}`;
};

function endOf(event: HistoryEvent, message: TrackedMessage, consumption: Consumption): string | undefined {
  const { deadLettered, retried } = consumption;
  if (message.rolledBack !== undefined) return `rolled back at ${message.rolledBack.at}`;
  if (deadLettered !== undefined) return `dead-lettered at ${deadLettered.at}`;
  const expired = consumption.expired ?? message.expired;
  if (expired !== undefined) return `expired at ${expired.at}`;
  if (retried !== undefined && attemptOf(event) <= attemptOf(retried))
    return `put off after attempt ${attemptOf(retried)} at ${retried.at}`;
  return undefined;
}
