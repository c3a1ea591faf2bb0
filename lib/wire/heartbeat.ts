import type { MessageModel } from "../broker/broker-port.js";
import { checkConsumerGroup } from "../message/names.js";
import { listIn, malformed, objectIn, parseBody, textIn } from "./json-body.js";
import { MAX_HEADER_SIZE } from "./remoting-command.js";

/** What a client says of itself each 30 s. */
export interface Heartbeat {
  readonly clientId: string;
  readonly consumers: readonly HeartbeatConsumer[];
  readonly producerGroups: readonly string[];
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
/** Its share is found out topic by topic, each time that its group shares anew. */
const MAX_TOPICS = 10_000;
/** Characters. A pull has no room for more. */
const MAX_EXPRESSION_LENGTH = MAX_HEADER_SIZE;

/**
 * Reads the body of a heartbeat. Subscriptions with another expression than tags are passed over: who pulls by them is told.
 *
 * Source: RocketMQ 5.3.3, `remoting/.../protocol/heartbeat/HeartbeatData.java`, `ConsumerData.java`, `SubscriptionData.java`.
 *
 * @throws MqError `ERR_MQ_INVALID_ARGUMENT` (1) for what is none.
 */
export function readHeartbeat(body: Buffer): Heartbeat {
  const { clientID, consumerDataSet, producerDataSet } = parseBody("a heartbeat", body);
  return {
    clientId: textIn("clientID", clientID),
    consumers: listIn("consumerDataSet", consumerDataSet).map(consumerOf),
    producerGroups: listIn("producerDataSet", producerDataSet).map((producer) =>
      textIn("groupName", objectIn("producerDataSet", producer)["groupName"]),
    ),
  };
}

function consumerOf(value: unknown): HeartbeatConsumer {
  const { groupName, messageModel, subscriptionDataSet } = objectIn("consumerDataSet", value);
  const subscriptions = new Map<string, string>();
  const versions = new Map<string, number>();
  const entries = listIn("subscriptionDataSet", subscriptionDataSet);
  if (entries.length > MAX_TOPICS) throw malformed(`a consumer subscribes to at most ${MAX_TOPICS} topics`);
  for (const entry of entries) {
    const { topic, subString, expressionType, subVersion } = objectIn("subscriptionDataSet", entry);
    if ((expressionType ?? TAG) !== TAG) continue;
    const name = textIn("topic", topic);
    const expression = typeof subString === "string" && subString !== "" ? subString : EVERYTHING;
    if (expression.length > MAX_EXPRESSION_LENGTH)
      throw malformed(`a tag expression has at most ${MAX_EXPRESSION_LENGTH} characters`);
    subscriptions.set(name, expression);
    versions.set(name, typeof subVersion === "number" ? subVersion : 0);
  }
  return {
    group: checkConsumerGroup(textIn("groupName", groupName)),
    messageModel: messageModel === "BROADCASTING" ? "broadcasting" : "clustering",
    subscriptions,
    versions,
  };
}
