import type { MessageQueue } from "../message/message-queue.js";
import { booleanOption, describe, integerOption, invalid, refuseUnknownOptions, signalOption } from "../options.js";
import {
  CONSUMER_OPTIONS,
  type ConsumerOptions,
  type ResolvedConsumerOptions,
  resolveConsumerOptions,
} from "./consumer-options.js";

/** What a pull consumer is told. `subscriptions` are as good as calls of `subscribe`. */
export interface PullConsumerOptions extends ConsumerOptions {
  /**
   * Whether progress is committed without being asked for: by `poll` and by iterating, when that was last done `autoCommitIntervalMs` ago, when a queue goes to
   * another member, and by `close`. It covers all that was handed out until then, processed or not: what was being processed when the process dies is not
   * delivered again. Whoever wants it again, turns this off and calls `commit` once a batch is processed. @defaultValue true
   */
  readonly autoCommit?: boolean | undefined;
  /** From 1,000 to 2,147,483,647 ms; as in RocketMQ a shorter one changes nothing, with a warning. @defaultValue 5_000 */
  readonly autoCommitIntervalMs?: number | undefined;
  /** Messages in one pull, and in one batch unless the poll says otherwise, 1 to 1,024. @defaultValue 10 */
  readonly pullBatchSize?: number | undefined;
  /**
   * Called when the consumer has got other queues, by sharing or by `assign`, before anything of the new ones is handed out: the place to seek in them. Nothing of
   * those removed is handed out any more. Also when it closes. What it throws is logged.
   */
  readonly onAssignmentChange?:
    | ((added: readonly MessageQueue[], removed: readonly MessageQueue[]) => void)
    | undefined;
}

/** Options of one poll. */
export interface PollOptions {
  /** How long to wait for a message, 0 to 2,147,483,647 ms; 0 takes what is there already. @defaultValue 5_000 */
  readonly timeoutMs?: number | undefined;
  /** 1 to 1,024. @defaultValue `pullBatchSize` of the consumer */
  readonly maxMessages?: number | undefined;
  /** Ends the waiting, rejecting with `signal.reason`; nothing is lost. */
  readonly signal?: AbortSignal | undefined;
}

export interface ResolvedPullConsumerOptions extends ResolvedConsumerOptions {
  readonly autoCommit: boolean;
  readonly autoCommitIntervalMs: number;
  readonly pullBatchSize: number;
  readonly onAssignmentChange: PullConsumerOptions["onAssignmentChange"];
}

const OPTIONS: readonly (keyof PullConsumerOptions)[] = [
  ...CONSUMER_OPTIONS,
  "autoCommit",
  "autoCommitIntervalMs",
  "pullBatchSize",
  "onAssignmentChange",
];

const MAX_INTEGER = 2 ** 31 - 1;
const MAX_BATCH = 1_024;
/** Source: RocketMQ, `DefaultLitePullConsumer.java`, `autoCommitIntervalMillis` and `MIN_AUTOCOMMIT_INTERVAL_MILLIS`. */
const AUTO_COMMIT_INTERVAL_MS = 5_000;
const MIN_AUTO_COMMIT_INTERVAL_MS = 1_000;

export function resolvePullConsumerOptions(options: PullConsumerOptions): ResolvedPullConsumerOptions {
  refuseUnknownOptions("PullConsumerOptions", options, OPTIONS);
  const intervalRange = { min: 0, max: MAX_INTEGER, fallback: AUTO_COMMIT_INTERVAL_MS };
  const intervalMs = integerOption("autoCommitIntervalMs", options.autoCommitIntervalMs, intervalRange);
  return {
    ...resolveConsumerOptions(options),
    autoCommit: booleanOption("autoCommit", options.autoCommit, true),
    autoCommitIntervalMs: intervalMs < MIN_AUTO_COMMIT_INTERVAL_MS ? AUTO_COMMIT_INTERVAL_MS : intervalMs,
    pullBatchSize: integerOption("pullBatchSize", options.pullBatchSize, { min: 1, max: MAX_BATCH, fallback: 10 }),
    onAssignmentChange: checkOnAssignmentChange(options.onAssignmentChange),
  };
}

export function resolvePollOptions(
  options: PollOptions,
  pullBatchSize: number,
): { readonly timeoutMs: number; readonly maxMessages: number; readonly signal: AbortSignal | undefined } {
  refuseUnknownOptions("PollOptions", options, ["timeoutMs", "maxMessages", "signal"]);
  return {
    timeoutMs: integerOption("timeoutMs", options.timeoutMs, { min: 0, max: MAX_INTEGER, fallback: 5_000 }),
    maxMessages: integerOption("maxMessages", options.maxMessages, { min: 1, max: MAX_BATCH, fallback: pullBatchSize }),
    signal: signalOption(options.signal),
  };
}

function checkOnAssignmentChange(listener: unknown): PullConsumerOptions["onAssignmentChange"] {
  if (listener === undefined || typeof listener === "function")
    return listener as PullConsumerOptions["onAssignmentChange"];
  throw invalid(`onAssignmentChange must be a function, got ${describe(listener)}`);
}
