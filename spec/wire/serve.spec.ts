import { describe, expect, it } from "vitest";
import { openBroker } from "../../lib/index.js";
import type { RemotingCommand } from "../../lib/wire/remoting-command.js";
import { type ServeOptions, serve } from "../../lib/wire/serve.js";
import { openShared } from "../support/shared-connection.js";
import { openRecordedBroker } from "../support/test-broker.js";
import { WireClient } from "../support/wire-client.js";

const FREE = { nameserverPort: 0, brokerPort: 0 } as const;

const portOf = (address: string): number => Number(address.slice(address.lastIndexOf(":") + 1));

async function askRoute(address: string, topic = "TBW102"): Promise<RemotingCommand> {
  await using client = await WireClient.open(portOf(address), address.startsWith("[") ? "::1" : "127.0.0.1");
  return await client.ask({ code: 105, fields: new Map([["topic", topic]]) });
}

async function brokerOf(address: string): Promise<unknown> {
  const { body } = await askRoute(address);
  return (JSON.parse(body.toString()) as { readonly brokerDatas: [{ readonly brokerAddrs: object }] }).brokerDatas[0]
    .brokerAddrs;
}

describe("serve", () => {
  it("lets clients in on two ports and the one that old clients use, and tells them where the broker is", async () => {
    await using broker = await openRecordedBroker();
    await using service = await serve(broker.mq, FREE);

    expect(new Set([service.nameserver, service.broker]).size).toBe(2);
    for (const address of [service.nameserver, service.broker, `127.0.0.1:${portOf(service.broker) - 2}`])
      expect(await brokerOf(address)).toEqual({ "0": service.broker });
  });

  it("serves the same topics and groups as members in process", async () => {
    await using broker = await openRecordedBroker({ defaultQueueCount: 1 });
    const { mq, clock } = broker;
    await using service = await serve(mq, FREE);
    await using client = await WireClient.open(portOf(service.broker));
    const consumed: string[] = [];
    const listener = (message: { text(): string }): void => void consumed.push(message.text());
    await mq.pushConsumer({ group: "g", subscriptions: { orders: "*" }, listener }).start();
    const fields = { b: "orders", c: "TBW102", d: "1", e: "0", f: "0", g: "1", h: "0" };

    await client.ask({ code: 310, fields: new Map(Object.entries(fields)), body: Buffer.from("over the wire") });
    await clock.advance(30_000);
    const unknown = { consumerGroup: "nobody", topic: "orders", queueId: "0", commitOffset: "1" };
    const refused = await client.ask({ code: 15, fields: new Map(Object.entries(unknown)) });

    expect(consumed).toEqual(["over the wire"]);
    expect(refused.code).toBe(26);
  });

  it("has a client's send wait for the end of a transaction of the connection's owner", async () => {
    await using shared = await openShared("attached memory database");
    await using service = await serve(shared.mq, FREE);
    await using client = await WireClient.open(portOf(service.broker));
    const fields = { b: "orders", c: "TBW102", d: "1", e: "0", f: "0", g: "1", h: "0" };
    shared.database.exec("BEGIN");

    const sending = client.ask({ code: 310, fields: new Map(Object.entries(fields)), body: Buffer.from("a") });
    await client.ask({ code: 106 });
    shared.database.exec("ROLLBACK");
    await shared.clock.advance(1_000);

    expect(await sending).toMatchObject({ code: 0 });
  });

  it.each([
    ["192.0.2.1", (port: number) => `192.0.2.1:${port}`],
    ["192.0.2.1:19911", () => "192.0.2.1:19911"],
    ["2001:db8::1", (port: number) => `[2001:db8::1]:${port}`],
    ["[2001:db8::1]:19911", () => "[2001:db8::1]:19911"],
  ])("tells clients what it is to advertise: %s", async (advertise, told) => {
    await using broker = await openRecordedBroker();
    await using service = await serve(broker.mq, { ...FREE, advertise });

    expect(await brokerOf(service.nameserver)).toEqual({ "0": told(portOf(service.broker)) });
  });

  it("listens on an IPv6 address too", async () => {
    await using broker = await openRecordedBroker();
    await using service = await serve(broker.mq, { ...FREE, host: "::1" });

    expect(service.broker).toMatch(/^\[::1\]:\d+$/);
    expect(await brokerOf(service.nameserver)).toEqual({ "0": service.broker });
  });

  it("closes its connections, and lets the broker go on", async () => {
    await using broker = await openRecordedBroker();
    const service = await serve(broker.mq, FREE);
    const client = await WireClient.open(portOf(service.broker));
    await client.ask({ code: 106 });

    await service.close();

    await client.closed();
    await expect(WireClient.open(portOf(service.broker))).rejects.toMatchObject({ code: "ECONNREFUSED" });
    await broker.mq.producer({ group: "p" }).send({ topic: "orders", body: "a" });
  });

  it("leaves nothing behind when a port is taken", async () => {
    await using broker = await openRecordedBroker();
    await using service = await serve(broker.mq, FREE);
    const taken = portOf(service.nameserver);

    await expect(serve(broker.mq, { nameserverPort: taken, brokerPort: 0 })).rejects.toMatchObject({
      code: "ERR_MQ_INVALID_ARGUMENT",
    });
  });

  it.each([
    [{ host: "0.0.0.0" }, "host"],
    [{ host: "::" }, "host"],
    [{ host: "192.0.2.1" }, "host"],
    [{ host: "localhost" }, "host"],
    [{ host: "127.0.0.1.example" }, "host"],
    [{ nameserverPort: -1 }, "nameserverPort"],
    [{ nameserverPort: 65_536 }, "nameserverPort"],
    [{ brokerPort: 2 }, "brokerPort"],
    [{ brokerPort: 1.5 }, "brokerPort"],
    [{ advertise: "" }, "advertise"],
    [{ advertise: "example.com:1" }, "advertise"],
    [{ advertise: "192.0.2.1:0" }, "advertise"],
    [{ advertise: "192.0.2.1:65536" }, "advertise"],
    [{ advertise: "192.0.2.1:1/x" }, "advertise"],
    [{ advertise: "192.0.2.1:" }, "advertise"],
    [{ ports: 1 }, "ports"],
  ])("refuses %j, and names what is wrong", async (options, name) => {
    await using broker = await openRecordedBroker();

    const refused = serve(broker.mq, { ...FREE, ...options } as ServeOptions);

    await expect(refused).rejects.toMatchObject({
      code: "ERR_MQ_INVALID_ARGUMENT",
      message: expect.stringContaining(name),
    });
  });

  it("refuses what is no broker", async () => {
    for (const broker of [undefined, {}, "mq"])
      await expect(serve(broker as never)).rejects.toThrow("serve needs a broker");
  });

  it("is closed before its broker is", async () => {
    const mq = await openBroker(":memory:");
    const service = await serve(mq, FREE);
    await using client = await WireClient.open(portOf(service.broker));

    await mq.close();

    await client.closed();
    await expect(WireClient.open(portOf(service.nameserver))).rejects.toMatchObject({ code: "ECONNREFUSED" });
    await service.close();
  });

  it("listens nowhere when the broker is closed before it does", async () => {
    await using broker = await openRecordedBroker();
    const serving = serve(broker.mq, FREE);

    await broker.mq.close();

    await expect(serving).rejects.toMatchObject({ code: "ERR_MQ_CLOSED" });
  });

  it("refuses a broker that is closed", async () => {
    const mq = await openBroker(":memory:");
    await mq.close();

    await expect(serve(mq, FREE)).rejects.toMatchObject({ code: "ERR_MQ_CLOSED" });
  });
});
