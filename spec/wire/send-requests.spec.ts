import { describe, expect, it } from "vitest";
import type { RemotingCommand } from "../../lib/wire/remoting-command.js";
import { loadFacts } from "../support/facts.js";
import { loadFrames } from "../support/frames.js";
import { HOST, openWireBroker, type WireBroker } from "../support/wire-broker.js";

const SEND_V2 = 310;
const SEND_BATCH = 320;
/** What a message of a batch takes beside its body and its properties. */
const BATCHED_HEAD_AND_TAIL = 22;

const validation = loadFacts("validation");

/** A send in the short names, as it was recorded but for the changes; `null` leaves a field out. */
function send(
  { client }: WireBroker,
  changes: Readonly<Record<string, string | null>> = {},
  body: Buffer | string = "body",
  code: number = SEND_V2,
): Promise<RemotingCommand> {
  const usual = {
    a: "pg",
    b: "Val",
    c: "TBW102",
    d: "4",
    e: "0",
    f: "0",
    g: "1700000000000",
    h: "0",
    j: "0",
    k: "false",
    m: "false",
    n: "broker-a",
  };
  const fields = Object.entries({ ...usual, ...changes }).filter(
    (field): field is [string, string] => field[1] !== null,
  );
  return client.ask({ code, fields: new Map(fields), body: Buffer.from(body as string) });
}

const properties = (pairs: Readonly<Record<string, string>>): string =>
  Object.entries(pairs)
    .map(([name, value]) => `${name}\u0001${value}\u0002`)
    .join("");

async function openVal(): Promise<WireBroker> {
  const server = await openWireBroker();
  await server.broker.mq.admin.createTopic("Val", { readQueueNums: 2, writeQueueNums: 2 });
  return server;
}

const fieldsOf = ({ fields }: RemotingCommand): object => Object.fromEntries(fields ?? []);

/** Recorded raw sends, by what they change of a usual one. */
const RECORDED: Readonly<
  Record<string, readonly [changes: Readonly<Record<string, string | null>>, bodySize?: number]>
> = {
  "raw-send-SCHEDULE_TOPIC_XXXX": [{ b: "SCHEDULE_TOPIC_XXXX" }],
  "raw-send-RMQ_SYS_TRANS_HALF_TOPIC": [{ b: "RMQ_SYS_TRANS_HALF_TOPIC" }],
  "raw-send-SELF_TEST_TOPIC": [{ b: "SELF_TEST_TOPIC" }],
  "raw-send-a.b": [{ b: "a.b" }],
  "raw-send-topic-128": [{ b: "t".repeat(128) }],
  "raw-send-%DLQ%nogroup": [{ b: "%DLQ%nogroup" }],
  "raw-send-%RETRY%nogroup": [{ b: "%RETRY%nogroup" }],
  "raw-send-queue-out-of-range": [{ e: "2" }],
  "raw-send-body-too-large": [{}, 4_194_305],
  "raw-send-body-4mb": [{}, 4_194_304],
  "raw-send-properties-32767": [{ i: properties({ k: "v".repeat(32_767 - 3) }) }],
  "raw-send-properties-32768": [{ i: properties({ k: "v".repeat(32_768 - 3) }) }],
  "raw-send-default-topic-unknown": [{ b: "ValNew", c: "Nope" }],
  "raw-send-read-only-topic": [{ b: "ReadOnly" }],
  "raw-send-no-perm-topic": [{ b: "NoPerm" }],
};

