import { describe, expect, it } from "vitest";
import { halves, startProducer } from "../client/transaction-support.js";
import { storedIn } from "../support/shared-connection.js";
import { tempFolder } from "../support/temp-folder.js";
import { openTestBroker } from "../support/test-broker.js";

describe("a half message that says how long nobody is to be asked for it", () => {
  it.each([
    ["embedded", "-5"],
    ["embedded", "-999999999999999"],
    ["embedded", "999999999999999"],
    ["rocketmq", "-5"],
    ["rocketmq", "-999999999999999"],
    ["rocketmq", "999999999999999"],
  ] as const)("leaves the store sound whatever that is: %s, %s s", async (profile, seconds) => {
    await using broker = await openTestBroker({ profile });
    const { mq, clock } = broker;
    const producer = mq.transactionProducer({ group: "shop", checkLocalTransaction: () => "unknown" });
    await producer.start();

    const properties = { CHECK_IMMUNITY_TIME_IN_SECONDS: seconds };
    await producer.beginTransaction().send({ topic: "orders", body: "a", properties });

    expect(await mq.admin.checkStore()).toEqual({ problems: [] });
    const [half] = await mq.admin.listHalfMessages();
    expect(half?.nextCheckAt).toBeGreaterThanOrEqual(clock.now());
    expect(Number.isSafeInteger(half?.nextCheckAt)).toBe(true);
    await clock.advance(100_000);
    expect(await mq.admin.checkStore()).toEqual({ problems: [] });
    await producer.close();
  });
});

describe("half messages that end in one commit", () => {
  it("are there or gone, each as it was said, and those between them stay", async () => {
    await using broker = await openTestBroker({ defaultQueueCount: 1 });
    const { mq } = broker;
    const { producer } = await startProducer(broker);
    const transactions = Array.from({ length: 37 }, () => producer.beginTransaction());
    const receipts = await Promise.all(
      transactions.map((transaction, index) => transaction.send({ topic: "orders", body: `${index}`, keys: "k" })),
    );
    // Neighbours, single ones, the first and the last, and not in their order.
    const committed = [36, 9, 8, 10, 1, 0, 20];
    const rolledBack = [11, 2, 22, 35];

    await Promise.all([
      ...committed.map((index) => (transactions[index] as (typeof transactions)[number]).commit()),
      ...rolledBack.map((index) => (transactions[index] as (typeof transactions)[number]).rollback()),
    ]);

    expect(await storedIn(mq, "orders")).toEqual(committed.map((body, index) => `${index} ${body}`));
    const ended = new Set([...committed, ...rolledBack]);
    const left = (await mq.admin.listHalfMessages()).map(({ messageId }) => messageId);
    expect(left).toEqual(receipts.filter((_, index) => !ended.has(index)).map(({ messageId }) => messageId));
  });

  it("end once, whoever says it twice in the same turn", async () => {
    await using broker = await openTestBroker({ defaultQueueCount: 1 });
    const { producer } = await startProducer(broker);
    const transaction = producer.beginTransaction();
    await transaction.send({ topic: "orders", body: "a" });

    await Promise.all([transaction.commit(), transaction.commit(), transaction.rollback()]);

    expect(await storedIn(broker.mq, "orders")).toEqual(["0 a"]);
    expect(await halves(broker.mq)).toEqual([]);
  });
});

describe("a half message that was just stored", () => {
  it("has ended where another broker on the same file says so", async () => {
    using folder = tempFolder();
    const options = { path: folder.file("app.db"), defaultQueueCount: 1 };
    await using broker = await openTestBroker(options);
    await using other = await openTestBroker(options);
    const { producer } = await startProducer(broker);
    const transaction = producer.beginTransaction();
    const { messageId } = await transaction.send({ topic: "orders", body: "a" });
    await other.mq.admin.resolveHalfMessage(messageId, "rollback");

    await transaction.commit();

    expect(await storedIn(broker.mq, "orders")).toEqual([]);
    expect(await halves(broker.mq)).toEqual([]);
  });

  it("is committed as it was sent, whatever its local transaction does with the bytes that it was shown", async () => {
    await using broker = await openTestBroker({ defaultQueueCount: 1 });
    const { producer } = await startProducer(
      broker,
      {},
      {},
      {
        executeLocalTransaction: (message) => {
          message.body.fill(0x21);
          return "commit";
        },
      },
    );

    await producer.sendInTransaction({ topic: "orders", body: "as sent" });

    expect(await storedIn(broker.mq, "orders")).toEqual(["0 as sent"]);
  });
});
