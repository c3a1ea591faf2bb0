import type Database from "better-sqlite3";
import { describe, expect, it } from "vitest";
import type { Broker, Message, MessageView } from "../../lib/index.js";
import { CONNECTIONS, openShared, storedIn } from "../support/shared-connection.js";
import { tempFolder } from "../support/temp-folder.js";
import { openTestBroker, type TestBroker } from "../support/test-broker.js";
import { VirtualClock } from "../support/virtual-clock.js";

const SECOND = 1_000;
const DAY = 86_400_000;

type Delay = Pick<Message, "delayLevel"> | Pick<Message, "delayMs"> | Pick<Message, "deliverAt">;

function order(body: string, delay: Delay): Message {
  return { topic: "orders", body, ...delay } as Message;
}

interface Received {
  readonly at: number;
  readonly message: MessageView;
}

/** What a group gets from now on, and when. */
async function receive({ mq, clock }: TestBroker): Promise<readonly Received[]> {
  const received: Received[] = [];
  await mq
    .pushConsumer({
      group: "billing",
      subscriptions: { orders: "*" },
      listener: (message) => void received.push({ at: clock.now(), message }),
    })
    .start();
  return received;
}

const texts = (received: readonly Received[]): readonly string[] => received.map(({ message }) => message.text());

describe("a message that is put off", () => {
  it.each<[what: string, delay: (now: number) => Delay, ms: number]>([
    ["delayMs", () => ({ delayMs: 1_234 }), 1_234],
    ["deliverAt in milliseconds", (now) => ({ deliverAt: now + 1_234 }), 1_234],
    ["deliverAt as a Date", (now) => ({ deliverAt: new Date(now + 1_234) }), 1_234],
    ["delayMs of one millisecond", () => ({ delayMs: 1 }), 1],
    ["three days", () => ({ delayMs: 3 * DAY }), 3 * DAY],
    ["delayLevel 1", () => ({ delayLevel: 1 }), SECOND],
    ["delayLevel 4", () => ({ delayLevel: 4 }), 30 * SECOND],
    ["delayLevel 18", () => ({ delayLevel: 18 }), 7_200 * SECOND],
    ["a level above the last, which is the last", () => ({ delayLevel: 2 ** 31 - 1 }), 7_200 * SECOND],
  ])("is delivered at its time, not a millisecond before: %s", async (_what, delay, ms) => {
    await using broker = await openTestBroker();
    const { mq, clock } = broker;
    const received = await receive(broker);
    const sentAt = clock.now();
    await mq.producer({ group: "shop" }).send(order("x", delay(sentAt)));

    await clock.advance(sentAt + ms - 1 - clock.now());
    const early = received.length;
    await clock.advance(1);

    expect(early).toBe(0);
    expect(received.map(({ at, message }) => [at, message.deliverAt])).toEqual([[sentAt + ms, sentAt + ms]]);
  });

  it.each<[what: string, delay: (now: number) => Delay]>([
    ["delayMs 0", () => ({ delayMs: 0 })],
    ["a negative delayMs", () => ({ delayMs: -5 })],
    ["a moment that has passed", (now) => ({ deliverAt: now - 1 })],
    ["now", (now) => ({ deliverAt: now })],
    ["the beginning of time", () => ({ deliverAt: new Date(0) })],
    ["delayLevel 0", () => ({ delayLevel: 0 })],
    ["a negative level", () => ({ delayLevel: -1 })],
  ])("is delivered at once where that asks for no delay: %s", async (_what, delay) => {
    await using broker = await openTestBroker({ defaultQueueCount: 1 });
    const { mq, clock } = broker;
    const received = await receive(broker);

    const receipt = await mq.producer({ group: "shop" }).send(order("x", delay(clock.now())));
    await clock.settle();

    expect(texts(received)).toEqual(["x"]);
    expect(receipt).toMatchObject({ queueOffset: 0, offsetMessageId: received[0]?.message.offsetMessageId });
    expect(receipt.recallHandle).toBeUndefined();
  });

  it("lies in no queue before, and has its offset from when it is delivered", async () => {
    await using broker = await openTestBroker({ defaultQueueCount: 1 });
    const { mq, clock } = broker;
    const producer = mq.producer({ group: "shop" });

    const receipt = await producer.send(order("later", { delayMs: 100 }));
    await producer.send({ topic: "orders", body: "at once" });
    const before = await storedIn(mq, "orders");
    await clock.advance(100);

    expect(receipt).toMatchObject({ status: "SEND_OK", queueId: 0, queueOffset: -1, offsetMessageId: "" });
    expect(before).toEqual(["0 at once"]);
    expect(await storedIn(mq, "orders")).toEqual(["0 at once", "1 later"]);
  });

  it("is the message that was sent: id, content, time of birth and queue", async () => {
    await using broker = await openTestBroker({ defaultQueueCount: 4 });
    const { mq, clock } = broker;
    const received = await receive(broker);
    const content = { tag: "paid", keys: ["k"], properties: { region: "EU" }, flag: 7 };
    const sentAt = clock.now();

    const receipt = await mq
      .producer({ group: "shop" })
      .send({ topic: "orders", body: "x", ...content, delayMs: 5_000 }, { queue: 2 });
    await clock.advance(5_000);

    const [{ message } = { message: undefined }] = received;
    expect(message).toMatchObject({ ...content, messageId: receipt.messageId, queueId: 2, topic: "orders" });
    expect(message?.text()).toBe("x");
    expect([message?.bornTimestamp, message?.storeTimestamp]).toEqual([sentAt, sentAt + 5_000]);
    expect(Object.keys(message?.systemProperties ?? {})).not.toContain("REAL_TOPIC");
  });

  it("comes in the order of the sends where others are due at the same time", async () => {
    await using broker = await openTestBroker({ defaultQueueCount: 1 });
    const { mq, clock } = broker;
    const producer = mq.producer({ group: "shop" });
    await producer.send(order("first", { delayMs: 2_000 }));
    await clock.advance(1_000);
    await producer.send(order("second", { delayLevel: 1 }));
    await producer.send(order("third", { delayMs: 1_000 }));
    await producer.send(order("before", { delayMs: 999 }));

    await clock.advance(1_000);

    expect(await storedIn(mq, "orders")).toEqual(["0 before", "1 first", "2 second", "3 third"]);
  });

  it("outlives a restart, and is delivered at once where its time has come meanwhile", async () => {
    using folder = tempFolder();
    const path = folder.file("app.db");
    const later = await openTestBroker({ path });
    const sentAt = later.clock.now();
    const producer = later.mq.producer({ group: "shop" });
    await producer.send(order("soon", { delayMs: 1_000 }));
    await producer.send(order("late", { delayMs: 60_000 }));
    await later[Symbol.asyncDispose]();

    const clock = new VirtualClock();
    clock.setTime(sentAt + 30_000);
    await using broker = await openTestBroker({ path, clock });
    const received = await receive(broker);
    await clock.advance(0);
    const atStart = texts(received);
    await clock.advance(sentAt + 60_000 - clock.now());

    expect(atStart).toEqual(["soon"]);
    expect(texts(received)).toEqual(["soon", "late"]);
  });

  it("is put off no second time when it is retried, nor is its dead letter", async () => {
    await using broker = await openTestBroker();
    const { mq, clock } = broker;
    const attempts: (readonly [attempt: number, deliverAt: number | undefined])[] = [];
    await mq
      .pushConsumer({
        group: "billing",
        subscriptions: { orders: "*" },
        maxReconsumeTimes: 1,
        listener: ({ deliveryAttempt, deliverAt }) => {
          attempts.push([deliveryAttempt, deliverAt]);
          return "retry";
        },
      })
      .start();
    const dueAt = clock.now() + 60_000;
    await mq.producer({ group: "shop" }).send(order("x", { delayMs: 60_000 }));

    await clock.advance(60_000);
    await clock.advance(11_000);

    expect(attempts).toEqual([
      [1, dueAt],
      [2, dueAt],
    ]);
    expect(await storedIn(mq, "%DLQ%billing")).toEqual(["0 x"]);
  });

  it.each(CONNECTIONS)("commits and rolls back with the transaction it was sent in: %s", async (kind) => {
    await using shared = await openShared(kind);
    const { mq, clock, database } = shared;
    const producer = mq.producer({ group: "shop" });

    database.exec("BEGIN");
    producer.sendSync(order("undone", { delayMs: 100 }));
    database.exec("ROLLBACK");
    database.exec("BEGIN");
    producer.sendSync(order("done", { delayMs: 100 }));
    database.exec("COMMIT");
    await clock.advance(99);
    const early = await storedIn(mq, "orders").catch(() => []);
    await clock.advance(1);

    expect(early).toEqual([]);
    expect(await storedIn(mq, "orders")).toEqual(["0 done"]);
  });

  it("is told as stored when it is in its queue", async () => {
    await using broker = await openTestBroker({ defaultQueueCount: 1 });
    const { mq, clock } = broker;
    const told: unknown[] = [];
    mq.on("message:stored", ({ messageId, queueOffset }) => void told.push([messageId, queueOffset, clock.now()]));
    const sentAt = clock.now();

    const { messageId } = await mq.producer({ group: "shop" }).send(order("x", { delayMs: 100 }));
    const before = told.length;
    await clock.advance(100);

    expect([before, ...told]).toEqual([0, [messageId, 0, sentAt + 100]]);
  });

  it("creates its topic when it is sent, and is refused where that is not to be had", async () => {
    await using broker = await openTestBroker();
    await broker.mq.producer({ group: "shop" }).send(order("x", { delayMs: 100 }));
    await using strict = await openTestBroker({ autoCreateTopic: false });

    expect(await broker.mq.admin.getTopic("orders")).toMatchObject({ topic: "orders" });
    await expect(strict.mq.producer({ group: "shop" }).send(order("x", { delayMs: 100 }))).rejects.toMatchObject({
      responseCode: 17,
    });
  });

  it("waits as long as the broker's messageDelayLevels say, and its retries do", async () => {
    await using broker = await openTestBroker({ messageDelayLevels: "2s 1h 7s" });
    const { mq, clock } = broker;
    const attempts: number[] = [];
    await mq
      .pushConsumer({
        group: "billing",
        subscriptions: { orders: "*" },
        listener: () => {
          attempts.push(clock.now() - sentAt);
          return attempts.length < 3 ? "retry" : "success";
        },
      })
      .start();
    const sentAt = clock.now();
    await mq.producer({ group: "shop" }).send(order("x", { delayLevel: 1 }));

    await clock.advance(20_000);

    expect(attempts).toEqual([2_000, 9_000, 16_000]);
  });
});