describe("a send over the wire", () => {
  it.each(Object.entries(RECORDED))("is answered as RocketMQ does: %s", async (fact, [changes, bodySize = 4]) => {
    const { code, remark, ext } = validation.observed<{
      readonly code: number;
      readonly remark: string | null;
      readonly ext: Readonly<Record<string, string>>;
    }>(fact);
    await using server = await openVal();
    const { admin } = server.broker.mq;
    await admin.createTopic("ReadOnly", { perm: "R" });
    await admin.createTopic("NoPerm", { perm: "none" });
    const producer = `127.0.0.1:${server.client.socket.localPort}`;

    const answer = await send(server, changes, Buffer.alloc(bodySize, "x"));

    expect([answer.code, answer.remark]).toEqual([code, remark?.replace("<host>:<port>", producer) ?? undefined]);
    expect(Object.keys(fieldsOf(answer)).sort()).toEqual(Object.keys(ext).sort());
    expect(fieldsOf(answer)).toMatchObject({ MSG_REGION: ext["MSG_REGION"], TRACE_ON: ext["TRACE_ON"] });
  });

  it("is refused with 1 where its queue is missing or it has no body, as in RocketMQ, which says so otherwise", async () => {
    await using server = await openVal();
    const codeOf = (fact: string): number => validation.observed<{ readonly code: number }>(fact).code;

    expect((await send(server, { e: null })).code).toBe(codeOf("raw-send-missing-queue-id"));
    expect((await send(server, {}, "")).code).toBe(codeOf("raw-send-empty-body"));
    expect(await server.stored("Val")).toEqual([]);
  });

  it("is told where its message lies, with the fields in RocketMQ's order, and stored with what it says", async () => {
    await using server = await openVal();
    await send(server);
    const uniqueId = "FD000000000000000000000000000002131C4E0E2F2A705121220000";
    const i = properties({ color: "red", KEYS: "k1 k2", UNIQ_KEY: uniqueId, WAIT: "true", TAGS: "TagA" });

    const answer = await send(server, { i, g: "1700000000123", h: "7", j: "2", f: "768" }, "sync");

    const [, stored] = await server.stored("Val");
    const recorded = loadFrames("producer").find(({ answers }) => answers === "SEND_MESSAGE_V2")?.rawHex as string;
    const [, order] = /"extFields":\{(.*?)\}/.exec(Buffer.from(recorded, "hex").toString("latin1")) ?? [];
    expect([...(answer.fields?.keys() ?? [])]).toEqual(Object.keys(JSON.parse(`{${order}}`)));
    expect(fieldsOf(answer)).toMatchObject({ queueId: "0", queueOffset: "1", transactionId: uniqueId });
    expect(answer.fields?.get("msgId")?.slice(0, 16)).toBe("C000020700002A9F");
    expect(answer.fields?.get("msgId")?.slice(16)).toBe(stored?.offsetMessageId.slice(16));
    expect(stored).toMatchObject({
      messageId: uniqueId,
      keys: ["k1", "k2"],
      tag: "TagA",
      properties: { color: "red" },
    });
    expect(stored).toMatchObject({ bornTimestamp: 1_700_000_000_123, flag: 7, reconsumeTimes: 2 });
    expect(stored?.text()).toBe("sync");
    expect(HOST.port).toBe(0x2a9f);
  });

  it("may be compressed, as clients do with large bodies, and is consumed as it was before", async () => {
    await using server = await openVal();
    const { zlibHex } = loadFacts("encodings").observed<{ readonly zlibHex: string }>("compression");
    const consumed: string[] = [];
    const listener = (message: { text(): string }): void => void consumed.push(message.text());
    await server.broker.mq.pushConsumer({ group: "g", subscriptions: { Val: "*" }, listener }).start();

    await send(server, { f: "769" }, Buffer.from(zlibHex, "hex"));
    await server.broker.clock.settle();

    expect(consumed).toEqual(["a".repeat(5_000)]);
  });

  it("has the same fields under their long names", async () => {
    await using server = await openVal();
    const names = {
      a: "producerGroup",
      b: "topic",
      c: "defaultTopic",
      d: "defaultTopicQueueNums",
      e: "queueId",
      f: "sysFlag",
      g: "bornTimestamp",
      h: "flag",
      i: "properties",
      j: "reconsumeTimes",
    };
    const values = {
      a: "pg",
      b: "Val",
      c: "TBW102",
      d: "4",
      e: "1",
      f: "0",
      g: "1",
      h: "3",
      i: properties({ TAGS: "a" }),
      j: "1",
    };
    const fields = new Map(Object.entries(names).map(([short, long]) => [long, values[short as keyof typeof values]]));

    const answer = await server.client.ask({ code: 10, fields, body: Buffer.from("v1") });

    expect(fieldsOf(answer)).toMatchObject({ queueId: "1", queueOffset: "0" });
    const [stored] = await server.stored("Val", 1);
    expect(stored).toMatchObject({ tag: "a", flag: 3, bornTimestamp: 1, reconsumeTimes: 1 });
  });

  it.each([
    ["send-without-uniq-key", { i: properties({ TAGS: "x" }) }],
    ["send-queue-minus-one", { e: "-1", i: null }],
    [
      "send-odd-properties",
      { i: "POP_CK\u0001x\u0002MIN_OFFSET\u00015\u0002MAX_OFFSET\u00016\u0002a\u0001\u0002b\u00011" },
    ],
  ])("stores the properties that RocketMQ does: %s", async (fact, changes) => {
    const { stored: expected } = loadFacts("messages").observed<{
      readonly stored?: { readonly properties: Readonly<Record<string, string>> };
    }>(fact);
    await using server = await openWireBroker();
    await server.broker.mq.admin.createTopic("MsgRaw", { readQueueNums: 1, writeQueueNums: 1 });

    const answer = await send(server, { b: "MsgRaw", ...changes }, "raw");

    const [stored] = await server.stored("MsgRaw");
    expect(fieldsOf(answer)).toMatchObject({ queueId: "0", queueOffset: "0", transactionId: stored?.messageId });
    if (expected === undefined) return;
    // Where a message lies in its queue is stamped on each that is read here.
    const own = ({ MIN_OFFSET: _min, MAX_OFFSET: _max, ...rest }: Readonly<Record<string, string>>): object => rest;
    expect(own({ ...stored?.systemProperties, ...stored?.properties })).toEqual(
      own({ ...expected.properties, UNIQ_KEY: stored?.messageId ?? "" }),
    );
  });

  it.each([
    ["auto-create", "4", 4],
    ["auto-create-16", "16", 8],
  ])("creates its topic with as many queues as RocketMQ: %s", async (fact, asked, queues) => {
    const { topicConfig } = loadFacts("messages").observed<{ readonly topicConfig: { readonly body: string } }>(fact);
    await using server = await openWireBroker();

    await send(server, { b: "MsgAuto", d: asked, e: "3" });

    const { readQueueNums, writeQueueNums } = JSON.parse(topicConfig.body) as Record<string, number>;
    expect(await server.broker.mq.admin.getTopic("MsgAuto")).toMatchObject({
      readQueueNums,
      writeQueueNums,
      perm: "RW",
    });
    expect(readQueueNums).toBe(queues);
  });

  it("goes to the retries of no group that does not exist, as RocketMQ says it, where none are made", async () => {
    const { code, remark } = loadFacts("filters-live").observed<{ readonly code: number; readonly remark: string }>(
      "group-auto-create-off-send-to-retry",
    );
    await using server = await openWireBroker({ autoCreateGroup: false });

    expect(await send(server, { b: "%RETRY%g-fl-unknown" })).toMatchObject({ code, remark });
  });

  it("goes to no topic that does not exist where none are created", async () => {
    await using server = await openWireBroker({ autoCreateTopic: false });

    const { code, remark } = await send(server);

    const fact = loadFacts("filters-live").observed<{ readonly code: number; readonly remark: string }>(
      "auto-create-off-raw-send",
    );
    expect([code, remark?.replace("Val", "X")]).toEqual([fact.code, fact.remark.replace(/\[\w+\]/, "[X]")]);
  });
});

