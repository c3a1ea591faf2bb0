import { describe, expect, it } from "vitest";
import { CONNECTIONS, deliveries, openShared } from "../support/shared-connection.js";
import { listen, namesOf } from "./event-log.js";

function offsetsOf(heard: readonly (readonly [string, object])[]): readonly unknown[] {
  return heard.map(([, value]) => (value as { queueOffset: number }).queueOffset);
}

describe.each(CONNECTIONS)("message:stored for what sendSync stores in a transaction of an %s", (kind) => {
  it("comes after the commit of mq.transaction, in the order of the log, and tells what was stored", async () => {
    await using shared = await openShared(kind);
    const { mq, clock, database } = shared;
    const producer = mq.producer({ group: "shop" });
    const heard = listen(mq, "message:stored");
    const within: number[] = [];

    const receipts = mq.transaction(() => {
      database.exec("INSERT INTO invoice VALUES (7)");
      const stored = [
        producer.sendSync({ topic: "orders", body: "a" }),
        producer.sendSync({ topic: "refunds", body: "b" }),
      ];
      const [third] = producer.sendBatchSync([
        { topic: "orders", body: "c" },
        { topic: "orders", body: "d" },
      ]);
      within.push(heard.length);
      return [...stored, third];
    });
    within.push(heard.length);
    await clock.settle();

    expect(within).toEqual([0, 0]);
    expect(heard.map(([, value]) => value)).toEqual([
      { messageId: receipts[0]?.messageId, topic: "orders", queueId: 0, queueOffset: 0 },
      { messageId: receipts[1]?.messageId, topic: "refunds", queueId: 0, queueOffset: 0 },
      { messageId: receipts[2]?.messageId, topic: "orders", queueId: 0, queueOffset: 1 },
      { messageId: expect.any(String), topic: "orders", queueId: 0, queueOffset: 2 },
    ]);
  });

  it("does not come after a roll-back", async () => {
    await using shared = await openShared(kind);
    const { mq, clock } = shared;
    const producer = mq.producer({ group: "shop" });
    const heard = listen(mq, "message:stored");

    expect(() =>
      mq.transaction(() => {
        producer.sendSync({ topic: "orders", body: "ghost" });
        throw new Error("undone");
      }),
    ).toThrow("undone");
    await clock.settle();
    const afterTheRollBack = [...heard];
    const { messageId } = producer.sendSync({ topic: "orders", body: "a" });
    await clock.settle();

    expect(afterTheRollBack).toEqual([]);
    expect(heard).toEqual([["message:stored", { messageId, topic: "orders", queueId: 0, queueOffset: 0 }]]);
  });

  it("comes after the owner's own COMMIT, for what no savepoint of his has undone", async () => {
    await using shared = await openShared(kind);
    const { mq, clock, database } = shared;
    const producer = mq.producer({ group: "shop" });
    const heard = listen(mq, "message:stored");
    const sent = (body: string): string => producer.sendSync({ topic: "orders", body }).messageId;

    database.exec("BEGIN");
    const first = sent("a");
    database.exec("SAVEPOINT outer_one");
    sent("undone with the outer one");
    database.exec("SAVEPOINT inner_one");
    sent("undone with the inner one");
    database.exec("ROLLBACK TO inner_one; RELEASE inner_one");
    sent("undone with the outer one too");
    database.exec("ROLLBACK TO outer_one; RELEASE outer_one; SAVEPOINT kept");
    const second = sent("b");
    database.exec("RELEASE kept");
    await clock.advance(1_000);
    const beforeTheCommit = heard.length;
    database.exec("COMMIT");
    await clock.advance(1_000);

    expect(beforeTheCommit).toBe(0);
    expect(heard).toMatchObject([
      ["message:stored", { messageId: first, queueOffset: 0 }],
      ["message:stored", { messageId: second, queueOffset: 1 }],
    ]);
  });

  it("does not come after the owner's own ROLLBACK, and comes for his next transaction, in the same turn", async () => {
    await using shared = await openShared(kind);
    const { mq, clock, database } = shared;
    const producer = mq.producer({ group: "shop" });
    const heard = listen(mq, "message:stored");

    database.exec("BEGIN");
    producer.sendSync({ topic: "orders", body: "ghost" });
    database.exec("ROLLBACK; BEGIN");
    const { messageId } = producer.sendSync({ topic: "orders", body: "a" });
    database.exec("COMMIT; BEGIN");
    producer.sendSync({ topic: "orders", body: "another ghost" });
    database.exec("ROLLBACK");
    await clock.settle();

    expect(heard).toEqual([["message:stored", { messageId, topic: "orders", queueId: 0, queueOffset: 0 }]]);
  });

  it("comes before delivered and consumed", async () => {
    await using shared = await openShared(kind);
    const { mq, clock } = shared;
    const producer = mq.producer({ group: "shop" });
    await producer.send({ topic: "orders", body: "first" });
    await deliveries(mq, "orders");
    await clock.settle();
    const heard = listen(mq, "message:stored", "message:delivered", "message:consumed");

    mq.transaction(() => producer.sendSync({ topic: "orders", body: "a" }));
    await clock.advance(1_000);

    expect(namesOf(heard)).toEqual(["message:stored", "message:delivered", "message:consumed"]);
  });

  it("comes with those of what was pending before it, and those first", async () => {
    await using shared = await openShared(kind);
    const { mq, clock } = shared;
    const producer = mq.producer({ group: "shop" });
    const heard = listen(mq, "message:stored");

    const pending = producer.send({ topic: "orders", body: "a" });
    mq.transaction(() => producer.sendSync({ topic: "orders", body: "b" }));
    producer.sendSync({ topic: "orders", body: "c" });
    await pending;
    await clock.settle();

    expect(offsetsOf(heard).toSorted()).toEqual([0, 1, 2]);
    expect(offsetsOf(heard)[0]).toBe(0);
  });
});
