import type { Departures } from "./departures.js";
import type { HistoryRule } from "./history-rule.js";
import { nameConsumer, nameDelivery, nameMessage } from "./history-text.js";

/** Of the members of a group one at a time has a message, from its delivery until it is consumed, put off, dead-lettered or expired, or the member is gone. */
export function doubleOwnedRule(departures: Departures): HistoryRule {
  return (event, message, consumption) => {
    const held = consumption?.inHand;
    if (event.state !== "delivered" || consumption === undefined || held === undefined) return undefined;
    if (event.clientId === undefined || held.clientId === undefined || event.clientId === held.clientId)
      return undefined;
    if (departures.has(held.clientId, held.at, event.at)) return undefined;
    return (
      `double-owned: ${nameMessage(message, event)} was delivered within ${nameConsumer(consumption.consumer)} ${nameDelivery(event)}, ` +
      `while client ${held.clientId} had it in hand since ${held.at}`
    );
  };
}
