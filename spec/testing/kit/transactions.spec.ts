import { describe, expect, it } from "vitest";
import type { EmbeddedTransactionProducer, TransactionResolution } from "../../../lib/index.js";
import { checkHistory, type Faults, type TestBroker } from "../../../lib/testing/index.js";
import { tempFolder } from "../../support/temp-folder.js";
import { thrown } from "../../support/thrown.js";
import { consume, openKit, TOPIC } from "./open-kit.js";

async function start(
  broker: TestBroker,
  answer: TransactionResolution = "commit",
  asked: string[] = [],
): Promise<EmbeddedTransactionProducer> {
  const producer = broker.transactionProducer({
    group: "shop",
    executeLocalTransaction: () => answer,
    checkLocalTransaction: (message) => {
      asked.push(message.text());
      return answer;
    },
  });
  await producer.start();
  return producer;
}

const bodies = (broker: TestBroker): readonly string[] => broker.sent(TOPIC).map((message) => message.text());

describe("loseEndTransaction", () => {
  it("loses what the local transaction said, which nobody notices, and a check settles it", async () => {
    await using kit = await openKit();
    const { broker } = kit;
    const asked: string[] = [];
    const producer = await start(broker, "commit", asked);
    broker.faults.loseEndTransaction({ producerGroup: "shop", times: 1 });

    const { localTransactionState } = await producer.sendInTransaction({ topic: TOPIC, body: "lost" });
    await producer.sendInTransaction({ topic: TOPIC, body: "not lost" });
    const before = bodies(broker);
    await broker.clock.advance("1m");

    expect([localTransactionState, before]).toEqual(["commit", ["not lost"]]);
    expect([asked, bodies(broker)]).toEqual([["lost"], ["not lost", "lost"]]);
    await producer.close();
  });

  it("loses answers to checks too, until it is undone; they are asked for again", async () => {
    await using kit = await openKit();
    const { broker } = kit;
    const asked: string[] = [];
    const producer = await start(broker, "commit", asked);
    const undo = broker.faults.loseEndTransaction();
    await producer.sendInTransaction({ topic: TOPIC, body: "lost" });
    await broker.clock.advance("2m");
    const before = [asked.length > 2, bodies(broker)];

    undo();
    await broker.clock.advance("1m");

    expect(before).toEqual([true, []]);
    expect(bodies(broker)).toEqual(["lost"]);
    await producer.close();
  });

  it("lets commit and rollback of a transaction time out", async () => {
    await using kit = await openKit();
    const producer = await start(kit.broker);
    const transaction = producer.beginTransaction();
    await transaction.send({ topic: TOPIC, body: "a" });
    kit.broker.faults.loseEndTransaction({ times: 2 });

    await expect(transaction.commit()).rejects.toMatchObject({ code: "ERR_MQ_TIMEOUT" });
    await expect(transaction.rollback()).rejects.toMatchObject({ code: "ERR_MQ_TIMEOUT" });
    await transaction.commit();

    expect(bodies(kit.broker)).toEqual(["a"]);
    await producer.close();
  });

  it("is for one producer group if told so", async () => {
    await using kit = await openKit();
    const producer = await start(kit.broker);
    kit.broker.faults.loseEndTransaction({ producerGroup: "others" });

    await producer.sendInTransaction({ topic: TOPIC, body: "a" });

    expect(bodies(kit.broker)).toEqual(["a"]);
    await producer.close();
  });

  it.each([
    [{ group: "shop" }, 'no option "group"'],
    [{ producerGroup: 7 }, "producerGroup must be a string, got 7"],
    [{ times: 0 }, "times"],
  ])("refuses %j", async (options, text) => {
    await using kit = await openKit();
    const lose = kit.broker.faults.loseEndTransaction as (options: object) => unknown;

    const error = thrown(() => lose.call(kit.broker.faults satisfies Faults, options));

    expect(error.message).toContain(text);
  });
});

