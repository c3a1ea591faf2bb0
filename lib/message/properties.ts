import { MqError } from "../errors.js";

/** Names of the properties that RocketMQ itself reads or writes. Source: RocketMQ 5.3.3, `common/.../message/MessageConst.java`. */
export const PROPERTY = {
  KEYS: "KEYS",
  TAGS: "TAGS",
  WAIT: "WAIT",
  DELAY: "DELAY",
  TIMER_DELAY_SEC: "TIMER_DELAY_SEC",
  TIMER_DELAY_MS: "TIMER_DELAY_MS",
  TIMER_DELIVER_MS: "TIMER_DELIVER_MS",
  TIMER_OUT_MS: "TIMER_OUT_MS",
  TIMER_ENQUEUE_MS: "TIMER_ENQUEUE_MS",
  TIMER_DEQUEUE_MS: "TIMER_DEQUEUE_MS",
  TIMER_ROLL_TIMES: "TIMER_ROLL_TIMES",
  TIMER_DELAY_LEVEL: "TIMER_DELAY_LEVEL",
  TIMER_DEL_UNIQKEY: "TIMER_DEL_UNIQKEY",
  RETRY_TOPIC: "RETRY_TOPIC",
  REAL_TOPIC: "REAL_TOPIC",
  REAL_QID: "REAL_QID",
  TRAN_MSG: "TRAN_MSG",
  PGROUP: "PGROUP",
  TRANSACTION_ID: "__transactionId__",
  TRANSACTION_CHECK_TIMES: "TRANSACTION_CHECK_TIMES",
  CHECK_IMMUNITY_TIME_IN_SECONDS: "CHECK_IMMUNITY_TIME_IN_SECONDS",
  TRAN_PREPARED_QUEUE_OFFSET: "TRAN_PREPARED_QUEUE_OFFSET",
  ORIGIN_MESSAGE_ID: "ORIGIN_MESSAGE_ID",
  RECONSUME_TIME: "RECONSUME_TIME",
  MAX_RECONSUME_TIMES: "MAX_RECONSUME_TIMES",
  CONSUME_START_TIME: "CONSUME_START_TIME",
  MIN_OFFSET: "MIN_OFFSET",
  MAX_OFFSET: "MAX_OFFSET",
  UNIQ_KEY: "UNIQ_KEY",
  EXTEND_UNIQ_INFO: "EXTEND_UNIQ_INFO",
  CLUSTER: "CLUSTER",
  MSG_REGION: "MSG_REGION",
  TRACE_ON: "TRACE_ON",
  TRACE_CONTEXT: "TRACE_CONTEXT",
  INSTANCE_ID: "INSTANCE_ID",
  BUYER_ID: "BUYER_ID",
  TRANSFER_FLAG: "TRANSFER_FLAG",
  CORRECTION_FLAG: "CORRECTION_FLAG",
  MQ2_FLAG: "MQ2_FLAG",
  CORRELATION_ID: "CORRELATION_ID",
  REPLY_TO_CLIENT: "REPLY_TO_CLIENT",
  TTL: "TTL",
  MSG_TYPE: "MSG_TYPE",
  ARRIVE_TIME: "ARRIVE_TIME",
  PUSH_REPLY_TIME: "PUSH_REPLY_TIME",
  SHARDING_KEY: "__SHARDINGKEY",
  POP_CK: "POP_CK",
  POP_CK_OFFSET: "POP_CK_OFFSET",
  FIRST_POP_TIME: "1ST_POP_TIME",
  INNER_MULTI_DISPATCH: "INNER_MULTI_DISPATCH",
  INNER_MULTI_QUEUE_OFFSET: "INNER_MULTI_QUEUE_OFFSET",
  BORN_HOST: "__BORNHOST",
  BORN_TIMESTAMP: "BORN_TIMESTAMP",
  CRC32: "__CRC32#",
  DUP_INFO: "DUP_INFO",
  DLQ_ORIGIN_TOPIC: "DLQ_ORIGIN_TOPIC",
  DLQ_ORIGIN_MESSAGE_ID: "DLQ_ORIGIN_MESSAGE_ID",
} as const;

/** Users may set these; every other name above is refused in a message's `properties`. */
const OPEN: readonly string[] = [
  PROPERTY.TRANSACTION_ID,
  PROPERTY.TRANSACTION_CHECK_TIMES,
  PROPERTY.CHECK_IMMUNITY_TIME_IN_SECONDS,
  PROPERTY.TRACE_CONTEXT,
  PROPERTY.SHARDING_KEY,
  PROPERTY.INNER_MULTI_DISPATCH,
];

/** RocketMQ's `MessageConst.STRING_HASH_SET`. */
export const RESERVED_PROPERTIES: ReadonlySet<string> = new Set(
  Object.values(PROPERTY).filter((name) => !OPEN.includes(name)),
);

export function isReservedProperty(name: string): boolean {
  return RESERVED_PROPERTIES.has(name);
}

/** What a delivered message does not show among the user's properties: the reserved ones and the message group. */
export function isSystemProperty(name: string): boolean {
  return name === PROPERTY.SHARDING_KEY || isReservedProperty(name);
}

/** Ends a name. */
export const NAME_END = "\u0001";
/** Ends a value. */
export const VALUE_END = "\u0002";

/** Neither a name nor a value can hold these two: the encoding has no escape. */
export function hasSeparator(text: string): boolean {
  for (let index = 0; index < text.length; index += 1) {
    const unit = text.charCodeAt(index);
    if (unit === 1 || unit === 2) return true;
  }
  return false;
}

/**
 * `name \u0001 value \u0002`, repeated: how RocketMQ stores and sends properties.
 *
 * Source: RocketMQ 5.3.3, `common/.../message/MessageDecoder.java`, `messageProperties2String`, which does not check for separators.
 *
 * @throws MqError `ERR_MQ_INVALID_ARGUMENT` if a name or value holds a separator.
 */
export function encodeProperties(pairs: Iterable<readonly [name: string, value: string]>): string {
  const checked: (readonly [string, string])[] = [];
  for (const pair of pairs) {
    if (pair.some(hasSeparator)) {
      throw new MqError("ERR_MQ_INVALID_ARGUMENT", `property ${JSON.stringify(pair[0])} holds \\u0001 or \\u0002`);
    }
    checked.push(pair);
  }
  return encodeDecoded(checked);
}

/** The same for what {@link decodeProperties} gave: a name end within a value, as other clients may write it, is read back as it was. */
export function encodeDecoded(pairs: Iterable<readonly [name: string, value: string]>): string {
  let text = "";
  for (const [name, value] of pairs) text += name + NAME_END + value + VALUE_END;
  return text;
}

/**
 * Reads what {@link encodeProperties} or a RocketMQ client wrote, as RocketMQ does: pairs without name or value are passed over, of
 * two pairs with one name the last counts, the last `\u0002` may be missing.
 */
export function decodeProperties(text: string): Map<string, string> {
  const properties = new Map<string, string>();
  let nameEnd = -1;
  for (let start = 0, end = 0; start < text.length; start = end + 1) {
    end = indexOrEnd(text, VALUE_END, start);
    // Found once for all the pairs without a name in front of it: looking anew at each takes quadratic time.
    if (nameEnd < start) nameEnd = indexOrEnd(text, NAME_END, start);
    if (nameEnd > start && nameEnd < end - 1) properties.set(text.slice(start, nameEnd), text.slice(nameEnd + 1, end));
  }
  return properties;
}

function indexOrEnd(text: string, separator: string, from: number): number {
  const index = text.indexOf(separator, from);
  return index < 0 ? text.length : index;
}
