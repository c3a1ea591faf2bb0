import { describe, expect, it } from "vitest";
import { consume, openKit, TOPIC } from "./open-kit.js";

const ONE_QUEUE = { defaultQueueCount: 1 };

describe("a partition", () => {
  it("is one of the consumer that has this name now, not of one that was closed", async () => {
    await using kit = await openKit(ONE_QUEUE);
    const { broker } = kit;
    await (await consume(broker, { instanceName: "one" })).close();
    const again = await consume(broker, { instanceName: "one" });

    broker.faults.partition(again.clientId);
    await broker.producer({ group: "p" }).send({ topic: TOPIC, body: "a" });
    await broker.clock.advance("1s");

    expect(broker.consumed()).toEqual([]);
    await again.close();
    expect(() => broker.faults.partition(again.clientId)).toThrow("there are: none");
  });

  it("is one of all groups in which the client has this name", async () => {
    await using kit = await openKit(ONE_QUEUE);
    const { broker } = kit;
    await consume(broker, { group: "billing", instanceName: "one" });
    const { clientId } = await consume(broker, { group: "shipping", instanceName: "one" });

    const undo = broker.faults.partition(clientId);
    await broker.producer({ group: "p" }).send({ topic: TOPIC, body: "a" });
    await broker.clock.advance("1s");
    const during = broker.consumed().length;
    undo();
    await broker.clock.advance("1s");

    expect([during, broker.consumed().length]).toEqual([0, 2]);
  });

  it("that was made twice ends when both are undone", async () => {
    await using kit = await openKit(ONE_QUEUE);
    const { broker } = kit;
    const { clientId } = await consume(broker);
    const [undoOne, undoOther] = [broker.faults.partition(clientId), broker.faults.partition(clientId)];
    await broker.producer({ group: "p" }).send({ topic: TOPIC, body: "a" });

    undoOne();
    undoOne();
    await broker.clock.advance("1s");
    const during = broker.consumed().length;
    undoOther();
    await broker.clock.advance("1s");

    expect([during, broker.consumed().length]).toEqual([0, 1]);
  });

  it("that was made twice has the broker miss the client until both are undone", async () => {
    await using kit = await openKit(ONE_QUEUE);
    const { broker } = kit;
    await broker.admin.createTopic(TOPIC);
    const one = await consume(broker, { instanceName: "one" });
    const two = await consume(broker, { instanceName: "two" });
    const [holder, other] = one.assignment.length === 1 ? [one, two] : [two, one];
    const undoOne = broker.faults.partition(holder.clientId);
    broker.faults.partition(holder.clientId);

    undoOne();
    await broker.clock.advance("120s");

    expect(other.assignment.length).toBe(1);
  });

  it("lasts as long as it does, though the clock is set back meanwhile", async () => {
    await using kit = await openKit(ONE_QUEUE);
    const { broker } = kit;
    await broker.admin.createTopic(TOPIC);
    const one = await consume(broker, { instanceName: "one" });
    const two = await consume(broker, { instanceName: "two" });
    const [holder, other] = one.assignment.length === 1 ? [one, two] : [two, one];

    broker.faults.partition(holder.clientId);
    broker.faults.jumpClock(-3_600_000);
    await broker.clock.advance("119s");
    const before = other.assignment.length;
    await broker.clock.advance("1s");

    expect([before, other.assignment.length]).toEqual([0, 1]);
  });

  it("that the broker has ended by its silence is undone, reset or crashed without a word", async () => {
    await using kit = await openKit(ONE_QUEUE);
    const { broker, logged } = kit;
    for (const end of ["undo", "reset", "crash"]) {
      const consumer = await consume(broker);
      const undo = broker.faults.partition(consumer.clientId);
      await broker.clock.advance("3m");

      if (end === "reset") await broker.reset();
      if (end === "crash") await broker.faults.crash();
      undo();
      await broker.clock.advance("3s");
      if (end === "undo") await consumer.close();
    }

    expect(logged).toEqual([]);
  });
});
