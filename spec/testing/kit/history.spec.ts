import { describe, expect, it } from "vitest";
import { checkHistory, type TestBroker } from "../../../lib/testing/index.js";
import { openKit, consume as startConsumer, textOf } from "./open-kit.js";

const START = Date.UTC(2026, 0, 1);

async function consume(broker: TestBroker, group: string, listener: () => unknown): Promise<void> {
  await startConsumer(broker, { group, listener: listener as () => undefined });
}

describe("the history", () => {
  it("tells what happened to each message, with what it was sent with", async () => {
    await using kit = await openKit();
    const { broker } = kit;
    await consume(broker, "billing", () => "retry");
    await broker.admin.updateGroup("billing", { retryMaxTimes: 1 });
    const producer = broker.producer({ group: "p" });
    const { messageId } = await producer.send({ topic: "orders", tag: "paid", keys: ["o-1"], body: "a" }, { queue: 2 });

    await broker.clock.advance("1h");

    const place = { messageId, topic: "orders", queueId: 2, queueOffset: 0, tag: "paid", keys: ["o-1"] };
    const [stored, ...rest] = broker.history;
    expect(stored).toEqual({ at: START, state: "stored", ...place, producerGroup: "p" });
    expect(rest.map((event) => ({ ...event, at: event.at - START, clientId: typeof event.clientId }))).toEqual(
      (
        [
          ["delivered", 0, 1],
          ["retried", 0, 1, START + 10_000],
          ["delivered", 10_000, 2],
          ["dead-lettered", 10_000, 2],
        ] as const
      ).map(([state, at, deliveryAttempt, dueAt]) => ({
        ...{ at, state, ...place, producerGroup: "p", group: "billing", clientId: "string", deliveryAttempt },
        ...(dueAt === undefined ? {} : { dueAt }),
      })),
    );
    expect(checkHistory(broker.history)).toEqual([]);
  });

  it("has what sendSync stores at once, and of a transaction what it commits, when it has", async () => {
    await using kit = await openKit();
    const { broker } = kit;
    const producer = broker.producer({ group: "p" });

    producer.sendSync({ topic: "orders", body: "alone" });
    const atOnce = broker.sent().map(textOf);
    expect(() =>
      broker.transaction(() => {
        producer.sendSync({ topic: "orders", body: "rolled back" });
        throw new Error("no");
      }),
    ).toThrow("no");
    broker.transaction(() => {
      producer.sendSync({ topic: "orders", body: "committed" });
    });
    await broker.runUntilIdle();

    expect([atOnce, broker.sent().map(textOf)]).toEqual([["alone"], ["alone", "committed"]]);
  });

  it("has what is put off within a transaction when that has committed", async () => {
    await using kit = await openKit();
    const { broker } = kit;
    const producer = broker.producer({ group: "p" });
    const sendIn = (body: string, end: string): void => {
      broker.database.exec("BEGIN");
      producer.sendSync({ topic: "orders", body, delayMs: 60_000 });
      expect(broker.sent()).toHaveLength(0);
      broker.database.exec(end);
    };

    sendIn("rolled back", "ROLLBACK");
    sendIn("committed", "COMMIT");

    expect(broker.sent().map(textOf)).toEqual(["committed"]);
    expect(broker.history).toMatchObject([{ state: "stored", dueAt: START + 60_000, queueOffset: -1 }]);
    await broker.clock.advance("2m");
    expect(broker.history).toHaveLength(1);
  });

  it("has what a transaction has stored in the order of its sends, whether they were put off or not", async () => {
    await using kit = await openKit();
    const { broker } = kit;
    const producer = broker.producer({ group: "p" });
    const sendAll = (name: string): void => {
      producer.sendSync({ topic: "orders", body: `${name} 1` });
      producer.sendSync({ topic: "orders", body: `${name} 2`, delayMs: 60_000 });
      producer.sendSync({ topic: "orders", body: `${name} 3` });
    };
    const rolledBack = new Error("on purpose");

    broker.transaction(() => sendAll("a"));
    expect(() =>
      broker.transaction(() => {
        sendAll("rolled back");
        throw rolledBack;
      }),
    ).toThrow(rolledBack);
    broker.transaction(() => sendAll("b"));
    await broker.runUntilIdle();

    expect(broker.sent().map(textOf)).toEqual(["a 1", "a 2", "a 3", "b 1", "b 2", "b 3"]);
    expect(broker.history.map(({ state, queueOffset }) => [state, queueOffset >= 0])).toEqual(
      [true, false, true, true, false, true].map((isInQueue) => ["stored", isInQueue]),
    );
  });

  it("names the client of a broadcasting group that consumed a message", async () => {
    await using kit = await openKit();
    const { broker } = kit;
    const clients: string[] = [];
    for (const instanceName of ["one", "two"]) {
      const consumer = broker.pushConsumer({
        ...{ group: "displays", instanceName, messageModel: "broadcasting", subscriptions: { orders: "*" } },
        listener: () => undefined,
      });
      await consumer.start();
      clients.push(consumer.clientId);
    }

    await broker.producer({ group: "p" }).send({ topic: "orders", body: "a" });
    await broker.runUntilIdle();

    const consumedBy = broker.history.filter(({ state }) => state === "consumed").map(({ clientId }) => clientId);
    expect(consumedBy.sort()).toEqual(clients.sort());
    expect(checkHistory(broker.history, { broadcasting: ["displays"] })).toEqual([]);
  });

  it("tells which messages expired", async () => {
    await using kit = await openKit({ retention: { fileReservedTimeHours: 1 } });
    const { broker } = kit;
    const { messageId } = await broker.producer({ group: "p" }).send({ topic: "orders", body: "a" });

    await broker.clock.advance("2d");

    expect(broker.history.at(-1)).toMatchObject({ state: "expired", messageId });
  });

  it("has a message that was recalled as expired, so that nobody misses it", async () => {
    await using kit = await openKit({ recallMessageEnable: true });
    const { broker } = kit;
    await consume(broker, "billing", () => "success");
    const producer = broker.producer({ group: "p" });
    const receipt = await producer.send({ topic: "orders", body: "a", delayMs: 60_000 });
    await producer.send({ topic: "orders", body: "b", delayMs: 60_000 });

    await broker.clock.advance("1s");
    for (let time = 0; time < 2; time += 1) await producer.recall("orders", receipt.recallHandle ?? "");
    await broker.clock.advance("1h");

    const { messageId } = receipt;
    expect(broker.history.filter((event) => event.messageId === messageId)).toMatchObject([
      { state: "stored", at: START, queueOffset: -1 },
      { state: "expired", at: START + 1_000, topic: "orders", queueOffset: -1 },
    ]);
    expect(broker.consumed("billing").map(textOf)).toEqual(["b"]);
    expect(checkHistory(broker.history)).toEqual([]);
  });

  it("has sends and acknowledgements of pull and simple consumers, too", async () => {
    await using kit = await openKit();
    const { broker } = kit;
    await using pull = broker.pullConsumer({ group: "pullers", subscriptions: { orders: "*" } });
    await using simple = broker.simpleConsumer({ group: "poppers", subscriptions: { orders: "*" } });
    await pull.start();
    await simple.start();
    await broker.producer({ group: "p" }).sendBatch(["a", "b"].map((body) => ({ topic: "orders", body })));

    const polled = await pull.poll({ timeoutMs: 1_000, maxMessages: 10 });
    await pull.commit();
    const received = await simple.receive({ maxMessages: 10, invisibleDurationMs: 10_000 });
    for (const message of received) await simple.ack(message);
    await broker.runUntilIdle();

    expect([polled.map(textOf), received.map(textOf)]).toEqual([
      ["a", "b"],
      ["a", "b"],
    ]);
    expect(broker.consumed("pullers").map(textOf)).toEqual(["a", "b"]);
    expect(broker.consumed("poppers").map(textOf)).toEqual(["a", "b"]);
    expect(broker.consumed().map(textOf)).toHaveLength(4);
    expect(checkHistory(broker.history)).toEqual([]);
  });

  it("of a message that is put off says when it is due, and that it lies nowhere yet", async () => {
    await using kit = await openKit();
    const { broker } = kit;

    const { messageId } = await broker.producer({ group: "p" }).send({ topic: "orders", body: "a", delayLevel: 3 });
    const [stored] = broker.history;
    const [sent] = broker.sent();
    await consume(broker, "billing", () => undefined);
    await broker.clock.advance("10s");

    expect(stored).toMatchObject({ state: "stored", messageId, queueOffset: -1, dueAt: START + 10_000 });
    expect([sent?.text(), sent?.messageId]).toEqual(["a", messageId]);
    expect(broker.history.map(({ state, at }) => `${state} ${at - START}`)).toEqual([
      "stored 0",
      "delivered 10000",
      "consumed 10000",
    ]);
    expect(checkHistory(broker.history)).toEqual([]);
  });
});
