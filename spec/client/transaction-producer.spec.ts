import { describe, expect, it } from "vitest";
import type { Message, TransactionProducerOptions, TransactionResolution } from "../../lib/index.js";
import { storedIn } from "../support/shared-connection.js";
import { tempFolder } from "../support/temp-folder.js";
import { openRecordedBroker, openTestBroker } from "../support/test-broker.js";
import { thrown } from "../support/thrown.js";
import { halves, startProducer, TOPIC } from "./transaction-support.js";

const ONE_QUEUE = { defaultQueueCount: 1 };
const never = (): TransactionResolution => "unknown";

/** The example of RocketMQ's tutorials: five messages, whose tags say how their transactions end. */
describe("the messages of a transaction producer", () => {
  it("are there after their commits, at once or after a check, and never after a roll-back", async () => {
    await using broker = await openTestBroker(ONE_QUEUE);
    const { mq, clock } = broker;
    const { producer, asked } = await startProducer(
      broker,
      { "msg-1": "commit", "msg-2": "rollback" },
      { "msg-3": "commit", "msg-4": "rollback" },
    );

    const states: TransactionResolution[] = [];
    for (const body of ["msg-1", "msg-2", "msg-3", "msg-4", "msg-5"])
      states.push((await producer.sendInTransaction({ topic: TOPIC, body })).localTransactionState);
    const first = await storedIn(mq, TOPIC);
    await clock.advance(5_999);
    const before = [...asked];
    await clock.advance(1);
    const second = await storedIn(mq, TOPIC);
    await clock.advance(20 * 30_000);
    const third = [await storedIn(mq, TOPIC), await storedIn(mq, "TRANS_CHECK_MAX_TIME_TOPIC")];

    expect(states).toEqual(["commit", "rollback", "unknown", "unknown", "unknown"]);
    expect([first, before, second]).toEqual([["0 msg-1"], [], ["0 msg-1", "1 msg-3"]]);
    expect(third).toEqual([["0 msg-1", "1 msg-3"], ["0 msg-5"]]);
    expect(asked.slice(0, 3).map(({ body, atMs }) => [body, atMs])).toEqual([
      ["msg-3", 6_000],
      ["msg-4", 6_000],
      ["msg-5", 6_000],
    ]);
    expect(asked.slice(3)).toEqual(
      Array.from({ length: 14 }, (_, index) => ({ body: "msg-5", atMs: 36_000 + index * 30_000 })),
    );
  });
});

