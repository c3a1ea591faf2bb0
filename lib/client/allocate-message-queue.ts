import { MqError } from "../errors.js";
import type { MessageQueue } from "../message/message-queue.js";
import { describe } from "../options.js";

/**
 * Says which queues of a topic one member of a consumer group takes. Every member calls it with the same queues, sorted by broker name and
 * id, and the same client ids, sorted; together their answers should cover each queue once. All members must use the same strategy.
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
  checkAllocation(clientId, queues, clientIds);
  const index = clientIds.indexOf(clientId);
  if (index < 0) return [];
  const share = Math.floor(queues.length / clientIds.length);
  const withOneMore = queues.length % clientIds.length;
  const start = index * share + Math.min(index, withOneMore);
  return queues.slice(start, start + share + (index < withOneMore ? 1 : 0));
};

/** Source: RocketMQ 5.3.3, `client/.../consumer/rebalance/AbstractAllocateMessageQueueStrategy.java`, `check`. */
function checkAllocation(clientId: unknown, queues: unknown, clientIds: unknown): void {
  if (typeof clientId !== "string" || clientId === "") throw refusal("clientId must not be empty", clientId);
  if (!Array.isArray(queues) || queues.length === 0) throw refusal("queues must be an array and not empty", queues);
  if (!Array.isArray(clientIds) || clientIds.length === 0) {
    throw refusal("clientIds must be an array and not empty", clientIds);
  }
}

function refusal(rule: string, value: unknown): MqError {
  return new MqError("ERR_MQ_INVALID_ARGUMENT", `${rule}, got ${describe(value)}`);
}

/** What each member of a broadcasting group gets. */
export const allocateAll: AllocateMessageQueueStrategy = (_group, _clientId, queues) => queues;
