import { describe, expect, it } from "vitest";
import type { MessageView, PushConsumerOptions } from "../../../lib/index.js";
import { checkHistory } from "../../../lib/testing/index.js";
import { consume, openKit, TOPIC, textOf } from "./open-kit.js";

describe("loseAck", () => {
  it("loses progress of a push consumer, so that whoever goes on after a crash gets the messages again", async () => {
    await using kit = await openKit();
    const { broker } = kit;
    await consume(broker);
    const producer = broker.producer({ group: "p" });
    await producer.send({ topic: TOPIC, body: "stored" }, { queue: 0 });
    await broker.clock.advance("1s");
    const undo = broker.faults.loseAck({ group: "billing" });
    await producer.send({ topic: TOPIC, body: "lost" }, { queue: 0 });
    await broker.clock.advance("1s");
    await broker.faults.crash();
    undo();

    await consume(broker);
    await broker.clock.advance("1s");

    expect(broker.consumed("billing").map(textOf)).toEqual(["stored", "lost", "lost"]);
    expect(checkHistory(broker.history, { duplicates: "forbidden" })).toHaveLength(1);
  });

  it("loses so many, of a group alone if told so, and those of pull consumers", async () => {
    await using kit = await openKit({ defaultQueueCount: 1 });
    const { broker } = kit;
    await broker.producer({ group: "p" }).send({ topic: TOPIC, body: "a" });
    broker.faults.loseAck({ group: "pullers", times: 1 });
    const committed: (number | undefined)[] = [];
    for (const group of ["others", "pullers"]) {
      await using consumer = broker.pullConsumer({
        ...{ group, autoCommit: false, subscriptions: { [TOPIC]: "*" }, consumeFromWhere: "first-offset" },
      });
      await consumer.start();
      await consumer.poll({ timeoutMs: 1_000 });
      const [queue] = await consumer.fetchMessageQueues(TOPIC);
      if (queue === undefined) throw new Error("no queue");
      await consumer.commit();
      committed.push(await consumer.committed(queue));
      await consumer.commit(new Map([[queue, 1]]));
      committed.push(await consumer.committed(queue));
    }

    expect(committed).toEqual([1, 1, undefined, 1]);
  });

  it("lets the ack of a simple consumer time out, and the message come again", async () => {
    await using kit = await openKit();
    const { broker } = kit;
    await using consumer = broker.simpleConsumer({ group: "poppers", subscriptions: { [TOPIC]: "*" } });
    await consumer.start();
    await broker.producer({ group: "p" }).send({ topic: TOPIC, body: "a" });
    broker.faults.loseAck({ times: 1 });
    const receive = (): Promise<readonly MessageView[]> =>
      consumer.receive({ maxMessages: 1, invisibleDurationMs: 10_000, awaitMs: 0 });

    const [first] = await receive();
    await expect(consumer.ack(first as MessageView)).rejects.toMatchObject({ code: "ERR_MQ_TIMEOUT" });
    await broker.clock.advance("10s");
    const [again] = await receive();
    await consumer.ack(again as MessageView);

    expect([again?.text(), again?.deliveryAttempt]).toEqual(["a", 2]);
  });
});

describe("duplicateDelivery", () => {
  it.each([
    ["concurrent", {}],
    ["orderly", { orderly: true }],
    ["broadcasting", { messageModel: "broadcasting" }],
  ] as const)("delivers a message once more to a %s consumer that has consumed it", async (_, settings) => {
    await using kit = await openKit();
    const { broker } = kit;
    await consume(broker, settings as Partial<PushConsumerOptions>);
    broker.faults.duplicateDelivery({ times: 1 });
    const producer = broker.producer({ group: "p" });

    for (const body of ["a", "b"]) await producer.send({ topic: TOPIC, body }, { queue: 0 });
    await broker.clock.advance("1s");

    const bodies = broker.consumed().map((message) => `${message.text()} ${message.deliveryAttempt}`);
    expect(bodies.sort()).toEqual(["a 1", "a 1", "b 1"]);
    await broker.clock.advance("1h");
    expect(broker.consumed()).toHaveLength(3);
  });

  it("delivers every message twice, also what failed, to this group alone", async () => {
    await using kit = await openKit();
    const { broker } = kit;
    let failures = 1;
    const listener = (): string => (failures-- > 0 ? "retry" : "success");
    await consume(broker, { group: "others" });
    await consume(broker, { listener: listener as () => "retry" });
    broker.faults.duplicateDelivery({ group: "billing" });

    await broker.producer({ group: "p" }).send({ topic: TOPIC, body: "a" });
    await broker.clock.advance("1m");

    const delivered = broker.history.filter(({ state, group }) => state === "delivered" && group === "billing");
    expect(delivered.map(({ deliveryAttempt }) => deliveryAttempt)).toEqual([1, 1, 2, 2]);
    expect(broker.consumed("others")).toHaveLength(1);
  });

  it("hands a message out once more to a pull consumer", async () => {
    await using kit = await openKit();
    const { broker } = kit;
    await using consumer = broker.pullConsumer({ group: "pullers", subscriptions: { [TOPIC]: "*" } });
    await consumer.start();
    broker.faults.duplicateDelivery();

    await broker.producer({ group: "p" }).send({ topic: TOPIC, body: "a" });
    const polled = [await consumer.poll({ timeoutMs: 1_000 }), await consumer.poll({ timeoutMs: 1_000 })];

    expect(polled.map((messages) => messages.map(textOf))).toEqual([["a"], ["a"]]);
  });

  it("holds for a message whose invisible duration was changed", async () => {
    await using kit = await openKit();
    const { broker } = kit;
    await using consumer = broker.simpleConsumer({ group: "poppers", subscriptions: { [TOPIC]: "*" } });
    await consumer.start();
    const receive = (): Promise<readonly MessageView[]> =>
      consumer.receive({ maxMessages: 1, invisibleDurationMs: 10_000, awaitMs: 0 });
    broker.faults.duplicateDelivery({ times: 1 });
    await broker.producer({ group: "p" }).send({ topic: TOPIC, body: "a" });

    const [first] = await receive();
    await consumer.changeInvisibleDuration(first as MessageView, 20_000);
    await consumer.ack(first as MessageView);
    await broker.clock.advance("21s");
    const [again] = await receive();
    await consumer.ack(again as MessageView);
    await broker.clock.advance("1h");

    expect([again?.text(), await receive()]).toEqual(["a", []]);
  });

  it("makes the ack of a simple consumer have no effect, so that the message comes again", async () => {
    await using kit = await openKit();
    const { broker } = kit;
    await using consumer = broker.simpleConsumer({ group: "poppers", subscriptions: { [TOPIC]: "*" } });
    await consumer.start();
    broker.faults.duplicateDelivery({ times: 1 });
    await broker.producer({ group: "p" }).send({ topic: TOPIC, body: "a" });
    const bodies: string[] = [];
    for (let round = 0; round < 3; round += 1) {
      const received = await consumer.receive({ maxMessages: 1, invisibleDurationMs: 10_000, awaitMs: 0 });
      for (const message of received) await consumer.ack(message);
      bodies.push(...received.map(textOf));
      await broker.clock.advance("10s");
    }

    expect(bodies).toEqual(["a", "a"]);
  });
});
