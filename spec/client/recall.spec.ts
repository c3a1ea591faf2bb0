import type Database from "better-sqlite3";
import { describe, expect, it } from "vitest";
import { OutgoingMessage } from "../../lib/client/outgoing-message.js";
import type { Message, SendReceipt } from "../../lib/index.js";
import { prepareMessage } from "../../lib/message/message-validation.js";
import { formatRecallHandle, parseRecallHandle, type RecallHandle } from "../../lib/message/recall-handle.js";
import { openTestPort, type TestPort } from "../support/local-broker.js";
import { browseQueue, storedIn } from "../support/shared-connection.js";
import { tempFolder } from "../support/temp-folder.js";
import { openRecordedBroker, openTestBroker, type TestBroker } from "../support/test-broker.js";

/** Sends these one by one to queue 0 of "orders". */
async function send({ mq }: TestBroker, ...messages: readonly object[]): Promise<readonly SendReceipt[]> {
  const producer = mq.producer({ group: "shop" });
  return Promise.all(
    messages.map((message) => producer.send({ topic: "orders", ...message } as Message, { queue: 0 })),
  );
}

/** Sends a message to queue 0 of "orders" that has this id already. */
async function sendAs(messageId: string, { port, clock }: TestPort, body: string, deliverAt: number): Promise<void> {
  const prepared = prepareMessage({ topic: "orders", body }, { maxMessageSize: 1_000 });
  const messages = [new OutgoingMessage(prepared, messageId, clock.now())];
  const place = { topic: "orders", queueId: 0, newTopicQueueNums: 1 };
  const request = { ...place, messages, bytes: 1, deadline: clock.now() + 1_000, delay: { deliverAt } };
  await new Promise<void>((stored, failed) => void port.append(request, { stored, failed }));
}

function recall({ mq }: TestBroker, recallHandle: unknown, topic = "orders"): Promise<string> {
  return mq.producer({ group: "billing" }).recall(topic, recallHandle as string);
}

/** The handle of a receipt, with other fields. */
function forged({ recallHandle }: SendReceipt, fields: Partial<RecallHandle>): string {
  return formatRecallHandle({ ...(parseRecallHandle(recallHandle ?? "") as RecallHandle), ...fields });
}

