import type { PopStart } from "../broker/broker-port.js";
import { checkConsumerGroup } from "../message/names.js";
import { booleanOption, integerOption, refuseUnknownOptions, signalOption } from "../options.js";
import {
  type ConsumerOptions,
  checkConsumeFromWhere,
  checkInstanceName,
  checkSubscriptions,
} from "./consumer-options.js";

/**
 * `consumeFromWhere`, where it is not given, is what RocketMQ's simple consumers have: a group without progress begins at the last message that is there, which it
 * gets. Given, it means what it means to a push consumer. A queue from which nothing was ever deleted is read from its beginning in any case.
 */
export interface SimpleConsumerOptions extends Omit<ConsumerOptions, "allocateMessageQueueStrategy"> {
  /**
   * How long `receive` waits for a message, 0 to 2,147,483,647 ms. RocketMQ's proxy keeps to 5 to 20 s, for the sake of its network. @defaultValue 20_000
   */
  readonly awaitMs?: number | undefined;
}

export interface ReceiveOptions {
  /** 1 to 32. */
  readonly maxMessages: number;
  /** For how long nobody else of the group gets the messages, 10,000 to 43,200,000 ms (10 s to 12 h). */
  readonly invisibleDurationMs: number;
  /** How long to wait for a message, 0 to 2,147,483,647 ms; 0: only for the store. @defaultValue the consumer's */
  readonly awaitMs?: number | undefined;
  readonly signal?: AbortSignal | undefined;
}

export interface ResolvedSimpleConsumerOptions {
  readonly group: string;
  readonly subscriptions: ReadonlyMap<string, string>;
  readonly startAt: PopStart;
  readonly instanceName: string | undefined;
  readonly strictSubscriptions: boolean;
  readonly awaitMs: number;
}

export interface ResolvedReceiveOptions {
  readonly maxMessages: number;
  readonly invisibleDurationMs: number;
  readonly awaitMs: number;
  readonly signal: AbortSignal | undefined;
}

const OPTIONS: readonly (keyof SimpleConsumerOptions)[] = [
  "group",
  "subscriptions",
  "consumeFromWhere",
  "instanceName",
  "strictSubscriptions",
  "awaitMs",
];
const RECEIVE_OPTIONS: readonly (keyof ReceiveOptions)[] = ["maxMessages", "invisibleDurationMs", "awaitMs", "signal"];

const MAX_INTEGER = 2 ** 31 - 1;
const DEFAULT_AWAIT_MS = 20_000;
/** Source: RocketMQ, `ProxyUtils.java`, `MAX_MSG_NUMS_FOR_POP_REQUEST`. */
const MAX_MESSAGES = 32;
/** Source: RocketMQ, `ProxyConfig.java`, `minInvisibleTimeMillsForRecv`, `maxInvisibleTimeMills`. */
const MIN_INVISIBLE_MS = 10_000;
const MAX_INVISIBLE_MS = 43_200_000;

export function resolveSimpleConsumerOptions(options: SimpleConsumerOptions): ResolvedSimpleConsumerOptions {
  refuseUnknownOptions("SimpleConsumerOptions", options, OPTIONS);
  const { group, subscriptions, consumeFromWhere, instanceName, strictSubscriptions, awaitMs } = options;
  return {
    group: checkConsumerGroup(group),
    subscriptions: checkSubscriptions(subscriptions),
    startAt: consumeFromWhere === undefined ? "last-message" : checkConsumeFromWhere(consumeFromWhere),
    instanceName: checkInstanceName(instanceName),
    strictSubscriptions: booleanOption("strictSubscriptions", strictSubscriptions, false),
    awaitMs: integerOption("awaitMs", awaitMs, { min: 0, max: MAX_INTEGER, fallback: DEFAULT_AWAIT_MS }),
  };
}

export function resolveReceiveOptions(options: ReceiveOptions, awaitMs: number): ResolvedReceiveOptions {
  refuseUnknownOptions("ReceiveOptions", options, RECEIVE_OPTIONS);
  return {
    maxMessages: required("maxMessages", options.maxMessages, 1, MAX_MESSAGES),
    invisibleDurationMs: required(
      "invisibleDurationMs",
      options.invisibleDurationMs,
      MIN_INVISIBLE_MS,
      MAX_INVISIBLE_MS,
    ),
    awaitMs: integerOption("awaitMs", options.awaitMs, { min: 0, max: MAX_INTEGER, fallback: awaitMs }),
    signal: signalOption(options.signal),
  };
}

export function checkInvisibleDuration(durationMs: unknown): number {
  return required("durationMs", durationMs, 0, MAX_INVISIBLE_MS);
}

function required(name: string, value: unknown, min: number, max: number): number {
  return integerOption(name, value ?? null, { min, max, fallback: min });
}