describe("a half message", () => {
  it("is seen by no consumer, nor by an operator who looks into its topic, until it is committed", async () => {
    await using broker = await openTestBroker(ONE_QUEUE);
    const { mq, clock } = broker;
    const consumed: string[] = [];
    const { producer } = await startProducer(broker);
    const transaction = producer.beginTransaction();
    await transaction.send({ topic: TOPIC, body: "half" });
    const listener = (message: { text(): string }): void => void consumed.push(message.text());
    await mq.pushConsumer({ group: "push", subscriptions: { [TOPIC]: "*" }, listener }).start();
    const popper = mq.simpleConsumer({ group: "pop", subscriptions: { [TOPIC]: "*" } });
    await popper.start();
    await clock.advance(1_000);
    const popped = popper.receive({ maxMessages: 1, invisibleDurationMs: 10_000, awaitMs: 0 });
    const before = [consumed.length, (await popped).length, (await storedIn(mq, TOPIC)).length];

    await transaction.commit();
    await clock.advance(0);

    expect(before).toEqual([0, 0, 0]);
    expect(consumed).toEqual(["half"]);
    expect(await storedIn(mq, TOPIC)).toEqual(["0 half"]);
  });

  it("goes to its queue behind what was sent there before its commit, and has its tag, keys, properties and body", async () => {
    await using broker = await openTestBroker();
    const { mq, clock } = broker;
    const { producer, views } = await startProducer(broker, {}, { "the body": "commit" });
    const message = { tag: "paid", keys: ["k1", "k2"], properties: { region: "EU" }, body: "the body" };
    const receipt = await producer.beginTransaction().send({ topic: TOPIC, ...message }, { queue: 2 });
    await producer.send({ topic: TOPIC, body: "sent later" }, { queue: 2 });
    await clock.advance(6_000);

    const queue = { topic: TOPIC, brokerName: "broker-a", queueId: 2 };
    const [earlier, committed] = await mq.admin.browse(queue, 0, 10);

    expect([earlier?.text(), committed?.text()]).toEqual(["sent later", "the body"]);
    for (const view of [committed, views[0]]) {
      expect(view).toMatchObject({ topic: TOPIC, queueId: 2, tag: "paid", keys: ["k1", "k2"] });
      expect(view).toMatchObject({ properties: { region: "EU" }, messageId: receipt.messageId });
      expect(view?.transactionId).toBe(receipt.transactionId);
    }
    expect(receipt.transactionId).toBe(receipt.messageId);
    expect([receipt.offsetMessageId, views[0]?.offsetMessageId, views[0]?.commitLogOffset]).toEqual(["", "", -1]);
    expect(committed?.systemProperties).toMatchObject({ TRAN_MSG: "true", PGROUP: "shop" });
    expect(committed?.systemProperties).not.toHaveProperty("REAL_TOPIC");
  });

  it("has room for what its producer adds to the properties, its group among them: 13 when they are too large with it", async () => {
    await using broker = await openTestBroker(ONE_QUEUE);
    const { producer } = await startProducer(broker);
    const added = "TRAN_MSG=true;PGROUP=shop;".length;
    // Without what the producer and, at most, the broker adds of its own.
    const room = 32_767 - added - 104 - "CLUSTER".length - "WAIT=true;k=;".length;
    const sized = (size: number): Message => ({ topic: TOPIC, body: "a", properties: { k: "v".repeat(size) } });

    await producer.sendInTransaction(sized(room));
    await producer.send(sized(room + added));

    const refused = producer.sendInTransaction(sized(room + added));
    await expect(refused).rejects.toMatchObject({ code: "ERR_MQ_MESSAGE_ILLEGAL", responseCode: 13 });
    expect(await halves(broker.mq)).toHaveLength(1);
  });

  it("is told of with its commit, not before", async () => {
    await using broker = await openTestBroker(ONE_QUEUE);
    const told: string[] = [];
    broker.mq.on("message:stored", ({ topic, queueOffset }) => void told.push(`${topic} ${queueOffset}`));
    broker.mq.on("transaction:resolved", ({ resolution }) => void told.push(resolution));
    const { producer } = await startProducer(broker);
    const [one, other] = [producer.beginTransaction(), producer.beginTransaction()];

    await one.send({ topic: TOPIC, body: "one" });
    await other.send({ topic: TOPIC, body: "other" });
    const before = [...told];
    await one.commit();
    await other.rollback();

    expect(before).toEqual([]);
    expect(told).toEqual([`${TOPIC} 0`, "commit", "rollback"]);
  });

  it("drops a delay level, with a warning", async () => {
    await using broker = await openTestBroker(ONE_QUEUE);
    const { producer } = await startProducer(broker, { late: "commit" });

    await producer.sendInTransaction({ topic: TOPIC, body: "late", delayLevel: 3 });

    expect(await storedIn(broker.mq, TOPIC)).toEqual(["0 late"]);
    expect(broker.logged).toContainEqual(
      expect.objectContaining({ level: "warn", text: expect.stringContaining("delayLevel") }),
    );
  });

  it.each([{ delayMs: 1_000 }, { deliverAt: 1 }])("is refused with a timer, %j, in both profiles", async (timer) => {
    for (const open of [openTestBroker, openRecordedBroker]) {
      await using broker = await open();
      const { producer } = await startProducer(broker, { late: "commit" });
      const message: Message = { topic: TOPIC, body: "late", ...timer };

      await expect(producer.sendInTransaction(message)).rejects.toMatchObject({ code: "ERR_MQ_INVALID_ARGUMENT" });

      expect(await halves(broker.mq)).toEqual([]);
    }
  });
});

