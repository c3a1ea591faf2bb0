/**
 * Every failure PocketMQ reports is one class with a stable code. A code never changes its meaning; messages may.
 *
 * `responseCode` is RocketMQ's: what its broker answers or, for -1 and 10005, what its client throws in the same case.
 */
export const MQ_ERRORS = {
  ERR_MQ_INVALID_ARGUMENT: { responseCode: -1, retryable: false, title: "an argument or option is malformed" },
  ERR_MQ_CLOSED: { responseCode: -1, retryable: false, title: "the broker or client is closed" },
  ERR_MQ_NOT_STARTED: { responseCode: -1, retryable: false, title: "the consumer was not started" },
  ERR_MQ_ALREADY_CREATED: { responseCode: -1, retryable: false, title: "the client or name exists already" },
  ERR_MQ_MESSAGE_ILLEGAL: { responseCode: 13, retryable: false, title: "a message breaks a limit" },
  ERR_MQ_TOPIC_NOT_FOUND: { responseCode: 17, retryable: false, title: "the topic does not exist" },
  ERR_MQ_GROUP_NOT_FOUND: { responseCode: 26, retryable: false, title: "the consumer group does not exist" },
  ERR_MQ_NO_PERMISSION: { responseCode: 16, retryable: false, title: "the topic or group does not permit this" },
  ERR_MQ_SUBSCRIPTION: { responseCode: 24, retryable: false, title: "a subscription does not fit its group" },
  ERR_MQ_FILTER_SYNTAX: { responseCode: 23, retryable: false, title: "a filter expression cannot be parsed" },
  ERR_MQ_SERVICE_NOT_AVAILABLE: { responseCode: 14, retryable: true, title: "the store takes no messages now" },
  ERR_MQ_SYSTEM_BUSY: { responseCode: 2, retryable: true, title: "the store stayed locked by another writer" },
  ERR_MQ_TOO_MANY_REQUESTS: { responseCode: 215, retryable: true, title: "too much is pending already" },
  ERR_MQ_TIMEOUT: { responseCode: 10002, retryable: true, title: "the call did not finish in its time" },
  ERR_MQ_IN_TRANSACTION: { responseCode: undefined, retryable: false, title: "not possible inside a transaction" },
  ERR_MQ_OUTCOME_UNKNOWN: { responseCode: undefined, retryable: false, title: "a commit may or may not have happened" },
  ERR_MQ_OFFSET: { responseCode: 29, retryable: false, title: "an offset or message queue is out of range" },
  ERR_MQ_RECEIPT_HANDLE: { responseCode: 208, retryable: false, title: "a popped message is no longer in hand" },
  ERR_MQ_RECALL: { responseCode: 604, retryable: false, title: "a message cannot be called back, or no longer" },
  ERR_MQ_TRANSACTION: { responseCode: 1, retryable: false, title: "a transaction cannot go on so" },
  ERR_MQ_STORE: { responseCode: 1, retryable: false, title: "SQLite failed" },
  ERR_MQ_STORE_FORMAT: { responseCode: undefined, retryable: false, title: "the file is not a store of this version" },
  ERR_MQ_DRIVER: { responseCode: undefined, retryable: false, title: "better-sqlite3 cannot be used safely" },
} as const;

/** One of the keys of {@link MQ_ERRORS}. */
export type MqErrorCode = keyof typeof MQ_ERRORS;

/** What an {@link MqError} takes besides code and message. */
export interface MqErrorOptions {
  /** What failed underneath, an SQLite error for example. */
  readonly cause?: unknown;
  /** Where it differs from the code's usual one. */
  readonly responseCode?: number | undefined;
}

// Registered globally, so that two copies of the package in one process recognise each other's errors.
const BRAND: symbol = Symbol.for("pocketmq.MqError");

/** Thrown and rejected with by everything in PocketMQ. Switch on {@link MqError.code}. */
export class MqError extends Error {
  override readonly name: string = "MqError";
  /** Stable; see ERRORS.md for the meaning of each. */
  readonly code: MqErrorCode;
  /** RocketMQ's response code in the same situation, where it has one; -1 for what its clients refuse by themselves. */
  readonly responseCode: number | undefined;

  constructor(code: MqErrorCode, message: string, options: MqErrorOptions = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.code = code;
    this.responseCode = "responseCode" in options ? options.responseCode : MQ_ERRORS[code].responseCode;
    Object.defineProperty(this, BRAND, { value: true });
  }
}

/** Use this rather than `instanceof`, which misses errors thrown by another copy of this package: a second version, or a Jest module registry. */
export function isMqError<C extends MqErrorCode>(value: unknown, code?: C): value is MqError & { readonly code: C } {
  return value instanceof Error && BRAND in value && (code === undefined || (value as MqError).code === code);
}
