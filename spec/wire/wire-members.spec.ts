import Database from "better-sqlite3";
import { describe, expect, it } from "vitest";
import type { WireConnection } from "../../lib/wire/wire-connection.js";
import { WireMembers } from "../../lib/wire/wire-members.js";
import { type RequestHandler, WireServer } from "../../lib/wire/wire-server.js";
import { openTestPort } from "../support/local-broker.js";
import { tempFolder } from "../support/temp-folder.js";
import { openWireBroker } from "../support/wire-broker.js";
import { WireClient } from "../support/wire-client.js";

const GROUP = "billing";
const CONSUMER = {
  group: GROUP,
  messageModel: "clustering",
  subscriptions: new Map([["orders", "*"]]),
  versions: new Map([["orders", 1]]),
} as const;
const ASK = 1;

describe("a member behind a connection that joins", () => {
  it.each([
    [
      "whose connection is closed meanwhile",
      (members: WireMembers, connection: WireConnection) => {
        connection.destroy();
        members.closed(connection);
      },
    ],
    ["that leaves meanwhile", (members: WireMembers) => members.left(GROUP, "a")],
    [
      "whose connection is closed, of which nobody has told yet",
      (_members: WireMembers, connection: WireConnection) => connection.destroy(),
    ],
  ])("does not stay: one %s", async (_name, leave) => {
    await using broker = await openTestPort();
    const members = new WireMembers(broker.port);
    const connections: WireConnection[] = [];
    const handlers = new Map([
      [ASK, (_request: unknown, connection: WireConnection) => void connections.push(connection)],
    ]);
    const server = new WireServer({ handlers, steady: broker.clock, closed: () => undefined, log: () => undefined });
    await using client = await WireClient.open(await server.listen("127.0.0.1", 0));
    void client.ask({ code: ASK });
    await client.ask({ code: ASK + 1 });
    const [connection] = connections as [WireConnection];

    // Its group is made with the commit of a later turn.
    const joining = members.heard("a", CONSUMER, connection);
    leave(members, connection);
    await joining;

    expect(broker.port.memberIds(GROUP)).toEqual([]);
    expect(members.has(GROUP)).toBe(false);
    await server.close();
  });

  it("is told once, and not before its queues are its to lock", async () => {
    using folder = tempFolder();
    await using broker = await openTestPort({}, { path: folder.file("a.db") });
    const { port, clock, mq } = broker;
    await mq.admin.createTopic("orders");
    const members = new WireMembers(port);
    const heldWhenTold: boolean[] = [];
    const join: RequestHandler = async (_request, connection) => {
      const tell = connection.tell.bind(connection);
      connection.tell = (content) => {
        heldWhenTold.push(port.holdsQueue(GROUP, { topic: "orders", brokerName: port.brokerName, queueId: 0 }));
        tell(content);
      };
      await members.heard("a", CONSUMER, connection);
      return { code: 0 };
    };
    const server = new WireServer({
      handlers: new Map([[ASK, join]]),
      ...{ steady: clock, closed: (connection: WireConnection) => members.closed(connection), log: () => undefined },
    });
    {
      await using client = await WireClient.open(await server.listen("127.0.0.1", 0));

      await client.ask({ code: ASK });

      expect(heldWhenTold).toEqual([true]);
    }
    await server.close();
  });
});

describe("a client that comes again on another connection", () => {
  const HEARTBEAT = 34;
  const body = Buffer.from(
    JSON.stringify({
      clientID: "a",
      consumerDataSet: [{ groupName: GROUP, messageModel: "CLUSTERING", subscriptionDataSet: [{ topic: "orders" }] }],
    }),
  );

  it.each([
    ["is open", (): void => undefined],
    ["is closed", (client: WireClient): void => void client.socket.destroy()],
  ])("takes part there, while it is about to on one that %s", async (_name, leave) => {
    await using wire = await openWireBroker();
    const { port, broker, client } = wire;
    await using second = await WireClient.open(port);
    const owner = new Database(wire.path);
    owner.exec("BEGIN IMMEDIATE");

    void client.ask({ code: HEARTBEAT, body });
    await client.ask({ code: 106 });
    leave(client);
    const again = second.ask({ code: HEARTBEAT, body });
    await second.ask({ code: 106 });
    owner.exec("ROLLBACK");
    owner.close();
    await broker.clock.advance(1_000);

    expect((await again).code).toBe(0);
    expect(broker.port.memberIds(GROUP)).toEqual(["a"]);
  });
});
