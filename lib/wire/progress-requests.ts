import type { BrokerPort } from "../broker/broker-port.js";
import { REQUEST_CODES } from "./request-codes.js";
import { int, long, optional, type RequestRow, requestRow, text } from "./request-header.js";
import { RESPONSE_CODES } from "./response-codes.js";
import type { Answer } from "./wire-connection.js";

export interface ProgressParts {
  readonly port: Pick<BrokerPort, "findRoute" | "queryOffset" | "updateOffset">;
  readonly hasGroup: (group: string) => Promise<boolean>;
}

const PLACE = { group: text("consumerGroup"), topic: text("topic"), queueId: int("queueId") } as const;
const QUERY = { ...PLACE, setZeroIfNotFound: optional(text("setZeroIfNotFound")) } as const;
const UPDATE = { ...PLACE, offset: long("commitOffset") } as const;

/**
 * How far groups have come.
 *
 * What a client says of a queue that there is not, or of an offset below 0, is taken and has no effect; RocketMQ stores it.
 *
 * Source: RocketMQ 5.3.3, `broker/.../processor/ConsumerManageProcessor.java`, `queryConsumerOffset`, `updateConsumerOffset`.
 */
export function progressRequests({ port, hasGroup }: ProgressParts): readonly RequestRow[] {
  const exists = (topic: string, queueId: number): boolean => {
    const route = port.findRoute(topic);
    return route !== undefined && queueId >= 0 && queueId < route.queueNums;
  };
  return [
    requestRow(REQUEST_CODES.QUERY_CONSUMER_OFFSET, QUERY, async ({ group, topic, queueId, setZeroIfNotFound }) => {
      if (!exists(topic, queueId)) return notFound(FIRST_BOOT);
      const { storedOffset, nextOffset } = await port.queryOffset(group, topic, queueId);
      if (storedOffset !== undefined) return found(storedOffset);
      if (setZeroIfNotFound === "false") return notFound("Not found, do not set to zero, maybe this group boot first");
      return nextOffset === undefined ? notFound(FIRST_BOOT) : found(nextOffset);
    }),
    requestRow(REQUEST_CODES.UPDATE_CONSUMER_OFFSET, UPDATE, async ({ group, topic, queueId, offset }) => {
      if (!(await hasGroup(group)))
        return {
          code: RESPONSE_CODES.SUBSCRIPTION_GROUP_NOT_EXIST,
          remark: `Group ${group} not exist!`,
          fields: new Map(),
        };
      if (port.findRoute(topic) === undefined)
        return { code: RESPONSE_CODES.TOPIC_NOT_EXIST, remark: `Topic ${topic} not exist!`, fields: new Map() };
      if (offset >= 0 && exists(topic, queueId)) port.updateOffset(group, topic, queueId, offset, "set-free");
      return { code: RESPONSE_CODES.SUCCESS, fields: new Map() };
    }),
  ];
}

const FIRST_BOOT = "Not found, V3_0_6_SNAPSHOT maybe this group consumer boot first";

function found(offset: number): Answer {
  return { code: RESPONSE_CODES.SUCCESS, fields: new Map([["offset", `${offset}`]]) };
}

function notFound(remark: string): Answer {
  return { code: RESPONSE_CODES.QUERY_NOT_FOUND, remark, fields: new Map() };
}
