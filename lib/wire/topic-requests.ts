import type { Admin, TopicInfo, TopicSettings } from "../admin/admin.js";
import type { BrokerPort } from "../broker/broker-port.js";
import { isMqError, MqError } from "../errors.js";
import { isSystemTopic, PERM } from "../message/system-topics.js";
import { checkTopicName, invalidTopic } from "./broker-remarks.js";
import { REQUEST_CODES } from "./request-codes.js";
import { flag, int, optional, type RequestRow, requestRow, text } from "./request-header.js";
import { RESPONSE_CODES } from "./response-codes.js";
import type { Answer } from "./wire-connection.js";

export interface TopicParts {
  readonly port: Pick<BrokerPort, "brokerName" | "clusterName" | "findRoute">;
  readonly admin: Pick<Admin, "createTopic" | "getTopic" | "listTopics" | "updateTopic">;
}

const CREATE = {
  topic: text("topic"),
  readQueueNums: int("readQueueNums"),
  writeQueueNums: int("writeQueueNums"),
  perm: int("perm"),
  order: flag("order"),
  filterType: optional(text("topicFilterType")),
  attributes: optional(text("attributes")),
} as const;

const TYPES = ["UNSPECIFIED", "TRANSACTION", "FIFO", "MIXED", "DELAY", "NORMAL"] as const;
/** Source: RocketMQ 5.3.3, `common/.../TopicFilterType.java`. */
const FILTER_TYPES: readonly string[] = ["SINGLE_TAG", "MULTI_TAG"];
const TYPE_ATTRIBUTE = "message.type";

/**
 * Topics that clients make and look at, in their set-ups for example. Of the permission of one its bits for reading and writing are kept, and a negative number of queues is none.
 *
 * Source: RocketMQ 5.3.3, `broker/.../processor/AdminBrokerProcessor.java`, `updateAndCreateTopic`, `getTopicConfig`; `namesrv/.../processor/DefaultRequestProcessor.java`;
 * `common/.../attribute/AttributeUtil.java`.
 */
export function topicRequests({ port, admin }: TopicParts): readonly RequestRow[] {
  return [
    requestRow(REQUEST_CODES.UPDATE_AND_CREATE_TOPIC, CREATE, async (header) => {
      const { topic, order, filterType = "null", attributes = "" } = header;
      if (!FILTER_TYPES.includes(filterType)) throw malformed(`topicFilterType = [${filterType}] value invalid`);
      checkTopicName(topic);
      if (isSystemTopic(topic, port)) throw invalidTopic(`The topic[${topic}] is conflict with system topic.`);
      const isNew = port.findRoute(topic) === undefined;
      await store(admin, topic, {
        readQueueNums: Math.max(0, header.readQueueNums),
        writeQueueNums: Math.max(0, header.writeQueueNums),
        perm: permOf(header.perm),
        order,
        messageType: messageTypeIn(attributes, isNew),
      });
      return { code: RESPONSE_CODES.SUCCESS, remark: "not set any response code" };
    }),
    requestRow(REQUEST_CODES.GET_TOPIC_CONFIG, { topic: text("topic") }, async ({ topic }) => {
      try {
        return bodyOf(toTopicConfig(await admin.getTopic(topic), port.findRoute(topic)?.perm));
      } catch (error) {
        if (!isMqError(error, "ERR_MQ_TOPIC_NOT_FOUND")) throw error;
        return { code: RESPONSE_CODES.TOPIC_NOT_EXIST, remark: `No topic in this broker. topic: ${topic}` };
      }
    }),
    requestRow(REQUEST_CODES.GET_ALL_TOPIC_LIST_FROM_NAMESERVER, {}, async () => {
      const topics = await admin.listTopics({ system: true });
      return bodyOf({ topicList: topics.map(({ topic }) => topic) });
    }),
  ];
}

/** Whether it is there or not. */
async function store(admin: TopicParts["admin"], topic: string, settings: TopicSettings): Promise<void> {
  try {
    await admin.createTopic(topic, settings);
  } catch (error) {
    if (!isMqError(error, "ERR_MQ_ALREADY_CREATED")) throw error;
    await admin.updateTopic(topic, settings);
  }
}

function permOf(perm: number): TopicSettings["perm"] {
  const [canRead, canWrite] = [(perm & PERM.READ) !== 0, (perm & PERM.WRITE) !== 0];
  if (canRead) return canWrite ? "RW" : "R";
  return canWrite ? "W" : "none";
}

/** `+name=value` sets, `-name` takes away, several are parted by commas. `undefined`: it stays. */
function messageTypeIn(attributes: string, isNew: boolean): TopicSettings["messageType"] {
  let type: TopicSettings["messageType"];
  for (const attribute of attributes.split(",").filter((each) => each !== "")) {
    const [name = "", value = ""] = attribute.slice(1).split("=");
    const sign = attribute[0];
    if (sign !== "+" && sign !== "-")
      throw malformed(`add/alter attribute format is wrong: ${attribute.split("=")[0]}`);
    if (sign === "-" && isNew) throw malformed(`only add attribute is supported while creating topic. key: ${name}`);
    if (name !== TYPE_ATTRIBUTE) throw malformed(`unsupported key: ${name}`);
    const known = TYPES.find((each) => each === value);
    if (sign === "-") type = "NORMAL";
    else if (known === undefined) throw malformed(`value is not in set: [${TYPES.join(", ")}]`);
    else type = known;
  }
  // Only where a broker is set up for it.
  if (type === "MIXED") throw invalidTopic("MIXED message type is not supported.");
  return type;
}

function malformed(remark: string): MqError {
  return new MqError("ERR_MQ_INVALID_ARGUMENT", remark, { responseCode: RESPONSE_CODES.SYSTEM_ERROR });
}

const PERMS: Readonly<Record<TopicInfo["perm"], number>> = { RW: 6, R: 4, W: 2, none: 0 };

/** In RocketMQ's form, its members sorted. @param perm - where it has more bits than its settings say. */
function toTopicConfig({ topic, readQueueNums, writeQueueNums, order, ...info }: TopicInfo, perm?: number): object {
  return {
    attributes: info.messageType === "NORMAL" ? {} : { [TYPE_ATTRIBUTE]: info.messageType },
    order,
    perm: perm ?? PERMS[info.perm],
    readQueueNums,
    topicFilterType: "SINGLE_TAG",
    topicName: topic,
    topicSysFlag: 0,
    writeQueueNums,
  };
}

function bodyOf(body: object): Answer {
  return { code: RESPONSE_CODES.SUCCESS, body: Buffer.from(JSON.stringify(body), "utf8") };
}
