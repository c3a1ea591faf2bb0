import { describe, expect, it } from "vitest";
import type { RemotingCommand } from "../../lib/wire/remoting-command.js";
import { serve } from "../../lib/wire/serve.js";
import { loadFacts } from "../support/facts.js";
import { loadFrames } from "../support/frames.js";
import { openTestPort } from "../support/local-broker.js";
import { openWireBroker, type WireBroker } from "../support/wire-broker.js";
import { WireClient } from "../support/wire-client.js";

const [HEARTBEAT, UNREGISTER, CONSUMERS, CHANGED] = [34, 35, 38, 40] as const;
const GROUP = "fr-two";

/** What a Java client says of itself, with its group and what it subscribes to. */
function heartbeatOf(clientID: string, subscriptions: Readonly<Record<string, string>> = { FrPush: "*" }): Buffer {
  const recorded = loadFrames("push-second-member").find(
    ({ kind, name }) => kind === "request" && name === "HEART_BEAT",
  );
  const body = recorded?.bodyJson as { readonly consumerDataSet: readonly [object] };
  const [consumer] = body.consumerDataSet;
  const all = { ...subscriptions, [`%RETRY%${GROUP}`]: "*" };
  const subscriptionDataSet = Object.entries(all).map(([topic, subString]) => ({
    topic,
    subString,
    expressionType: "TAG",
  }));
  return Buffer.from(JSON.stringify({ ...body, clientID, consumerDataSet: [{ ...consumer, subscriptionDataSet }] }));
}

const beat = (
  client: WireClient,
  clientId: string,
  subscriptions?: Readonly<Record<string, string>>,
): Promise<RemotingCommand> => client.ask({ code: HEARTBEAT, body: heartbeatOf(clientId, subscriptions) });

async function consumersOf({ client }: WireBroker, group: string = GROUP): Promise<RemotingCommand> {
  return client.ask({ code: CONSUMERS, fields: new Map([["consumerGroup", group]]) });
}

async function idsOf(server: WireBroker): Promise<readonly string[]> {
  const { body } = await consumersOf(server);
  return body.length === 0 ? [] : (JSON.parse(body.toString()) as { readonly consumerIdList: string[] }).consumerIdList;
}

const leave = (client: WireClient, clientID: string): Promise<RemotingCommand> =>
  client.ask({ code: UNREGISTER, fields: new Map(Object.entries({ clientID, consumerGroup: GROUP })) });

