import type { GroupInfo } from "../admin/admin.js";
import type { BrokerPort } from "../broker/broker-port.js";
import type { Chance } from "../time/chance.js";
import type { Clock } from "../time/clock.js";
import { clientRequests } from "./client-requests.js";
import { lockRequests } from "./lock-requests.js";
import { offsetRequests } from "./offset-requests.js";
import { progressRequests } from "./progress-requests.js";
import { pullRequests } from "./pull-requests.js";
import type { RequestRow } from "./request-header.js";
import { routeRequests } from "./route-requests.js";
import { sendBackRequests } from "./send-back-requests.js";
import { sendRequests } from "./send-requests.js";
import type { MessageHost } from "./stored-message.js";
import { type TopicParts, topicRequests } from "./topic-requests.js";
import { transactionRequests } from "./transaction-requests.js";
import type { WireConnection } from "./wire-connection.js";
import { WireMembers } from "./wire-members.js";
import { WireProducers } from "./wire-producers.js";
import type { WireRequests } from "./wire-server.js";

export interface AllParts {
  readonly port: BrokerPort;
  readonly admin: TopicParts["admin"];
  /** `undefined`: there is no such group. */
  readonly findGroup: (group: string) => Promise<GroupInfo | undefined>;
  /** Where the client of this connection reaches the broker. */
  readonly hostFor: (connection: WireConnection) => MessageHost;
  /** For messages that have none. */
  readonly newId: () => string;
  readonly chance: Chance;
  readonly steady: Clock;
}

/** Everything that clients can ask of a broker and its name server. */
export function allRequests(parts: AllParts): WireRequests {
  const { port, admin, findGroup, hostFor } = parts;
  const members = new WireMembers(port);
  const producers = new WireProducers(parts);
  // A group that has members exists: clients tell their progress each five seconds.
  const hasGroup = async (group: string): Promise<boolean> =>
    members.has(group) || (await findGroup(group)) !== undefined;
  const rows: readonly RequestRow[] = [
    ...routeRequests({ port, hostFor }),
    ...topicRequests({ port, admin }),
    ...clientRequests({ port, members, producers }),
    ...sendRequests(parts),
    ...pullRequests({ port, members, hasGroup, hostFor }),
    ...offsetRequests(port),
    ...progressRequests({ port, hasGroup }),
    ...lockRequests(port),
    ...sendBackRequests(port),
    ...transactionRequests(port),
  ];
  return {
    handlers: new Map(rows.map(({ code, handle }) => [code, handle])),
    closed: (connection) => {
      members.closed(connection);
      producers.closed(connection);
    },
  };
}