describe("a local transaction", () => {
  it.each([
    ["throws", () => fail()],
    ["rejects", () => Promise.reject(new Error("no"))],
    ["returns nothing", () => undefined],
    ["returns null", () => null],
    ["returns what is no resolution", () => "COMMIT_MESSAGE"],
  ])("that %s counts as unknown, with a warning, and is settled by a check", async (_what, execute) => {
    await using broker = await openTestBroker(ONE_QUEUE);
    const { producer } = await startProducer(broker, { odd: execute }, { odd: "commit" });

    const { localTransactionState } = await producer.sendInTransaction({ topic: TOPIC, body: "odd" });
    await broker.clock.advance(6_000);

    expect(localTransactionState).toBe("unknown");
    expect(broker.logged.map(({ level }) => level)).toEqual(["warn"]);
    expect(await storedIn(broker.mq, TOPIC)).toEqual(["0 odd"]);
  });

  it("gets the message as it is stored and the argument, and is awaited", async () => {
    await using broker = await openTestBroker(ONE_QUEUE);
    const seen: unknown[] = [];
    const producer = broker.mq.transactionProducer<{ readonly order: number }>({
      group: "shop",
      executeLocalTransaction: async (message, argument): Promise<TransactionResolution> => {
        await Promise.resolve();
        seen.push(message.text(), message.transactionId, argument, await halves(broker.mq));
        return "commit";
      },
      checkLocalTransaction: never,
    });
    await producer.start();

    const receipt = await producer.sendInTransaction({ topic: TOPIC, body: "b" }, { order: 7 });

    expect(seen).toEqual(["b", receipt.transactionId, { order: 7 }, [`${TOPIC} shop 0`]]);
    expect(receipt).toMatchObject({ status: "SEND_OK", localTransactionState: "commit", topic: TOPIC });
  });

  it("that outlives its broker is left to a check, which is logged", async () => {
    using folder = tempFolder();
    let end: (said: TransactionResolution) => void = () => undefined;
    const broker = await openTestBroker({ path: folder.file("store.db") });
    const { producer } = await startProducer(broker, { a: () => new Promise((resolve) => (end = resolve)) });
    const sending = producer.sendInTransaction({ topic: TOPIC, body: "a" });
    await broker.clock.advance(0);

    await broker[Symbol.asyncDispose]();
    end("commit");

    expect((await sending).localTransactionState).toBe("commit");
    expect(broker.logged.map(({ text }) => text)).toEqual([expect.stringContaining("is left to a check")]);
    await using again = await openTestBroker({ path: folder.file("store.db"), clock: broker.clock });
    expect(await halves(again.mq)).toEqual([`${TOPIC} shop 0`]);
  });

  it("is not called when the half message cannot be stored", async () => {
    await using broker = await openTestBroker();
    let calls = 0;
    const producer = broker.mq.transactionProducer({
      group: "shop",
      executeLocalTransaction: () => {
        calls += 1;
        return "commit";
      },
      checkLocalTransaction: never,
    });
    await producer.start();

    await expect(producer.sendInTransaction({ topic: TOPIC, body: "" })).rejects.toMatchObject({ responseCode: 13 });

    expect(calls).toBe(0);
  });
});

