import type { BrokerSettings } from "../../lib/broker-options.js";
import type { MessageView } from "../../lib/index.js";
import { UniqueIdGenerator } from "../../lib/message/unique-id.js";
import { seededChance } from "../../lib/time/chance.js";
import { allRequests } from "../../lib/wire/all-requests.js";
import type { MessageHost } from "../../lib/wire/stored-message.js";
import { WireServer } from "../../lib/wire/wire-server.js";
import { openTestPort, type TestPort } from "./local-broker.js";
import { browseQueue } from "./shared-connection.js";
import { tempFolder } from "./temp-folder.js";
import { WireClient } from "./wire-client.js";

/** Where clients are told that the broker is. */
export const HOST: MessageHost = { host: "192.0.2.7", port: 10_911 };
export const ADDRESS = `${HOST.host}:${HOST.port}`;

/** A broker with the profile of RocketMQ, on a file that others may have open and under virtual time, that answers on a port. */
export interface WireBroker extends AsyncDisposable {
  readonly broker: TestPort;
  readonly port: number;
  /** Its store. */
  readonly path: string;
  /** Connected to it. */
  readonly client: WireClient;
  /** What lies in a queue. */
  stored(topic: string, queueId?: number): Promise<readonly MessageView[]>;
}

export async function openWireBroker(settings: BrokerSettings = {}): Promise<WireBroker> {
  const folder = tempFolder();
  const path = folder.file("wire.db");
  const broker = await openTestPort({ profile: "rocketmq", ...settings }, { path });
  const { mq, clock } = broker;
  const chance = seededChance(1);
  const ids = new UniqueIdGenerator({ clock, chance, address: "127.0.0.1", processId: 1 });
  const requests = allRequests({
    ...{
      port: broker.port,
      admin: mq.admin,
      chance,
      steady: clock,
      hostFor: () => HOST,
      newId: () => ids.next(clock.now()),
    },
    findGroup: async (group) => (await mq.admin.listGroups()).find((known) => known.group === group),
  });
  const server = new WireServer({ ...requests, steady: clock, log: () => undefined });
  const port = await server.listen("127.0.0.1", 0);
  const client = await WireClient.open(port);
  return {
    ...{ broker, port, path, client },
    stored: (topic, queueId = 0) => browseQueue(mq, topic, queueId),
    [Symbol.asyncDispose]: async () => {
      await client[Symbol.asyncDispose]();
      await server.close();
      await broker[Symbol.asyncDispose]();
      folder[Symbol.dispose]();
    },
  };
}
