import { isIPv6 } from "node:net";
import type { BrokerPort, TopicRoute } from "../broker/broker-port.js";
import { REQUEST_CODES } from "./request-codes.js";
import { type RequestRow, requestRow, text } from "./request-header.js";
import { RESPONSE_CODES } from "./response-codes.js";
import type { MessageHost } from "./stored-message.js";
import type { WireConnection } from "./wire-connection.js";

export interface RouteParts {
  readonly port: Pick<BrokerPort, "brokerName" | "clusterName" | "findRoute">;
  /** Where the client of this connection reaches the broker. */
  readonly hostFor: (connection: WireConnection) => MessageHost;
}

/** What RocketMQ's clients read of a broker. */
interface BrokerData {
  readonly brokerAddrs: Readonly<Record<string, string>>;
  readonly brokerName: string;
  readonly cluster: string;
  readonly enableActingMaster: boolean;
}

/** RocketMQ's `MixAll.MASTER_ID`. */
const MASTER = "0";

/**
 * What clients ask a name server: where the queues of a topic are, which is always here.
 *
 * Bodies are JSON without a space and with quoted keys, which every client reads: those of RocketMQ before 4.9.4 get theirs unquoted, and the one for Go splits the text at its commas and colons.
 *
 * Source: RocketMQ 5.3.3, `namesrv/.../processor/ClientRequestProcessor.java`, `DefaultRequestProcessor.java`; `remoting/.../protocol/route/TopicRouteData.java`.
 */
export function routeRequests({ port, hostFor }: RouteParts): readonly RequestRow[] {
  const brokerData = (connection: WireConnection): BrokerData => {
    const { host, port: hostPort } = hostFor(connection);
    return {
      brokerAddrs: { [MASTER]: `${isIPv6(host) ? `[${host}]` : host}:${hostPort}` },
      brokerName: port.brokerName,
      cluster: port.clusterName,
      enableActingMaster: false,
    };
  };
  return [
    requestRow(REQUEST_CODES.GET_ROUTEINFO_BY_TOPIC, { topic: text("topic") }, ({ topic }, _request, connection) => {
      const route = port.findRoute(topic);
      if (route === undefined) return { code: RESPONSE_CODES.TOPIC_NOT_EXIST, remark: noRoute(topic) };
      return succeeded({
        brokerDatas: [brokerData(connection)],
        filterServerTable: {},
        queueDatas: [queueDataOf(route, port.brokerName)],
      });
    }),
    requestRow(REQUEST_CODES.GET_BROKER_CLUSTER_INFO, {}, (_header, _request, connection) =>
      succeeded({
        brokerAddrTable: { [port.brokerName]: brokerData(connection) },
        clusterAddrTable: { [port.clusterName]: [port.brokerName] },
      }),
    ),
  ];
}

function queueDataOf({ perm, readQueueNums, writeQueueNums }: TopicRoute, brokerName: string): object {
  return { brokerName, perm, readQueueNums, topicSysFlag: 0, writeQueueNums };
}

function succeeded(body: object): { readonly code: number; readonly body: Buffer } {
  return { code: RESPONSE_CODES.SUCCESS, body: Buffer.from(JSON.stringify(body), "utf8") };
}

function noRoute(topic: string): string {
  return `No topic route info in name server for the topic: ${topic}\nSee https://rocketmq.apache.org/docs/bestPractice/06FAQ for further details.`;
}
