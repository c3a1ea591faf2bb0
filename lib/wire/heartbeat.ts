import type { MessageModel } from "../broker/broker-port.js";
import { MqError } from "../errors.js";
import { checkConsumerGroup } from "../message/names.js";
import { RESPONSE_CODES } from "./response-codes.js";

/** What a client says of itself each 30 s. */
export interface Heartbeat {
  readonly clientId: string;
  readonly consumers: readonly HeartbeatConsumer[];
}

export interface HeartbeatConsumer {
  readonly group: string;
  readonly messageModel: MessageModel;
  /** Topic and tag expression of each subscription. */
  readonly subscriptions: ReadonlyMap<string, string>;
  /** By topic, when its client subscribed so, by its clock. */
  readonly versions: ReadonlyMap<string, number>;
}

const EVERYTHING = "*";
const TAG = "TAG";

/**
 * Reads the body of a heartbeat. Subscriptions with another expression than tags are passed over: who pulls by them is told.
 *
 * Source: RocketMQ 5.3.3, `remoting/.../protocol/heartbeat/HeartbeatData.java`, `ConsumerData.java`, `SubscriptionData.java`.
 *
 * @throws MqError `ERR_MQ_INVALID_ARGUMENT` (1) for what is none.
 */
export function readHeartbeat(body: Buffer): Heartbeat {
  const data = objectOf("a heartbeat", parse(body));
  return {
    clientId: textOf("clientID", data["clientID"]),
    consumers: listOf("consumerDataSet", data["consumerDataSet"]).map(consumerOf),
  };
}

function parse(body: Buffer): unknown {
  try {
    return JSON.parse(body.toString("utf8"));
  } catch (cause) {
    throw malformed("a heartbeat must be JSON", cause);
  }
}

function consumerOf(value: unknown): HeartbeatConsumer {
  const consumer = objectOf("consumerDataSet", value);
  const subscriptions = new Map<string, string>();
  const versions = new Map<string, number>();
  for (const entry of listOf("subscriptionDataSet", consumer["subscriptionDataSet"])) {
    const { topic, subString, expressionType, subVersion } = objectOf("subscriptionDataSet", entry);
    if ((expressionType ?? TAG) !== TAG) continue;
    const name = textOf("topic", topic);
    subscriptions.set(name, typeof subString === "string" && subString !== "" ? subString : EVERYTHING);
    versions.set(name, typeof subVersion === "number" ? subVersion : 0);
  }
  return {
    group: checkConsumerGroup(textOf("groupName", consumer["groupName"])),
    messageModel: consumer["messageModel"] === "BROADCASTING" ? "broadcasting" : "clustering",
    subscriptions,
    versions,
  };
}

function objectOf(name: string, value: unknown): Readonly<Record<string, unknown>> {
  if (typeof value === "object" && value !== null && !Array.isArray(value)) return value as Record<string, unknown>;
  throw malformed(`${name} of a heartbeat must be an object`);
}

/** Absent: none. */
function listOf(name: string, value: unknown): readonly unknown[] {
  if (value === undefined || value === null) return [];
  if (Array.isArray(value)) return value;
  throw malformed(`${name} of a heartbeat must be an array`);
}

function textOf(name: string, value: unknown): string {
  if (typeof value === "string" && value !== "") return value;
  throw malformed(`${name} of a heartbeat must be a text`);
}

function malformed(message: string, cause?: unknown): MqError {
  return new MqError("ERR_MQ_INVALID_ARGUMENT", message, { cause, responseCode: RESPONSE_CODES.SYSTEM_ERROR });
}
