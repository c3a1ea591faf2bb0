import { types } from "node:util";
import { isMqError, MqError } from "../errors.js";
import { describe, kindOf } from "../options.js";
import { isRetryTopic } from "./derived-names.js";
import { javaStringHash } from "./java-hash.js";
import type { Message } from "./message.js";
import { type MessageDelay, messageDelayOf } from "./message-delay.js";
import { checkTopic } from "./names.js";
import { hasSeparator, isReservedProperty, NAME_END, PROPERTY, VALUE_END } from "./properties.js";
import { utf8Size } from "./utf8-size.js";

/** What a message may take. */
export interface MessageLimits {
  /** Of a body, and of a whole batch, in bytes. */
  readonly maxMessageSize: number;
  /** The broker adds it to the properties, where it counts. Absent: RocketMQ's "DefaultCluster". */
  readonly clusterName?: string | undefined;
}

/** A message that broke no rule, ready to be written. */
export interface PreparedMessage {
  readonly topic: string;
  readonly tag: string | undefined;
  /** 0 without a tag. */
  readonly tagsCode: number;
  readonly flag: number;
  /** Decides on the queue. */
  readonly messageGroup: string | undefined;
  /** In RocketMQ's encoding: `TAGS`, `KEYS`, `WAIT`, `__SHARDINGKEY` and the user's, without what is alike for all or stored beside it. */
  readonly properties: string;
  /** Bytes of `properties` in UTF-8. */
  readonly propertiesSize: number;
  readonly body: Uint8Array | string;
  /** Bytes of `body`, in UTF-8 where it is a string. */
  readonly bodySize: number;
  readonly waitStoreMsgOk: boolean;
  /** `undefined`: it is to be delivered at once. */
  readonly delay: MessageDelay | undefined;
}

const MAX_PROPERTIES_SIZE = 32_767;
/** `UNIQ_KEY\u0001<32 hex digits>\u0002`: the client adds it before it counts a batch. */
const UNIQ_KEY_SIZE = 42;
/** `MSG_REGION\u0001DefaultRegion\u0002TRACE_ON\u0001true\u0002CLUSTER\u0001\u0002`, to which the cluster's name comes. */
const BROKER_PROPERTIES_SIZE = 25 + 14 + 9;
/** Total size, magic code, CRC, flag, body size (4 bytes each), properties size (2). */
const BATCH_RECORD_HEADER_SIZE = 22;

const MAX_MESSAGE_GROUP_SIZE = 63;

const CONTROL_CHARACTER = /\p{Cc}/u;
const LONE_SURROGATE = /\p{Surrogate}/u;

const TAGS_START: string = PROPERTY.TAGS + NAME_END;
const KEYS_START: string = PROPERTY.KEYS + NAME_END;
const GROUP_START: string = PROPERTY.SHARDING_KEY + NAME_END;
const WAIT_TRUE: string = `${PROPERTY.WAIT}${NAME_END}true${VALUE_END}`;
const WAIT_FALSE: string = `${PROPERTY.WAIT}${NAME_END}false${VALUE_END}`;

/**
 * Checks a message and encodes its properties. Whether the topic exists and takes messages, the broker says.
 *
 * Source: RocketMQ 5.3.3, `client/.../Validators.java`, `checkMessage`; `common/.../message/Message.java`, `putUserProperty`;
 * `store/.../MessageExtEncoder.java` for the size of the properties.
 *
 * @param added - what its client adds to the properties, encoded.
 * @throws MqError `ERR_MQ_INVALID_ARGUMENT` (-1) for what is malformed, `ERR_MQ_MESSAGE_ILLEGAL` (13) for a body that is absent, empty or
 * too large and for properties that are too large.
 */
export function prepareMessage(message: Message, limits: MessageLimits, added: string = ""): PreparedMessage {
  checkFields(message);
  const { topic, body, tag, keys, messageGroup, properties, flag = 0, waitStoreMsgOk = true } = message;
  checkTopic(topic);
  const bodySize = checkedBodySize(body, limits.maxMessageSize);

  let text = "";
  let tagsCode = 0;
  if (tag !== undefined && tag !== "") {
    checkText("tag", tag);
    tagsCode = javaStringHash(tag);
    text = TAGS_START + tag + VALUE_END;
  }
  if (keys !== undefined) text += encodeKeys(keys);
  if (typeof waitStoreMsgOk !== "boolean") {
    throw malformed(`waitStoreMsgOk must be a boolean, got ${describe(waitStoreMsgOk)}`);
  }
  text += waitStoreMsgOk ? WAIT_TRUE : WAIT_FALSE;
  if (messageGroup !== undefined) {
    checkMessageGroup(messageGroup, properties);
    text += GROUP_START + messageGroup + VALUE_END;
  }
  if (properties !== undefined) text += encodeUserProperties(properties);
  text += added;
  const propertiesSize = utf8Size(text);
  checkPropertiesSize(propertiesSize, limits);

  if (typeof flag !== "number" || (flag | 0) !== flag) {
    throw malformed(`flag must be an integer of 32 bits, got ${describe(flag)}`);
  }
  const delay = messageDelayOf(message);
  return {
    topic,
    tag: tag === "" ? undefined : tag,
    tagsCode,
    flag,
    messageGroup,
    properties: text,
    propertiesSize,
    body,
    bodySize,
    waitStoreMsgOk,
    delay,
  };
}

