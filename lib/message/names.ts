import { MqError } from "../errors.js";
import { describe } from "../options.js";
import { derivedFromGroup, isRetryTopic } from "./derived-names.js";

const MAX_TOPIC_LENGTH = 127;
const MAX_GROUP_LENGTH = 255;
const LEGAL_NAME = /^[%|a-zA-Z0-9_-]+$/;

/** What RocketMQ's constructors take for "no group given". */
const UNSET_PRODUCER_GROUP = "DEFAULT_PRODUCER";
const UNSET_CONSUMER_GROUP = "DEFAULT_CONSUMER";

/**
 * Returns the name if it is one: 1 to 127 characters out of `% | a-z A-Z 0-9 _ -`; there are no exceptions for retry and dead-letter topics.
 *
 * Source: RocketMQ 5.3.3, `common/.../topic/TopicValidator.java`, `client/.../Validators.java`.
 *
 * @param responseCode - -1, what RocketMQ's clients throw with; its broker answers 29.
 * @throws MqError `ERR_MQ_INVALID_ARGUMENT`
 */
export function checkTopic(topic: unknown, responseCode: number = -1): string {
  if (typeof topic === "string" && topic.length <= MAX_TOPIC_LENGTH && LEGAL_NAME.test(topic)) return topic;
  throw illegalName("topic", topic, MAX_TOPIC_LENGTH, responseCode);
}

/**
 * As {@link checkTopic} for a topic that is looked at and not sent to: the retry topics and the dead-letter queue of a group may be longer than others,
 * by as much as the names of their group and topic. RocketMQ's broker takes no dead letters for a group of more than 122 characters.
 */
export function checkKnownTopic(topic: unknown, responseCode: number = -1): string {
  if (typeof topic !== "string") return checkTopic(topic, responseCode);
  const group = derivedFromGroup(topic);
  const longest = isRetryTopic(topic) ? MAX_GROUP_LENGTH + 1 + MAX_TOPIC_LENGTH : MAX_GROUP_LENGTH;
  if (group !== undefined && group.length <= longest && LEGAL_NAME.test(group)) return topic;
  return checkTopic(topic, responseCode);
}

export function isGroupName(group: unknown): group is string {
  return typeof group === "string" && group.length <= MAX_GROUP_LENGTH && LEGAL_NAME.test(group);
}

/** As {@link checkTopic}, but up to 255 characters. */
export function checkGroup(group: unknown, responseCode: number = -1): string {
  if (isGroupName(group)) return group;
  throw illegalName("group", group, MAX_GROUP_LENGTH, responseCode);
}

/** A legal group name that says who produces: not `DEFAULT_PRODUCER`. */
export function checkProducerGroup(group: unknown): string {
  const name = checkGroup(group);
  if (name === UNSET_PRODUCER_GROUP) throw unsetGroup("producer", name);
  return name;
}

/** A legal group name that says who consumes: not `DEFAULT_CONSUMER`. */
export function checkConsumerGroup(group: unknown): string {
  const name = checkGroup(group);
  if (name === UNSET_CONSUMER_GROUP) throw unsetGroup("consumer", name);
  return name;
}

function illegalName(what: "topic" | "group", name: unknown, maxLength: number, responseCode: number): MqError {
  const rule = `${what} must be 1 to ${maxLength} characters out of % | a-z A-Z 0-9 _ -`;
  return new MqError("ERR_MQ_INVALID_ARGUMENT", `${rule}, got ${describe(name)}`, { responseCode });
}

function unsetGroup(side: "producer" | "consumer", group: string): MqError {
  return new MqError("ERR_MQ_INVALID_ARGUMENT", `the ${side} group may not be ${group}; choose a name of your own`);
}
