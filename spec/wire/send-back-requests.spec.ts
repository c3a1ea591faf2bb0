import { describe, expect, it } from "vitest";
import { decodeProperties } from "../../lib/message/properties.js";
import type { RemotingCommand } from "../../lib/wire/remoting-command.js";
import type { StoredMessage } from "../../lib/wire/stored-message.js";
import { loadFacts } from "../support/facts.js";
import { loadFrames } from "../support/frames.js";
import { decodeStoredMessages } from "../support/stored-message.js";
import { openWireBroker, type WireBroker } from "../support/wire-broker.js";

const [PULL, SEND_BACK] = [11, 36] as const;
const GROUP = "g-rt-back";
const RETRY = `%RETRY%${GROUP}`;
const DEAD = `%DLQ%${GROUP}`;

interface Answer {
  readonly code: number;
  readonly remark: string | null;
}

async function openRtBack(...bodies: readonly string[]): Promise<WireBroker> {
  const server = await openWireBroker();
  const { mq } = server.broker;
  await mq.admin.createTopic("RtBack", { readQueueNums: 1, writeQueueNums: 1 });
  await mq.admin.createGroup(GROUP);
  const producer = mq.producer({ group: "p" });
  // In one block of the log.
  await Promise.all(bodies.map((body) => producer.send({ topic: "RtBack", body })));
  return server;
}

async function pulled({ client }: WireBroker, topic: string): Promise<readonly StoredMessage[]> {
  const fields = {
    consumerGroup: GROUP,
    topic,
    queueId: 0,
    queueOffset: 0,
    maxMsgNums: 32,
    sysFlag: 4,
    commitOffset: 0,
    suspendTimeoutMillis: 0,
    subscription: "*",
    subVersion: 0,
  };
  const { body } = await client.ask({
    code: PULL,
    fields: new Map(Object.entries(fields).map(([name, value]) => [name, `${value}`])),
  });
  return decodeStoredMessages(body);
}

async function sendBack({ client }: WireBroker, changes: Readonly<Record<string, string | number>>): Promise<Answer> {
  const recorded = loadFrames("send-back").find(({ name }) => name === "CONSUMER_SEND_MSG_BACK");
  const fields = { ...recorded?.header.extFields, group: GROUP, ...changes };
  const { code, remark }: RemotingCommand = await client.ask({
    code: SEND_BACK,
    fields: new Map(Object.entries(fields).map(([name, value]) => [name, `${value}`])),
  });
  return { code, remark: remark ?? null };
}

const propertiesOf = (message: StoredMessage | undefined): Readonly<Record<string, string>> =>
  Object.fromEntries(decodeProperties(message?.properties ?? ""));

describe("a message that comes back over the wire", () => {
  const recorded = loadFacts("retry").observed<{
    readonly level1: Answer;
    readonly retryRecords: readonly [
      { readonly reconsumeTimes: number; readonly properties: Readonly<Record<string, string>> },
    ];
  }>("send-back-request");

  it("is refused as RocketMQ does where there is no such group, and where there can be none", async () => {
    const { code, remark } = loadFacts("filters-live").observed<Answer>("group-auto-create-off-send-back");
    await using server = await openRtBack("x");
    const [message] = await pulled(server, "RtBack");

    const answer = await sendBack(server, { offset: message?.commitLogOffset as number, group: "a.b" });

    expect(answer).toEqual({ code, remark: remark?.replace("g-fl-unknown", "a.b") });
  });

  it("is in the retry topic of its group after its delay, as RocketMQ stores it there", async () => {
    await using server = await openRtBack("x");
    const [message] = await pulled(server, "RtBack");

    const answer = await sendBack(server, { offset: message?.commitLogOffset ?? -1, delayLevel: 1 });
    await server.broker.clock.advance(1_000);

    const [retry] = await pulled(server, RETRY);
    const [expected] = recorded.retryRecords;
    const own = ({ ORIGIN_MESSAGE_ID: _origin, UNIQ_KEY: _id, ...rest }: Readonly<Record<string, string>>): object =>
      rest;
    expect(answer).toEqual(recorded.level1);
    expect(retry).toMatchObject({
      topic: RETRY,
      queueId: 0,
      queueOffset: 0,
      reconsumeTimes: expected.reconsumeTimes,
      body: Buffer.from("x"),
    });
    expect(own(propertiesOf(retry))).toEqual(own(expected.properties));
    expect(propertiesOf(retry)["UNIQ_KEY"]).toBe(propertiesOf(message)["UNIQ_KEY"]);
  });

  it("is known by the id of its first copy however often it fails, and is a dead letter at the end", async () => {
    await using server = await openRtBack("x");
    let [message] = await pulled(server, "RtBack");
    const origin = message?.commitLogOffset.toString(16).toUpperCase();

    for (let failure = 0; failure < 2; failure += 1) {
      await sendBack(server, { offset: message?.commitLogOffset ?? -1, delayLevel: 1, maxReconsumeTimes: 2 });
      await server.broker.clock.advance(1_000);
      message = (await pulled(server, RETRY)).at(-1);
      expect(message?.reconsumeTimes).toBe(failure + 1);
      expect(propertiesOf(message)["ORIGIN_MESSAGE_ID"]?.endsWith(origin ?? "?")).toBe(true);
      expect(propertiesOf(message)["RETRY_TOPIC"]).toBe("RtBack");
    }
    await sendBack(server, { offset: message?.commitLogOffset ?? -1, delayLevel: 1, maxReconsumeTimes: 2 });

    expect((await server.stored(DEAD)).map((dead) => [dead.text(), dead.reconsumeTimes])).toEqual([["x", 3]]);
  });

  it("is a dead letter at once by a delay level below 0", async () => {
    await using server = await openRtBack("x");
    const [message] = await pulled(server, "RtBack");

    await sendBack(server, { offset: message?.commitLogOffset ?? -1, delayLevel: -1 });

    expect(await server.stored(DEAD)).toHaveLength(1);
  });

  it("comes once, however often it is sent back", async () => {
    await using server = await openRtBack("x");
    const [message] = await pulled(server, "RtBack");

    const answers: Answer[] = [];
    for (let times = 0; times < 3; times += 1)
      answers.push(await sendBack(server, { offset: message?.commitLogOffset ?? -1, delayLevel: 1 }));
    await server.broker.clock.advance(1_000);

    expect(answers.map(({ code }) => code)).toEqual([0, 0, 0]);
    expect(await pulled(server, RETRY)).toHaveLength(1);
  });

  it("is found by where its record begins, and nowhere else", async () => {
    const expected = loadFacts("validation").observed<Answer>("raw-send-back-missing-message");
    await using server = await openRtBack("a", "b", "c");
    const [first, second] = await pulled(server, "RtBack");
    const places = [999_999_999, -1, (first?.commitLogOffset ?? 0) + 1, (second?.commitLogOffset ?? 0) - 1];

    for (const offset of places)
      expect(await sendBack(server, { offset, delayLevel: 1 })).toEqual({
        code: expected.code,
        remark: expected.remark?.replace("999999999", `${offset}`),
      });
    await sendBack(server, { offset: second?.commitLogOffset ?? -1, delayLevel: -1 });

    expect((await server.stored(DEAD)).map((message) => message.text())).toEqual(["b"]);
  });
});
