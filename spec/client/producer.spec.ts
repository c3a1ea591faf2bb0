import { describe, expect, it } from "vitest";
import type { SendReceipt } from "../../lib/index.js";
import { decodeOffsetMessageId } from "../../lib/message/offset-message-id.js";
import { decodeUniqueId } from "../../lib/message/unique-id.js";
import { browseQueue, storedIn } from "../support/shared-connection.js";
import { openTestBroker } from "../support/test-broker.js";
import { thrown } from "../support/thrown.js";

const message = { topic: "orders", body: "x" };

describe("Producer.send", () => {
  it("resolves with where the message is stored", async () => {
    await using broker = await openTestBroker({ defaultQueueCount: 1 });
    const producer = broker.mq.producer({ group: "shop" });
    await producer.send(message);

    const receipt = await producer.send({ topic: "orders", body: "a" });

    const [, stored] = await browseQueue(broker.mq, "orders");
    expect(receipt).toEqual({
      status: "SEND_OK",
      messageId: stored?.messageId,
      offsetMessageId: stored?.offsetMessageId,
      topic: "orders",
      brokerName: "broker-a",
      queueId: 0,
      queueOffset: 1,
      transactionId: stored?.messageId,
    });
    expect(decodeOffsetMessageId(receipt.offsetMessageId)).toEqual({
      host: "127.0.0.1",
      port: 10_911,
      commitLogOffset: stored?.commitLogOffset,
    });
  });

  it("gives ids that tell when they were made", async () => {
    await using broker = await openTestBroker();
    const producer = broker.mq.producer({ group: "shop" });

    const { messageId } = await producer.send(message);

    const now = broker.clock.now();
    expect(decodeUniqueId(messageId, now)).toMatchObject({ timestamp: now });
  });

  it("stores everything that the message says, and the times of its send and its commit", async () => {
    await using broker = await openTestBroker({ defaultQueueCount: 1 });
    const { mq, clock } = broker;
    const producer = mq.producer({ group: "shop" });
    const sentAt = clock.now();

    await producer.send({
      topic: "orders",
      tag: "créé",
      keys: ["o-1", "o-2"],
      body: "Grüße",
      properties: { region: "EU" },
      flag: -7,
      waitStoreMsgOk: false,
    });

    const [stored] = await browseQueue(mq, "orders");
    expect(stored).toMatchObject({
      topic: "orders",
      tag: "créé",
      keys: ["o-1", "o-2"],
      properties: { region: "EU" },
      flag: -7,
      bornTimestamp: sentAt,
      storeTimestamp: sentAt,
      reconsumeTimes: 0,
    });
    expect(stored?.text()).toBe("Grüße");
    expect(stored?.systemProperties).toMatchObject({ WAIT: "false" });
  });

  it("stores the bytes of a Uint8Array of any kind", async () => {
    await using broker = await openTestBroker({ defaultQueueCount: 1 });
    const producer = broker.mq.producer({ group: "shop" });
    const bytes = Uint8Array.from({ length: 256 }, (_, index) => index);

    await producer.send({ topic: "orders", body: bytes });
    await producer.send({ topic: "orders", body: Buffer.from(bytes).subarray(3, 5) });

    const stored = await browseQueue(broker.mq, "orders");
    expect(stored.map(({ body }) => [...body])).toEqual([[...bytes], [3, 4]]);
  });

  it("leaves the message as it was: frozen objects will do", async () => {
    await using broker = await openTestBroker();
    const producer = broker.mq.producer({ group: "shop" });
    const frozen = Object.freeze({ ...message, properties: Object.freeze({ k: "v" }), keys: Object.freeze(["a"]) });

    const receipts = [await producer.send(frozen), await producer.send(frozen)];

    expect(new Set(receipts.map(({ messageId }) => messageId)).size).toBe(2);
  });

  it("stores sends to one queue in the order of the calls, whether they are awaited or not", async () => {
    await using broker = await openTestBroker({ defaultQueueCount: 1 });
    const { mq } = broker;
    const producer = mq.producer({ group: "shop" });
    const order: number[] = [];

    const sends: Promise<SendReceipt>[] = [];
    for (let call = 0; call < 3_000; call += 1) {
      if (call % 500 === 499) await producer.send({ topic: "orders", body: `${call}` });
      else sends.push(producer.send({ topic: "orders", body: `${call}` }));
      if (call % 700 === 699) producer.sendSync({ topic: "orders", body: `${call} sync` });
      void sends.at(-1)?.then(({ queueOffset }) => order.push(queueOffset));
    }
    await Promise.all(sends);

    const offsets = (await Promise.all(sends)).map(({ queueOffset }) => queueOffset);
    expect(offsets).toEqual([...offsets].sort((a, b) => a - b));
    expect(order).toEqual([...order].sort((a, b) => a - b));
    expect((await storedIn(mq, "orders")).slice(697, 702)).toEqual([
      "697 697",
      "698 698",
      "699 699",
      "700 699 sync",
      "701 700",
    ]);
  });

  it("shares a commit among the sends of one turn, and has one of its own for a lone send", async () => {
    await using broker = await openTestBroker({ defaultQueueCount: 1 });
    const { mq } = broker;
    const producer = mq.producer({ group: "shop" });
    const blocks = (): unknown => countBlocks(mq.database);

    await Promise.all(["a", "b", "c"].map((body) => producer.send({ topic: "orders", body })));
    expect(blocks()).toBe(1);
    await producer.send(message);

    expect(blocks()).toBe(2);
  });

  it("rejects, never throws, what is malformed, and says what", async () => {
    await using broker = await openTestBroker();
    const producer = broker.mq.producer({ group: "shop" });

    const refused = [
      producer.send(undefined as never),
      producer.send({ topic: "a b", body: "x" }),
      producer.send({ topic: "orders", body: "" }),
      producer.send(message, { timeoutMs: 0 }),
      producer.send(message, { retries: 3 } as never),
      producer.send(message, { signal: {} as never }),
      producer.send(message, { queue: 1.5 }),
      producer.send(message, "fast" as never),
    ];

    const outcomes = await Promise.allSettled(refused);
    expect(
      outcomes.map((outcome) =>
        outcome.status === "rejected" ? [outcome.reason.code, outcome.reason.responseCode] : [],
      ),
    ).toEqual([
      ["ERR_MQ_INVALID_ARGUMENT", -1],
      ["ERR_MQ_INVALID_ARGUMENT", -1],
      ["ERR_MQ_MESSAGE_ILLEGAL", 13],
      ["ERR_MQ_INVALID_ARGUMENT", -1],
      ["ERR_MQ_INVALID_ARGUMENT", -1],
      ["ERR_MQ_INVALID_ARGUMENT", -1],
      ["ERR_MQ_INVALID_ARGUMENT", -1],
      ["ERR_MQ_INVALID_ARGUMENT", -1],
    ]);
    await expect(refused[3]).rejects.toThrow("timeoutMs must be an integer from 1 to 2147483647, got 0");
    await expect(refused[4]).rejects.toThrow('SendOptions has no option "retries"');
    await expect(refused[5]).rejects.toThrow("signal must be an AbortSignal, got an object");
    expect(await broker.mq.admin.listTopics()).toEqual([]);
  });

  it("refuses a body above maxMessageSize, which is 4 MiB unless it was lowered", async () => {
    await using broker = await openTestBroker({ defaultQueueCount: 1 });
    const producer = broker.mq.producer({ group: "shop", maxMessageSize: 10 });
    const usual = broker.mq.producer({ group: "shop" });

    await expect(producer.send({ topic: "orders", body: "01234567890" })).rejects.toMatchObject({ responseCode: 13 });
    await expect(usual.send({ topic: "orders", body: Buffer.alloc(4_194_305) })).rejects.toMatchObject({
      responseCode: 13,
    });
    await usual.send({ topic: "orders", body: Buffer.alloc(4_194_304) });
    await producer.send({ topic: "orders", body: "0123456789" });

    expect((await browseQueue(broker.mq, "orders")).map(({ body }) => body.length)).toEqual([4_194_304, 10]);
  });

  it("refuses more than 10,000 pending writes with 215, stores the others, and takes messages again", async () => {
    await using broker = await openTestBroker({ defaultQueueCount: 1 });
    const producer = broker.mq.producer({ group: "shop" });

    const sends = Array.from({ length: 10_001 }, () => producer.send(message));
    const last = await sends.pop()?.catch((error: unknown) => error);
    await Promise.all(sends);

    expect(last).toMatchObject({ code: "ERR_MQ_TOO_MANY_REQUESTS", responseCode: 215 });
    expect((await producer.send(message)).queueOffset).toBe(10_000);
  });

  it("refuses more than 64 MiB of pending writes with 215", async () => {
    await using broker = await openTestBroker({ defaultQueueCount: 1 });
    const producer = broker.mq.producer({ group: "shop" });
    const body = Buffer.alloc(4 * 1024 * 1024 - 1_024);

    const outcomes = await Promise.allSettled(
      Array.from({ length: 17 }, () => producer.send({ topic: "orders", body })),
    );

    expect(outcomes.filter(({ status }) => status === "rejected")).toMatchObject([
      { reason: { code: "ERR_MQ_TOO_MANY_REQUESTS" } },
    ]);
    expect(outcomes.at(-1)?.status).toBe("rejected");
  });
});

