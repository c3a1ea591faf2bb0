import { deflateSync } from "node:zlib";
import { describe, expect, it } from "vitest";
import type { BrokerSettings } from "../../lib/broker-options.js";
import { decodeProperties } from "../../lib/message/properties.js";
import type { RemotingCommand } from "../../lib/wire/remoting-command.js";
import { loadFacts } from "../support/facts.js";
import { loadFrames } from "../support/frames.js";
import { decodeStoredMessages } from "../support/stored-message.js";
import { HOST, openWireBroker, type WireBroker } from "../support/wire-broker.js";
import { WireClient } from "../support/wire-client.js";

const [PULL, SEND, HEARTBEAT, QUERY_OFFSET] = [11, 310, 34, 14] as const;
const [COMMIT, SUSPEND, SUBSCRIPTION] = [1, 2, 4] as const;
const validation = loadFacts("validation");

type Fields = Readonly<Record<string, string | number>>;

function pull({ client }: { readonly client: WireClient }, changes: Fields = {}): Promise<RemotingCommand> {
  const usual = {
    consumerGroup: "gVal",
    topic: "Val",
    queueId: 0,
    queueOffset: 0,
    maxMsgNums: 32,
    sysFlag: SUBSCRIPTION,
    commitOffset: 0,
    suspendTimeoutMillis: 15_000,
    subscription: "*",
    subVersion: 0,
    expressionType: "TAG",
  };
  const fields = Object.entries({ ...usual, ...changes }).map(([name, value]) => [name, `${value}`] as const);
  return client.ask({ code: PULL, fields: new Map(fields) });
}

/** As a push consumer does, which has told what it subscribes to. */
const pullSubscribed = (server: WireBroker, changes: Fields = {}): Promise<RemotingCommand> =>
  pull(server, { sysFlag: 0, subVersion: 7, ...changes });

function subscribe({ client }: WireBroker, subString: string, subVersion: number): Promise<RemotingCommand> {
  const subscriptionDataSet = [{ topic: "Val", subString, subVersion, expressionType: "TAG" }];
  const consumerDataSet = [{ groupName: "gVal", messageModel: "CLUSTERING", subscriptionDataSet }];
  return client.ask({ code: HEARTBEAT, body: Buffer.from(JSON.stringify({ clientID: "a", consumerDataSet })) });
}

function send(
  { client }: WireBroker,
  text: string | Buffer,
  properties: Readonly<Record<string, string>> = {},
  more: Readonly<Record<string, string>> = {},
): Promise<RemotingCommand> {
  const i = Object.entries(properties)
    .map(([name, value]) => `${name}\u0001${value}\u0002`)
    .join("");
  const fields = { b: "Val", c: "TBW102", d: "4", e: "0", f: "0", g: "1700000000000", h: "0", i, ...more };
  return client.ask({ code: SEND, fields: new Map(Object.entries(fields)), body: Buffer.from(text as string) });
}

/** A topic of two queues, of which the first has messages, and a group. */
async function openVal(...texts: readonly string[]): Promise<WireBroker> {
  return openValWith({}, texts);
}

async function openValWith(settings: BrokerSettings, texts: readonly string[]): Promise<WireBroker> {
  const server = await openWireBroker(settings);
  const { admin } = server.broker.mq;
  await admin.createTopic("Val", { readQueueNums: 2, writeQueueNums: 2 });
  await admin.createTopic("ValWriteOnly", { perm: "W" });
  await admin.createGroup("gVal");
  for (const text of texts) await send(server, text, { TAGS: text });
  return server;
}

const fieldsOf = ({ fields }: RemotingCommand): Readonly<Record<string, string>> => Object.fromEntries(fields ?? []);
const textsOf = ({ body }: RemotingCommand): readonly string[] =>
  decodeStoredMessages(body).map((message) => message.body.toString());