describe("a send to the retry topic of a group", () => {
  const { over, at, dlq } = loadFacts("retry").observed<{
    readonly over: { readonly code: number };
    readonly at: { readonly code: number };
    readonly dlq: readonly [{ readonly reconsumeTimes: number; readonly properties: Readonly<Record<string, string>> }];
  }>("send-to-retry-topic");
  const toRetry = (
    server: WireBroker,
    changes: Readonly<Record<string, string | null>>,
    body: string,
  ): Promise<RemotingCommand> =>
    send(server, { b: "%RETRY%g-rt-back", i: properties({ RETRY_TOPIC: "RtBack", DELAY: "3" }), ...changes }, body);

  it("is a dead letter when it has failed more often than its client says, as RocketMQ stores it", async () => {
    await using server = await openVal();
    await server.broker.mq.admin.createGroup("g-rt-back");

    const answers = [
      await toRetry(server, { j: "5", l: "3" }, "over"),
      await toRetry(server, { j: "3", l: "3" }, "at"),
    ];
    await server.broker.clock.advance(60_000);

    expect(answers.map(({ code }) => code)).toEqual([over.code, at.code]);
    const [dead, ...others] = await server.stored("%DLQ%g-rt-back");
    const [expected] = dlq;
    const own = ({
      UNIQ_KEY: _id,
      MIN_OFFSET: _min,
      MAX_OFFSET: _max,
      ...rest
    }: Readonly<Record<string, string>>): object => rest;
    expect([dead?.text(), dead?.reconsumeTimes, others.length]).toEqual(["over", expected.reconsumeTimes, 0]);
    expect(own({ ...dead?.systemProperties, ...dead?.properties })).toEqual(own(expected.properties));
    expect((await server.stored("%RETRY%g-rt-back")).map((message) => message.text())).toEqual(["at"]);
  });

  it("goes by the maximum of its group, which is 16 for one that there is not, where its client says none", async () => {
    await using server = await openVal();
    await server.broker.mq.admin.createGroup("g-rt-back", { retryMaxTimes: 1 });

    for (const j of ["1", "2"]) await toRetry(server, { j }, j);
    for (const j of ["16", "17"]) await toRetry(server, { j, b: "%RETRY%nobody" }, j);

    const texts = async (topic: string): Promise<readonly string[]> =>
      (await server.stored(topic)).map((message) => message.text());
    expect(await texts("%DLQ%g-rt-back")).toEqual(["2"]);
    expect(await texts("%DLQ%nobody")).toEqual(["17"]);
  });
});

