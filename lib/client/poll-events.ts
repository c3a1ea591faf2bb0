import type { EventHub } from "../broker/broker-events.js";
import type { StoredMessageView } from "../message/message-view.js";
import type { Clock } from "../time/clock.js";

export interface PollEventsOptions {
  readonly group: string;
  readonly clientId: string;
  readonly clock: Clock;
  readonly events: EventHub;
}

/** A message that was handed out. */
export interface HandedOut {
  readonly messageId: string;
  readonly topic: string;
  readonly queueId: number;
  readonly queueOffset: number;
}

/**
 * Tells of messages that a pull consumer hands out, and of those that are taken for consumed, which nobody says of them: when the consumer comes back for more, or
 * commits. So no more than the last batch is kept in mind, however seldom somebody commits.
 */
export class PollEvents {
  readonly #options: PollEventsOptions;
  /** Those handed out last, where somebody wants to hear of them. */
  #inHand: readonly HandedOut[] = [];
  #handedOutAt = 0;

  constructor(options: PollEventsOptions) {
    this.#options = options;
  }

  handedOut(messages: readonly StoredMessageView[]): void {
    const { group, clientId, clock, events } = this.#options;
    this.#handedOutAt = clock.now();
    if (events.isHeard("message:delivered")) {
      for (const { messageId, topic, deliveryAttempt } of messages)
        events.emit("message:delivered", { messageId, topic, group, clientId, deliveryAttempt });
    }
    if (events.isHeard("message:consumed"))
      this.#inHand = messages.map(({ messageId, topic, queueId, queueOffset }) => ({
        messageId,
        topic,
        queueId,
        queueOffset,
      }));
  }

  /** What was handed out last and nobody has told of yet. */
  get inHand(): readonly HandedOut[] {
    return this.#inHand;
  }

  /** These are done with, unless it was told of them before. */
  consumed(done: readonly HandedOut[]): void {
    if (done.length === 0) return;
    const { group, clientId, clock, events } = this.#options;
    const costMs = clock.now() - this.#handedOutAt;
    const left = new Set(this.#inHand);
    for (const message of done) {
      if (!left.delete(message)) continue;
      const { messageId, topic } = message;
      events.emit("message:consumed", { messageId, topic, group, clientId, costMs });
    }
    this.#inHand = [...left];
  }
}
