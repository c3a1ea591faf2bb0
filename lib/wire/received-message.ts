import type { MessageToAppend } from "../broker/log-appender.js";
import { MAX_TIMER_MS } from "../broker/message-delays.js";
import { MqError } from "../errors.js";
import { javaStringHash } from "../message/java-hash.js";
import type { MessageDelay } from "../message/message-delay.js";
import { checkPropertiesSize, type MessageLimits } from "../message/message-validation.js";
import { decodeProperties, encodeDecoded, PROPERTY } from "../message/properties.js";
import { utf8Size } from "../message/utf8-size.js";
import { RESPONSE_CODES } from "./response-codes.js";

/** What a client sends of a message besides its topic and queue. */
export interface SentMessage {
  readonly flag: number;
  readonly sysFlag: number;
  readonly bornTimestamp: number;
  readonly reconsumeTimes: number;
  /** In RocketMQ's encoding. */
  readonly properties: string;
  readonly body: Buffer;
}

/** What the broker stamps on each message alike, or a consumer has sent back that it only got with one. */
const NOT_STORED = [PROPERTY.MSG_REGION, PROPERTY.TRACE_ON, PROPERTY.CLUSTER, PROPERTY.POP_CK] as const;
const TIMERS = [PROPERTY.TIMER_DELAY_SEC, PROPERTY.TIMER_DELAY_MS, PROPERTY.TIMER_DELIVER_MS] as const;

/** One character of latin1 is one byte; its size has a byte. */
const UNIQUE_ID = /^[^\u0100-\uffff]{1,255}$/;
const SYSTEM_ERROR = { responseCode: RESPONSE_CODES.SYSTEM_ERROR } as const;
const ALL_FLAGS = 0xffff;
/** What becomes of a transaction: half messages are stored without, and get theirs when they are committed. Source: RocketMQ 5.3.3, `common/.../sysflag/MessageSysFlag.java`. */
export const TRANSACTION_FLAGS = 12;
const MAX_BORN_TIMESTAMP = 2 ** 48 - 1;

/** A message of a client's on its way into the store, which fills in where it lies. */
export class ReceivedMessage implements MessageToAppend {
  readonly tagsCode: number;
  readonly flag: number;
  readonly sysFlag: number;
  readonly bornTimestamp: number;
  readonly reconsumeTimes: number;
  readonly uniqueId: string;
  readonly properties: string;
  readonly propertiesSize: number;
  readonly body: Buffer;
  readonly bodySize: number;
  /** Whose producers are asked what became of its transaction, `""`: nobody's, as it does not say; `undefined`: it is a usual message. */
  readonly transactionOf: string | undefined;
  /** `undefined`: it is to be delivered at once. */
  readonly delay: MessageDelay | undefined;
  queueOffset = -1 as number;
  commitLogOffset = -1 as number;

  /**
   * @param newId - for one that has none.
   * @throws MqError `ERR_MQ_MESSAGE_ILLEGAL` (13) for a body or properties that are too large.
   */
  constructor(sent: SentMessage, limits: MessageLimits, newId: () => string) {
    const properties = decodeProperties(sent.properties);
    const { body } = sent;
    if (body.length > limits.maxMessageSize) throw illegalMessage(limits);
    this.flag = sent.flag;
    this.bornTimestamp = Math.min(Math.max(sent.bornTimestamp, 0), MAX_BORN_TIMESTAMP);
    this.reconsumeTimes = Math.max(sent.reconsumeTimes, 0);
    this.uniqueId = properties.get(PROPERTY.UNIQ_KEY) ?? newId();
    if (!UNIQUE_ID.test(this.uniqueId)) throw illegalMessage(limits);
    this.tagsCode = javaStringHash(properties.get(PROPERTY.TAGS) ?? "");
    this.delay = takeDelay(properties);
    this.transactionOf =
      properties.get(PROPERTY.TRAN_MSG) === "true" ? (properties.get(PROPERTY.PGROUP) ?? "") : undefined;
    this.sysFlag = sent.sysFlag & (this.transactionOf === undefined ? ALL_FLAGS : ALL_FLAGS & ~TRANSACTION_FLAGS);
    for (const name of [PROPERTY.UNIQ_KEY, ...NOT_STORED]) properties.delete(name);
    this.properties = encodeDecoded(properties);
    this.propertiesSize = utf8Size(this.properties);
    this.body = body;
    this.bodySize = body.length;
    try {
      checkPropertiesSize(this.propertiesSize, limits);
    } catch {
      throw illegalMessage(limits);
    }
  }
}

/**
 * Takes out of the properties when the message is to be delivered. What was timed once is not timed again, and keeps what it asked for then.
 *
 * Source: RocketMQ 5.3.3, `broker/.../util/HookUtils.java`, `checkIfTimerMessage`.
 */
function takeDelay(properties: Map<string, string>): MessageDelay | undefined {
  const level = numberIn(properties.get(PROPERTY.DELAY));
  if (Number.isNaN(level)) throw new MqError("ERR_MQ_MESSAGE_ILLEGAL", "DELAY must be an integer", SYSTEM_ERROR);
  properties.delete(PROPERTY.DELAY);
  const isTimed = properties.has(PROPERTY.TIMER_OUT_MS) && (level ?? 0) <= 0;
  if (isTimed) return level === undefined ? undefined : { level };
  const [delaySeconds, delayMs, deliverAt] = TIMERS.map((name) => numberIn(properties.get(name)));
  if ([delaySeconds, delayMs, deliverAt].some(Number.isNaN)) throw illegalTimer();
  for (const name of TIMERS) properties.delete(name);
  if ([level, delaySeconds, delayMs, deliverAt].every((value) => value === undefined)) return undefined;
  return { level, delaySeconds, delayMs, deliverAt };
}

/** `NaN` for what is none. */
function numberIn(value: string | undefined): number | undefined {
  if (value === undefined) return undefined;
  return /^-?\d{1,15}$/.test(value) ? Number(value) : Number.NaN;
}

export function illegal(remark: string): MqError {
  return new MqError("ERR_MQ_MESSAGE_ILLEGAL", remark);
}

/** RocketMQ's text, also where the time is no number. */
export function illegalTimer(): MqError {
  return illegal(
    `timer message illegal, the delay time should not be bigger than the max delay ${MAX_TIMER_MS}ms; or if set del msg, the delay time should be bigger than the current time`,
  );
}

/** RocketMQ's text, whatever of it is too large. */
export function illegalMessage({ maxMessageSize }: MessageLimits): MqError {
  return illegal(
    `the message is illegal, maybe msg body or properties length not matched. msg body length limit ${maxMessageSize}B, msg properties length limit 32KB.`,
  );
}