describe("a pull over the wire", () => {
  it.each([
    ["raw-pull-write-only-topic", { topic: "ValWriteOnly" }],
    ["raw-pull-unknown-topic", { topic: "ValNope" }],
    ["raw-pull-bad-queue", { queueId: 5 }],
    ["raw-pull-bad-expression", { subscription: "||" }],
    ["raw-pull-sql-disabled", { expressionType: "SQL92" }],
    ["raw-pull-without-subscription", { sysFlag: 0 }],
  ] as const)("is refused as RocketMQ does: %s", async (fact, changes) => {
    const expected = validation.observed<{ readonly code: number; readonly remark: string; readonly ext: object }>(
      fact,
    );
    await using server = await openVal("a");
    const consumer = `${server.client.socket.localAddress}:${server.client.socket.localPort}`;

    const answer = await pull(server, changes);

    expect([answer.code, answer.remark]).toEqual([expected.code, expected.remark.replace("<host>:<port>", consumer)]);
    expect(fieldsOf(answer)).toEqual(expected.ext);
  });

  it("is refused as RocketMQ does of a group that nobody made, where none are made by themselves", async () => {
    const { code, remark } = loadFacts("filters-live").observed<{ readonly code: number; readonly remark: string }>(
      "group-auto-create-off-pull",
    );
    await using server = await openWireBroker({ autoCreateGroup: false });
    await server.broker.mq.admin.createTopic("Val");

    expect(await pull(server, { consumerGroup: "g-fl-unknown" })).toMatchObject({ code, remark });
  });

  it("is answered as recorded: with messages, none that match, at the end, beyond it", async () => {
    const recorded = loadFrames("pull-consumer")
      .filter(({ answers }) => answers === "PULL_MESSAGE")
      .slice(0, 4);
    await using server = await openVal("a");
    await server.broker.mq.admin.createGroup("fr-pull");
    const asked = loadFrames("pull-consumer")
      .filter(({ kind, name }) => kind === "request" && name === "PULL_MESSAGE")
      .slice(0, 4);

    for (const [index, { header }] of recorded.entries()) {
      const answer = await pull(server, { ...asked[index]?.header.extFields, topic: "Val" });

      expect([answer.code, answer.remark]).toEqual([header.code, header.remark]);
      expect(fieldsOf(answer)).toEqual(header.extFields);
      const raw = Buffer.from(recorded[index]?.rawHex as string, "hex").toString("latin1");
      expect([...(answer.fields?.keys() ?? [])]).toEqual(
        Object.keys(JSON.parse(`{${/"extFields":\{(.*?)\}/.exec(raw)?.[1]}}`)),
      );
      expect(textsOf(answer)).toEqual(header.code === 0 ? ["a"] : []);
    }
  });

  it("is told of an empty queue, at its beginning and beyond", async () => {
    await using server = await openVal();

    expect(await pull(server)).toMatchObject({ code: 19, remark: "NO_MESSAGE_IN_QUEUE" });
    expect(await pull(server, { queueOffset: 5 })).toMatchObject({ code: 21, remark: "NO_MESSAGE_IN_QUEUE" });
  });

  it("gets what RocketMQ stores of a message", async () => {
    const { stored } = loadFacts("messages").observed<{ readonly stored: Readonly<Record<string, unknown>> }>(
      "raw-pull",
    );
    await using server = await openVal();
    const uniqueId = "FD000000000000000000000000000002131C4E0E2F2A705121220000";
    const sent = await send(
      server,
      "hello",
      { KEYS: "k1", UNIQ_KEY: uniqueId, WAIT: "true", TAGS: "TagA" },
      { h: "0" },
    );

    const [message] = decodeStoredMessages((await pull(server)).body);

    const { queueId, queueOffset, flag, sysFlag, reconsumeTimes, preparedTransactionOffset } = stored;
    expect(message).toMatchObject({ queueId, queueOffset, flag, sysFlag, reconsumeTimes, preparedTransactionOffset });
    expect(message).toMatchObject({ topic: "Val", bornTimestamp: 1_700_000_000_000, storeHost: HOST });
    expect(Object.fromEntries(decodeProperties(message?.properties ?? ""))).toEqual({
      ...(stored["properties"] as object),
      UNIQ_KEY: uniqueId,
    });
    expect(message?.body.toString()).toBe("hello");
    expect(sent.fields?.get("msgId")?.slice(16)).toBe(
      message?.commitLogOffset.toString(16).toUpperCase().padStart(16, "0"),
    );
  });

  it("gets a body as it was compressed, and odd properties as they were sent", async () => {
    await using server = await openVal();
    const body = deflateSync("a".repeat(5_000));
    await send(server, body, { MIN_OFFSET: "5" }, { f: "769" });

    const [message] = decodeStoredMessages((await pull(server)).body);

    expect(message?.sysFlag).toBe(769);
    expect(message?.body).toEqual(body);
    expect(decodeProperties(message?.properties ?? "").get("MIN_OFFSET")).toBe("5");
  });

  it("gets at most 32 messages and 256 KiB, and always one", async () => {
    await using server = await openVal();
    for (let sent = 0; sent < 40; sent += 1) await send(server, "a");
    await send(server, "x".repeat(200_000));
    await send(server, "y".repeat(1_000_000));

    const counts: number[] = [];
    for (let queueOffset = 0; queueOffset < 42; ) {
      const answer = await pull(server, { queueOffset, maxMsgNums: 1_000 });
      counts.push(textsOf(answer).length);
      queueOffset = Number(fieldsOf(answer)["nextBeginOffset"]);
    }

    expect(counts).toEqual([32, 9, 1]);
    expect(textsOf(await pull(server, { maxMsgNums: 0 }))).toHaveLength(1);
  });
});