describe("Producer.sendBatch", () => {
  it("stores its messages in one queue at consecutive offsets, each with an id of its own", async () => {
    await using broker = await openTestBroker({ defaultQueueCount: 1 });
    const producer = broker.mq.producer({ group: "shop" });
    await producer.send(message);

    const receipts = await producer.sendBatch(["a", "b", "c"].map((body) => ({ topic: "orders", body })));

    expect(receipts.map(({ queueOffset }) => queueOffset)).toEqual([1, 2, 3]);
    const stored = (await browseQueue(broker.mq, "orders")).slice(1);
    expect(stored.map(({ messageId }) => messageId)).toEqual(receipts.map(({ messageId }) => messageId));
    expect(stored.map(({ offsetMessageId }) => offsetMessageId)).toEqual(
      receipts.map(({ offsetMessageId }) => offsetMessageId),
    );
    expect(new Set(receipts.map(({ messageId }) => messageId)).size).toBe(3);
  });

  it("counts as one send when queues take turns", async () => {
    await using broker = await openTestBroker({ defaultQueueCount: 4 });
    const producer = broker.mq.producer({ group: "shop" });
    const batch = [message, message, message];

    const first = await producer.sendBatch(batch);
    const second = await producer.sendBatch(batch);

    expect(new Set(first.map(({ queueId }) => queueId)).size).toBe(1);
    expect(second[0]?.queueId).toBe(((first[0]?.queueId ?? 0) + 1) % 4);
  });

  it("hands its first message to a selector, once", async () => {
    await using broker = await openTestBroker({ defaultQueueCount: 4 });
    const producer = broker.mq.producer({ group: "shop" });
    const seen: unknown[] = [];
    const batch = ["a", "b"].map((body) => ({ topic: "orders", body }));

    const receipts = await producer.sendBatch(batch, {
      queue: (queues, selected) => {
        seen.push(selected);
        return queues[3] as (typeof queues)[number];
      },
    });

    expect(seen).toEqual([batch[0]]);
    expect(receipts.map(({ queueId }) => queueId)).toEqual([3, 3]);
  });

  it.each([
    ["no message", []],
    ["two topics", [message, { topic: "invoices", body: "x" }]],
    ["a message without body", [message, { topic: "orders", body: "" }]],
    ["a message that is none", [message, null]],
  ])("stores none when it holds %s", async (_what, batch) => {
    await using broker = await openTestBroker();
    const producer = broker.mq.producer({ group: "shop" });

    await expect(producer.sendBatch(batch as never)).rejects.toMatchObject({ responseCode: -1 });
    expect(thrown(() => producer.sendBatchSync(batch as never)).responseCode).toBe(-1);

    expect(await broker.mq.admin.listTopics()).toEqual([]);
  });

  it("stores none when the whole is larger than maxMessageSize", async () => {
    await using broker = await openTestBroker();
    const producer = broker.mq.producer({ group: "shop" });
    const batch = Array.from({ length: 5 }, () => ({ topic: "orders", body: Buffer.alloc(1024 * 1024) }));

    await expect(producer.sendBatch(batch)).rejects.toMatchObject({ code: "ERR_MQ_MESSAGE_ILLEGAL", responseCode: 13 });

    expect(await broker.mq.admin.listTopics()).toEqual([]);
  });

  it("stores one block of many kilobytes whole, at consecutive offsets", async () => {
    await using broker = await openTestBroker({ defaultQueueCount: 1 });
    const producer = broker.mq.producer({ group: "shop" });
    const batch = Array.from({ length: 300 }, (_, index) => ({ topic: "orders", body: `${index}`.padEnd(1_000, ".") }));

    const receipts = await producer.sendBatch(batch);

    expect(receipts.map(({ queueOffset }) => queueOffset)).toEqual(batch.map((_, index) => index));
    const stored = await browseQueue(broker.mq, "orders");
    expect(stored.map((view) => view.text())).toEqual(batch.map(({ body }) => body));
  });
});