describe("a transaction of one message", () => {
  it("has an effect once: later ends of either kind are warned of under embedded, and refused with 1 under rocketmq", async () => {
    for (const [open, refused] of [[openTestBroker, 0] as const, [openRecordedBroker, 3] as const]) {
      await using broker = await open(ONE_QUEUE);
      const { producer } = await startProducer(broker);
      const transaction = producer.beginTransaction();
      await transaction.send({ topic: TOPIC, body: "once" });
      await transaction.commit();

      const ends = await Promise.allSettled([transaction.commit(), transaction.rollback(), transaction.commit()]);

      const rejected = ends.filter((end) => end.status === "rejected");
      expect(rejected.map(({ reason }) => [reason.code, reason.responseCode])).toEqual(
        Array.from({ length: refused }, () => ["ERR_MQ_TRANSACTION", 1]),
      );
      expect(broker.logged.filter(({ text }) => text.includes("no effect"))).toHaveLength(3 - refused);
      expect(await storedIn(broker.mq, TOPIC)).toEqual(["0 once"]);
    }
  });

  it("cannot be committed any more after a roll-back, or after it was given up", async () => {
    await using broker = await openTestBroker({ ...ONE_QUEUE, transaction: { checkMax: 1 } });
    const { producer } = await startProducer(broker);
    const [rolledBack, givenUp] = [producer.beginTransaction(), producer.beginTransaction()];
    await rolledBack.send({ topic: TOPIC, body: "rolled back" });
    await givenUp.send({ topic: TOPIC, body: "given up" });
    await rolledBack.rollback();
    await broker.clock.advance(60_000);

    await Promise.all([rolledBack.commit(), givenUp.commit()]);

    expect(await storedIn(broker.mq, TOPIC)).toEqual([]);
    expect(await storedIn(broker.mq, "TRANS_CHECK_MAX_TIME_TOPIC")).toEqual(["0 given up"]);
  });

  it("cannot be ended within mq.transaction, whose roll-back would not undo that", async () => {
    await using broker = await openTestBroker(ONE_QUEUE);
    const { producer } = await startProducer(broker);
    const transaction = producer.beginTransaction();
    await transaction.send({ topic: TOPIC, body: "a" });

    const ending = broker.mq.transaction(() => ({ promise: transaction.commit() }));

    await expect(ending.promise).rejects.toMatchObject({ code: "ERR_MQ_IN_TRANSACTION" });
    expect(await halves(broker.mq)).toEqual([`${TOPIC} shop 0`]);
  });

  it("waits with its end for a message that is being sent", async () => {
    await using broker = await openTestBroker(ONE_QUEUE);
    const { producer } = await startProducer(broker);
    const transaction = producer.beginTransaction();

    const sending = transaction.send({ topic: TOPIC, body: "sent" });
    await Promise.all([sending, transaction.commit()]);

    expect(await storedIn(broker.mq, TOPIC)).toEqual(["0 sent"]);
  });

  it("refuses an end without a message, and a second message", async () => {
    await using broker = await openTestBroker(ONE_QUEUE);
    const { producer } = await startProducer(broker);
    const [empty, full] = [producer.beginTransaction(), producer.beginTransaction()];
    await full.send({ topic: TOPIC, body: "first" });

    const calls: readonly Promise<unknown>[] = [
      empty.commit(),
      empty.rollback(),
      full.send({ topic: TOPIC, body: "second" }),
    ];

    for (const call of calls)
      await expect(call).rejects.toMatchObject({ code: "ERR_MQ_TRANSACTION", responseCode: -1 });
    expect(await halves(broker.mq)).toEqual([`${TOPIC} shop 0`]);
  });

  it("takes another message after one that was refused", async () => {
    await using broker = await openTestBroker(ONE_QUEUE);
    const { producer } = await startProducer(broker);
    const transaction = producer.beginTransaction();

    await expect(transaction.send({ topic: TOPIC, body: "" })).rejects.toMatchObject({ responseCode: 13 });
    await transaction.send({ topic: TOPIC, body: "good" });
    await transaction.commit();

    expect(await storedIn(broker.mq, TOPIC)).toEqual(["0 good"]);
  });

  it("is refused with 604 under rocketmq when it comes later than its message says, and then settled by a check", async () => {
    await using broker = await openRecordedBroker({ ...ONE_QUEUE, transaction: { timeoutMs: 1_000 } });
    const { producer } = await startProducer(broker, {}, { late: "commit" });
    const transaction = producer.beginTransaction();
    const properties = { CHECK_IMMUNITY_TIME_IN_SECONDS: "5" };
    await transaction.send({ topic: TOPIC, body: "late", properties });
    await broker.clock.advance(5_001);

    await expect(transaction.commit()).rejects.toMatchObject({ code: "ERR_MQ_TRANSACTION", responseCode: 604 });
    await broker.clock.advance(60_000);

    expect(await storedIn(broker.mq, TOPIC)).toEqual(["0 late"]);
  });
});

