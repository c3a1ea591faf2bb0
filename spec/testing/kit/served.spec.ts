import { describe, expect, it } from "vitest";
import { openTestBroker, type TestBroker } from "../../../lib/testing/index.js";
import { serve, type WireService } from "../../../lib/wire/index.js";
import type { RemotingCommand } from "../../../lib/wire/remoting-command.js";
import { WireClient } from "../../support/wire-client.js";

const FREE = { nameserverPort: 0, brokerPort: 0 } as const;

const connect = ({ broker }: WireService): Promise<WireClient> =>
  WireClient.open(Number(broker.slice(broker.lastIndexOf(":") + 1)));

function ask(client: WireClient, code: number, fields: object, body = ""): Promise<RemotingCommand> {
  return client.ask({ code, fields: new Map(Object.entries(fields)), body: Buffer.from(body) });
}

const send = (client: WireClient, body: string): Promise<RemotingCommand> =>
  ask(client, 310, { b: "orders", c: "TBW102", d: "1", e: "0", f: "0", g: "1", h: "0", i: "KEYS\u0001k\u0002" }, body);

const pull = (client: WireClient, offset: number, group = "g"): Promise<RemotingCommand> => {
  const queue = { consumerGroup: group, topic: "orders", queueId: "0", queueOffset: `${offset}` };
  const how = { maxMsgNums: "1", sysFlag: "4", commitOffset: "0", suspendTimeoutMillis: "0", subVersion: "0" };
  return ask(client, 11, { ...queue, ...how, subscription: "*" });
};

async function join(client: WireClient, group = "g"): Promise<void> {
  const consumer = { groupName: group, consumeType: "CONSUME_PASSIVELY", messageModel: "CLUSTERING" };
  const subscription = { topic: "orders", subString: "*", subVersion: 1 };
  const told = { ...consumer, consumeFromWhere: "CONSUME_FROM_FIRST_OFFSET", subscriptionDataSet: [subscription] };
  const body = { clientID: "c", producerDataSet: [{ groupName: "p" }], consumerDataSet: [told] };
  expect((await ask(client, 34, {}, JSON.stringify(body))).code).toBe(0);
}

const progress = (client: WireClient): Promise<RemotingCommand> =>
  ask(client, 14, { consumerGroup: "g", topic: "orders", queueId: "0", setZeroIfNotFound: "false" });

const commit = (client: WireClient, offset: number): Promise<RemotingCommand> =>
  ask(client, 15, { consumerGroup: "g", topic: "orders", queueId: "0", commitOffset: `${offset}` });

/** With a topic of one queue. */
async function openOrders(): Promise<TestBroker> {
  const broker = await openTestBroker({ leaks: "throw" });
  await broker.admin.createTopic("orders", { readQueueNums: 1, writeQueueNums: 1 });
  return broker;
}

