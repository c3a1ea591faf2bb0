import { describe, expect, it } from "vitest";
import type { Broker, MessageContent, MessageView, SendOptions, SendReceipt } from "../../lib/index.js";
import { selectByHash } from "../../lib/index.js";
import { loadFacts } from "../support/facts.js";
import { browseQueue } from "../support/shared-connection.js";
import { openRecordedBroker, type TestBroker } from "../support/test-broker.js";

interface RecordedView {
  readonly topic: string;
  readonly brokerName: string | null;
  readonly queueId: number | string;
  readonly flag: number;
  readonly reconsumeTimes: number;
  readonly transactionId: string | null;
  readonly body: string;
  readonly bodyLength?: number;
  readonly properties: Readonly<Record<string, string>>;
}
interface RecordedSend {
  readonly sendResult: Readonly<Record<string, unknown>> | null;
  readonly delivered: RecordedView;
}

const facts = loadFacts("messages");
const topic = "MsgNormal";

/** What stands for values that differ from run to run; the ids are those of the receipt. */
function placeholders(view: MessageView): Readonly<Record<string, string>> {
  const { systemProperties } = view;
  const vary = ["CONSUME_START_TIME", "MAX_OFFSET", "MIN_OFFSET"].filter((name) => name in systemProperties);
  return {
    ...view.properties,
    ...systemProperties,
    ...Object.fromEntries(vary.map((name) => [name, name === "CONSUME_START_TIME" ? "<ts>" : "<n>"])),
    UNIQ_KEY: systemProperties["UNIQ_KEY"] === view.messageId ? "<uniqKey#1>" : "another id",
  };
}

function asRecorded(view: MessageView, recorded: RecordedView): RecordedView {
  return {
    topic: view.topic,
    brokerName: view.brokerName,
    queueId: typeof recorded.queueId === "string" ? recorded.queueId : view.queueId,
    flag: view.flag,
    reconsumeTimes: view.reconsumeTimes,
    transactionId: view.transactionId ?? null,
    body: recorded.body.startsWith("<") ? `<${view.body.length} bytes>` : view.text(),
    properties: placeholders(view),
    ...(recorded.bodyLength === undefined ? {} : { bodyLength: view.body.length }),
  };
}

async function sendAndReceive(
  { mq, clock }: TestBroker,
  send: (mq: Broker) => Promise<SendReceipt | undefined>,
): Promise<{ readonly receipt: SendReceipt | undefined; readonly delivered: MessageView }> {
  const received: MessageView[] = [];
  const consumer = mq.pushConsumer({
    group: "billing",
    subscriptions: { [topic]: "*" },
    listener: (view) => void received.push(view),
  });
  await consumer.start();
  const receipt = await send(mq);
  await clock.advance(100);
  return { receipt, delivered: received[0] as MessageView };
}

const SENDS: readonly (readonly [
  fact: string,
  message: Omit<MessageContent, "topic"> & { readonly messageGroup?: string },
  options?: SendOptions,
])[] = [
  ["normal", { body: "hello" }],
  [
    "tags-keys-flag-user-properties",
    { body: "hello", tag: "TagA", keys: ["k1", "k2"], flag: 7, properties: { color: "red" } },
  ],
  ["wait-store-false", { body: "x", waitStoreMsgOk: false }],
  ["explicit-queue", { body: "x" }, { queue: 2 }],
  ["selector-by-hash", { body: "x" }, { queue: selectByHash("order-1") }],
  ["sharding-key", { body: "x", properties: { __SHARDINGKEY: "s1" } }],
  ["sharding-key", { body: "x", messageGroup: "s1" }],
  ["compressed-body", { body: Buffer.alloc(5_000) }],
  ["body-4095-not-compressed", { body: Buffer.alloc(4_095) }],
  ["body-4096-compressed", { body: Buffer.alloc(4_096) }],
  ["async", { body: "x", tag: "T1" }],
  ["unicode", { body: "héllo 😀", tag: "标签", keys: "clé", properties: { 名: "值" } }],
];

