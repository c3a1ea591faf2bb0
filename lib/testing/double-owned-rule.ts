import { getOrAdd } from "./get-or-add.js";
import type { HistoryRule } from "./history-rule.js";
import type { GoneClient } from "./history-rules.js";
import { nameConsumer, nameDelivery, nameMessage } from "./history-text.js";
import { firstAtOrAfter } from "./sorted-numbers.js";

/** Of the members of a group one at a time has a message, from its delivery until it is consumed, put off, dead-lettered or expired, or the member is gone. */
export function doubleOwnedRule(gone: readonly GoneClient[]): HistoryRule {
  const departures = new Map<string, number[]>();
  for (const { clientId, at } of gone) getOrAdd(departures, clientId, () => []).push(at);
  for (const times of departures.values()) times.sort((a, b) => a - b);
  /** Of the same millisecond the departure counts as the one in between. */
  const wasGone = (clientId: string, from: number, to: number): boolean => {
    const times = departures.get(clientId);
    if (times === undefined) return false;
    const first = times[firstAtOrAfter(times, from)];
    return first !== undefined && first <= to;
  };

  return (event, message, consumption) => {
    const held = consumption?.inHand;
    if (event.state !== "delivered" || consumption === undefined || held === undefined) return undefined;
    if (event.clientId === undefined || held.clientId === undefined || event.clientId === held.clientId)
      return undefined;
    if (wasGone(held.clientId, held.at, event.at)) return undefined;
    return (
      `double-owned: ${nameMessage(message, event)} was delivered within ${nameConsumer(consumption.consumer)} ${nameDelivery(event)}, ` +
      `while client ${held.clientId} had it in hand since ${held.at}`
    );
  };
}
