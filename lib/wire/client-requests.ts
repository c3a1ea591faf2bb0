import type { BrokerPort } from "../broker/broker-port.js";
import { readHeartbeat } from "./heartbeat.js";
import { objectIn, parseBody } from "./json-body.js";
import { REQUEST_CODES } from "./request-codes.js";
import { optional, type RequestRow, requestRow, text } from "./request-header.js";
import { RESPONSE_CODES } from "./response-codes.js";
import type { WireMembers } from "./wire-members.js";
import type { WireProducers } from "./wire-producers.js";

export interface ClientParts {
  readonly port: Pick<BrokerPort, "memberIds">;
  readonly members: WireMembers;
  readonly producers: WireProducers;
}

/** As RocketMQ 5.3.3 answers every heartbeat: the next one is to be whole again. */
const WHOLE_HEARTBEATS: ReadonlyMap<string, string> = new Map([
  ["IS_SUPPORT_HEART_BEAT_V2", "true"],
  ["IS_SUB_CHANGE", "true"],
]);

const UNREGISTER = {
  clientId: text("clientID"),
  producerGroup: optional(text("producerGroup")),
  consumerGroup: optional(text("consumerGroup")),
} as const;

/**
 * Who is there, and who is no longer. A heartbeat is answered when its consumers take part.
 *
 * Source: RocketMQ 5.3.3, `broker/.../processor/ClientManageProcessor.java`, `ConsumerManageProcessor.java`.
 */
export function clientRequests({ port, members, producers }: ClientParts): readonly RequestRow[] {
  return [
    requestRow(REQUEST_CODES.HEART_BEAT, {}, async (_header, { body }, connection) => {
      const { clientId, consumers, producerGroups } = readHeartbeat(body);
      for (const group of producerGroups) producers.heard(clientId, group, connection);
      for (const consumer of consumers) await members.heard(clientId, consumer, connection);
      return { code: RESPONSE_CODES.SUCCESS, fields: WHOLE_HEARTBEATS };
    }),
    requestRow(REQUEST_CODES.UNREGISTER_CLIENT, UNREGISTER, ({ clientId, producerGroup, consumerGroup }) => {
      if (producerGroup !== undefined) producers.left(producerGroup, clientId);
      if (consumerGroup !== undefined) members.left(consumerGroup, clientId);
      return { code: RESPONSE_CODES.SUCCESS, fields: new Map() };
    }),
    requestRow(REQUEST_CODES.GET_CONSUMER_LIST_BY_GROUP, { group: text("consumerGroup") }, ({ group }) => {
      const consumerIdList = port.memberIds(group);
      if (consumerIdList.length === 0)
        return { code: RESPONSE_CODES.SYSTEM_ERROR, remark: `no consumer for this group, ${group}`, fields: new Map() };
      const body = Buffer.from(JSON.stringify({ consumerIdList }), "utf8");
      return { code: RESPONSE_CODES.SUCCESS, fields: new Map(), body };
    }),
    requestRow(REQUEST_CODES.CHECK_CLIENT_CONFIG, {}, (_header, { body }) => {
      const { subscriptionData } = parseBody("a client's configuration", body);
      const { expressionType } = objectIn("subscriptionData", subscriptionData);
      if (expressionType === undefined || expressionType === null || expressionType === "TAG")
        return { code: RESPONSE_CODES.SUCCESS };
      return {
        code: RESPONSE_CODES.SYSTEM_ERROR,
        remark: `The broker does not support consumer to filter message by ${String(expressionType)}`,
      };
    }),
  ];
}
