import type { HistoryEvent } from "../history.js";
import type { HistoryRule } from "./history-rule.js";
import { nameConsumer, nameDelivery, nameMessage } from "./history-text.js";
import { attemptOf, type Consumption, type TrackedMessage } from "./tracked-message.js";

/**
 * Nothing is delivered before it is stored, before its transaction is committed, before the attempt ahead of it was put off, or before its time.
 *
 * An event that never comes says nothing: a process that is killed tells less than it did, and a history need not begin at the beginning.
 */
export const findEarly: HistoryRule = (event, message, consumption) => {
  switch (event.state) {
    case "delivered":
      return consumption === undefined ? undefined : beforeItsTime(event, message, consumption);
    case "stored":
      if (message.stored !== undefined || message.delivered === undefined || message.half !== undefined)
        return undefined;
      return `early: ${nameMessage(message, event)} was delivered ${nameDelivery(message.delivered)}, before it was stored at ${event.at}`;
    case "retried":
      return consumption === undefined ? undefined : beforeItWasPutOff(event, message, consumption);
    default:
      return undefined;
  }
};

/** Only the first delivery of an attempt can be late: another one may follow a crash, whenever. */
export function lateRule(lateAfterMs: number): HistoryRule {
  return (event, message, consumption) => {
    if (event.state !== "delivered" || consumption === undefined) return undefined;
    const { newest } = consumption;
    if (newest !== undefined && attemptOf(newest) >= attemptOf(event)) return undefined;
    const dueAt = dueOf(event, message, consumption);
    if (dueAt === undefined || event.at - dueAt <= lateAfterMs) return undefined;
    return `late: ${delivery(event, message, consumption)}, though it was due at ${dueAt}`;
  };
}

function beforeItsTime(event: HistoryEvent, message: TrackedMessage, consumption: Consumption): string | undefined {
  const { half, committed, rolledBack } = message;
  if (half !== undefined && committed === undefined && rolledBack === undefined)
    return `early: ${delivery(event, message, consumption)}, before its transaction of ${half.at} was committed`;
  const dueAt = dueOf(event, message, consumption);
  if (dueAt === undefined || event.at >= dueAt) return undefined;
  return `early: ${delivery(event, message, consumption)}, though it was due at ${dueAt}`;
}

function beforeItWasPutOff(event: HistoryEvent, message: TrackedMessage, consumption: Consumption): string | undefined {
  const { newest, retried, consumer } = consumption;
  if (newest === undefined || attemptOf(newest) <= attemptOf(event)) return undefined;
  if (retried !== undefined && attemptOf(retried) >= attemptOf(event)) return undefined;
  return `early: ${nameMessage(message, event)} was delivered to ${nameConsumer(consumer)} ${nameDelivery(newest)}, before attempt ${attemptOf(event)} was put off at ${event.at}`;
}

/** What the event that put this attempt off said. */
function dueOf(event: HistoryEvent, message: TrackedMessage, { retried }: Consumption): number | undefined {
  const attempt = attemptOf(event);
  if (attempt > 1) return retried !== undefined && attemptOf(retried) === attempt - 1 ? retried.dueAt : undefined;
  return message.stored?.dueAt ?? message.half?.dueAt;
}

function delivery(event: HistoryEvent, message: TrackedMessage, { consumer }: Consumption): string {
  return `${nameMessage(message, event)} was delivered to ${nameConsumer(consumer)} ${nameDelivery(event)}`;
}