describe("a transaction producer", () => {
  it("sends usual messages as any producer does", async () => {
    await using broker = await openTestBroker(ONE_QUEUE);
    const { producer } = await startProducer(broker);
    const at = (body: string): Message => ({ topic: TOPIC, body });

    await producer.send(at("a"));
    await producer.sendBatch([at("b"), at("c")]);
    producer.sendSync(at("d"));
    producer.sendBatchSync([at("e"), at("f")]);
    producer.sendOneway(at("g"));
    await broker.clock.advance(0);

    expect(await storedIn(broker.mq, TOPIC)).toEqual(["0 a", "1 b", "2 c", "3 d", "4 e", "5 f", "6 g"]);
  });

  it("must be started for transactions, and cannot be used once closed", async () => {
    await using broker = await openTestBroker();
    const options = { group: "shop", executeLocalTransaction: never, checkLocalTransaction: never };
    const producer = broker.mq.transactionProducer(options);
    const message = { topic: TOPIC, body: "b" };

    await expect(producer.sendInTransaction(message)).rejects.toMatchObject({ code: "ERR_MQ_NOT_STARTED" });
    expect(thrown(() => producer.beginTransaction())).toMatchObject({ code: "ERR_MQ_NOT_STARTED" });
    await producer.start();
    await producer.start();
    await producer.close();
    await expect(producer.start()).rejects.toMatchObject({ code: "ERR_MQ_CLOSED" });
    await expect(producer.sendInTransaction(message)).rejects.toMatchObject({ code: "ERR_MQ_CLOSED" });
    expect(await halves(broker.mq)).toEqual([]);
  });

  it("refuses to begin in a transaction of the connection's owner, as any send does", async () => {
    await using broker = await openTestBroker();
    const { producer } = await startProducer(broker);

    const sending = broker.mq.transaction(() => ({ promise: producer.sendInTransaction({ topic: TOPIC, body: "b" }) }));

    await expect(sending.promise).rejects.toMatchObject({ code: expect.stringMatching(/IN_TRANSACTION|TRANSACTION/) });
    expect(await halves(broker.mq)).toEqual([]);
  });

  it.each([
    [undefined, "TransactionProducerOptions must be an object"],
    [{ group: "shop" }, "checkLocalTransaction must be a function, got undefined"],
    [{ group: "shop", checkLocalTransaction: "commit" }, "checkLocalTransaction must be a function, got"],
    [{ group: "shop", checkLocalTransaction: never, executeLocalTransaction: 7 }, "executeLocalTransaction must be a"],
    [{ group: "shop", checkLocalTransaction: never, listener: never }, 'has no option "listener"'],
    [{ group: "a b", checkLocalTransaction: never }, "group"],
  ])("refuses the options %j", async (options, text) => {
    await using broker = await openTestBroker();

    const error = thrown(() => broker.mq.transactionProducer(options as unknown as TransactionProducerOptions));

    expect(error).toMatchObject({ code: "ERR_MQ_INVALID_ARGUMENT", responseCode: -1 });
    expect(error.message).toContain(text);
  });
});

function fail(): never {
  throw new Error("the local transaction failed");
}
