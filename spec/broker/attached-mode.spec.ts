import { describe, expect, it } from "vitest";
import { openBroker } from "../../lib/index.js";
import { CONNECTIONS, deliveries, openShared, storedIn } from "../support/shared-connection.js";
import { thrown } from "../support/thrown.js";

/** Enough looks for the broker to have left its first, turn-by-turn ones. */
const MANY_TURNS = 40;

describe.each(CONNECTIONS)("sendSync inside a transaction of an %s", (kind) => {
  it("is stored with the rows of the transaction and delivered after its commit", async () => {
    await using shared = await openShared(kind);
    const { mq, clock, database } = shared;
    const producer = mq.producer({ group: "shop" });
    const received = await deliveries(mq, "orders");

    database.exec("BEGIN; INSERT INTO invoice VALUES (7)");
    const receipt = producer.sendSync({ topic: "orders", body: "a" });
    await clock.advance(1_000);
    const before = [...received];
    database.exec("COMMIT");
    await clock.advance(1_000);

    expect(receipt).toMatchObject({ status: "SEND_OK", queueId: 0, queueOffset: 0 });
    expect(before).toEqual([]);
    expect(received).toEqual(["a"]);
  });

  it("leaves neither a hole nor a ghost when the transaction is rolled back", async () => {
    await using shared = await openShared(kind);
    const { mq, clock, database } = shared;
    const producer = mq.producer({ group: "shop" });
    const received = await deliveries(mq, "orders");
    await producer.send({ topic: "orders", body: "a" });

    database.exec("BEGIN");
    const undone = producer.sendSync({ topic: "orders", body: "ghost" });
    await clock.advance(1_000);
    database.exec("ROLLBACK");
    const next = await producer.send({ topic: "orders", body: "b" });
    await clock.advance(1_000);

    expect([undone.queueOffset, next.queueOffset]).toEqual([1, 1]);
    expect(next.offsetMessageId).toBe(undone.offsetMessageId);
    expect(await storedIn(mq, "orders")).toEqual(["0 a", "1 b"]);
    expect(received).toEqual(["a", "b"]);
  });

  it("is undone alone by the roll-back of an inner savepoint", async () => {
    await using shared = await openShared(kind);
    const { mq, clock, database } = shared;
    const producer = mq.producer({ group: "shop" });
    const received = await deliveries(mq, "orders");

    database.exec("BEGIN");
    producer.sendSync({ topic: "orders", body: "a" });
    database.exec("SAVEPOINT inner_work");
    producer.sendSync({ topic: "orders", body: "ghost" });
    database.exec("ROLLBACK TO inner_work; RELEASE inner_work");
    const last = producer.sendSync({ topic: "orders", body: "b" });
    database.exec("COMMIT");
    await clock.advance(1_000);

    expect(last.queueOffset).toBe(1);
    expect(await storedIn(mq, "orders")).toEqual(["0 a", "1 b"]);
    expect(received).toEqual(["a", "b"]);
  });

  it("forgets a topic that the rolled-back transaction created", async () => {
    await using shared = await openShared(kind);
    const { mq, database } = shared;
    const producer = mq.producer({ group: "shop" });

    database.exec("BEGIN");
    producer.sendSync({ topic: "orders", body: "ghost" });
    database.exec("ROLLBACK");

    await expect(mq.admin.getTopic("orders")).rejects.toMatchObject({ code: "ERR_MQ_TOPIC_NOT_FOUND" });
    producer.sendSync({ topic: "orders", body: "a" });
    expect(await mq.admin.getTopic("orders")).toMatchObject({ topic: "orders" });
  });

  it("stores a batch at consecutive offsets, and none of it after a roll-back", async () => {
    await using shared = await openShared(kind);
    const { mq, database } = shared;
    const producer = mq.producer({ group: "shop" });
    const batch = ["a", "b", "c"].map((body) => ({ topic: "orders", body }));

    database.exec("BEGIN");
    producer.sendBatchSync(batch);
    database.exec("ROLLBACK; BEGIN");
    const receipts = producer.sendBatchSync(batch);
    database.exec("COMMIT");

    expect(receipts.map(({ queueOffset }) => queueOffset)).toEqual([0, 1, 2]);
    expect(await storedIn(mq, "orders")).toEqual(["0 a", "1 b", "2 c"]);
  });

  it("fails alone and leaves the transaction open when the message is refused", async () => {
    await using shared = await openShared(kind);
    const { mq, database } = shared;
    const producer = mq.producer({ group: "shop" });

    database.exec("BEGIN; INSERT INTO invoice VALUES (7)");
    const error = thrown(() => producer.sendSync({ topic: "orders", body: "x" }, { queue: 9 }));
    producer.sendSync({ topic: "orders", body: "a" });
    database.exec("COMMIT");

    expect(error).toMatchObject({ code: "ERR_MQ_OFFSET", responseCode: 29 });
    expect(await storedIn(mq, "orders")).toEqual(["0 a"]);
    expect(database.prepare("SELECT count(*) FROM invoice").pluck().safeIntegers(false).get()).toBe(1);
  });
});

