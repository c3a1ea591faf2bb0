import { describe, expect, it } from "vitest";
import type { RemotingCommand } from "../../lib/wire/remoting-command.js";
import { loadFacts } from "../support/facts.js";
import { openWireBroker, type WireBroker } from "../support/wire-broker.js";

const [HEARTBEAT, LOCK, UNLOCK, SEND] = [34, 41, 42, 310] as const;
const QUEUE = { brokerName: "broker-a", queueId: 0, topic: "OrdLock" };

function ask(
  { client }: WireBroker,
  code: number,
  clientId: string,
  mqSet: unknown = [QUEUE],
): Promise<RemotingCommand> {
  return client.ask({ code, body: Buffer.from(JSON.stringify({ consumerGroup: "g", clientId, mqSet })) });
}

/** As an orderly consumer of 4.9 does with a message that has failed as often as it may. */
function sendToRetry({ client }: WireBroker): Promise<RemotingCommand> {
  const i = "RETRY_TOPIC\u0001OrdLock\u0002DELAY\u00015\u0002";
  const fields = { b: "%RETRY%g", c: "TBW102", d: "4", e: "0", f: "0", g: "1700000000000", h: "0", i, j: "2", l: "2" };
  return client.ask({ code: SEND, fields: new Map(Object.entries(fields)), body: Buffer.from("poison") });
}

/** With a member of the group, whose queue it is that others of this process may lock. */
async function openOrdLock(): Promise<WireBroker> {
  const server = await openWireBroker();
  await server.broker.mq.admin.createTopic("OrdLock", { readQueueNums: 1, writeQueueNums: 1 });
  const consumer = { groupName: "g", consumeType: "CONSUME_PASSIVELY", messageModel: "CLUSTERING" };
  const consumerDataSet = [{ ...consumer, subscriptionDataSet: [{ topic: "OrdLock", subString: "*" }] }];
  const body = Buffer.from(JSON.stringify({ clientID: "c1", producerDataSet: [], consumerDataSet }));
  await server.client.ask({ code: HEARTBEAT, body });
  return server;
}

describe("locks over the wire", () => {
  it("are answered as RocketMQ does, to two clients that want one queue", async () => {
    const steps =
      loadFacts("orderly").observed<
        readonly { readonly who: string; readonly response: { readonly code: number; readonly body?: string } }[]
      >("queue-lock");
    await using server = await openOrdLock();

    for (const { who, response } of steps) {
      const after = who.includes("57 s") ? 57_000 : who.includes("61.5 s") ? 4_500 : 0;
      await server.broker.clock.advance(after);
      const { code, body } = await ask(server, who.includes("unlocks") ? UNLOCK : LOCK, who.slice(0, 2));
      expect([code, body.toString()], who).toEqual([response.code, response.body ?? ""]);
    }
  });

  it("hold between clients on the wire and members in process", async () => {
    await using server = await openOrdLock();
    await ask(server, LOCK, "wire");

    const inProcess = server.broker.port.lockQueues("g", "local", [QUEUE]);
    await ask(server, UNLOCK, "wire");
    const afterwards = server.broker.port.lockQueues("g", "local", [QUEUE]);

    expect([inProcess.length, afterwards.length]).toEqual([0, 1]);
    expect((await ask(server, LOCK, "wire")).body.toString()).toBe('{"lockOKMQSet":[]}');
  });

  it("are answered once of a queue that is named twice", async () => {
    await using server = await openOrdLock();

    const { body } = await ask(server, LOCK, "c1", [QUEUE, QUEUE]);

    expect(body.toString()).toBe(`{"lockOKMQSet":[${JSON.stringify(QUEUE)}]}`);
  });

  it("are none of queues that there are not", async () => {
    await using server = await openOrdLock();
    const unknown = [
      { ...QUEUE, queueId: 1 },
      { ...QUEUE, queueId: -1 },
      { ...QUEUE, topic: "Nope" },
    ];

    expect((await ask(server, LOCK, "c1", unknown)).body.toString()).toBe('{"lockOKMQSet":[]}');
  });

  it.each([
    ["what is no array", {}],
    ["a queue that is none", ["x"]],
    ["a queue id that is no number", [{ ...QUEUE, queueId: "0" }]],
    ["a topic that is no text", [{ ...QUEUE, topic: null }]],
  ])("are refused with 1 for %s", async (_name, mqSet) => {
    await using server = await openOrdLock();

    expect((await ask(server, LOCK, "c1", mqSet)).code).toBe(1);
    expect((await server.client.ask({ code: LOCK, body: Buffer.from("no JSON") })).code).toBe(1);
  });
});

describe("a send to the retry topic of a group that consumes in order", () => {
  const buried = async (server: WireBroker): Promise<boolean> => {
    await sendToRetry(server);
    const topics = await server.broker.mq.admin.listTopics({ system: true });
    return topics.some(({ topic }) => topic === "%DLQ%g");
  };

  it("is a dead letter at once, as its clients send none before it is", async () => {
    await using server = await openOrdLock();
    await ask(server, LOCK, "c1");

    expect(await buried(server)).toBe(true);
    expect((await server.stored("%DLQ%g")).map((message) => message.text())).toEqual(["poison"]);
  });

  it.each([
    ["has no queue locked", async () => undefined],
    ["has unlocked its queues", async (server: WireBroker) => void (await ask(server, UNLOCK, "c1"))],
    ["has not locked them again for a minute", (server: WireBroker) => server.broker.clock.advance(60_001)],
  ])("waits for its retry when the group %s", async (state, change) => {
    await using server = await openOrdLock();
    if (!state.includes("no queue")) await ask(server, LOCK, "c1");
    await change(server);

    expect(await buried(server)).toBe(false);
  });

  it("is a dead letter still when another member unlocks the queue, which is not its own", async () => {
    await using server = await openOrdLock();
    await ask(server, LOCK, "c1");
    await ask(server, UNLOCK, "c2");

    expect(await buried(server)).toBe(true);
  });
});
