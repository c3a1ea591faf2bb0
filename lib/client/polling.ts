import { MqError } from "../errors.js";
import type { MessageView, StoredMessageView } from "../message/message-view.js";
import { MessageIteration } from "./message-iteration.js";
import { PollEvents, type PollEventsOptions } from "./poll-events.js";
import { PolledMessages } from "./polled-messages.js";
import type { ProcessQueue } from "./process-queue.js";

export interface PollingOptions extends PollEventsOptions {
  /** As errors name the consumer. */
  readonly name: string;
  /** How long an iteration waits before it looks whether it is time to commit. */
  readonly idleMs: number;
  /** As {@link PolledMessagesOptions.catchUp}. */
  readonly catchUp: (then: () => void) => boolean;
  /** Called when the consumer comes back for more. */
  readonly commitWhenDue: () => void;
  readonly handedOut: (processQueue: ProcessQueue) => void;
  /** Throws while nothing can be had. */
  readonly assertUsable: () => void;
  readonly isClosing: () => boolean;
}

/** How a pull consumer's user gets messages: one poll, or one iteration, at a time. */
export class Polling {
  readonly messages: PolledMessages;
  readonly events: PollEvents;
  readonly #options: PollingOptions;
  /** By a poll that waits, or an iteration. */
  #isTaken = false;

  constructor(options: PollingOptions) {
    this.#options = options;
    this.events = new PollEvents(options);
    this.messages = new PolledMessages({
      ...options,
      handedOut: (processQueue, messages) => {
        options.handedOut(processQueue);
        this.events.handedOut(messages);
      },
    });
  }

  async poll(max: number, timeoutMs: number, signal: AbortSignal | undefined): Promise<readonly MessageView[]> {
    this.#begin();
    try {
      signal?.throwIfAborted();
      return await this.#receive(max, timeoutMs, signal);
    } finally {
      this.#isTaken = false;
    }
  }

  iterate(): AsyncIterator<MessageView, undefined> {
    const { isClosing, assertUsable, idleMs } = this.#options;
    return new MessageIteration({
      isOver: isClosing,
      begin: () => {
        assertUsable();
        this.#begin();
      },
      receive: async () => {
        assertUsable();
        const [message] = await this.#receive(1, idleMs);
        return message;
      },
      stopWaiting: () => this.messages.end(),
      end: () => {
        this.#isTaken = false;
      },
    });
  }

  #begin(): void {
    if (this.#isTaken) {
      const message = `${this.#options.name} is being polled, or iterated over, already: one at a time`;
      throw new MqError("ERR_MQ_TOO_MANY_REQUESTS", message, { responseCode: -1 });
    }
    this.#isTaken = true;
  }

  /** What was handed out last is done with. */
  #receive(max: number, timeoutMs: number, signal?: AbortSignal): Promise<readonly StoredMessageView[]> {
    this.events.consumed(this.events.inHand);
    this.#options.commitWhenDue();
    return this.messages.receive(max, timeoutMs, signal);
  }
}
