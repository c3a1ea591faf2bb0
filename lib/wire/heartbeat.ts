import type { MessageModel } from "../broker/broker-port.js";
import { checkConsumerGroup } from "../message/names.js";
import { listIn, objectIn, parseBody, textIn } from "./json-body.js";

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
  for (const entry of listIn("subscriptionDataSet", subscriptionDataSet)) {
    const { topic, subString, expressionType, subVersion } = objectIn("subscriptionDataSet", entry);
    if ((expressionType ?? TAG) !== TAG) continue;
    const name = textIn("topic", topic);
    subscriptions.set(name, typeof subString === "string" && subString !== "" ? subString : EVERYTHING);
    versions.set(name, typeof subVersion === "number" ? subVersion : 0);
  }
  return {
    group: checkConsumerGroup(textIn("groupName", groupName)),
    messageModel: messageModel === "BROADCASTING" ? "broadcasting" : "clustering",
    subscriptions,
    versions,
  };
}
