import type { BrokerPort } from "../broker/broker-port.js";
import { type MessageQueue, queueKeyOf } from "../message/message-queue.js";
import { intIn, listIn, objectIn, parseBody, textIn } from "./json-body.js";
import { REQUEST_CODES } from "./request-codes.js";
import { type RequestRow, requestRow } from "./request-header.js";
import { RESPONSE_CODES } from "./response-codes.js";

type LockPort = Pick<BrokerPort, "brokerName" | "findRoute" | "lockQueues" | "unlockQueues">;

/** Who locks what. */
interface LockRequest {
  readonly group: string;
  readonly clientId: string;
  readonly queues: readonly MessageQueue[];
}

/**
 * Queues that consumers lock to consume them in order: for 60 s, which their clients renew each 20 s. Queues that there are not are nobody's; one that is named twice is one.
 *
 * Source: RocketMQ 5.3.3, `broker/.../processor/AdminBrokerProcessor.java`, `lockBatchMQ`, `unlockBatchMQ`; `broker/.../client/rebalance/RebalanceLockManager.java`.
 */
export function lockRequests(port: LockPort): readonly RequestRow[] {
  return [
    requestRow(REQUEST_CODES.LOCK_BATCH_MQ, {}, (_header, { body }) => {
      const { group, clientId, queues } = readLock(body, port);
      const locked = port.lockQueues(group, clientId, queues);
      const lockOKMQSet = locked.map(({ brokerName, queueId, topic }) => ({ brokerName, queueId, topic }));
      return { code: RESPONSE_CODES.SUCCESS, body: Buffer.from(JSON.stringify({ lockOKMQSet }), "utf8") };
    }),
    requestRow(REQUEST_CODES.UNLOCK_BATCH_MQ, {}, (_header, { body }) => {
      const { group, clientId, queues } = readLock(body, port);
      port.unlockQueues(group, clientId, queues);
      return { code: RESPONSE_CODES.SUCCESS };
    }),
  ];
}

function readLock(body: Buffer, port: LockPort): LockRequest {
  const { consumerGroup, clientId, mqSet } = parseBody("a lock", body);
  const queues = listIn("mqSet", mqSet).map((value) => {
    const { topic, queueId } = objectIn("mqSet", value);
    return { topic: textIn("topic", topic), brokerName: port.brokerName, queueId: intIn("queueId", queueId) };
  });
  const each = new Map(queues.map((queue) => [queueKeyOf(queue.topic, queue.queueId), queue]));
  return {
    group: textIn("consumerGroup", consumerGroup),
    clientId: textIn("clientId", clientId),
    queues: [...each.values()].filter(
      ({ topic, queueId }) => queueId >= 0 && queueId < (port.findRoute(topic)?.queueNums ?? 0),
    ),
  };
}