describe("bad input to a delay", () => {
  const now = Date.UTC(2026, 0);
  it.each<[what: string, fields: Readonly<Record<string, unknown>>, error: object]>([
    ["a fraction of a millisecond", { delayMs: 1.5 }, { code: "ERR_MQ_INVALID_ARGUMENT", responseCode: -1 }],
    ["no number", { delayMs: "10" }, { message: 'delayMs must be an integer, got "10"' }],
    ["NaN", { deliverAt: Number.NaN }, { message: "deliverAt must be a Date or epoch milliseconds, got NaN" }],
    ["an invalid Date", { deliverAt: new Date(Number.NaN) }, { responseCode: -1 }],
    ["null", { deliverAt: null }, { responseCode: -1 }],
    [
      "a level that is no integer",
      { delayLevel: 1.5 },
      { message: "delayLevel must be an integer of 32 bits, got 1.5" },
    ],
    ["a level beyond 32 bits", { delayLevel: 2 ** 31 }, { responseCode: -1 }],
    ["two ways at once", { delayMs: 1, deliverAt: now }, { message: /delayMs and deliverAt/ }],
    ["a message group beside it", { delayLevel: 1, messageGroup: "o-1" }, { message: /delayLevel and messageGroup/ }],
    [
      "more than three days",
      { delayMs: 3 * DAY + 1 },
      { code: "ERR_MQ_MESSAGE_ILLEGAL", responseCode: 13, message: /max delay 259200000ms, got 259200001/ },
    ],
    ["a moment of another age", { deliverAt: Number.MAX_SAFE_INTEGER }, { responseCode: 13 }],
  ])("is refused, and nothing is stored: %s", async (_what, fields, error) => {
    await using broker = await openTestBroker();
    const { mq, clock } = broker;
    const sending = mq.producer({ group: "shop" }).send({ topic: "orders", body: "x", ...fields } as Message);

    const { message, ...codes } = error as { readonly message?: string | RegExp };
    await expect(sending).rejects.toMatchObject(codes);
    if (message !== undefined) await expect(sending).rejects.toThrow(message);
    expect(pending(mq)).toBe(0);
    await clock.settle();
    expect(await topicsOf(mq)).toEqual([]);
  });

  it("is refused in a batch, which is stored in one piece", async () => {
    await using broker = await openTestBroker();
    const batch = [{ topic: "orders", body: "x" }, order("y", { delayMs: 1 })];

    await expect(broker.mq.producer({ group: "shop" }).sendBatch(batch)).rejects.toMatchObject({
      code: "ERR_MQ_INVALID_ARGUMENT",
      message: "the messages of a batch cannot be put off, got one at 1",
    });
    expect(await topicsOf(broker.mq)).toEqual([]);
  });

  it.each([["1s 5x"], ["1s  5s"], [""], ["s"], ["1.5s"], [5]])("messageDelayLevels %j is refused", async (levels) => {
    await expect(openTestBroker({ messageDelayLevels: levels as string })).rejects.toMatchObject({
      code: "ERR_MQ_INVALID_ARGUMENT",
      message: expect.stringContaining("messageDelayLevels must be delays like"),
    });
  });
});

/** Blocks of messages that are put off. */
function pending({ database }: Broker): unknown {
  return (database as Database.Database).prepare("SELECT count(*) FROM mq_due").pluck().get();
}

async function topicsOf(mq: Broker): Promise<readonly string[]> {
  return (await mq.admin.listTopics()).map(({ topic }) => topic);
}
