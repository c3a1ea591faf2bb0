import type { BrokerPort } from "../broker/broker-port.js";
import { REQUEST_CODES } from "./request-codes.js";
import { int, long, optional, type RequestRow, requestRow, text } from "./request-header.js";
import { RESPONSE_CODES } from "./response-codes.js";
import type { Answer } from "./wire-connection.js";

const QUEUE = { topic: text("topic"), queueId: int("queueId") } as const;
const SEARCH = { ...QUEUE, timestamp: long("timestamp"), boundaryType: optional(text("boundaryType")) } as const;
const NEVER = -1;

/**
 * Where queues begin and end. Of a queue that never had a message, one that does not exist too, everything is 0.
 *
 * Source: RocketMQ 5.3.3, `broker/.../processor/AdminBrokerProcessor.java`, `getMaxOffset`, `getMinOffset`, `searchOffsetByTimestamp`, `getEarliestMsgStoretime`.
 */
export function offsetRequests(port: Pick<BrokerPort, "queueEnds" | "searchOffset">): readonly RequestRow[] {
  return [
    requestRow(REQUEST_CODES.GET_MAX_OFFSET, QUEUE, async ({ topic, queueId }) =>
      answered("offset", (await port.queueEnds(topic, queueId)).maxOffset),
    ),
    requestRow(REQUEST_CODES.GET_MIN_OFFSET, QUEUE, async ({ topic, queueId }) =>
      answered("offset", (await port.queueEnds(topic, queueId)).minOffset, ""),
    ),
    requestRow(
      REQUEST_CODES.SEARCH_OFFSET_BY_TIMESTAMP,
      SEARCH,
      async ({ topic, queueId, timestamp, boundaryType }) => {
        const boundary = boundaryType?.toUpperCase() === "UPPER" ? "upper" : "lower";
        return answered("offset", await port.searchOffset(topic, queueId, timestamp, boundary));
      },
    ),
    requestRow(REQUEST_CODES.GET_EARLIEST_MSG_STORETIME, QUEUE, async ({ topic, queueId }) =>
      answered("timestamp", (await port.queueEnds(topic, queueId)).firstStoredAt ?? NEVER),
    ),
  ];
}

function answered(name: string, value: number, remark?: string): Answer {
  return { code: RESPONSE_CODES.SUCCESS, remark, fields: new Map([[name, `${value}`]]) };
}
