import { describe, expect, it } from "vitest";
import type { EmbeddedAdmin } from "../../lib/index.js";
import { startProducer, TOPIC } from "../client/transaction-support.js";
import { browseQueue, storedIn } from "../support/shared-connection.js";
import { openRecordedBroker, openTestBroker } from "../support/test-broker.js";

const ONE_QUEUE = { defaultQueueCount: 1 };
const SECOND = 1_000;

describe("listHalfMessages", () => {
  it("tells of each message whose transaction is open, in the order in which they were stored", async () => {
    await using broker = await openTestBroker();
    const { mq, clock } = broker;
    const { producer } = await startProducer(broker, { done: "commit" });
    const other = await startProducer(broker, {}, {}, { group: "others" });
    const sentAt = clock.now();
    const first = await producer.sendInTransaction({ topic: TOPIC, body: "first" });
    await producer.sendInTransaction({ topic: TOPIC, body: "done" });
    await clock.advance(5 * SECOND);
    const second = await other.producer.sendInTransaction({ topic: "bills", body: "second" });
    await clock.advance(SECOND);

    const [all, ofOthers] = [
      await mq.admin.listHalfMessages(),
      await mq.admin.listHalfMessages({ producerGroup: "others" }),
    ];

    expect(all).toEqual([
      {
        ...{ transactionId: first.messageId, messageId: first.messageId, topic: TOPIC, producerGroup: "shop" },
        ...{ bornTimestamp: sentAt, checks: 1, nextCheckAt: sentAt + 36 * SECOND },
      },
      {
        ...{ transactionId: second.messageId, messageId: second.messageId, topic: "bills", producerGroup: "others" },
        ...{ bornTimestamp: sentAt + 5 * SECOND, checks: 0, nextCheckAt: sentAt + 11 * SECOND },
      },
    ]);
    expect(ofOthers).toEqual(all.slice(1));
  });

  it("says under rocketmq when the round comes that looks at a message", async () => {
    await using broker = await openRecordedBroker();
    const { producer } = await startProducer(broker);
    await broker.clock.advance(10 * SECOND);
    await producer.sendInTransaction({ topic: TOPIC, body: "a" });

    const [half] = await broker.mq.admin.listHalfMessages();

    expect(half?.nextCheckAt).toBe(broker.clock.now() + 20 * SECOND);
  });

  it("lists more than one read takes", async () => {
    await using broker = await openTestBroker();
    const { producer } = await startProducer(broker);
    await Promise.all(Array.from({ length: 1_200 }, () => producer.sendInTransaction({ topic: TOPIC, body: "a" })));

    const halves = await broker.mq.admin.listHalfMessages();

    expect(new Set(halves.map(({ transactionId }) => transactionId)).size).toBe(1_200);
  });
});

describe("resolveHalfMessage", () => {
  it("ends a transaction in place of its producer, whose own end has no effect any more", async () => {
    await using broker = await openTestBroker(ONE_QUEUE);
    const { mq, clock } = broker;
    const resolved: string[] = [];
    mq.on("transaction:resolved", ({ resolution }) => void resolved.push(resolution));
    const { producer, asked } = await startProducer(broker);
    const [commit, rollback] = [producer.beginTransaction(), producer.beginTransaction()];
    const { transactionId = "" } = await commit.send({ topic: TOPIC, body: "commit" });
    const receipt = await rollback.send({ topic: TOPIC, body: "roll back" });

    await mq.admin.resolveHalfMessage(transactionId, "commit");
    await mq.admin.resolveHalfMessage(receipt.messageId, "rollback");
    await Promise.all([commit.rollback(), rollback.commit()]);
    await clock.advance(100 * SECOND);

    expect([resolved, asked]).toEqual([["commit", "rollback"], []]);
    expect(await storedIn(mq, TOPIC)).toEqual(["0 commit"]);
  });

  it.each([
    ["embedded", openTestBroker],
    ["rocketmq", openRecordedBroker],
  ])("sends a message again that was given up, under %s, to the queue where it was to go", async (profile, open) => {
    await using broker = await open({ transaction: { checkMax: 1 } });
    const { mq, clock } = broker;
    const { producer } = await startProducer(broker);
    const transaction = producer.beginTransaction();
    const { messageId } = await transaction.send({ topic: TOPIC, tag: "t", body: "given up" }, { queue: 3 });
    await clock.advance(100 * SECOND);

    await mq.admin.resolveHalfMessage(messageId, "commit");

    const [sent] = await browseQueue(mq, TOPIC, 3);
    const [givenUp] = await browseQueue(mq, "TRANS_CHECK_MAX_TIME_TOPIC");
    expect([sent?.text(), sent?.messageId, sent?.tag]).toEqual(["given up", messageId, "t"]);
    expect(givenUp?.systemProperties).toMatchObject({ REAL_TOPIC: TOPIC, REAL_QID: "3" });
    expect("REAL_TOPIC" in (sent?.systemProperties ?? {})).toBe(profile === "rocketmq");
  });

  it("refuses a transaction that is not open, one that was given up and is to be rolled back, and one that it has committed", async () => {
    await using broker = await openTestBroker({ ...ONE_QUEUE, transaction: { checkMax: 1 } });
    const { mq, clock } = broker;
    const { producer } = await startProducer(broker);
    const givenUp = await producer.sendInTransaction({ topic: TOPIC, body: "given up" });
    await clock.advance(100 * SECOND);
    const committed = await producer.sendInTransaction({ topic: TOPIC, body: "committed" });
    await mq.admin.resolveHalfMessage(committed.messageId, "commit");

    const calls = [
      mq.admin.resolveHalfMessage("of nobody", "commit"),
      mq.admin.resolveHalfMessage(givenUp.messageId, "rollback"),
      mq.admin.resolveHalfMessage(committed.messageId, "commit"),
    ];

    for (const call of calls) await expect(call).rejects.toMatchObject({ code: "ERR_MQ_TRANSACTION", responseCode: 1 });
    expect(await storedIn(mq, TOPIC)).toEqual(["0 committed"]);
  });

  it.each([
    [
      "transactionId must be a string, got undefined",
      (admin: Untyped) => admin.resolveHalfMessage(undefined, "commit"),
    ],
    ["resolution must be", (admin: Untyped) => admin.resolveHalfMessage("a", "unknown")],
    ['no option "group"', (admin: Untyped) => admin.listHalfMessages({ group: "a" })],
    ["producerGroup must be a string", (admin: Untyped) => admin.listHalfMessages({ producerGroup: 7 })],
  ])("and listHalfMessages refuse bad input: %s", async (text, call) => {
    await using broker = await openTestBroker();

    const calling = Promise.resolve(broker.mq.admin as unknown as Untyped).then(call);

    await expect(calling).rejects.toMatchObject({ code: "ERR_MQ_INVALID_ARGUMENT" });
    await expect(calling).rejects.toThrow(text);
  });
});

type Untyped = Readonly<Record<keyof EmbeddedAdmin, (...values: readonly unknown[]) => Promise<unknown>>>;
