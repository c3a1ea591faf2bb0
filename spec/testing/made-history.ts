import type { HistoryEvent, MessageState } from "../../lib/testing/index.js";

/** `m7` lies at offset 7 of queue 0, unless `more` says otherwise. */
export function happened(
  at: number,
  state: MessageState,
  messageId: string,
  more: Partial<HistoryEvent> = {},
): HistoryEvent {
  const queueOffset = Number(messageId.slice(1));
  return { at, state, messageId, topic: "orders", queueId: 0, queueOffset, tag: undefined, keys: [], ...more };
}

export function stored(at: number, messageId: string, more: Partial<HistoryEvent> = {}): HistoryEvent {
  return happened(at, "stored", messageId, more);
}

/** What happens to a message in group `billing`. */
export function inGroup(
  at: number,
  state: MessageState,
  messageId: string,
  clientId: string,
  deliveryAttempt: number = 1,
  more: Partial<HistoryEvent> = {},
): HistoryEvent {
  return happened(at, state, messageId, { group: "billing", clientId, deliveryAttempt, ...more });
}

export function delivered(at: number, messageId: string, clientId: string, deliveryAttempt: number = 1): HistoryEvent {
  return inGroup(at, "delivered", messageId, clientId, deliveryAttempt);
}

export function consumed(at: number, messageId: string, clientId: string, deliveryAttempt: number = 1): HistoryEvent {
  return inGroup(at, "consumed", messageId, clientId, deliveryAttempt);
}
