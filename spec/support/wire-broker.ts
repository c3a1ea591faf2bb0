import type { BrokerSettings } from "../../lib/broker-options.js";
import type { MessageView } from "../../lib/index.js";
import { UniqueIdGenerator } from "../../lib/message/unique-id.js";
import { seededChance } from "../../lib/time/chance.js";
import { clientRequests } from "../../lib/wire/client-requests.js";
import { lockRequests } from "../../lib/wire/lock-requests.js";
import { offsetRequests } from "../../lib/wire/offset-requests.js";
import { progressRequests } from "../../lib/wire/progress-requests.js";
import { pullRequests } from "../../lib/wire/pull-requests.js";
import type { RequestRow } from "../../lib/wire/request-header.js";
import { routeRequests } from "../../lib/wire/route-requests.js";
import { sendBackRequests } from "../../lib/wire/send-back-requests.js";
import { sendRequests } from "../../lib/wire/send-requests.js";
import type { MessageHost } from "../../lib/wire/stored-message.js";
import { transactionRequests } from "../../lib/wire/transaction-requests.js";
import { WireMembers } from "../../lib/wire/wire-members.js";
import { WireProducers } from "../../lib/wire/wire-producers.js";
import { WireServer } from "../../lib/wire/wire-server.js";
import { openTestPort, type TestPort } from "./local-broker.js";
import { browseQueue } from "./shared-connection.js";
import { WireClient } from "./wire-client.js";

/** Where clients are told that the broker is. */
export const HOST: MessageHost = { host: "192.0.2.7", port: 10_911 };
export const ADDRESS = `${HOST.host}:${HOST.port}`;

/** A broker with the profile of RocketMQ, in memory and under virtual time, that answers on a port. */
export interface WireBroker extends AsyncDisposable {
  readonly broker: TestPort;
  readonly port: number;
  /** Connected to it. */
  readonly client: WireClient;
  /** What lies in a queue. */
  stored(topic: string, queueId?: number): Promise<readonly MessageView[]>;
}

export async function openWireBroker(settings: BrokerSettings = {}): Promise<WireBroker> {
  const broker = await openTestPort({ profile: "rocketmq", ...settings });
  const members = new WireMembers(broker.port);
  const producers = new WireProducers({ port: broker.port, hostFor: () => HOST });
  const rows = [...rowsOf(broker, members), ...clientRequests({ port: broker.port, members, producers })];
  const server = new WireServer({
    handlers: new Map(rows.map(({ code, handle }) => [code, handle])),
    ...{ steady: broker.clock, log: () => undefined },
    closed: (connection) => {
      members.closed(connection);
      producers.closed(connection);
    },
  });
  const port = await server.listen("127.0.0.1", 0);
  const client = await WireClient.open(port);
  return {
    ...{ broker, port, client },
    stored: (topic, queueId = 0) => browseQueue(broker.mq, topic, queueId),
    [Symbol.asyncDispose]: async () => {
      await client[Symbol.asyncDispose]();
      await server.close();
      await broker[Symbol.asyncDispose]();
    },
  };
}

function rowsOf({ port, mq, clock }: TestPort, members: WireMembers): readonly RequestRow[] {
  const chance = seededChance(1);
  const ids = new UniqueIdGenerator({ clock, chance, address: "127.0.0.1", processId: 1 });
  return [
    ...routeRequests({ port, addressFor: () => ADDRESS }),
    ...transactionRequests(port),
    ...sendBackRequests(port),
    ...lockRequests(port),
    ...offsetRequests(port),
    ...pullRequests({ port, members, hostFor: () => HOST }),
    ...progressRequests({
      port,
      hasGroup: async (group) => (await mq.admin.listGroups()).some((known) => known.group === group),
      hasMembers: (group) => members.has(group),
    }),
    ...sendRequests({ port, chance, steady: clock, hostFor: () => HOST, newId: () => ids.next(clock.now()) }),
  ];
}
