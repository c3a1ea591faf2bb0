import { describe, expect, it } from "vitest";
import { decodeProperties } from "../../lib/message/properties.js";
import type { RemotingCommand } from "../../lib/wire/remoting-command.js";
import { loadFacts } from "../support/facts.js";
import { loadFrames } from "../support/frames.js";
import { decodeStoredMessages } from "../support/stored-message.js";
import { HOST, openWireBroker, type WireBroker } from "../support/wire-broker.js";
import { WireClient } from "../support/wire-client.js";

const [PULL, SEND, HEARTBEAT, UNREGISTER, END, CHECK] = [11, 310, 34, 35, 37, 39] as const;
const [COMMIT, ROLLBACK, UNKNOWN] = [8, 12, 0] as const;
const ONE_WAY = { flag: 2 };

async function openTx(): Promise<WireBroker> {
  const transaction = { timeoutMs: 3_000, checkIntervalMs: 3_000, checkMax: 3 };
  const server = await openWireBroker({ transaction });
  await server.broker.mq.admin.createTopic("FrTx", { readQueueNums: 1, writeQueueNums: 1 });
  return server;
}

/** What a client knows of its half message. */
interface Half {
  readonly tranStateTableOffset: string;
  readonly commitLogOffset: string;
  readonly msgId: string;
}

async function sendHalf({ client }: WireBroker, id = "A"): Promise<Half> {
  const msgId = id.repeat(32);
  const i = `TRAN_MSG\u0001true\u0002UNIQ_KEY\u0001${msgId}\u0002WAIT\u0001true\u0002PGROUP\u0001fr-tx\u0002`;
  const fields = { b: "FrTx", c: "TBW102", d: "4", e: "0", f: "4", g: "1700000000000", h: "0", i };
  const { fields: told } = await client.ask({
    code: SEND,
    fields: new Map(Object.entries(fields)),
    body: Buffer.from(id),
  });
  const offsetMessageId = told?.get("msgId") as string;
  return {
    tranStateTableOffset: told?.get("queueOffset") as string,
    // As clients do.
    commitLogOffset: `${BigInt(`0x${offsetMessageId.slice(16)}`)}`,
    msgId,
  };
}

function end(
  { client }: { readonly client: WireClient },
  half: Half,
  commitOrRollback: number,
  changes: Readonly<Record<string, string>> = {},
  kind: Partial<RemotingCommand> = {},
): Promise<RemotingCommand> {
  const fields = {
    producerGroup: "fr-tx",
    ...half,
    commitOrRollback: `${commitOrRollback}`,
    fromTransactionCheck: "false",
    transactionId: half.msgId,
    ...changes,
  };
  return client.ask({ code: END, fields: new Map(Object.entries(fields)) }, kind);
}

const beat = (client: WireClient, clientID = "tx@1"): Promise<RemotingCommand> =>
  client.ask({
    code: HEARTBEAT,
    body: Buffer.from(JSON.stringify({ clientID, producerDataSet: [{ groupName: "fr-tx" }] })),
  });

const textsOf = async (server: WireBroker): Promise<readonly string[]> =>
  (await server.stored("FrTx")).map((message) => message.text());

describe("the end of a transaction over the wire", () => {
  it("is answered as RocketMQ does, and one that is not known is not", async () => {
    const { responses } = loadFacts("transactions").observed<{
      readonly responses: readonly {
        readonly what: string;
        readonly response: { readonly code: number; readonly remark: string | null };
      }[];
    }>("end-transaction-requests");
    const recorded = (what: string): unknown => {
      const found = responses.find((response) => response.what === what)?.response;
      return [found?.code, found?.remark ?? undefined];
    };
    await using server = await openTx();
    const half = await sendHalf(server);
    const answered = async (...asked: Parameters<typeof end>): Promise<unknown> => {
      const { code, remark } = await end(...asked);
      return [code, remark];
    };

    expect(await answered(server, half, COMMIT, { producerGroup: "other" })).toEqual(
      recorded("37 of another producer group"),
    );
    expect(await answered(server, half, COMMIT, { tranStateTableOffset: "9" })).toEqual(
      recorded("37 with a wrong tranStateTableOffset"),
    );
    const unanswered = end(server, half, UNKNOWN);
    expect(await textsOf(server)).toEqual([]);
    expect(await answered(server, half, COMMIT)).toEqual(recorded("37 commit"));
    expect(await Promise.race([unanswered, "none"])).toBe("none");
    expect(await textsOf(server)).toEqual(["A"]);
  });

  it("is 1 for what was never sent, in RocketMQ's words, and where it has ended", async () => {
    const { code, remark } = loadFacts("validation").observed<{ readonly code: number; readonly remark: string }>(
      "raw-end-transaction-missing",
    );
    await using server = await openTx();
    const half = await sendHalf(server);

    for (const commitLogOffset of ["999999999", "0", "-1"])
      expect(await end(server, half, COMMIT, { commitLogOffset })).toMatchObject({ code, remark });
    await end(server, half, ROLLBACK);
    expect(await end(server, half, COMMIT)).toMatchObject({ code, remark });
    expect(await textsOf(server)).toEqual([]);
  });

  it("is refused with 1, as in RocketMQ, when it is no end", async () => {
    await using server = await openTx();

    expect((await end(server, await sendHalf(server), 3)).code).toBe(1);
  });

  it("is told by the bit of a committed message, which has no other of a transaction", async () => {
    await using server = await openTx();

    await end(server, await sendHalf(server), COMMIT);

    const pull = { consumerGroup: "g", topic: "FrTx", queueId: "0", queueOffset: "0", maxMsgNums: "1", sysFlag: "4" };
    const more = { commitOffset: "0", suspendTimeoutMillis: "0", subVersion: "0" };
    const { body } = await server.client.ask({ code: PULL, fields: new Map(Object.entries({ ...pull, ...more })) });
    expect(decodeStoredMessages(body)).toMatchObject([{ sysFlag: COMMIT }]);
  });

  it("makes the message visible, or discards it, where it comes one-way, as clients send it", async () => {
    await using server = await openTx();
    const halves = [await sendHalf(server, "A"), await sendHalf(server, "B")] as const;

    void end(server, halves[0], COMMIT, {}, ONE_WAY);
    void end(server, halves[1], ROLLBACK, {}, ONE_WAY);
    while ((await server.broker.mq.admin.listHalfMessages()).length > 0) await server.broker.clock.settle();

    expect(await textsOf(server)).toEqual(["A"]);
  });
});

