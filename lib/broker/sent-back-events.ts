import type { StoredMessageView } from "../message/message-view.js";
import type { EventHub } from "./broker-events.js";
import type { SendBackOutcome, SendBackRequest } from "./send-back.js";

/** Tells of what became of each message that was sent back. */
export function emitSentBack(
  events: EventHub,
  { group, messages }: SendBackRequest,
  outcomes: readonly SendBackOutcome[],
): void {
  for (const [index, outcome] of outcomes.entries()) {
    const { messageId, topic, deliveryAttempt } = messages[index] as StoredMessageView;
    const event = { messageId, topic, group, deliveryAttempt };
    if (outcome.kind === "retried") events.emit("message:retried", { ...event, dueAt: outcome.dueAt });
    if (outcome.kind === "deadLettered") events.emit("message:deadLettered", event);
  }
}
