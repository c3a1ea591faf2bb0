import type { MessageQueue } from "../message/message-queue.js";
import type { MessageView } from "../message/message-view.js";

/**
 * What a listener says: returning nothing or `"success"` acknowledges; after `"retry"`, `null` and throwing the message comes again later, or goes
 * to the dead letters after its last attempt.
 *
 * TypeScript widens a bare `return "retry"` of an async arrow function to `string`; `return ConsumeResult.RETRY` it does not.
 */
export type ConsumeResult = undefined | void | "success" | "retry";
export const ConsumeResult: { readonly SUCCESS: "success"; readonly RETRY: "retry" } = {
  SUCCESS: "success",
  RETRY: "retry",
};

/** Where a message was delivered. */
export interface DeliveryContext {
  readonly group: string;
  readonly clientId: string;
  readonly messageQueue: MessageQueue;
  /** Aborts at `consumeTimeoutMs` and when closing runs out of grace; what the listener returns afterwards counts no more. */
  readonly signal: AbortSignal;
}

/** What a listener may want to know besides the message, and decide for the case that it fails. */
export interface ConsumeContext extends DeliveryContext {
  /**
   * How long the messages of this call wait when they are retried: a delay level, 1 (1 s) to 18 (2 h); higher ones are 18. Below 0: no retry, they
   * go to the dead letters. 0: the group's retry policy, else the step after the last one: 10 s, 30 s, 1 min, … Without effect in a broadcasting group,
   * where nothing is retried. @defaultValue 0
   */
  delayLevelWhenNextConsume: number;
}

export interface BatchConsumeContext extends ConsumeContext {
  /**
   * Index of the last message that was consumed, when the listener returns success: those behind it are retried. -1: none was.
   * @defaultValue the last message
   */
  ackIndex: number;
}

export type MessageListener = (message: MessageView, context: ConsumeContext) => ConsumeResult | Promise<ConsumeResult>;
export type BatchListener = (
  messages: readonly MessageView[],
  context: BatchConsumeContext,
) => ConsumeResult | Promise<ConsumeResult>;
