import { MqError } from "../errors.js";
import { describe } from "../options.js";

/** When a message asks to be delivered: what its properties say, each of which may be absent. */
export interface MessageDelay {
  /** `DELAY`: 0 and less is none. */
  readonly level?: number | undefined;
  /** `TIMER_DELAY_SEC` */
  readonly delaySeconds?: number | undefined;
  /** `TIMER_DELAY_MS` */
  readonly delayMs?: number | undefined;
  /** `TIMER_DELIVER_MS`: epoch milliseconds. */
  readonly deliverAt?: number | undefined;
}

/** The fields of a message that say when it is to be delivered. */
interface DelayFields {
  readonly messageGroup?: unknown;
  readonly delayLevel?: unknown;
  readonly delayMs?: unknown;
  readonly deliverAt?: unknown;
}

const EXCLUSIVE = ["delayLevel", "delayMs", "deliverAt", "messageGroup"] as const;
/** A delay level is an `int` in RocketMQ. */
const INT_RANGE = 2 ** 31;

/** Checks what a message says of when it is to be delivered; `undefined`: at once. */
export function messageDelayOf(message: DelayFields): MessageDelay | undefined {
  const { delayLevel, delayMs, deliverAt } = message;
  if (delayLevel === undefined && delayMs === undefined && deliverAt === undefined) return undefined;
  const given = EXCLUSIVE.filter((name) => message[name] !== undefined);
  if (given.length > 1) throw malformed(`a message has one of ${EXCLUSIVE.join(", ")}, got ${given.join(" and ")}`);
  if (delayLevel !== undefined) return { level: checkDelayLevel(delayLevel) };
  if (delayMs !== undefined) return { delayMs: checkMilliseconds("delayMs must be an integer", delayMs) };
  const time = deliverAt instanceof Date ? deliverAt.getTime() : deliverAt;
  return { deliverAt: checkMilliseconds("deliverAt must be a Date or epoch milliseconds", time) };
}

function checkDelayLevel(level: unknown): number {
  const isInt = Number.isInteger(level) && (level as number) >= -INT_RANGE && (level as number) < INT_RANGE;
  if (isInt) return level as number;
  throw malformed(`delayLevel must be an integer of 32 bits, got ${describe(level)}`);
}

function checkMilliseconds(rule: string, value: unknown): number {
  if (Number.isSafeInteger(value)) return value as number;
  throw malformed(`${rule}, got ${describe(value)}`);
}

function malformed(message: string): MqError {
  return new MqError("ERR_MQ_INVALID_ARGUMENT", message);
}