describe("a message of a transaction", () => {
  const statesOf = (broker: TestBroker): readonly string[] => broker.history.map(({ state }) => state);

  it("is sent, and in its queue, once it is committed; the history tells of both", async () => {
    await using kit = await openKit();
    const { broker } = kit;
    const producer = await start(broker);
    const consumer = await consume(broker);
    const transaction = producer.beginTransaction();
    const { messageId, queueId } = await transaction.send({ topic: TOPIC, tag: "a", keys: ["o-1"], body: "a" });
    const before = [bodies(broker), [...broker.history]];

    await transaction.commit();
    await broker.runUntilIdle();

    const half = { topic: TOPIC, messageId, queueId, tag: "a", keys: ["o-1"], producerGroup: "shop" };
    expect(before).toEqual([[], [expect.objectContaining({ ...half, state: "half", queueOffset: -1 })]]);
    expect(bodies(broker)).toEqual(["a"]);
    expect(statesOf(broker)).toEqual(["half", "stored", "committed", "delivered", "consumed"]);
    expect(broker.history[2]).toMatchObject({ ...half, state: "committed", queueOffset: 0 });
    expect(checkHistory(broker.history)).toEqual([]);
    await Promise.all([consumer.close(), producer.close()]);
  });

  it("is never sent where it is rolled back, which the history tells", async () => {
    await using kit = await openKit();
    const { broker } = kit;
    const producer = await start(broker, "rollback");

    const { messageId } = await producer.sendInTransaction({ topic: TOPIC, keys: ["o-1"], body: "a" });

    expect(await broker.waitFor({ state: "rolled-back", key: "o-1", topic: TOPIC })).toMatchObject({ messageId });
    expect([bodies(broker), statesOf(broker), checkHistory(broker.history)]).toEqual([[], ["half", "rolled-back"], []]);
    await producer.close();
  });

  it.each(["a crash", "its file was closed"])(
    "that was stored before %s is in the history once it is asked for",
    async (before) => {
      using folder = tempFolder();
      const path = folder.file("a.db");
      await using kit = await openKit({ path });
      const dead = await start(kit.broker, "unknown");
      const { messageId } = await dead.sendInTransaction({ topic: TOPIC, keys: ["o-1"], body: "a" });
      await (before === "a crash" ? kit.broker.faults.crash() : kit.broker.close());
      await using other = before === "a crash" ? kit : await openKit({ path });
      const { broker } = other;

      const living = await start(broker);
      await broker.clock.advance("1m");

      const event = { messageId, topic: TOPIC, keys: ["o-1"], producerGroup: "shop" };
      expect(broker.history.filter(({ state }) => state !== "half")).toEqual([
        expect.objectContaining({ ...event, state: "checked" }),
        expect.objectContaining({ ...event, state: "stored" }),
        expect.objectContaining({ ...event, state: "committed" }),
      ]);
      await living.close();
    },
  );
});

describe("a transaction producer", () => {
  it("goes on after a reset, with which its half messages are gone", async () => {
    await using kit = await openKit();
    const { broker } = kit;
    const asked: string[] = [];
    const producer = await start(broker, "unknown", asked);
    await producer.sendInTransaction({ topic: TOPIC, body: "before" });

    await broker.reset();
    await producer.sendInTransaction({ topic: TOPIC, body: "after" });
    await broker.clock.advance("40s");

    expect(asked).toEqual(["after"]);
    await producer.close();
  });

  it("dies with a crash: another one of its group is asked", async () => {
    await using kit = await openKit();
    const { broker } = kit;
    const [ofDead, ofLiving] = [[] as string[], [] as string[]];
    const dead = await start(broker, "unknown", ofDead);
    await dead.sendInTransaction({ topic: TOPIC, body: "a" });

    await broker.faults.crash();
    const living = await start(broker, "commit", ofLiving);
    await broker.clock.advance("1m");

    expect([ofDead, ofLiving, bodies(broker)]).toEqual([[], ["a"], ["a"]]);
    await expect(dead.sendInTransaction({ topic: TOPIC, body: "b" })).rejects.toMatchObject({ code: "ERR_MQ_CLOSED" });
    await living.close();
  });

  it("is waited for by runUntilIdle while it answers a check", async () => {
    await using kit = await openKit({ transaction: { timeoutMs: 1_000, checkIntervalMs: 1_000 } });
    const { broker } = kit;
    let answered = false;
    const producer = broker.transactionProducer({
      group: "shop",
      executeLocalTransaction: () => "unknown",
      checkLocalTransaction: async (): Promise<TransactionResolution> => {
        await new Promise((resolve) => setImmediate(() => setImmediate(resolve)));
        answered = true;
        return "commit";
      },
    });
    await producer.start();
    await producer.sendInTransaction({ topic: TOPIC, body: "a" });

    await broker.clock.advance("3s");
    await broker.runUntilIdle();

    expect([answered, bodies(broker)]).toEqual([true, ["a"]]);
    await producer.close();
  });

  it.each(["reset", "crash"] as const)("is not waited for any more after a %s, whatever it was at", async (what) => {
    await using kit = await openKit({ profile: "embedded" });
    const { broker } = kit;
    const producer = broker.transactionProducer({
      group: "shop",
      executeLocalTransaction: () => new Promise(() => undefined),
      checkLocalTransaction: () => new Promise(() => undefined),
    });
    await producer.start();
    await producer.beginTransaction().send({ topic: TOPIC, body: "a" });
    broker.faults.jumpClock(60_000);
    await expect(broker.runUntilIdle({ timeoutMs: 100 })).rejects.toThrow("busy: the check of transaction");
    const send = producer.sendInTransaction({ topic: TOPIC, keys: ["o-2"], body: "b" });
    await broker.waitFor({ state: "half", key: "o-2" });
    await expect(broker.runUntilIdle({ timeoutMs: 1 })).rejects.toThrow("; the local transaction of message");

    await (what === "reset" ? broker.reset() : broker.faults.crash());

    await broker.runUntilIdle({ timeoutMs: 500 });
    expect(await Promise.race([send, "under way"])).toBe("under way");
  });
});