describe("a half message", () => {
  it("is seen by nobody, also where it does not say whose it is: then it is given up after all checks", async () => {
    await using server = await openTx();
    const { client, broker } = server;
    const i = `TRAN_MSG\u0001true\u0002UNIQ_KEY\u0001${"A".repeat(32)}\u0002`;
    const g = `${broker.clock.now()}`;
    const fields = { b: "FrTx", c: "TBW102", d: "4", e: "0", f: "4", g, h: "0", i };

    const { code } = await client.ask({ code: SEND, fields: new Map(Object.entries(fields)), body: Buffer.from("A") });
    const hidden = await textsOf(server);
    await broker.clock.advance(30_000);

    expect([code, hidden]).toEqual([0, []]);
    expect(await textsOf(server)).toEqual([]);
    expect(await broker.mq.admin.listHalfMessages()).toEqual([]);
    expect((await server.stored("TRANS_CHECK_MAX_TIME_TOPIC")).map((message) => message.text())).toEqual(["A"]);
  });
});

describe("a producer behind a connection", () => {
  it("is asked for what is left open, as RocketMQ asks, and its answer ends it", async () => {
    const recorded = loadFrames("transaction").find(({ name }) => name === "CHECK_TRANSACTION_STATE");
    await using server = await openTx();
    const half = await sendHalf(server);
    await beat(server.client);

    await server.broker.clock.advance(6_500);
    const [asked] = await server.client.asked(1);

    const fields = Object.fromEntries(asked?.fields ?? []);
    const raw = Buffer.from(recorded?.rawHex as string, "hex").toString("latin1");
    expect([asked?.code, asked?.flag]).toEqual([CHECK, 2]);
    expect(Object.keys(fields)).toEqual(Object.keys(JSON.parse(`{${/"extFields":\{(.*?)\}/.exec(raw)?.[1]}}`)));
    expect(fields).toMatchObject({ bname: "broker-a", msgId: half.msgId, topic: "RMQ_SYS_TRANS_HALF_TOPIC" });
    const [message] = decodeStoredMessages(asked?.body as Buffer);
    const [was] = decodeStoredMessages(Buffer.from(recorded?.bodyHex as string, "hex"));
    const namesOf = (properties = ""): readonly string[] => [...decodeProperties(properties).keys()].sort();
    expect(namesOf(message?.properties)).toEqual(namesOf(was?.properties));
    expect(message).toMatchObject({ topic: "FrTx", queueId: 0, storeHost: HOST, body: Buffer.from("A") });

    const { tranStateTableOffset, commitLogOffset, msgId } = fields as unknown as Half;
    const answer = await end(server, { tranStateTableOffset, commitLogOffset, msgId }, COMMIT, {
      fromTransactionCheck: "true",
    });
    expect(answer.code).toBe(0);
    expect(await textsOf(server)).toEqual(["A"]);
  });

  it("is asked again each interval while it does not answer, and no more when it has left or its connection is closed", async () => {
    await using server = await openTx();
    await using other = await WireClient.open(server.port);
    await sendHalf(server);
    await beat(server.client, "tx@1");
    await beat(other, "tx@2");
    const asked = (): number => server.client.requests.length + other.requests.length;

    await server.broker.clock.advance(6_500);
    await server.client.ask({
      code: UNREGISTER,
      fields: new Map(Object.entries({ clientID: "tx@1", producerGroup: "fr-tx" })),
    });
    const first = asked();
    await server.broker.clock.advance(3_000);
    await other.asked(1);
    const second = asked();
    other.socket.destroy();
    await other.closed();
    await server.broker.clock.advance(6_000);

    expect([first, second, asked()]).toEqual([1, 2, 2]);
  });

  it("is asked for a transaction of a producer in process, and the other way round", async () => {
    await using server = await openTx();
    const { mq, clock } = server.broker;
    const checked: string[] = [];
    const producer = mq.transactionProducer({
      group: "fr-tx",
      checkLocalTransaction: (message) => {
        checked.push(message.text());
        return "commit";
      },
    });
    await producer.start();
    await sendHalf(server, "W");
    await clock.advance(10_000);
    expect(checked).toEqual(["W"]);

    await producer.beginTransaction().send({ topic: "FrTx", body: "P" });
    await producer.close();
    await beat(server.client);
    await clock.advance(10_000);
    const [asked] = await server.client.asked(1);
    const fields = Object.fromEntries(asked?.fields ?? []) as unknown as Half;
    await end(server, fields, COMMIT, { fromTransactionCheck: "true" });

    expect(await textsOf(server)).toEqual(["W", "P"]);
  });
});
