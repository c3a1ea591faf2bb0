import type { MessageModel } from "../broker/broker-port.js";
import { booleanOption, describe, integerOption, invalid, oneOf, refuseUnknownOptions } from "../options.js";
import type { BatchListener, MessageListener, OrderlyBatchListener, OrderlyListener } from "./consume-result.js";
import {
  CONSUMER_OPTIONS,
  type ConsumerOptions,
  type ResolvedConsumerOptions,
  resolveConsumerOptions,
} from "./consumer-options.js";

export interface PushConsumerSettings extends ConsumerOptions {
  /**
   * `"clustering"`: the members of the group share the messages. `"broadcasting"`: each gets all of them, and has progress of its own; a message
   * that fails is logged and dropped. `consumeFromWhere` is then meant literally: `"last-offset"` is the end of each queue that exists when the consumer
   * starts; what comes later it gets. @defaultValue "clustering"
   */
  readonly messageModel?: "clustering" | "broadcasting" | undefined;
  /** Listeners running at once, 1 to 1,000 (`consumeThreadMax`); of an orderly consumer one a message queue. @defaultValue 20 */
  readonly consumeConcurrency?: number | undefined;
  /** Most messages in one call of a batch listener, 1 to 1,024. @defaultValue 1 */
  readonly consumeMessageBatchMaxSize?: number | undefined;
  /**
   * How often a message is retried before it goes to the dead-letter queue `%DLQ%group`, 0 to 2,147,483,647. -1, which is what RocketMQ's consumers
   * begin with: 16, whatever the group says. An orderly consumer counts in memory, and anew after a restart or when the queue goes to another member; there
   * -1 is no limit. @defaultValue the group's `retryMaxTimes`, 16 unless changed; orderly: no limit
   */
  readonly maxReconsumeTimes?: number | undefined;
  /**
   * How long a listener may take, 1 to 2,147,483,647 ms. Afterwards `context.signal` aborts, and the messages are retried after 10 s. The listener
   * still counts as one of those that run at once until it ends; what it returns is ignored. An orderly one is told by its signal alone: its queue waits for it,
   * and its result counts. @defaultValue 900_000 (15 min)
   */
  readonly consumeTimeoutMs?: number | undefined;
  /** How long a queue of an orderly consumer waits after a failure; 10 to 30,000 ms, others are taken for the nearer of these. @defaultValue 1_000 */
  readonly suspendCurrentQueueTimeMs?: number | undefined;
  /** Messages and bytes in one pull, 1 to 1,024 and 1 to 100 MiB. @defaultValue 32 */
  readonly pullBatchSize?: number | undefined;
  /** @defaultValue 262_144 (256 KiB) */
  readonly pullBatchSizeInBytes?: number | undefined;
  /** Pause between two pulls of a queue, 0 to 65,535 ms. @defaultValue 0 */
  readonly pullIntervalMs?: number | undefined;
  /** A queue is not pulled while more than this many messages of it are unacknowledged, 1 to 65,535. @defaultValue 1_000 */
  readonly pullThresholdForQueue?: number | undefined;
  /** The same in MiB, 1 to 1,024. @defaultValue 100 */
  readonly pullThresholdSizeForQueueMiB?: number | undefined;
  /**
   * In place of `pullThresholdForQueue`: this many for each topic, 1 to 6,553,500, shared evenly among those of its queues that this consumer has now; at
   * least 1 for each. @defaultValue off
   */
  readonly pullThresholdForTopic?: number | undefined;
  /** In place of `pullThresholdSizeForQueueMiB`, likewise: 1 to 102,400 MiB, in whole MiB for each queue. @defaultValue off */
  readonly pullThresholdSizeForTopicMiB?: number | undefined;
  /** … nor while its lowest and highest unacknowledged offset are further apart than this, 1 to 65,535. Not for orderly consumers. @defaultValue 2_000 */
  readonly consumeConcurrentlyMaxSpan?: number | undefined;
}

/**
 * Exactly one listener. With `orderly: true` the messages of each message queue go to it in the order of their offsets, one call at a time over all members of the
 * group; else in no order.
 */
export type PushConsumerOptions = PushConsumerSettings &
  (
    | { readonly orderly?: false | undefined; readonly listener: MessageListener; readonly batchListener?: undefined }
    | { readonly orderly?: false | undefined; readonly batchListener: BatchListener; readonly listener?: undefined }
    | { readonly orderly: true; readonly listener: OrderlyListener; readonly batchListener?: undefined }
    | { readonly orderly: true; readonly batchListener: OrderlyBatchListener; readonly listener?: undefined }
  );

/** As it is called: which of the two kinds it is, `orderly` says. */
export type Listeners =
  | {
      readonly orderly: false;
      readonly listener: MessageListener | undefined;
      readonly batchListener: BatchListener | undefined;
    }
  | {
      readonly orderly: true;
      readonly listener: OrderlyListener | undefined;
      readonly batchListener: OrderlyBatchListener | undefined;
    };