/**
 * Checks messages that are to be stored next to each other.
 *
 * Source: RocketMQ 5.3.3, `common/.../message/MessageBatch.java`, `generateFromList`; `client/.../DefaultMQProducer.java`, `batch`; for message groups
 * its clients 5, `java/.../impl/producer/ProducerImpl.java`.
 *
 * @throws MqError `ERR_MQ_INVALID_ARGUMENT` (-1) without messages, with two topics, with two message groups, with both values of
 * `waitStoreMsgOk`, with a retry topic, with a message that is to be put off; the error of {@link prepareMessage} with response code -1 for a message that breaks a rule; `ERR_MQ_MESSAGE_ILLEGAL` (13) for a
 * batch larger than `maxMessageSize`.
 */
export function checkBatch(messages: readonly Message[], limits: MessageLimits): readonly PreparedMessage[] {
  if (!Array.isArray(messages)) throw malformed(`a batch must be an array of messages, got ${kindOf(messages)}`);
  if (messages.length === 0) throw malformed("a batch must hold at least one message, got none");
  const batch: PreparedMessage[] = [];
  let size = 0;
  for (let index = 0; index < messages.length; index += 1) {
    const prepared = prepareBatchMessage(messages[index] as Message, index, limits);
    checkFitsBatch(prepared, batch[0] ?? prepared, index);
    size += BATCH_RECORD_HEADER_SIZE + prepared.bodySize + prepared.propertiesSize + UNIQ_KEY_SIZE;
    batch.push(prepared);
  }
  if (size <= limits.maxMessageSize) return batch;
  throw illegal(`a batch must take at most ${limits.maxMessageSize} bytes with properties, got ${size}`);
}

function prepareBatchMessage(message: Message, index: number, limits: MessageLimits): PreparedMessage {
  try {
    return prepareMessage(message, limits);
  } catch (error) {
    throw inBatch(error, index);
  }
}

/** RocketMQ's client fails the whole batch with -1, whatever is wrong with the message. */
function inBatch(error: unknown, index: number): unknown {
  if (!isMqError(error)) return error;
  return new MqError(error.code, `message ${index} of the batch: ${error.message}`, { cause: error, responseCode: -1 });
}

function checkFitsBatch(message: PreparedMessage, first: PreparedMessage, index: number): void {
  const { topic, messageGroup, waitStoreMsgOk } = message;
  if (isRetryTopic(topic)) throw malformed(`a batch cannot go to a retry topic, got ${topic}`);
  if (topic !== first.topic) {
    throw malformed(`the messages of a batch must have one topic, got ${first.topic} and, at ${index}, ${topic}`);
  }
  if (messageGroup !== first.messageGroup) {
    throw malformed(`the messages of a batch must have one messageGroup or none, got another one at ${index}`);
  }
  if (message.delay !== undefined) throw malformed(`the messages of a batch cannot be put off, got one at ${index}`);
  if (waitStoreMsgOk === first.waitStoreMsgOk) return;
  throw malformed(
    `the messages of a batch must have one waitStoreMsgOk, got ${first.waitStoreMsgOk} and, at ${index}, ${waitStoreMsgOk}`,
  );
}

function checkFields(message: Message): void {
  if (typeof message !== "object" || message === null) {
    throw malformed(`a message must be an object, got ${kindOf(message)}`);
  }
  for (const name in message) {
    switch (name) {
      case "topic":
      case "body":
      case "tag":
      case "keys":
      case "messageGroup":
      case "delayLevel":
      case "delayMs":
      case "deliverAt":
      case "properties":
      case "flag":
      case "waitStoreMsgOk":
        break;
      default:
        if ((message as unknown as Record<string, unknown>)[name] !== undefined) {
          throw malformed(`a message has no field "${name}"`);
        }
    }
  }
}

function checkedBodySize(body: Uint8Array | string, maxMessageSize: number): number {
  if (body === undefined || body === null) throw illegal("body must not be empty, got none");
  const size = typeof body === "string" ? utf8Size(body) : bytesOf(body);
  if (size === 0) throw illegal("body must not be empty, got 0 bytes");
  if (size > maxMessageSize) throw illegal(`body must have at most ${maxMessageSize} bytes, got ${size}`);
  return size;
}

