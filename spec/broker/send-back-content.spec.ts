import { describe, expect, it } from "vitest";
import { javaStringHash } from "../../lib/message/java-hash.js";
import type { StoredMessageView } from "../../lib/message/message-view.js";
import type { TestPort } from "../support/local-broker.js";
import { openTestBroker } from "../support/test-broker.js";
import { deadLetters, FIRST_DELAY_MS, portWith, pulled, retried, rowsOf, sendBack } from "./send-back-port.js";

const MIB = 1024 * 1024;
/** RocketMQ's limit for what a producer sends; the copies of a message may exceed it by what the broker adds. */
const MAX_PROPERTIES = 32_767;

/** Stores a message as another client could have sent it, with properties that ours would not write. */
function appendRaw({ port }: TestPort, properties: string, tag?: string): void {
  const [propertiesSize, body] = [Buffer.byteLength(properties), "raw"];
  const message = {
    tagsCode: tag === undefined ? 0 : javaStringHash(tag),
    flag: 0,
    sysFlag: 0,
    bornTimestamp: 1,
    reconsumeTimes: 0,
    uniqueId: "7F00000100",
    properties,
    propertiesSize,
    body,
    bodySize: body.length,
    queueOffset: -1,
    commitLogOffset: -1,
  };
  const deadline = Number.MAX_SAFE_INTEGER;
  port.appendSync({ topic: "orders", queueId: 0, messages: [message], bytes: propertiesSize, deadline });
}

/** The copy of the first message of "orders", once it is due. */
async function retriedOnce(broker: TestPort): Promise<StoredMessageView> {
  await sendBack(broker, pulled(broker).slice(0, 1));
  await broker.clock.advance(FIRST_DELAY_MS);
  return retried(broker).at(-1) as StoredMessageView;
}

