import type { MessageQueue } from "../message/message-queue.js";
import { describe, invalid } from "../options.js";

const FILLED = "an array and not empty";

/**
 * Says which queues of a topic one member of a consumer group takes. Every member calls it with the same queues, sorted by broker name and
 * id, and the same client ids, sorted; together their answers should cover each queue once. All members must use the same strategy. It is called for
 * each subscribed topic and for the group's retry topic; queues in its answer that the topic does not have are passed over.
 */
export type AllocateMessageQueueStrategy = (
  group: string,
  clientId: string,
  queues: readonly MessageQueue[],
  clientIds: readonly string[],
) => readonly MessageQueue[];

/**
 * Gives each member a run of neighbouring queues; where they do not divide evenly, the first members get one more. With more members than
 * queues the last ones get none, as does a client that is no member.
 *
 * Source: RocketMQ 5.3.3, `client/.../consumer/rebalance/AllocateMessageQueueAveragely.java`.
 *
 * @throws MqError `ERR_MQ_INVALID_ARGUMENT` for an empty client id, no queues or no members.
 */
export const allocateAveragely: AllocateMessageQueueStrategy = (_group, clientId, queues, clientIds) => {
  const index = indexOfMember(clientId, queues, clientIds);
  if (index < 0) return [];
  const share = Math.floor(queues.length / clientIds.length);
  const withOneMore = queues.length % clientIds.length;
  const start = index * share + Math.min(index, withOneMore);
  return queues.slice(start, start + share + (index < withOneMore ? 1 : 0));
};

/**
 * Deals the queues out one by one: with three members the first gets queue 0, 3, 6, … As many for each member as with {@link allocateAveragely}, but
 * where a topic has several brokers each member gets queues of all of them.
 *
 * Source: RocketMQ 5.3.3, `client/.../consumer/rebalance/AllocateMessageQueueAveragelyByCircle.java`.
 *
 * @throws MqError `ERR_MQ_INVALID_ARGUMENT` for an empty client id, no queues or no members.
 */
export const allocateAveragelyByCircle: AllocateMessageQueueStrategy = (_group, clientId, queues, clientIds) => {
  const index = indexOfMember(clientId, queues, clientIds);
  return index < 0 ? [] : queues.filter((_queue, position) => position % clientIds.length === index);
};

/** What each member of a broadcasting group gets. */
export const allocateAll: AllocateMessageQueueStrategy = (_group, _clientId, queues) => queues;

/**
 * The member's place, -1 for a client that is no member, of one that is listed twice the first.
 *
 * Source: RocketMQ 5.3.3, `client/.../consumer/rebalance/AbstractAllocateMessageQueueStrategy.java`, `check`.
 *
 * @throws MqError `ERR_MQ_INVALID_ARGUMENT` for an empty client id, no queues or no members.
 */
export function indexOfMember(clientId: unknown, queues: unknown, clientIds: unknown): number {
  if (typeof clientId !== "string" || clientId === "") {
    throw invalid(`clientId must be a string and not empty, got ${describe(clientId)}`);
  }
  if (!Array.isArray(queues) || queues.length === 0) throw invalid(`queues must be ${FILLED}, got ${describe(queues)}`);
  if (!Array.isArray(clientIds) || clientIds.length === 0) {
    throw invalid(`clientIds must be ${FILLED}, got ${describe(clientIds)}`);
  }
  return clientIds.indexOf(clientId);
}