describe("a message that is sent and delivered", () => {
  const sends = SENDS.map(([fact, content, options]) => ({ fact, content, options }));
  it.each(sends)("is answered and received as recorded in $fact", async ({ fact, content, options }) => {
    await using broker = await openRecordedBroker({ defaultQueueCount: 4 });
    const recorded = facts.observed<RecordedSend>(fact);
    const { topic: _topic, brokerName, queueOffset: _offset, ...answer } = recorded.sendResult ?? {};

    const { receipt, delivered } = await sendAndReceive(broker, (mq) =>
      mq.producer({ group: "shop" }).send({ topic, ...content }, options),
    );

    const { offsetMsgId: _offsetId, bodyLength: _length, ...view } = asRecordedFields(recorded.delivered);
    expect(asRecorded(delivered, recorded.delivered)).toEqual({ ...view, ...lengthOf(recorded.delivered) });
    expect(delivered.messageId).toBe(receipt?.messageId);
    expect(delivered.offsetMessageId).toBe(receipt?.offsetMessageId);
    expect({
      status: receipt?.status,
      brokerName: receipt?.brokerName,
      queueId: typeof answer["queueId"] === "number" ? receipt?.queueId : answer["queueId"],
      isTransactionIdTheUniqueId: receipt?.transactionId === receipt?.messageId,
    }).toEqual({
      status: answer["sendStatus"],
      brokerName,
      queueId: answer["queueId"],
      isTransactionIdTheUniqueId: answer["transactionId"] === answer["msgId"],
    });
  });

  it("is received as recorded in oneway, without an answer", async () => {
    await using broker = await openRecordedBroker({ defaultQueueCount: 4 });
    const recorded = facts.observed<RecordedSend>("oneway");

    const { receipt, delivered } = await sendAndReceive(broker, async (mq) => {
      mq.producer({ group: "shop" }).sendOneway({ topic, body: "x" });
      return undefined;
    });

    const { offsetMsgId: _offsetId, ...view } = asRecordedFields(recorded.delivered);
    expect(receipt ?? null).toBe(recorded.sendResult);
    expect(asRecorded(delivered, recorded.delivered)).toEqual(view);
  });
});

describe("a stored message that is browsed", () => {
  it("has the fields of raw-pull and, read by a consumer, of pull-consumer", async () => {
    await using broker = await openRecordedBroker({ defaultQueueCount: 1 });
    const producer = broker.mq.producer({ group: "shop" });
    await producer.send({ topic: "MsgRaw", body: "hello", tag: "TagA", keys: "k1" });
    const raw = facts.observed<{ readonly stored: RecordedView }>("raw-pull").stored;
    const pulled = facts.observed<{ readonly message: RecordedView }>("pull-consumer").message;

    const [view] = (await browseQueue(broker.mq, "MsgRaw")) as [MessageView];

    const stamps = { MIN_OFFSET: view.systemProperties["MIN_OFFSET"], MAX_OFFSET: view.systemProperties["MAX_OFFSET"] };
    expect({ ...placeholders(view), ...stamps }).toEqual(pulled.properties);
    const { MIN_OFFSET: _min, MAX_OFFSET: _max, ...stored } = placeholders(view);
    expect(stored).toEqual(raw.properties);
    expect([view.text(), view.flag, view.queueOffset]).toEqual([raw.body, raw.flag, 0]);
  });
});

describe("one message object sent twice", () => {
  it("is two messages, where RocketMQ's client marks the object and gives both the same id", async () => {
    await using broker = await openRecordedBroker({ defaultQueueCount: 1 });
    const producer = broker.mq.producer({ group: "shop" });
    const message = { topic, body: "x" };
    const recorded = facts.observed<{ readonly sameMsgId: boolean; readonly sameOffsetMsgId: boolean }>(
      "same-object-sent-twice",
    );

    const [first, second] = [await producer.send(message), await producer.send(message)];

    expect(recorded.sameMsgId).toBe(true);
    expect(first.messageId === second.messageId).toBe(false);
    expect(first.offsetMessageId === second.offsetMessageId).toBe(recorded.sameOffsetMsgId);
    expect(message).toEqual({ topic, body: "x" });
  });
});