describe("the copy of a message that is sent back", () => {
  it("is the same message but for where it lies and how often it failed", async () => {
    const original = {
      body: "ä €",
      tag: "paid",
      keys: ["k1", "k2"],
      properties: { color: "red", size: "10 €" },
      flag: 7,
    };
    await using broker = await portWith([original]);
    const [first] = pulled(broker);

    const copy = await retriedOnce(broker);

    const same = (message: StoredMessageView | undefined): unknown => [
      message?.messageId,
      message?.text(),
      message?.tag,
      message?.keys,
      message?.properties,
      message?.flag,
      message?.bornTimestamp,
    ];
    expect(same(copy)).toEqual(same(first));
    expect(copy).toMatchObject({ topic: "%RETRY%billing", reconsumeTimes: 1, deliveryAttempt: 2 });
    expect(copy.offsetMessageId).not.toBe(first?.offsetMessageId);
  });

  it("says where it was sent to and which copy was the first, however often it fails", async () => {
    await using broker = await portWith(["a"]);
    const [first] = pulled(broker);
    await retriedOnce(broker);

    await sendBack(broker, pulled(broker, "%RETRY%billing"), { delayLevel: 1 });
    await broker.clock.advance(1_000);
    await sendBack(broker, pulled(broker, "%RETRY%billing", 1), { delayLevel: -1 });

    const system = [...retried(broker), ...deadLetters(broker)].map(({ systemProperties }) => systemProperties);
    expect(system).toHaveLength(3);
    for (const { RETRY_TOPIC, ORIGIN_MESSAGE_ID, WAIT } of system)
      expect([RETRY_TOPIC, ORIGIN_MESSAGE_ID, WAIT]).toEqual(["orders", first?.offsetMessageId, "false"]);
  });

  it.each([
    ["embedded", {}, {}],
    ["rocketmq", { DELAY: "3", REAL_TOPIC: "%RETRY%billing", REAL_QID: "0" }, { DELAY: "0" }],
  ] as const)(
    "has in profile %s the properties %j of its delay, a dead letter %j",
    async (profile, whenRetried, whenDead) => {
      await using broker = await portWith(["a", "b"], { profile });
      const [, second] = pulled(broker);
      const ofDelay = ({ systemProperties }: StoredMessageView): unknown =>
        Object.fromEntries(Object.entries(systemProperties).filter(([name]) => /^(?:DELAY|REAL_)/.test(name)));

      await sendBack(broker, [second], { delayLevel: -1 });

      expect(ofDelay(await retriedOnce(broker))).toEqual(whenRetried);
      expect(deadLetters(broker).map(ofDelay)).toEqual([whenDead]);
    },
  );

  it("has in profile rocketmq no delay level where a policy says how long it waits", async () => {
    await using broker = await portWith(["a"], { profile: "rocketmq" });
    await broker.mq.admin.updateGroup("billing", { retryPolicy: { type: "customized", delaysMs: [FIRST_DELAY_MS] } });

    const { systemProperties } = await retriedOnce(broker);

    expect(systemProperties).toMatchObject({ REAL_TOPIC: "%RETRY%billing", REAL_QID: "0" });
    expect(systemProperties["DELAY"]).toBeUndefined();
  });

  it.each<[properties: string, tag: string | undefined, what: string]>([
    ["TAGS\u0001a", "a", "a last pair without its end"],
    [
      "\u0002\u0002\u0001\u0002no value\u0001\u0002\u0001no name\u0002k\u0001v\u0002",
      undefined,
      "pairs without name or value",
    ],
    ["k\u0001a\u0001b\u0002", undefined, "a name end within a value"],
    ["k\u0001first\u0002k\u0001second\u0002", undefined, "two pairs of one name"],
    ["__proto__\u0001p\u0002constructor\u0001c\u0002toString\u0001t\u0002", undefined, "names that every object has"],
    ["ключ\u0001значение 🚀\u0000\n\t\u001f\u0002 \u0001 \u0002", undefined, "texts of any kind"],
    [
      "DELAY\u00012\u0002REAL_TOPIC\u0001x\u0002REAL_QID\u00017\u0002k\u0001v\u0002",
      undefined,
      "an old delay of its own",
    ],
  ])("has the properties that %j is read as: %s, %s", async (properties, tag, _what) => {
    await using broker = await portWith([]);
    appendRaw(broker, properties, tag);
    const [first] = pulled(broker);
    const own = new Map(first?.storedProperties);
    for (const name of ["DELAY", "REAL_TOPIC", "REAL_QID"]) own.delete(name);

    const copy = await retriedOnce(broker);

    const added = ["RETRY_TOPIC", "ORIGIN_MESSAGE_ID", "WAIT"];
    const kept = [...copy.storedProperties].filter(([name]) => !added.includes(name));
    expect(kept).toEqual([...own]);
    expect([copy.text(), copy.tag]).toEqual(["raw", tag]);
  });

  it("has all of its properties when they take as much as a producer may send, every time that it fails", async () => {
    await using broker = await openTestBroker({ defaultQueueCount: 1, profile: "rocketmq" });
    const { mq, clock } = broker;
    const group = "g".repeat(255);
    const producer = mq.producer({ group: "shop" });
    const colors: (number | undefined)[] = [];
    const consumer = mq.pushConsumer({
      group,
      subscriptions: { orders: "*" },
      maxReconsumeTimes: 2,
      listener: ({ properties }) => {
        colors.push(properties["color"]?.length);
        return "retry";
      },
    });
    await consumer.start();

    const size = await largestProperty((length) =>
      producer.send({ topic: "orders", body: "x", properties: { color: "é".repeat(length / 2) } }),
    );
    await clock.advance(60_000);

    expect(size).toBeGreaterThan(MAX_PROPERTIES - 300);
    expect(colors).toEqual([size / 2, size / 2, size / 2]);
    const [dead] = await mq.admin.browse({ topic: `%DLQ%${group}`, brokerName: "broker-a", queueId: 0 }, 0, 9);
    expect(dead?.properties["color"]).toHaveLength(size / 2);
  });

  it("has a body of 4 MiB, alone in its block and among others", async () => {
    const large = Buffer.alloc(4 * MIB, "0123456789abcdef");
    await using broker = await portWith(["small"]);
    const producer = broker.mq.producer({ group: "shop" });
    for (const body of [large, "also small", large]) await producer.send({ topic: "orders", body });

    await sendBack(broker, pulled(broker));
    await broker.clock.advance(FIRST_DELAY_MS);

    const copies = retried(broker);
    expect(copies.map(({ body }) => body.length)).toEqual([5, 4 * MIB, 10, 4 * MIB]);
    expect(copies[3]?.body.equals(large)).toBe(true);
  });
});