export interface ResolvedPushConsumerOptions extends ResolvedConsumerOptions {
  readonly messageModel: MessageModel;
  readonly maxReconsumeTimes: number | undefined;
  readonly consumeTimeoutMs: number;
  readonly listeners: Listeners;
  readonly suspendCurrentQueueTimeMs: number;
  readonly consumeConcurrency: number;
  readonly consumeMessageBatchMaxSize: number;
  readonly pullBatchSize: number;
  readonly pullBatchSizeInBytes: number;
  readonly pullIntervalMs: number;
  readonly pullThresholdForQueue: number;
  readonly pullThresholdSizeForQueueMiB: number;
  readonly pullThresholdForTopic: number | undefined;
  readonly pullThresholdSizeForTopicMiB: number | undefined;
  readonly consumeConcurrentlyMaxSpan: number;
}

const OPTIONS: readonly (keyof PushConsumerSettings | "orderly" | "listener" | "batchListener")[] = [
  ...CONSUMER_OPTIONS,
  "orderly",
  "listener",
  "batchListener",
  "messageModel",
  "consumeConcurrency",
  "consumeMessageBatchMaxSize",
  "maxReconsumeTimes",
  "consumeTimeoutMs",
  "suspendCurrentQueueTimeMs",
  "pullBatchSize",
  "pullBatchSizeInBytes",
  "pullIntervalMs",
  "pullThresholdForQueue",
  "pullThresholdSizeForQueueMiB",
  "pullThresholdForTopic",
  "pullThresholdSizeForTopicMiB",
  "consumeConcurrentlyMaxSpan",
];

const MIB = 1024 * 1024;
const MAX_INTEGER = 2 ** 31 - 1;
/** What RocketMQ's broker takes -1 for. Source: `DefaultMQPushConsumerImpl.java`, `getMaxReconsumeTimes`. */
const USUAL_RETRIES = 16;

/** Ranges are those of RocketMQ's `DefaultMQPushConsumerImpl.java`, `checkConfig`. */
export function resolvePushConsumerOptions(options: PushConsumerOptions): ResolvedPushConsumerOptions {
  refuseUnknownOptions("PushConsumerOptions", options, OPTIONS);
  const listeners = checkListeners(options.orderly, options.listener, options.batchListener);
  const integer = (name: keyof PushConsumerSettings, min: number, max: number, fallback: number): number =>
    integerOption(name, options[name], { min, max, fallback });
  const optional = (name: keyof PushConsumerSettings, min: number, max: number): number | undefined =>
    options[name] === undefined ? undefined : integer(name, min, max, min);
  return {
    ...resolveConsumerOptions(options),
    messageModel: oneOf<MessageModel>(
      "messageModel",
      options.messageModel,
      ["clustering", "broadcasting"],
      "clustering",
    ),
    maxReconsumeTimes: checkMaxReconsumeTimes(options.maxReconsumeTimes, listeners.orderly),
    consumeTimeoutMs: integer("consumeTimeoutMs", 1, MAX_INTEGER, 900_000),
    listeners,
    suspendCurrentQueueTimeMs: integer("suspendCurrentQueueTimeMs", 0, MAX_INTEGER, 1_000),
    consumeConcurrency: integer("consumeConcurrency", 1, 1_000, 20),
    consumeMessageBatchMaxSize:
      listeners.listener === undefined
        ? integer("consumeMessageBatchMaxSize", 1, 1_024, 1)
        : checkSingle(options.consumeMessageBatchMaxSize),
    pullBatchSize: integer("pullBatchSize", 1, 1_024, 32),
    pullBatchSizeInBytes: integer("pullBatchSizeInBytes", 1, 100 * MIB, 256 * 1024),
    pullIntervalMs: integer("pullIntervalMs", 0, 65_535, 0),
    pullThresholdForQueue: integer("pullThresholdForQueue", 1, 65_535, 1_000),
    pullThresholdSizeForQueueMiB: integer("pullThresholdSizeForQueueMiB", 1, 1_024, 100),
    pullThresholdForTopic: optional("pullThresholdForTopic", 1, 6_553_500),
    pullThresholdSizeForTopicMiB: optional("pullThresholdSizeForTopicMiB", 1, 102_400),
    consumeConcurrentlyMaxSpan: integer("consumeConcurrentlyMaxSpan", 1, 65_535, 2_000),
  };
}

function checkListeners(orderly: unknown, listener: unknown, batchListener: unknown): Listeners {
  if (listener !== undefined && batchListener !== undefined)
    throw invalid("listener and batchListener exclude each other, got both");
  if (listener === undefined && batchListener === undefined)
    throw invalid("listener or batchListener must be given, got neither");
  const given = listener === undefined ? batchListener : listener;
  if (typeof given !== "function")
    throw invalid(
      `${listener === undefined ? "batchListener" : "listener"} must be a function, got ${describe(given)}`,
    );
  return { orderly: booleanOption("orderly", orderly, false), listener, batchListener } as Listeners;
}

function checkSingle(size: number | undefined): number {
  if (size === undefined || size === 1) return 1;
  throw invalid(
    `consumeMessageBatchMaxSize must be 1 with a listener, got ${describe(size)}: give a batchListener for batches`,
  );
}

function checkMaxReconsumeTimes(times: unknown, orderly: boolean): number | undefined {
  if (times === undefined) return undefined;
  const max = integerOption("maxReconsumeTimes", times, { min: -1, max: MAX_INTEGER, fallback: 0 });
  if (max !== -1) return max;
  return orderly ? undefined : USUAL_RETRIES;
}
