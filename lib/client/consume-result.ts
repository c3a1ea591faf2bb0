import type { MessageQueue } from "../message/message-queue.js";
import type { MessageView } from "../message/message-view.js";

/**
 * What a listener says: returning nothing or `"success"` acknowledges, `"retry"` and throwing do not.
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
  /** Aborts when closing runs out of grace; what the listener returns afterwards counts no more. */
  readonly signal: AbortSignal;
}

/** What a listener may want to know besides the message. */
export interface ConsumeContext extends DeliveryContext {}

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