/** Two messages without properties that take so many bytes together. */
function batchOf(size: number): Buffer {
  const batch = Buffer.alloc(size);
  const half = Math.floor(size / 2);
  for (const [at, length] of [
    [0, half],
    [half, size - half],
  ] as const) {
    batch.writeInt32BE(length, at);
    batch.writeInt32BE(length - BATCHED_HEAD_AND_TAIL, at + 16);
  }
  return batch;
}

describe("a batch over the wire", () => {
  const recorded = loadFrames("producer").find(({ kind, name }) => kind === "request" && name === "SEND_BATCH_MESSAGE");
  const frame = Buffer.from(recorded?.rawHex as string, "hex");
  const body = frame.subarray(frame.length - (recorded?.bodyLength as number));

  it("is stored as messages one behind the other, which keep their own ids, and is answered with those of their places", async () => {
    await using server = await openVal();
    const transactionId = "FD000000000000000000000000000002131C4E0E2F2A705121E20005";

    const answer = await send(
      server,
      { e: "1", m: "true", i: properties({ UNIQ_KEY: transactionId }) },
      body,
      SEND_BATCH,
    );

    const stored = await server.stored("Val", 1);
    expect(stored.map(({ queueOffset }) => queueOffset)).toEqual([0, 1]);
    expect(stored.map((message) => message.text())).toEqual(["b0", "b1"]);
    expect(new Set([...stored.map(({ messageId }) => messageId), transactionId]).size).toBe(3);
    expect(fieldsOf(answer)).toMatchObject({ queueId: "1", queueOffset: "0", transactionId });
    const places = stored.map(({ offsetMessageId }) => offsetMessageId.slice(16));
    expect(
      answer.fields
        ?.get("msgId")
        ?.split(",")
        .map((id) => id.slice(16)),
    ).toEqual(places);
  });

  it.each([
    ["is empty", Buffer.alloc(0)],
    ["is cut off", body.subarray(0, body.length - 1)],
    ["is larger than a message may be", batchOf(4_194_305)],
  ])("is refused with 13 when it %s, and nothing of it is stored", async (_name, bad) => {
    await using server = await openVal();

    expect(await send(server, { m: "true" }, bad, SEND_BATCH)).toMatchObject({ code: 13 });
    expect(await server.stored("Val")).toEqual([]);
  });

  it.each([
    ["goes to a retry topic", { b: "%RETRY%tx" }],
    ["asks for a delay level", { i: properties({ DELAY: "1" }) }],
    ["is of a transaction", { f: "4" }],
  ])("is refused with 13, as in RocketMQ, when it %s", async (_name, changes) => {
    await using server = await openVal();

    expect(await send(server, { m: "true", ...changes }, body, SEND_BATCH)).toMatchObject({ code: 13 });
    expect(await server.stored("Val")).toEqual([]);
  });

  it("is stored at once though its only message is of a transaction, as recorded in batch-transaction-property", async () => {
    await using server = await openVal();
    const half = properties({ TRAN_MSG: "true", PGROUP: "tx" });
    const batched = Buffer.concat([Buffer.alloc(20), Buffer.from("x"), Buffer.alloc(2), Buffer.from(half)]);
    batched.writeInt32BE(batched.length, 0);
    batched.writeInt32BE(1, 16);
    batched.writeInt16BE(half.length, 21);

    const answer = await send(server, { m: "true" }, batched, SEND_BATCH);

    expect(validation.observed("batch-transaction-property")).toEqual({ result: "sent: SEND_OK" });
    expect(answer.code).toBe(0);
    expect(await server.stored("Val")).toHaveLength(1);
  });

  it("is one by what its header says, whatever its code is", async () => {
    await using server = await openVal();

    await send(server, { m: "false" }, "no batch", SEND_BATCH);
    await send(server, { m: "true" }, body, SEND_V2);

    expect((await server.stored("Val")).map((message) => message.text())).toEqual(["no batch", "b0", "b1"]);
  });

  it("may be as large as a message", async () => {
    await using server = await openVal();

    expect(await send(server, { m: "true" }, batchOf(4_194_304), SEND_BATCH)).toMatchObject({ code: 0 });
    expect(await server.stored("Val")).toHaveLength(2);
  });
});

