import type { HistoryEvent } from "../history.js";
import type { Consumer, TrackedMessage } from "./tracked-message.js";

/** `message 7F… (orders, queue 1, offset 7)` */
export function nameMessage(message: TrackedMessage, event?: HistoryEvent): string {
  const { topic, messageId } = message;
  const place = event === undefined ? message.place : message.placeBy(event);
  const where = place === undefined ? "" : `, queue ${place.queueId}, offset ${place.queueOffset}`;
  return `message ${messageId} (${topic}${where})`;
}

/** `group billing`, `client c1 of group billing` */
export function nameConsumer({ group, clientId }: Consumer): string {
  return clientId === undefined ? `group ${group}` : `client ${clientId} of group ${group}`;
}

/** `to client c1 at 12, attempt 2` */
export function nameDelivery({ clientId, at, deliveryAttempt }: HistoryEvent): string {
  const attempt = deliveryAttempt === undefined ? "" : `, attempt ${deliveryAttempt}`;
  return `${clientId === undefined ? "" : `to client ${clientId} `}at ${at}${attempt}`;
}