describe("a pull that waits", () => {
  it("is answered as soon as there is a message, and holds up nothing else on its connection", async () => {
    await using server = await openVal();
    const waiting = pull(server, { sysFlag: SUBSCRIPTION | SUSPEND });
    const meanwhile = await pull(server, { queueId: 1 });
    await send(server, "late");

    expect(meanwhile.code).toBe(19);
    expect(textsOf(await waiting)).toEqual(["late"]);
  });

  it("is answered with 19 when its time is over", async () => {
    await using server = await openVal();
    const waiting = pull(server, { sysFlag: SUBSCRIPTION | SUSPEND, suspendTimeoutMillis: 15_000 });
    await pull(server, { queueId: 1 });

    await server.broker.clock.advance(15_000);

    expect(await waiting).toMatchObject({ code: 19 });
  });

  it("ends with its connection, and leaves nothing behind", async () => {
    await using server = await openVal();
    const client = await WireClient.open(server.port);
    void pull({ client }, { sysFlag: SUBSCRIPTION | SUSPEND });
    await pull({ client }, { queueId: 1 });

    client.socket.destroy();
    await client.closed();
    await send(server, "nobody waits for it");

    // A pull that is left behind would keep a timer, which fails the spec at its end.
    expect(textsOf(await pull(server))).toEqual(["nobody waits for it"]);
  });
});

describe("a pull of a push consumer", () => {
  it("goes by what its group subscribes to", async () => {
    await using server = await openVal("a", "b", "c");
    await subscribe(server, "a || c", 7);

    const answer = await pullSubscribed(server);

    expect([textsOf(answer), fieldsOf(answer)["nextBeginOffset"]]).toEqual([["a", "c"], "3"]);
  });

  it("waits for the heartbeat that tells of a newer subscription, with 25, so that nothing is passed over", async () => {
    await using server = await openVal("a", "b");
    await subscribe(server, "a", 7);

    const early = await pullSubscribed(server, { subVersion: 8 });
    await subscribe(server, "b", 8);
    const late = await pullSubscribed(server, { subVersion: 8 });

    expect(early).toMatchObject({ code: 25, remark: "the consumer's subscription not latest" });
    expect(textsOf(late)).toEqual(["b"]);
  });

  it("is refused with 24 for a topic that its group does not subscribe to", async () => {
    await using server = await openVal();
    await subscribe(server, "a", 7);
    await server.broker.mq.admin.createTopic("Other");

    const { code, remark } = await pullSubscribed(server, { topic: "Other" });

    expect([code, remark?.split("\n")[0]]).toEqual([24, "the consumer's subscription not exist"]);
  });

  it("tells with it how far its group has come", async () => {
    await using server = await openVal("a", "b", "c");
    await subscribe(server, "*", 7);

    await pullSubscribed(server, { sysFlag: COMMIT, commitOffset: 2, queueOffset: 2 });

    const place = { consumerGroup: "gVal", topic: "Val", queueId: "0" };
    const asked = await server.client.ask({ code: QUERY_OFFSET, fields: new Map(Object.entries(place)) });
    expect(fieldsOf(asked)).toEqual({ offset: "2" });
  });

  it.each([
    ["keeps what is told of a group that exists, though it has no members", "gVal", { offset: "2" }],
    ["keeps nothing of a group that does not exist and is not to be made", "nobody", {}],
  ])("%s", async (_name, consumerGroup, kept) => {
    await using server = await openValWith({ autoCreateGroup: false }, ["a", "b", "c"]);

    await pull(server, { consumerGroup, sysFlag: COMMIT | SUBSCRIPTION, commitOffset: 2, queueOffset: 2 });

    const place = { consumerGroup, topic: "Val", queueId: "0", setZeroIfNotFound: "false" };
    const asked = await server.client.ask({ code: QUERY_OFFSET, fields: new Map(Object.entries(place)) });
    expect(fieldsOf(asked)).toEqual(kept);
  });

  it("makes its group, as consumers that were told their queues pull before they send a heartbeat", async () => {
    await using server = await openVal("a");

    const answer = await pull(server, { consumerGroup: "newcomers" });

    expect([answer.code, textsOf(answer)]).toEqual([0, ["a"]]);
    expect(await server.broker.mq.admin.getGroup("newcomers")).toMatchObject({ group: "newcomers" });
  });

  it("makes no group with a name that none may have", async () => {
    await using server = await openVal("a");

    const answer = await pull(server, { consumerGroup: "no group" });

    expect([answer.code, textsOf(answer)]).toEqual([26, []]);
    expect(await server.broker.mq.admin.listGroups()).toMatchObject([{ group: "gVal" }]);
  });
});
