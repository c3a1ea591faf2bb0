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

/**
 * What an orderly listener says: returning nothing or `"success"` commits; after `"suspend"`, `null` and throwing the same messages come again after a
 * while, and the queue waits for them. `"commit"` and `"rollback"` are for `context.autoCommit = false`, see {@link OrderlyContext}.
 *
 * TypeScript widens a bare `return "suspend"` of an async arrow function to `string`; `return OrderlyResult.SUSPEND` it does not.
 */
export type OrderlyResult = undefined | void | "success" | "suspend" | "commit" | "rollback";
export const OrderlyResult: {
  readonly SUCCESS: "success";
  readonly SUSPEND: "suspend";
  readonly COMMIT: "commit";
  readonly ROLLBACK: "rollback";
} = { SUCCESS: "success", SUSPEND: "suspend", COMMIT: "commit", ROLLBACK: "rollback" };

/** Where a message was delivered. */
export interface DeliveryContext {
  readonly group: string;
  readonly clientId: string;
  readonly messageQueue: MessageQueue;
  /**
   * Aborts at `consumeTimeoutMs` and when closing runs out of grace. What the listener returns afterwards counts no more; but an orderly one that is late is still
   * waited for, and its result counts.
   */
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

/** What an orderly listener may decide. */
export interface OrderlyContext extends DeliveryContext {
  /**
   * What the listener's result means:
   *
   * | result | `true` | `false` |
   * | --- | --- | --- |
   * | success | commits all that was delivered of the queue | nothing is committed yet, the next messages follow |
   * | `"commit"` | as success, with a warning | commits all that was delivered since the last commit |
   * | `"rollback"` | as success, with a warning | all since the last commit comes again, as if it had not been delivered, after the suspend time |
   * | `"suspend"`, throwing | the messages of this call come again after the suspend time | the same |
   *
   * @defaultValue true
   */
  autoCommit: boolean;
  /** How long the queue waits when this call suspends or rolls back: 10 to 30,000 ms, others are taken for the nearer of these, -1 for the consumer's own. @defaultValue the consumer's */
  suspendCurrentQueueTimeMs: number;
}

export type MessageListener = (message: MessageView, context: ConsumeContext) => ConsumeResult | Promise<ConsumeResult>;
export type BatchListener = (
  messages: readonly MessageView[],
  context: BatchConsumeContext,
) => ConsumeResult | Promise<ConsumeResult>;
export type OrderlyListener = (message: MessageView, context: OrderlyContext) => OrderlyResult | Promise<OrderlyResult>;
export type OrderlyBatchListener = (
  messages: readonly MessageView[],
  context: OrderlyContext,
) => OrderlyResult | Promise<OrderlyResult>;
