/** What can happen to a message. */
export type MessageState =
  | "stored"
  | "delivered"
  | "consumed"
  | "retried"
  | "dead-lettered"
  | "half"
  | "checked"
  | "committed"
  | "rolled-back"
  | "expired";

/** For checks: every one there is. */
export const MESSAGE_STATES: readonly MessageState[] = Object.keys({
  stored: true,
  delivered: true,
  consumed: true,
  retried: true,
  "dead-lettered": true,
  half: true,
  checked: true,
  committed: true,
  "rolled-back": true,
  expired: true,
} satisfies Record<MessageState, true>) as MessageState[];

/** One thing that happened to one message. */
export interface HistoryEvent {
  /** Epoch milliseconds. */
  readonly at: number;
  readonly state: MessageState;
  /** The same for every copy of a message, so for its retries too. */
  readonly messageId: string;
  /** Where it was sent to, also when a retry of it is delivered. */
  readonly topic: string;
  readonly queueId: number;
  readonly queueOffset: number;
  readonly tag: string | undefined;
  readonly keys: readonly string[];
  readonly producerGroup?: string | undefined;
  /** Whose consumers it happened to; without it, `"expired"` concerns all groups. */
  readonly group?: string | undefined;
  readonly clientId?: string | undefined;
  /** Of the delivery that this belongs to: 1 the first time. `"retried"` and `"dead-lettered"` carry that of the attempt that failed. */
  readonly deliveryAttempt?: number | undefined;
  /** With `"stored"`, `"half"`, `"committed"` and `"retried"`: not to be delivered before this time. */
  readonly dueAt?: number | undefined;
}