describe("Producer.recall", () => {
  it("keeps a message that is put off from ever being delivered, and answers with its id", async () => {
    await using broker = await openTestBroker();
    const [receipt] = await send(broker, { body: "x", delayMs: 1_000 });

    const recalled = await recall(broker, receipt?.recallHandle);
    await broker.clock.advance(10_000);

    expect(recalled).toBe(receipt?.messageId);
    expect(await storedIn(broker.mq, "orders")).toEqual([]);
    const database = broker.mq.database as Database.Database;
    expect(database.prepare("SELECT count(*) FROM mq_due").pluck().get()).toBe(0);
  });

  it.each([0, 1, 2])("takes message %i of those that are due together, and leaves the others", async (index) => {
    await using broker = await openTestBroker();
    const receipts = await send(broker, ...["a", "b", "c"].map((body) => ({ body, delayMs: 1_000 })));

    await recall(broker, receipts[index]?.recallHandle);
    await broker.clock.advance(1_000);

    const left = ["a", "b", "c"].filter((_, at) => at !== index);
    expect(await storedIn(broker.mq, "orders")).toEqual(left.map((body, offset) => `${offset} ${body}`));
  });

  it("takes each copy of a message that was sent again for want of an answer, and none that only mentions its id", async () => {
    await using test = await openTestPort({ defaultQueueCount: 1 });
    const { mq, port, clock } = test;
    const messageId = "0".repeat(32);
    const deliverAt = clock.now() + 1_000;
    const other = "1".repeat(32);
    await Promise.all([messageId, other, messageId].map((id) => sendAs(id, test, messageId, deliverAt)));
    await sendAs(messageId, test, messageId, deliverAt);

    await port.recall("orders", { topic: "orders", brokerName: port.brokerName, timestamp: deliverAt, messageId });
    await clock.advance(1_000);

    expect((await browseQueue(mq, "orders")).map((message) => message.messageId)).toEqual([other]);
  });

  it("answers the same when it is called twice, and when there is no such message", async () => {
    await using broker = await openTestBroker();
    const [receipt] = (await send(broker, { body: "x", delayMs: 1_000 })) as [SendReceipt];
    await recall(broker, receipt.recallHandle);

    expect(await recall(broker, receipt.recallHandle)).toBe(receipt.messageId);
    expect(await recall(broker, forged(receipt, { messageId: "0".repeat(32) }))).toBe("0".repeat(32));
  });

  it("succeeds until the time of the message has come, then no more", async () => {
    await using broker = await openTestBroker();
    const [first, second] = (await send(
      broker,
      { body: "first", delayMs: 1_000 },
      { body: "second", delayMs: 1_000 },
    )) as [SendReceipt, SendReceipt];
    await broker.clock.advance(999);
    await recall(broker, first.recallHandle);
    await broker.clock.advance(1);

    await expect(recall(broker, second.recallHandle)).rejects.toMatchObject({
      code: "ERR_MQ_RECALL",
      responseCode: 604,
    });
    expect(await storedIn(broker.mq, "orders")).toEqual(["0 second"]);
  });

  it("is durable when it resolves", async () => {
    using folder = tempFolder();
    const path = folder.file("app.db");
    const first = await openTestBroker({ path });
    const [receipt] = await send(first, { body: "x", delayMs: 60_000 });
    await recall(first, receipt?.recallHandle);
    await first[Symbol.asyncDispose]();

    await using broker = await openTestBroker({ path });
    await broker.clock.advance(120_000);

    expect(await storedIn(broker.mq, "orders")).toEqual([]);
  });

  it("recalls what another process put off", async () => {
    using folder = tempFolder();
    const path = folder.file("app.db");
    await using sender = await openTestBroker({ path });
    await using broker = await openTestBroker({ path, seed: 2 });
    const [receipt] = await send(sender, { body: "x", delayMs: 60_000 });

    await recall(broker, receipt?.recallHandle);
    await sender.clock.advance(120_000);
    await broker.clock.advance(120_000);

    expect(await storedIn(broker.mq, "orders")).toEqual([]);
  });

  it("recalls what a process put off that has the store open with the other profile", async () => {
    using folder = tempFolder();
    const path = folder.file("app.db");
    await using embedded = await openTestBroker({ path });
    await using recorded = await openRecordedBroker({ path, seed: 2, recallMessageEnable: true });
    const timer = { body: "x", delayMs: 60_500 };
    const [[one], [other]] = [await send(embedded, timer), await send(recorded, timer)];

    await recall(recorded, one?.recallHandle);
    await recall(embedded, other?.recallHandle);
    for (const { clock } of [embedded, recorded]) await clock.advance(120_000);

    expect(await storedIn(embedded.mq, "orders")).toEqual([]);
  });

  it("has a handle for timers only", async () => {
    await using broker = await openTestBroker();
    const { clock } = broker;

    const receipts = await send(
      broker,
      { body: "delayMs", delayMs: 1 },
      { body: "deliverAt", deliverAt: clock.now() + 1_000 },
      { body: "level", delayLevel: 1 },
      { body: "at once" },
      { body: "past", deliverAt: 1 },
    );

    expect(receipts.map(({ recallHandle }) => recallHandle !== undefined)).toEqual([true, true, false, false, false]);
  });

  it.each<[what: string, handle: (receipt: SendReceipt) => unknown, topic: string, error: object]>([
    ["no handle", () => undefined, "orders", { code: "ERR_MQ_INVALID_ARGUMENT", responseCode: -1 }],
    ["an empty handle", () => "", "orders", { code: "ERR_MQ_INVALID_ARGUMENT", responseCode: -1 }],
    ["garbage", () => "garbage!", "orders", { code: "ERR_MQ_INVALID_ARGUMENT", responseCode: -1 }],
    [
      "a handle with a character too many",
      ({ recallHandle }) => `${recallHandle} `,
      "orders",
      { code: "ERR_MQ_INVALID_ARGUMENT" },
    ],
    ["a handle of another topic", ({ recallHandle }) => recallHandle, "refunds", { responseCode: 604 }],
    ["a handle of another broker", (receipt) => forged(receipt, { brokerName: "b" }), "orders", { responseCode: 604 }],
    ["a time that has come", (receipt) => forged(receipt, { timestamp: 1 }), "orders", { responseCode: 604 }],
    ["a negative time", (receipt) => forged(receipt, { timestamp: -1 }), "orders", { responseCode: 604 }],
    ["a time in a year", (receipt) => forged(receipt, { timestamp: 4e12 }), "orders", { responseCode: 604 }],
    ["a retry topic", ({ recallHandle }) => recallHandle, "%RETRY%billing", { responseCode: -1 }],
    ["a dead-letter topic", ({ recallHandle }) => recallHandle, "%DLQ%billing", { responseCode: -1 }],
    [
      "an unknown topic",
      ({ recallHandle }) => recallHandle,
      "Nope",
      { code: "ERR_MQ_TOPIC_NOT_FOUND", responseCode: 17 },
    ],
    ["an empty topic", ({ recallHandle }) => recallHandle, "", { responseCode: -1 }],
  ])("refuses %s, and recalls nothing", async (_what, handle, topic, error) => {
    await using broker = await openTestBroker();
    await broker.mq.admin.createTopic("refunds");
    const [receipt] = (await send(broker, { body: "x", delayMs: 1_000 })) as [SendReceipt];

    await expect(recall(broker, handle(receipt), topic)).rejects.toMatchObject(error);
    await broker.clock.advance(1_000);

    expect(await storedIn(broker.mq, "orders")).toEqual(["0 x"]);
  });

  it("is forbidden where recallMessageEnable is false, as it is by default in RocketMQ's profile", async () => {
    await using broker = await openTestBroker({ recallMessageEnable: false });
    await using recorded = await openRecordedBroker();
    await using allowed = await openRecordedBroker({ recallMessageEnable: true });
    const handles = await Promise.all(
      [broker, recorded, allowed].map(
        async (each) => (await send(each, { body: "x", delayMs: 5_000 }))[0]?.recallHandle,
      ),
    );

    const forbidden = { code: "ERR_MQ_NO_PERMISSION", responseCode: 16 };
    await expect(recall(broker, handles[0])).rejects.toMatchObject(forbidden);
    await expect(recall(recorded, handles[1])).rejects.toMatchObject(forbidden);
    await recall(allowed, handles[2]);
  });

  it("is refused once the producer is closed", async () => {
    await using broker = await openTestBroker();
    const [receipt] = await send(broker, { body: "x", delayMs: 1_000 });
    const producer = broker.mq.producer({ group: "late" });
    await producer.close();

    await expect(producer.recall("orders", receipt?.recallHandle ?? "")).rejects.toMatchObject({
      code: "ERR_MQ_CLOSED",
    });
  });
});
