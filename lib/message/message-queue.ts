import { describe, invalid } from "../options.js";
import { checkKnownTopic } from "./names.js";

/** One ordered lane of a topic. Messages of one queue have consecutive offsets and are stored in the order of the sends. */
export interface MessageQueue {
  readonly topic: string;
  readonly brokerName: string;
  /** From 0 to the topic's queue count less one. */
  readonly queueId: number;
}

/**
 * Orders by topic, broker name, queue id: the order in which a route and a rebalance list them.
 *
 * Source: RocketMQ, `common/.../message/MessageQueue.java`, `compareTo`.
 */
export function compareMessageQueues(left: MessageQueue, right: MessageQueue): number {
  if (left.topic !== right.topic) return left.topic < right.topic ? -1 : 1;
  if (left.brokerName !== right.brokerName) return left.brokerName < right.brokerName ? -1 : 1;
  return left.queueId - right.queueId;
}

/** RocketMQ's text form: `MessageQueue [topic=T, brokerName=B, queueId=3]`. Consistent hashing takes its MD5. */
export function formatMessageQueue({ topic, brokerName, queueId }: MessageQueue): string {
  return `MessageQueue [topic=${topic}, brokerName=${brokerName}, queueId=${queueId}]`;
}

/** A key for maps; names hold no control characters. */
export function queueKeyOf(topic: string, queueId: number): string {
  return `${topic}\u0001${queueId}`;
}

/** A copy of what a caller took for a message queue; whether there is one like it is not looked at. Throws `ERR_MQ_INVALID_ARGUMENT`. */
export function checkMessageQueue(queue: unknown): MessageQueue {
  if (typeof queue !== "object" || queue === null)
    throw invalid(`a message queue must be an object, got ${describe(queue)}`);
  const { topic, brokerName, queueId } = queue as Partial<MessageQueue>;
  if (typeof brokerName !== "string")
    throw invalid(`brokerName of a message queue must be a string, got ${describe(brokerName)}`);
  if (!Number.isSafeInteger(queueId))
    throw invalid(`queueId of a message queue must be an integer, got ${describe(queueId)}`);
  return { topic: checkKnownTopic(topic), brokerName, queueId: queueId as number };
}