describe("a message over the wire that asks for a time", () => {
  it("comes after its delay level, and has an id though it lies nowhere yet", async () => {
    await using server = await openVal();

    const answer = await send(server, { i: properties({ DELAY: "1" }) });
    const before = await server.stored("Val");
    await server.broker.clock.advance(1_000);

    expect(fieldsOf(answer)).toMatchObject({ queueId: "0", queueOffset: "0" });
    expect(answer.fields?.get("msgId")).toMatch(/^[0-9A-F]{32}$/);
    expect(before).toEqual([]);
    expect(await server.stored("Val")).toMatchObject([{ systemProperties: { DELAY: "1", REAL_TOPIC: "Val" } }]);
  });

  it("has a recall handle for its timer", async () => {
    await using server = await openVal();

    const answer = await send(server, { i: properties({ TIMER_DELAY_SEC: "2" }) });

    expect(answer.fields?.has("recallHandle")).toBe(true);
    expect(await server.stored("Val")).toEqual([]);
  });

  it("is there at once where it was timed before, with what it asked for then, unless it has a delay level", async () => {
    await using server = await openVal();
    const timed = { TIMER_DELAY_SEC: "60", TIMER_OUT_MS: "1700000000000" };

    for (const level of [{}, { DELAY: "1" }]) await send(server, { i: properties({ ...timed, ...level }) });
    const before = await server.stored("Val");
    await server.broker.clock.advance(1_000);

    expect(before).toMatchObject([{ systemProperties: timed }]);
    expect(await server.stored("Val")).toHaveLength(2);
  });

  it.each([
    ["timer-too-far", { TIMER_DELAY_SEC: `${3 * 86_400 + 10}` }],
    ["timer-not-a-number", { TIMER_DELIVER_MS: "abc" }],
  ])("is refused as RocketMQ does: %s", async (fact, pairs) => {
    const { error } = validation.observed<{
      readonly error: { readonly responseCode: number; readonly errorMessage: string };
    }>(fact);
    await using server = await openVal();

    const { code, remark } = await send(server, { i: properties(pairs) });

    expect([code, remark]).toEqual([error.responseCode, error.errorMessage]);
  });

  it("is refused with 1 for a delay level that is no number, and sent for one that is none", async () => {
    await using server = await openVal();
    const { error } = validation.observed<{ readonly error: { readonly responseCode: number } }>(
      "delay-level-not-a-number",
    );

    expect((await send(server, { i: properties({ DELAY: "x" }) })).code).toBe(error.responseCode);
    for (const level of ["0", "-1"]) expect((await send(server, { i: properties({ DELAY: level }) })).code).toBe(0);
    expect(await server.stored("Val")).toHaveLength(2);
  });
});

describe("a half message over the wire", () => {
  it("is seen by nobody, and answered with its place in the half queue", async () => {
    await using server = await openVal();
    const half = (id: string): Promise<RemotingCommand> =>
      send(server, { i: properties({ TRAN_MSG: "true", PGROUP: "tx", UNIQ_KEY: id.repeat(32) }), f: "4" });

    const answers = [await half("A"), await half("B")];

    expect(answers.map(({ fields }) => fields?.get("queueOffset"))).toEqual(["0", "1"]);
    expect(new Set(answers.map(({ fields }) => fields?.get("msgId"))).size).toBe(2);
    expect(await server.stored("Val")).toEqual([]);
    expect(await server.broker.mq.admin.listHalfMessages()).toMatchObject([
      { producerGroup: "tx", transactionId: "A".repeat(32) },
      { producerGroup: "tx", transactionId: "B".repeat(32) },
    ]);
  });

  it.each([
    { TIMER_DELAY_SEC: "60" },
    { TIMER_DELAY_MS: "1" },
    { TIMER_DELIVER_MS: "1" },
    { TIMER_DELAY_SEC: "60", DELAY: "3" },
  ])("is refused with 13 when it has a timer: %j", async (timer) => {
    await using server = await openVal();

    const { code, remark } = await send(server, {
      i: properties({ TRAN_MSG: "true", PGROUP: "tx", ...timer }),
      f: "4",
    });

    expect([code, remark]).toEqual([13, "timer message illegal, a message of a transaction cannot have a timer"]);
    expect(await server.broker.mq.admin.listHalfMessages()).toEqual([]);
  });

  it("has no effect of a delay level, as of RocketMQ's own clients, which take it away", async () => {
    await using server = await openVal();

    const { code } = await send(server, { i: properties({ TRAN_MSG: "true", PGROUP: "tx", DELAY: "3" }), f: "4" });

    expect(code).toBe(0);
    expect(await server.broker.mq.admin.listHalfMessages()).toHaveLength(1);
  });
});
