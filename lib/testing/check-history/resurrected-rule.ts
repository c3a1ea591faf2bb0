import type { HistoryEvent } from "../history.js";
import type { HistoryRule } from "./history-rule.js";
import { nameConsumer, nameDelivery, nameMessage } from "./history-text.js";
import { attemptOf, type Consumption, type TrackedMessage } from "./tracked-message.js";

/**
 * What is over never comes back: a dead letter to its group, an attempt that was put off for a later one, what was rolled back, what expired. A consumer that
 * had fetched a message before it expired may still deliver it; a history in which that is right should not have the expiry before the delivery.
 *
 * @param topics - consumed in order: there a message that fails stays in its queue, and its attempts are counted anew by whoever takes the queue.
 */
export function resurrectedRule(topics: ReadonlySet<string>): HistoryRule {
  return (event, message, consumption) => {
    if (event.state !== "delivered" || consumption === undefined) return undefined;
    const isAnew = topics.has(event.topic) && attemptOf(event) === 1;
    const end = endOf(event, message, consumption, isAnew);
    if (end === undefined) return undefined;
    return `resurrected: ${nameMessage(message, event)} was delivered to ${nameConsumer(consumption.consumer)} ${nameDelivery(event)}, after it was ${end}`;
  };
}

function endOf(
  event: HistoryEvent,
  message: TrackedMessage,
  consumption: Consumption,
  isAnew: boolean,
): string | undefined {
  const { deadLettered, retried } = consumption;
  if (message.rolledBack !== undefined) return `rolled back at ${message.rolledBack.at}`;
  if (deadLettered !== undefined) return `dead-lettered at ${deadLettered.at}`;
  const expired = consumption.expired ?? message.expired;
  if (expired !== undefined) return `expired at ${expired.at}`;
  if (retried !== undefined && !isAnew && attemptOf(event) <= attemptOf(retried))
    return `put off after attempt ${attemptOf(retried)} at ${retried.at}`;
  return undefined;
}