function bytesOf(body: Uint8Array): number {
  // Not `instanceof`, which misses the arrays of another realm.
  if (types.isUint8Array(body)) return body.byteLength;
  throw malformed(`body must be a string or a Uint8Array, got ${kindOf(body)}`);
}

function encodeKeys(keys: string | readonly string[]): string {
  if (typeof keys !== "string" && !Array.isArray(keys)) {
    throw malformed(`keys must be a string or an array of strings, got ${kindOf(keys)}`);
  }
  const joined = typeof keys === "string" ? keys : joinKeys(keys);
  if (joined === "") return "";
  checkText("keys", joined);
  return KEYS_START + joined + VALUE_END;
}

function joinKeys(keys: readonly unknown[]): string {
  for (const key of keys) {
    if (typeof key !== "string" || key === "" || key.includes(" ")) {
      throw malformed(`each of keys must be a string without spaces and not empty, got ${kindOf(key)}`);
    }
  }
  return keys.join(" ");
}

/** Source: RocketMQ 5.3.3, `proxy/.../grpc/v2/producer/SendMessageActivity.java`, `validateMessageGroup`, which answers 40006. */
function checkMessageGroup(group: unknown, properties: object | null | undefined): void {
  checkText("messageGroup", group);
  if (isBlank(group)) throw malformed("messageGroup must not be blank");
  if (CONTROL_CHARACTER.test(group)) throw malformed("messageGroup must not hold control characters");
  const size = utf8Size(group);
  if (size > MAX_MESSAGE_GROUP_SIZE) {
    throw malformed(`messageGroup must take at most ${MAX_MESSAGE_GROUP_SIZE} bytes of UTF-8, got ${size}`);
  }
  if (typeof properties === "object" && properties !== null && Object.hasOwn(properties, PROPERTY.SHARDING_KEY)) {
    throw malformed(`messageGroup and the property "${PROPERTY.SHARDING_KEY}" exclude each other, got both`);
  }
}

function encodeUserProperties(properties: Readonly<Record<string, string>>): string {
  // An array or a Map has no properties of its own that are meant: it would be dropped silently.
  if (typeof properties !== "object" || properties === null || Symbol.iterator in properties) {
    throw malformed(`properties must be a plain object, got ${kindOf(properties)}`);
  }
  let text = "";
  for (const name of Object.keys(properties)) {
    const value: unknown = properties[name];
    const label = `property ${JSON.stringify(name)}`;
    if (isBlank(name)) throw malformed(`the name of a property must not be blank, got ${JSON.stringify(name)}`);
    if (hasSeparator(name)) throw malformed(`the name of ${label} must not hold \\u0001 or \\u0002`);
    if (isReservedProperty(name)) throw malformed(`${label} is used by RocketMQ itself; choose another name`);
    if (LONE_SURROGATE.test(name)) throw malformed(`the name of ${label} must be well-formed Unicode`);
    checkText(label, value);
    if (isBlank(value)) throw malformed(`${label} must not be blank`);
    if (name === PROPERTY.INNER_MULTI_DISPATCH && value.includes("/")) throw illegal(`${label} must not hold "/"`);
    text += name + NAME_END + value + VALUE_END;
  }
  return text;
}

function checkText(label: string, value: unknown): asserts value is string {
  if (typeof value !== "string") throw malformed(`${label} must be a string, got ${kindOf(value)}`);
  // UTF-8 has no form for half of a pair: another text would be stored than was given.
  if (LONE_SURROGATE.test(value)) throw malformed(`${label} must be well-formed Unicode, got half of a surrogate pair`);
  if (hasSeparator(value)) throw malformed(`${label} must not hold \\u0001 or \\u0002`);
}

function isBlank(text: string): boolean {
  return text.trim() === "";
}

/**
 * Throws `ERR_MQ_MESSAGE_ILLEGAL` (13) for properties that are too large with what the client and the broker add.
 *
 * @param size - in UTF-8, without the unique id.
 */
export function checkPropertiesSize(size: number, { clusterName = "DefaultCluster" }: MessageLimits): void {
  const total = size + UNIQ_KEY_SIZE + BROKER_PROPERTIES_SIZE + utf8Size(clusterName);
  if (total <= MAX_PROPERTIES_SIZE) return;
  throw illegal(`properties must take at most ${MAX_PROPERTIES_SIZE} bytes with what RocketMQ adds, got ${total}`);
}

function malformed(message: string): MqError {
  return new MqError("ERR_MQ_INVALID_ARGUMENT", message);
}

function illegal(message: string): MqError {
  return new MqError("ERR_MQ_MESSAGE_ILLEGAL", message);
}