describe("a batch", () => {
  const batch = Array.from({ length: 3 }, (_, index) => ({
    topic: "MsgBatch",
    body: `b${index}`,
    tag: `t${index}`,
    keys: `k${index}`,
    properties: { i: `${index}` },
  }));

  it("is stored as recorded in batch, but for ids", async () => {
    await using broker = await openRecordedBroker({ defaultQueueCount: 1 });
    const recorded = facts.observed<{
      readonly sendResult: Readonly<Record<string, unknown>>;
      readonly stored: readonly RecordedView[];
    }>("batch");

    const receipts = await broker.mq.producer({ group: "shop" }).sendBatch(batch);

    const stored = await browseQueue(broker.mq, "MsgBatch");
    const comparable = ({
      UNIQ_KEY: _id,
      MIN_OFFSET: _min,
      MAX_OFFSET: _max,
      ...rest
    }: Readonly<Record<string, string>>): unknown => rest;
    expect(stored.map((view) => [view.queueOffset, view.text(), comparable(placeholders(view))])).toEqual(
      recorded.stored.map((view, index) => [index, view.body, comparable(view.properties)]),
    );
    expect(receipts[0]).toMatchObject({
      status: recorded.sendResult["sendStatus"],
      queueId: recorded.sendResult["queueId"],
      queueOffset: recorded.sendResult["queueOffset"],
    });
  });

  it("gives each message the id of its receipt, where RocketMQ's broker stores one id of its own for all", async () => {
    await using broker = await openRecordedBroker({ defaultQueueCount: 1 });
    const recorded = facts.observed<{
      readonly distinctUniqKeysStored: number;
      readonly storedUniqKeyIsAClientMsgId: boolean;
      readonly viewByFirstClientMsgId: { readonly error: { readonly responseCode: number } };
    }>("batch-uniq-keys");

    const receipts = await broker.mq.producer({ group: "shop" }).sendBatch(batch);

    // An id that was answered and finds nothing is of no use to anybody.
    expect(recorded).toMatchObject({ distinctUniqKeysStored: 1, storedUniqKeyIsAClientMsgId: false });
    expect(recorded.viewByFirstClientMsgId.error.responseCode).toBe(208);
    const stored = await browseQueue(broker.mq, "MsgBatch");
    expect(stored.map(({ messageId }) => messageId)).toEqual(receipts.map(({ messageId }) => messageId));
  });

  it("may hold one message, as recorded in batch-of-one", async () => {
    await using broker = await openRecordedBroker({ defaultQueueCount: 1 });
    const { sendResult } = facts.observed<{ readonly sendResult: Readonly<Record<string, unknown>> }>("batch-of-one");
    const producer = broker.mq.producer({ group: "shop" });
    await producer.sendBatch(batch);

    const receipts = await producer.sendBatch([{ topic: "MsgBatch", body: "x" }]);

    expect(receipts).toHaveLength(1);
    expect(receipts[0]).toMatchObject({ status: sendResult["sendStatus"], queueOffset: sendResult["queueOffset"] });
  });
});

/** Without the fields in which RocketMQ keeps what a MessageView says otherwise. */
function asRecordedFields(recorded: RecordedView): RecordedView & { readonly offsetMsgId?: unknown } {
  const {
    queueOffset: _offset,
    sysFlag: _sysFlag,
    preparedTransactionOffset: _prepared,
    msgId: _id,
    ...rest
  } = recorded as RecordedView & Readonly<Record<string, unknown>>;
  return rest as RecordedView;
}

function lengthOf({ bodyLength }: RecordedView): object {
  return bodyLength === undefined ? {} : { bodyLength };
}