describe("a consumer behind a connection", () => {
  it("takes part with its first heartbeat, which is answered as RocketMQ does after all members were told", async () => {
    const answers = loadFrames("push-second-member").filter(({ answers: name }) => name === "HEART_BEAT");
    await using server = await openWireBroker();
    await using other = await WireClient.open(server.port);

    const first = await beat(server.client, "a");
    const toldFirst = [...server.client.requests];
    const second = await beat(other, "b");
    await server.client.asked(2);

    for (const answer of [first, second])
      expect([answer.code, Object.fromEntries(answer.fields ?? [])]).toEqual([0, answers[0]?.header.extFields]);
    expect(toldFirst.map(({ code, fields }) => [code, fields?.get("consumerGroup")])).toEqual([[CHANGED, GROUP]]);
    expect([server.client.requests.length, other.requests.length]).toEqual([2, 1]);
    expect(await idsOf(server)).toEqual(["a", "b"]);
  });

  it("is not told again while the members are the same, however often it is heard of", async () => {
    await using server = await openWireBroker();
    await beat(server.client, "a");

    for (let heartbeat = 0; heartbeat < 5; heartbeat += 1) {
      await server.broker.clock.advance(30_000);
      await beat(server.client, "a");
    }

    expect(server.client.requests).toHaveLength(1);
  });

  it("leaves when it says so, twice is no mistake, and when its connection is closed; the others are told", async () => {
    await using server = await openWireBroker();
    await using second = await WireClient.open(server.port);
    await using third = await WireClient.open(server.port);
    await beat(server.client, "a");
    await beat(second, "b");
    await beat(third, "c");
    await server.client.asked(3);

    const left = [await leave(second, "b"), await leave(second, "b")];
    await server.client.asked(4);
    third.socket.destroy();
    await server.client.asked(5);

    const unknown = loadFacts("validation").observed<{ readonly code: number; readonly ext: object }>(
      "raw-unsubscribe-unknown",
    );
    expect(left.map(({ code, fields }) => ({ code, ext: Object.fromEntries(fields ?? []) }))).toMatchObject(
      [unknown, unknown].map(({ code, ext }) => ({ code, ext })),
    );
    expect(await idsOf(server)).toEqual(["a"]);
  });

  it("is gone after 120 s of silence, though its connection is not", async () => {
    await using server = await openWireBroker();
    await using silent = await WireClient.open(server.port);
    await beat(server.client, "a");
    await beat(silent, "b");

    for (let heartbeat = 0; heartbeat < 5; heartbeat += 1) {
      await server.broker.clock.advance(30_000);
      await beat(server.client, "a");
      await silent.ask({ code: CONSUMERS, fields: new Map([["consumerGroup", GROUP]]) });
    }

    expect(await idsOf(server)).toEqual(["a"]);
    await beat(silent, "b");
    expect(await idsOf(server)).toEqual(["a", "b"]);
  });

  it("takes its own place when it comes again on another connection, whose end alone counts", async () => {
    await using server = await openWireBroker();
    await using before = await WireClient.open(server.port);
    await using after = await WireClient.open(server.port);
    await beat(server.client, "a");
    await beat(before, "b");

    await beat(after, "b");
    before.socket.destroy();
    await before.closed();

    expect(await idsOf(server)).toEqual(["a", "b"]);
    after.socket.destroy();
    await after.closed();
    while ((await idsOf(server)).length > 1) await server.broker.clock.settle();
    expect(await idsOf(server)).toEqual(["a"]);
  });

  it("shares the queues of its group with members in process, as RocketMQ's clients do among themselves", async () => {
    await using server = await openWireBroker();
    const { mq, clock } = server.broker;
    await mq.admin.createTopic("FrPush", { readQueueNums: 4, writeQueueNums: 4 });
    const consumed: string[] = [];
    const listener = (message: { readonly queueId: number }): void => void consumed.push(`${message.queueId}`);
    await mq.pushConsumer({ group: GROUP, subscriptions: { FrPush: "*" }, listener }).start();
    await beat(server.client, "zzz");
    await clock.settle();

    const ids = await idsOf(server);
    const producer = mq.producer({ group: "p" });
    for (let queue = 0; queue < 4; queue += 1) await producer.send({ topic: "FrPush", body: "a" }, { queue });
    await clock.advance(1_000);

    expect(ids).toHaveLength(2);
    // Whose name comes first has the first half.
    expect(consumed.sort()).toEqual(ids[0] === "zzz" ? ["2", "3"] : ["0", "1"]);
  });

  it("counts for its group with what it subscribes to now", async () => {
    await using server = await openWireBroker();
    const { mq } = server.broker;
    await mq.admin.createTopic("FrPush", { readQueueNums: 1, writeQueueNums: 1 });
    await beat(server.client, "a", { FrPush: "x || y" });
    await beat(server.client, "a", { FrPush: "z" });

    const popper = mq.simpleConsumer({ group: "other", subscriptions: { FrPush: "*" } });
    await popper.start();
    const subscribed = server.broker.port.members.own(GROUP).map(({ subscriptions }) => [...subscriptions]);
    expect(subscribed).toEqual([
      [
        ["FrPush", "z"],
        [`%RETRY%${GROUP}`, "*"],
      ],
    ]);
    await popper.close();
  });

  it("makes its group and the retry topic of that", async () => {
    await using server = await openWireBroker();

    await beat(server.client, "a");

    expect(await server.broker.mq.admin.getGroup(GROUP)).toMatchObject({ group: GROUP });
    expect(await server.broker.mq.admin.getTopic(`%RETRY%${GROUP}`)).toMatchObject({ readQueueNums: 1, perm: "RW" });
  });
});

