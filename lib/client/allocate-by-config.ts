import type { MessageQueue } from "../message/message-queue.js";
import { describe, invalid } from "../options.js";
import type { AllocateMessageQueueStrategy } from "./allocate-message-queue.js";

/**
 * Always these queues, whoever else is in the group: who gets what is yours to plan. A queue that no member lists is consumed by nobody, and the
 * messages of one that two members list may be delivered to both. Queues that do not exist, or whose topic is not subscribed to, are passed over.
 *
 * **One member must list the group's retry topic too**, as `{ topic: "%RETRY%" + group, brokerName, queueId: 0 }`: otherwise messages that fail wait
 * there for ever, as with RocketMQ.
 *
 * Source: RocketMQ 5.3.3, `client/.../consumer/rebalance/AllocateMessageQueueByConfig.java`.
 *
 * @param queues - of one topic or several; copied.
 * @throws MqError `ERR_MQ_INVALID_ARGUMENT` for anything but an array of message queues.
 */
export function allocateByConfig(queues: readonly MessageQueue[]): AllocateMessageQueueStrategy {
  if (!Array.isArray(queues)) throw invalid(`queues must be an array of message queues, got ${describe(queues)}`);
  const copies = Object.freeze(Array.from(queues, copyQueue));
  return () => copies;
}

function copyQueue(queue: unknown, index: number): MessageQueue {
  const { topic, brokerName, queueId } = (queue ?? {}) as Partial<Record<keyof MessageQueue, unknown>>;
  if (typeof topic === "string" && typeof brokerName === "string" && isQueueId(queueId)) {
    return Object.freeze({ topic, brokerName, queueId });
  }
  const got = typeof queue === "object" && queue !== null ? fieldsOf({ topic, brokerName, queueId }) : describe(queue);
  throw invalid(`queues[${index}] must be a message queue { topic, brokerName, queueId }, got ${got}`);
}

function isQueueId(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0;
}

function fieldsOf(fields: Readonly<Record<string, unknown>>): string {
  const texts = Object.entries(fields).map(([name, value]) => `${name}: ${describe(value)}`);
  return `{ ${texts.join(", ")} }`;
}
