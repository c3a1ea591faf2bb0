import type { Logger } from "../logger.js";
import type { CachedMessage, ProcessQueue } from "./process-queue.js";

/** What becomes of messages whose listener failed. */
export interface FailedMessages {
  /** @param delayLevel - as {@link ConsumeContext.delayLevelWhenNextConsume}. */
  failed(processQueue: ProcessQueue, messages: readonly CachedMessage[], delayLevel: number): void;
  /** The queue was dropped: nothing is done for its messages any more, they are delivered again elsewhere. */
  forget(processQueue: ProcessQueue): void;
  /** Nothing is to be delivered again any more. */
  stop(): void;
  /** Resolves once nothing is under way. */
  idle(): Promise<void>;
}

/** The messages of this queue are done with. */
export type Acknowledge = (processQueue: ProcessQueue, messages: readonly CachedMessage[]) => void;

/**
 * In a broadcasting group each instance for itself would have to try again: RocketMQ logs the failure and goes on.
 *
 * Source: RocketMQ, `client/.../impl/consumer/ConsumeMessageConcurrentlyService.java`, `processConsumeResult`.
 */
export class DropFailedMessages implements FailedMessages {
  readonly #group: string;
  readonly #logger: Logger;
  readonly #acknowledge: Acknowledge;

  constructor(group: string, logger: Logger, acknowledge: Acknowledge) {
    this.#group = group;
    this.#logger = logger;
    this.#acknowledge = acknowledge;
  }

  failed(processQueue: ProcessQueue, messages: readonly CachedMessage[]): void {
    for (const { message } of messages) {
      const { topic, queueId, queueOffset, messageId } = message;
      const data = { topic, queueId, queueOffset, messageId };
      this.#logger.warn(`broadcasting group ${this.#group} failed on a message and drops it`, data);
    }
    this.#acknowledge(processQueue, messages);
  }

  forget(): void {
    // Nothing is kept.
  }

  stop(): void {
    // Nothing is delivered again.
  }

  idle(): Promise<void> {
    return Promise.resolve();
  }
}