describe("the members of a group over the wire", () => {
  it("are none, as RocketMQ says it, where nobody is in it", async () => {
    const expected = loadFacts("validation").observed<{ readonly code: number; readonly remark: string }>(
      "raw-consumer-list-none",
    );
    await using server = await openWireBroker();

    const { code, remark } = await consumersOf(server, "gNobody");

    expect([code, remark]).toEqual([expected.code, expected.remark]);
  });
});

describe("a heartbeat", () => {
  it.each([
    ["no JSON", "{"],
    ["no object", "[]"],
    ["no client id", "{}"],
    ["consumers that are no array", '{"clientID":"a","consumerDataSet":{}}'],
    ["a consumer that is no object", '{"clientID":"a","consumerDataSet":["x"]}'],
    ["a group that is no name", '{"clientID":"a","consumerDataSet":[{"groupName":"a b"}]}'],
    [
      "a consumer of more than 10,000 topics",
      subscribing(Array.from({ length: 10_001 }, (_, number) => ({ topic: `t${number}` }))),
    ],
    ["a tag expression of more than 1 MiB", subscribing([{ topic: "t", subString: "x".repeat(2 ** 20 + 1) }])],
    [
      "a topic that is no text",
      '{"clientID":"a","consumerDataSet":[{"groupName":"g","subscriptionDataSet":[{"topic":1}]}]}',
    ],
  ])("is refused with 1 when it has %s, and nobody joins", async (_name, body) => {
    await using server = await openWireBroker();

    const answer = await server.client.ask({ code: HEARTBEAT, body: Buffer.from(body) });

    expect(answer.code).toBe(1);
    expect((await consumersOf(server, "g")).code).toBe(1);
  });

  it("of a client that only sends changes no group", async () => {
    await using server = await openWireBroker();
    const body = Buffer.from('{"clientID":"a","producerDataSet":[{"groupName":"CLIENT_INNER_PRODUCER"}]}');

    expect((await server.client.ask({ code: HEARTBEAT, body })).code).toBe(0);
    expect(server.client.requests).toEqual([]);
  });

  it.each([
    ["producers", { producerDataSet: groups(1_001) }, { producerDataSet: groups(1) }],
    ["consumers", { consumerDataSet: groups(1_001) }, { consumerDataSet: groups(1) }],
  ])(
    "is refused with 1 when a connection has more than 1,000 %s, of which those stay that it had",
    async (_name, many, one) => {
      await using broker = await openTestPort();
      await using service = await serve(broker.mq, { nameserverPort: 0, brokerPort: 0 });
      await using client = await WireClient.open(Number(service.broker.split(":")[1]));
      const tell = async (heartbeat: object, clientID = "a"): Promise<number> =>
        (await client.ask({ code: HEARTBEAT, body: Buffer.from(JSON.stringify({ clientID, ...heartbeat })) })).code;

      expect(await tell(many)).toBe(1);
      expect(await tell(one)).toBe(0);
      expect(await tell(one, "b")).toBe(1);
      const left = { clientID: "a", consumerGroup: "g0", producerGroup: "g0" };
      await client.ask({ code: UNREGISTER, fields: new Map(Object.entries(left)) });
      expect(await tell(one, "b")).toBe(0);
    },
  );
});

function subscribing(subscriptionDataSet: readonly object[]): string {
  return JSON.stringify({ clientID: "a", consumerDataSet: [{ groupName: "g", subscriptionDataSet }] });
}

function groups(count: number): readonly object[] {
  return Array.from({ length: count }, (_, number) => ({ groupName: `g${number}` }));
}