describe("EmbeddedProducer.sendSync and sendBatchSync", () => {
  it("answer as send and sendBatch do", async () => {
    await using broker = await openTestBroker({ defaultQueueCount: 1 });
    const producer = broker.mq.producer({ group: "shop" });

    const receipt = producer.sendSync(message);
    const receipts = producer.sendBatchSync([message, message]);

    expect(Object.keys(receipt)).toEqual(Object.keys(await producer.send(message)));
    expect([receipt, ...receipts].map(({ queueOffset, status }) => `${queueOffset} ${status}`)).toEqual([
      "0 SEND_OK",
      "1 SEND_OK",
      "2 SEND_OK",
    ]);
  });

  it("throw what send rejects with", async () => {
    await using broker = await openTestBroker({ autoCreateTopic: false });
    const producer = broker.mq.producer({ group: "shop" });

    expect(thrown(() => producer.sendSync(message))).toMatchObject({
      code: "ERR_MQ_TOPIC_NOT_FOUND",
      responseCode: 17,
    });
    expect(thrown(() => producer.sendSync({ topic: "orders", body: "" })).responseCode).toBe(13);
    expect(thrown(() => producer.sendBatchSync([message])).responseCode).toBe(17);
  });

  it("fail alone among pending sends that succeed", async () => {
    await using broker = await openTestBroker({ defaultQueueCount: 1 });
    const producer = broker.mq.producer({ group: "shop" });

    const pending = producer.send(message);
    const error = thrown(() => producer.sendSync(message, { queue: 5 }));

    expect(error.responseCode).toBe(29);
    expect((await pending).queueOffset).toBe(0);
  });
});