describe("a test broker that is served", () => {
  it("has what clients send in its history, and shows members in process what they sent", async () => {
    await using broker = await openOrders();
    await using service = await serve(broker, FREE);
    await using client = await connect(service);
    const consumer = broker.pushConsumer({ group: "g", subscriptions: { orders: "*" }, listener: () => "success" });
    await consumer.start();

    await send(client, "a");
    await broker.runUntilIdle();

    expect(broker.sent("orders").map((message) => [message.text(), message.keys])).toEqual([["a", ["k"]]]);
    expect(broker.history.map(({ state }) => state)).toEqual(["stored", "delivered", "consumed"]);
    await consumer.close();
  });

  it("refuses what clients send with the code that the test has set, and as long as it says", async () => {
    await using broker = await openOrders();
    await using service = await serve(broker, FREE);
    await using client = await connect(service);

    broker.faults.failSend({ topic: "orders", responseCode: 2, times: 1 });
    const codes = [(await send(client, "a")).code, (await send(client, "b")).code];

    expect(codes).toEqual([2, 0]);
    expect(broker.sent().map((message) => message.text())).toEqual(["b"]);
  });

  it("stores what clients send when the time has passed by which they are slow", async () => {
    await using broker = await openOrders();
    await using service = await serve(broker, FREE);
    await using client = await connect(service);
    broker.faults.slowSend({ byMs: 2_000 });

    const sending = send(client, "a");
    await pull(client, 0);
    const before = broker.sent().length;
    await broker.clock.advance(2_000);

    expect((await sending).code).toBe(0);
    expect([before, broker.sent().length]).toEqual([0, 1]);
  });

  it("tells clients that it is busy where a send takes longer than a broker waits", async () => {
    await using broker = await openOrders();
    await using service = await serve(broker, FREE);
    await using client = await connect(service);
    broker.faults.slowSend({ byMs: 5_000 });

    const sending = send(client, "a");
    await pull(client, 0);
    await broker.clock.advance(5_000);

    expect((await sending).code).toBe(2);
    expect(broker.sent()).toEqual([]);
  });

  it("loses the acknowledgements of clients", async () => {
    await using broker = await openOrders();
    await using service = await serve(broker, FREE);
    await using client = await connect(service);
    await join(client);
    await send(client, "a");

    broker.faults.loseAck({ group: "g", times: 1 });
    await commit(client, 1);
    const lost = await progress(client);
    await commit(client, 1);

    expect([lost.code, (await progress(client)).fields?.get("offset")]).toEqual([22, "1"]);
  });

  it("delivers to clients of one group once more when they are done with a message, and to no others", async () => {
    await using broker = await openOrders();
    await using service = await serve(broker, FREE);
    await using client = await connect(service);
    await join(client);
    await join(client, "other");
    await send(client, "a");
    broker.faults.duplicateDelivery({ group: "g", times: 1 });

    const codes = [(await pull(client, 0)).code, (await pull(client, 1)).code];
    await commit(client, 1);
    codes.push((await pull(client, 1, "other")).code, (await pull(client, 1)).code, (await pull(client, 1)).code);

    expect(codes).toEqual([0, 19, 19, 0, 19]);
  });

  it("asks clients for their transactions, and loses what they say of them", async () => {
    await using broker = await openOrders();
    await using service = await serve(broker, FREE);
    await using client = await connect(service);
    await join(client);
    const id = "A".repeat(32);
    const half = { b: "orders", c: "TBW102", d: "1", e: "0", f: "4", g: `${broker.clock.now()}`, h: "0" };
    await ask(client, 310, { ...half, i: `TRAN_MSG\u0001true\u0002PGROUP\u0001p\u0002UNIQ_KEY\u0001${id}\u0002` }, "a");
    broker.faults.loseEndTransaction({ times: 1 });

    await broker.clock.advance(60_000);
    const checked = (await client.asked(2)).find(({ code }) => code === 39);
    const { tranStateTableOffset, commitLogOffset } = Object.fromEntries(checked?.fields ?? []);
    const end = { producerGroup: "p", tranStateTableOffset, commitLogOffset, commitOrRollback: "8", msgId: id };
    const first = await ask(client, 37, { ...end, transactionId: id });
    const hidden = broker.sent().length;
    const second = await ask(client, 37, { ...end, transactionId: id });

    expect(first.code).not.toBe(0);
    expect([hidden, second.code]).toEqual([0, 0]);
    await broker.runUntilIdle();
    expect((await pull(client, 0)).code).toBe(0);
  });

  it.each([
    ["a crash, with what is stored", (broker: TestBroker) => broker.faults.crash(), 0],
    ["a reset, with nothing", (broker: TestBroker) => broker.reset(), 17],
  ] as const)("closes connections at %s, and lets clients in again", async (_title, happen, code) => {
    await using broker = await openOrders();
    await using service = await serve(broker, FREE);
    const [before, stranger] = [await connect(service), await connect(service)];
    await join(before);
    await send(before, "a");
    await pull(stranger, 9);

    await happen(broker);

    for (const client of [before, stranger]) await client.closed();
    await using after = await connect(service);
    await join(after);
    expect((await pull(after, 0)).code).toBe(code);
    expect((await send(after, "b")).code).toBe(0);
  });

  it("closes its service with itself", async () => {
    const broker = await openOrders();
    const service = await serve(broker, FREE);
    const client = await connect(service);

    await broker.close();

    await client.closed();
    await expect(connect(service)).rejects.toMatchObject({ code: "ECONNREFUSED" });
    await expect(serve(broker, FREE)).rejects.toMatchObject({ code: "ERR_MQ_CLOSED" });
  });
});