describe("sendSync inside a transaction of a file that two brokers share", () => {
  it("goes on where the other one stopped, which this one has not looked at yet", async () => {
    await using shared = await openShared("owned file");
    const { mq, database, clock } = shared;
    const producer = mq.producer({ group: "shop" });
    producer.sendSync({ topic: "orders", body: "a" });
    const other = await openBroker({ path: database.name, clock });

    other.producer({ group: "shop" }).sendSync({ topic: "orders", body: "b" });
    database.exec("BEGIN");
    const receipt = producer.sendSync({ topic: "orders", body: "c" });
    database.exec("COMMIT");

    expect(receipt.queueOffset).toBe(2);
    expect(await storedIn(mq, "orders")).toEqual(["0 a", "1 b", "2 c"]);
    await other.close();
  });
});

describe.each(CONNECTIONS)("a transaction that the owner of an %s keeps open over turns", (kind) => {
  it("holds up the sends issued before it, which are stored after it and what it stored", async () => {
    await using shared = await openShared(kind);
    const { mq, clock, database } = shared;
    const producer = mq.producer({ group: "shop" });
    let isStored = false;

    const sent = producer.send({ topic: "orders", body: "early" });
    void sent.then(() => {
      isStored = true;
    });
    database.exec("BEGIN");
    producer.sendSync({ topic: "orders", body: "inside" });
    await clock.advance(1_000);
    const wasStored = isStored;
    database.exec("COMMIT");
    await clock.advance(1_000);

    expect(wasStored).toBe(false);
    expect((await sent).queueOffset).toBe(1);
    expect(await storedIn(mq, "orders")).toEqual(["0 inside", "1 early"]);
  });

  it("is rolled back without the sends issued before it", async () => {
    await using shared = await openShared(kind);
    const { mq, clock, database } = shared;
    const producer = mq.producer({ group: "shop" });

    const sent = producer.send({ topic: "orders", body: "early" });
    database.exec("BEGIN; INSERT INTO invoice VALUES (7)");
    await clock.settle();
    database.exec("ROLLBACK");
    await clock.advance(1_000);

    expect((await sent).queueOffset).toBe(0);
    expect(await storedIn(mq, "orders")).toEqual(["0 early"]);
  });

  it("refuses send, sendBatch and sendOneway", async () => {
    await using shared = await openShared(kind);
    const { mq, database } = shared;
    const producer = mq.producer({ group: "shop" });
    const message = { topic: "orders", body: "x" };
    const refusal = { code: "ERR_MQ_IN_TRANSACTION" };

    database.exec("BEGIN");

    await expect(producer.send(message)).rejects.toMatchObject(refusal);
    await expect(producer.sendBatch([message])).rejects.toMatchObject(refusal);
    expect(thrown(() => producer.sendOneway(message))).toMatchObject(refusal);
    database.exec("COMMIT");
    await expect(mq.admin.getTopic("orders")).rejects.toMatchObject({ code: "ERR_MQ_TOPIC_NOT_FOUND" });
  });

  it("fails a send that it held up beyond the time-out, of which nothing is stored", async () => {
    await using shared = await openShared(kind);
    const { mq, clock, database } = shared;
    const producer = mq.producer({ group: "shop", sendTimeoutMs: 500 });

    const sent = producer.send({ topic: "orders", body: "late" });
    const patient = producer.send({ topic: "orders", body: "patient" }, { timeoutMs: 5_000 });
    const failed = expect(sent).rejects.toMatchObject({ code: "ERR_MQ_TIMEOUT", responseCode: 10_002 });
    database.exec("BEGIN");
    await clock.advance(499);
    await clock.advance(100);

    await failed;
    database.exec("COMMIT");
    await clock.advance(100);
    await patient;
    expect(await storedIn(mq, "orders")).toEqual(["0 patient"]);
  });

  it("hides what it has not committed from every read", async () => {
    await using shared = await openShared(kind);
    const { mq, clock, database } = shared;
    const producer = mq.producer({ group: "shop" });
    const queue = { topic: "orders", brokerName: "broker-a", queueId: 0 };
    await producer.send({ topic: "orders", body: "a" });

    database.exec("BEGIN");
    producer.sendSync({ topic: "orders", body: "ghost" });
    producer.sendSync({ topic: "ghosts", body: "ghost" });
    const reads = Promise.all([
      mq.admin.maxOffset(queue),
      mq.admin.browse(queue, 0, 10),
      mq.admin.topicStats("orders"),
      mq.admin.listTopics(),
      mq.admin.searchOffset(queue, 2 ** 50),
    ]);
    await clock.advance(1_000);
    database.exec("ROLLBACK");
    await clock.advance(1_000);

    const [max, messages, stats, topics, found] = await reads;
    expect([max, messages.length, stats[0]?.maxOffset, topics.map(({ topic }) => topic), found]).toEqual([
      1,
      1,
      1,
      ["orders"],
      1,
    ]);
  });

  it("hides it from a read that was asked for in the same turn, before it began", async () => {
    await using shared = await openShared(kind);
    const { mq, clock, database } = shared;
    const producer = mq.producer({ group: "shop" });
    await producer.send({ topic: "orders", body: "a" });

    const queue = { topic: "orders", brokerName: "broker-a", queueId: 0 };
    const reads = Promise.all([
      mq.admin.maxOffset(queue),
      mq.admin.browse(queue, 0, 10),
      mq.admin.topicStats("orders"),
      mq.admin.listTopics(),
    ]);
    database.exec("BEGIN");
    producer.sendSync({ topic: "orders", body: "ghost" });
    producer.sendSync({ topic: "ghosts", body: "ghost" });
    await clock.advance(1_000);
    database.exec("ROLLBACK");
    await clock.advance(1_000);

    const [max, messages, stats, topics] = await reads;
    expect([max, messages.length, stats[0]?.maxOffset, topics.length]).toEqual([1, 1, 1, 1]);
  });

  it("keeps nothing of its own in memory that a send inside it looked up", async () => {
    await using shared = await openShared(kind);
    const { mq, clock, database } = shared;
    const producer = mq.producer({ group: "shop" });

    database.exec("BEGIN");
    producer.sendSync({ topic: "orders", body: "ghost" });
    await clock.advance(MANY_TURNS);
    await producer.send({ topic: "orders", body: "x" }).catch(() => undefined);
    database.exec("ROLLBACK");
    producer.sendSync({ topic: "orders", body: "a" });

    const topics = database.prepare("SELECT topic FROM mq_topic").pluck().all();
    expect(topics).toEqual(["orders"]);
  });

  it("delivers to consumers again once it ends, what was sent during it included", async () => {
    await using shared = await openShared(kind);
    const { mq, clock, database } = shared;
    const producer = mq.producer({ group: "shop" });
    const received = await deliveries(mq, "orders");
    await producer.send({ topic: "orders", body: "a" });
    await clock.advance(100);

    database.exec("BEGIN");
    producer.sendSync({ topic: "orders", body: "b" });
    await clock.advance(10_000);
    database.exec("COMMIT");
    await clock.advance(100);

    expect(received).toEqual(["a", "b"]);
    expect(await mq.admin.consumeStats("watcher")).toMatchObject({ lag: 0 });
  });
});

describe.each(CONNECTIONS)("sendSync outside a transaction of an %s", (kind) => {
  it("first stores what is pending, so that it overtakes nothing", async () => {
    await using shared = await openShared(kind);
    const { mq } = shared;
    const producer = mq.producer({ group: "shop" });

    const pending = ["a", "b"].map((body) => producer.send({ topic: "orders", body }));
    const receipt = producer.sendSync({ topic: "orders", body: "c" });

    expect(receipt.queueOffset).toBe(2);
    expect((await Promise.all(pending)).map(({ queueOffset }) => queueOffset)).toEqual([0, 1]);
    expect(await storedIn(mq, "orders")).toEqual(["0 a", "1 b", "2 c"]);
  });

  it("is committed when it returns", async () => {
    await using shared = await openShared(kind);
    const { mq, database } = shared;

    mq.producer({ group: "shop" }).sendSync({ topic: "orders", body: "a" });

    expect(database.inTransaction).toBe(false);
    expect(database.prepare("SELECT sum(message_count) FROM mq_log").pluck().safeIntegers(false).get()).toBe(1);
  });
});