describe("Producer.sendOneway", () => {
  it("stores in its turn among other sends", async () => {
    await using broker = await openTestBroker({ defaultQueueCount: 1 });
    const producer = broker.mq.producer({ group: "shop" });

    void producer.send({ topic: "orders", body: "a" });
    producer.sendOneway({ topic: "orders", body: "b" });
    await producer.send({ topic: "orders", body: "c" });

    expect(await storedIn(broker.mq, "orders")).toEqual(["0 a", "1 b", "2 c"]);
  });

  it("throws what can be said at once", async () => {
    await using broker = await openTestBroker({ autoCreateTopic: false });
    const producer = broker.mq.producer({ group: "shop" });
    const reason = new Error("no longer wanted");

    expect(thrown(() => producer.sendOneway({ topic: "", body: "x" })).responseCode).toBe(-1);
    expect(thrown(() => producer.sendOneway({ topic: "orders", body: "" })).responseCode).toBe(13);
    expect(thrown(() => producer.sendOneway(message)).responseCode).toBe(17);
    await broker.mq.admin.createTopic("orders");
    expect(() => producer.sendOneway(message, { signal: AbortSignal.abort(reason) })).toThrow(reason);
    await producer.close();
    expect(thrown(() => producer.sendOneway(message)).code).toBe("ERR_MQ_CLOSED");
  });

  it("reports nothing of what happens afterwards", async () => {
    await using broker = await openTestBroker({ defaultQueueCount: 1 });
    const producer = broker.mq.producer({ group: "shop" });

    producer.sendOneway(message, { queue: 7 });
    await broker.clock.settle();

    expect(await broker.mq.admin.listTopics()).toEqual([]);
  });
});

describe("Producer.close", () => {
  it("refuses further sends and resolves once those before are stored", async () => {
    await using broker = await openTestBroker({ defaultQueueCount: 1 });
    const producer = broker.mq.producer({ group: "shop" });
    const settled: string[] = [];

    void producer.send(message).then(() => settled.push("sent"));
    const closing = producer.close().then(() => settled.push("closed"));
    await expect(producer.send(message)).rejects.toMatchObject({ code: "ERR_MQ_CLOSED" });
    expect(thrown(() => producer.sendSync(message)).code).toBe("ERR_MQ_CLOSED");
    await expect(producer.sendBatch([message])).rejects.toMatchObject({ code: "ERR_MQ_CLOSED" });
    expect(thrown(() => producer.sendBatchSync([message])).code).toBe("ERR_MQ_CLOSED");
    await closing;

    expect(settled).toEqual(["sent", "closed"]);
  });

  it("returns the same promise every time, and await using calls it", async () => {
    await using broker = await openTestBroker();
    const producer = broker.mq.producer({ group: "shop" });
    {
      await using _disposed = producer;
    }

    expect(producer.close()).toBe(producer.close());
    await expect(producer.send(message)).rejects.toMatchObject({ code: "ERR_MQ_CLOSED" });
  });

  it("does not close other producers of the group", async () => {
    await using broker = await openTestBroker();
    const [first, second] = [broker.mq.producer({ group: "shop" }), broker.mq.producer({ group: "shop" })];

    await first.close();

    expect(second.group).toBe("shop");
    expect((await second.send(message)).status).toBe("SEND_OK");
  });
});

function countBlocks(database: { prepare(source: string): unknown }): unknown {
  return (database.prepare("SELECT count(*) AS count FROM mq_log") as { get(): { readonly count: number } }).get()
    .count;
}