describe("a thousand messages that are sent back in one call", () => {
  const thousand = Array.from({ length: 1_000 }, (_, index) => ({
    body: `${index} `.repeat(20),
    tag: `t${index % 7}`,
  }));

  it("are acknowledged and retried, each once and in their order", async () => {
    await using broker = await portWith(thousand);

    const outcomes = await sendBack(broker, pulled(broker));
    const [left, marks] = [pulled(broker).length, rowsOf(broker, "mq_sent_back").length];
    await broker.clock.advance(FIRST_DELAY_MS);

    expect(outcomes.map(({ kind }) => kind)).toEqual(thousand.map(() => "retried"));
    expect([left, marks]).toEqual([0, 1_000]);
    expect(retried(broker).map((message) => message.text())).toEqual(thousand.map(({ body }) => body));
    expect(retried(broker).map(({ tag }) => tag)).toEqual(thousand.map(({ tag }) => tag));
  });

  it("take as few blocks as the messages themselves", async () => {
    await using broker = await portWith(thousand);

    await sendBack(broker, pulled(broker));

    const sizes = rowsOf(broker, "mq_due").map((row) => (row as { records: Buffer }).records.length);
    expect(Math.max(...sizes)).toBeLessThanOrEqual(32 * 1024);
    expect(sizes.length).toBeLessThanOrEqual(Math.ceil(sizes.reduce((sum, size) => sum + size) / (31 * 1024)));
  });

  it("are all kept when one of them cannot be stored", async () => {
    await using broker = await portWith([...thousand.slice(1), "poison"]);
    broker.mq.database.exec(`CREATE TRIGGER refuse BEFORE INSERT ON mq_due
      WHEN instr(NEW.records, CAST('poison' AS BLOB)) > 0 BEGIN SELECT RAISE(ABORT, 'poison'); END`);

    const refused = sendBack(broker, pulled(broker));

    await expect(refused).rejects.toMatchObject({ code: "ERR_MQ_STORE" });
    expect(pulled(broker)).toHaveLength(1_000);
    expect([rowsOf(broker, "mq_due"), rowsOf(broker, "mq_sent_back")]).toEqual([[], []]);
  });

  it("may come from several topics, the retry topic among them", async () => {
    await using broker = await portWith(["a", "b"]);
    await retriedOnce(broker);

    const outcomes = await sendBack(broker, [...pulled(broker), ...pulled(broker, "%RETRY%billing")]);
    await broker.clock.advance(30_000);

    expect(outcomes.map(({ kind }) => kind)).toEqual(["retried", "retried"]);
    expect(retried(broker).map((message) => `${message.text()} ${message.reconsumeTimes}`)).toEqual([
      "a 1",
      "b 1",
      "a 2",
    ]);
    expect(pulled(broker)).toEqual([]);
  });
});

/** The first even size from the limit downwards that a send accepts; it is sent once. */
async function largestProperty(send: (size: number) => Promise<unknown>): Promise<number> {
  for (let size = MAX_PROPERTIES - 1; size > 0; size -= 2) {
    const isSent = await send(size).then(
      () => true,
      () => false,
    );
    if (isSent) return size;
  }
  return 0;
}
