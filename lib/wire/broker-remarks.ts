import { MqError } from "../errors.js";
import { assertSendable, PERM } from "../message/system-topics.js";
import { RESPONSE_CODES } from "./response-codes.js";
import type { MessageHost } from "./stored-message.js";

/** Refusals with the texts of RocketMQ's broker, which its clients show. */

const FAQ = "See https://rocketmq.apache.org/docs/bestPractice/06FAQ for further details.";
const MAX_TOPIC_LENGTH = 127;
const LEGAL_TOPIC = /^[%|a-zA-Z0-9_-]+$/;

/** Source: RocketMQ 5.3.3, `common/.../topic/TopicValidator.java`, `validateTopic`. */
export function checkTopicName(topic: string): void {
  if (topic.trim() === "") throw invalidTopic("The specified topic is blank.");
  if (!LEGAL_TOPIC.test(topic))
    throw invalidTopic(`The specified topic contains illegal characters, allowing only ${LEGAL_TOPIC.source}`);
  if (topic.length > MAX_TOPIC_LENGTH) throw invalidTopic("The specified topic is longer than topic max length.");
}

/** Source: RocketMQ 5.3.3, `broker/.../processor/AbstractSendMessageProcessor.java`, `msgCheck`. */
export function checkSendTopic(topic: string): void {
  checkTopicName(topic);
  try {
    assertSendable(topic);
  } catch (cause) {
    throw new MqError("ERR_MQ_NO_PERMISSION", `Sending message to topic[${topic}] is forbidden.`, { cause });
  }
}

export function noTopic(topic: string): MqError {
  return new MqError("ERR_MQ_TOPIC_NOT_FOUND", `topic[${topic}] not exist, apply first please!\n${FAQ}`);
}

/** What RocketMQ says of a topic's configuration. */
interface DescribedTopic {
  readonly topic: string;
  readonly readQueueNums: number;
  readonly writeQueueNums: number;
  readonly perm: number;
}

export function queueOutOfRange(queueId: number, topic: DescribedTopic, producer: MessageHost): MqError {
  const config = `TopicConfig [topicName=${topic.topic}, readQueueNums=${topic.readQueueNums}, writeQueueNums=${topic.writeQueueNums}, perm=${describePerm(topic.perm)}, topicFilterType=SINGLE_TAG, topicSysFlag=0, order=false, attributes={}]`;
  return new MqError(
    "ERR_MQ_OFFSET",
    `request queueId[${queueId}] is illegal, ${config} Producer: ${producer.host}:${producer.port}`,
  );
}

/** With a space that the refusal of a send does not have. */
export function noTopicToPull(topic: string): MqError {
  return new MqError("ERR_MQ_TOPIC_NOT_FOUND", `topic[${topic}] not exist, apply first please! \n${FAQ}`);
}

export function notReadable(topic: string): MqError {
  return new MqError("ERR_MQ_NO_PERMISSION", `the topic[${topic}] pulling message is forbidden`);
}

export function pullQueueOutOfRange(
  queueId: number,
  { topic, readQueueNums }: Pick<DescribedTopic, "topic" | "readQueueNums">,
  consumer: MessageHost,
): MqError {
  return new MqError(
    "ERR_MQ_OFFSET",
    `queueId[${queueId}] is illegal, topic:[${topic}] topicConfig.readQueueNums:[${readQueueNums}] consumer:[/${consumer.host}:${consumer.port}]`,
  );
}

export function subscriptionRefused(remark: string): MqError {
  return new MqError("ERR_MQ_SUBSCRIPTION", `${remark}\n${FAQ}`);
}

export function noGroup(group: string): MqError {
  return new MqError("ERR_MQ_GROUP_NOT_FOUND", `subscription group [${group}] does not exist, \n${FAQ}`);
}

/** Of what a group could not consume. */
export function noGroupToRetry(group: string): MqError {
  return new MqError("ERR_MQ_GROUP_NOT_FOUND", `subscription group not exist, ${group} \n${FAQ}`);
}

/** Source: RocketMQ 5.3.3, `common/.../constant/PermName.java`, `perm2String`. */
function describePerm(perm: number): string {
  const letter = (bit: number, name: string): string => ((perm & bit) === 0 ? "-" : name);
  return letter(PERM.READ, "R") + letter(PERM.WRITE, "W") + letter(PERM.INHERIT, "X");
}

export function invalidTopic(remark: string): MqError {
  return new MqError("ERR_MQ_INVALID_ARGUMENT", remark, { responseCode: RESPONSE_CODES.INVALID_PARAMETER });
}
