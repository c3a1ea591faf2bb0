import { describe, expect, it } from "vitest";
import { openTestBroker } from "../support/test-broker.js";
import { type Instance, rowsOf, sendAll, startInstance } from "./broadcasting-instance.js";

const queueIds = ({ consumer }: Instance): readonly number[] => consumer.assignment.map(({ queueId }) => queueId);
const never = (): Promise<never> => new Promise(() => undefined);

describe("a group of clustering and broadcasting members", () => {
  it("shares the queues among the clustering ones alone, in whatever order they join", async () => {
    await using broker = await openTestBroker({ defaultQueueCount: 4 });
    const { mq, clock } = broker;
    await mq.admin.createTopic("orders");
    const firstHearer = await startInstance(mq, { instanceName: "a" });
    const sharers = [
      await startInstance(mq, { instanceName: "b", messageModel: "clustering" }),
      await startInstance(mq, { instanceName: "c", messageModel: "clustering" }),
    ];
    const lastHearer = await startInstance(mq, { instanceName: "d" });

    for (const queue of [0, 1, 2, 3]) await sendAll(mq, [`m${queue}`], queue);
    await clock.settle();

    expect(sharers.map(queueIds)).toEqual([
      [0, 1],
      [2, 3],
    ]);
    expect(sharers.map(({ received }) => received.toSorted())).toEqual([
      ["m0", "m1"],
      ["m2", "m3"],
    ]);
    for (const hearer of [firstHearer, lastHearer]) {
      expect(queueIds(hearer)).toEqual([0, 1, 2, 3]);
      expect(hearer.received.toSorted()).toEqual(["m0", "m1", "m2", "m3"]);
    }
  });

  it("retries for the clustering ones alone, also when a broadcasting one joined last", async () => {
    await using broker = await openTestBroker({ defaultQueueCount: 1 });
    const { mq, clock } = broker;
    await mq.admin.createTopic("orders");
    const attempts: number[] = [];
    await startInstance(mq, {
      instanceName: "a",
      messageModel: "clustering",
      listener: ({ reconsumeTimes }) => {
        attempts.push(reconsumeTimes);
        return reconsumeTimes < 2 ? "retry" : "success";
      },
    });
    const hearer = await startInstance(mq, { instanceName: "b", listener: () => "retry" });

    await sendAll(mq, ["m0"]);
    await clock.advance(60_000);

    expect(attempts).toEqual([0, 1, 2]);
    expect(hearer.received).toEqual(["m0"]);
  });

  it("keeps two kinds of progress apart", async () => {
    await using broker = await openTestBroker({ defaultQueueCount: 1 });
    const { mq, clock } = broker;
    await mq.admin.createTopic("orders");
    await startInstance(mq, { instanceName: "a", messageModel: "clustering", listener: never });
    await startInstance(mq, { instanceName: "b" });

    await sendAll(mq, ["m0", "m1"]);
    await clock.advance(1_000);

    const { queues } = await mq.admin.consumeStats("news", "orders");
    expect(queues.map(({ consumerOffset }) => consumerOffset)).toEqual([0]);
    expect(rowsOf(mq.database, "mq_broadcast_offset", "instance_name", "next_offset")).toEqual([["b", 2]]);
  });

  it("has the model of the member that joined last, says so, and that of the last one left", async () => {
    await using broker = await openTestBroker();
    const { mq, logged } = broker;
    const model = async (): Promise<unknown> => (await mq.admin.getGroup("news")).messageModel;

    await startInstance(mq, { instanceName: "a" });
    const models = [await model()];
    const second = await startInstance(mq, { instanceName: "b", messageModel: "clustering" });
    models.push(await model());
    const third = await startInstance(mq, { instanceName: "c" });
    models.push(await model());
    for (const { consumer } of [third, second]) {
      await consumer.close();
      models.push(await model());
    }

    expect(models).toEqual(["broadcasting", "clustering", "broadcasting", "clustering", "broadcasting"]);
    const told = logged.filter(({ text }) => text.includes("message model")).map(({ data }) => data);
    expect(told).toEqual([
      expect.objectContaining({ group: "news", messageModel: "clustering" }),
      expect.objectContaining({ group: "news", messageModel: "broadcasting" }),
    ]);
  });

  it("gives its broadcasting members also what a clustering one has sent back, when that one joined last", async () => {
    await using broker = await openTestBroker({ defaultQueueCount: 1 });
    const { mq, clock } = broker;
    await mq.admin.createTopic("orders");
    const hearer = await startInstance(mq, { instanceName: "a" });
    hearer.consumer.suspend();
    await startInstance(mq, {
      instanceName: "b",
      messageModel: "clustering",
      listener: (message) => (message.text() === "m1" ? "retry" : never()),
    });
    await sendAll(mq, ["m0", "m1", "m2"]);
    await clock.settle();

    hearer.consumer.resume();
    await clock.settle();

    expect(hearer.received).toEqual(["m0", "m1", "m2"]);
  });

  it("gives no clustering member at once what another has sent back, when a broadcasting one joined last", async () => {
    await using broker = await openTestBroker({ defaultQueueCount: 2 });
    const { mq, clock } = broker;
    await mq.admin.createTopic("orders");
    const leaving = await startInstance(mq, {
      instanceName: "a",
      messageModel: "clustering",
      listener: (message) => (message.text() === "m1" ? "retry" : never()),
    });
    const staying = await startInstance(mq, { instanceName: "b", messageModel: "clustering" });
    await startInstance(mq, { instanceName: "c" });
    await sendAll(mq, ["m0", "m1", "m2"], 0);
    await clock.settle();

    await leaving.consumer.close({ graceMs: 0 });
    await clock.settle();
    const atOnce = [...staying.received];
    await clock.advance(10_000);

    expect(atOnce).toEqual(["m0", "m2"]);
    expect(staying.received).toEqual(["m0", "m2", "m1"]);
  });
});

describe("a group whose consumeBroadcastEnable is false", () => {
  it("lets its instances start, refuses their pulls with 16, says so at most once a second, and goes on when it is true", async () => {
    await using broker = await openTestBroker({ defaultQueueCount: 1 });
    const { mq, clock } = broker;
    await mq.admin.createTopic("orders");
    await mq.admin.createGroup("news", { consumeBroadcastEnable: false });
    const errors: unknown[] = [];
    mq.on("error", ({ code, responseCode }) => errors.push({ code, responseCode }));
    const { received } = await startInstance(mq, { consumeFromWhere: "first-offset" });
    await sendAll(mq, ["m0"]);

    await clock.advance(9_500);
    const meanwhile = [...received];
    await mq.admin.updateGroup("news", { consumeBroadcastEnable: true });
    await clock.advance(1_000);

    expect([meanwhile, received]).toEqual([[], ["m0"]]);
    expect(errors.length).toBeGreaterThan(0);
    expect(errors.length).toBeLessThanOrEqual(10);
    expect(new Set(errors.map((error) => JSON.stringify(error)))).toEqual(
      new Set([JSON.stringify({ code: "ERR_MQ_NO_PERMISSION", responseCode: 16 })]),
    );
  });

  it("says so in the log when nobody listens, with the queue", async () => {
    await using broker = await openTestBroker({ defaultQueueCount: 1 });
    const { mq, clock, logged } = broker;
    await mq.admin.createTopic("orders");
    await mq.admin.createGroup("news", { consumeBroadcastEnable: false });

    await startInstance(mq);
    await clock.advance(500);

    expect(logged).toEqual([
      {
        level: "warn",
        text: expect.stringContaining("consumer group news may not consume by broadcasting"),
        data: { topic: "orders", queueId: 0 },
      },
    ]);
  });

  it("stops its instances when it becomes so, and loses nothing meanwhile", async () => {
    await using broker = await openTestBroker({ defaultQueueCount: 1 });
    const { mq, clock } = broker;
    await mq.admin.createTopic("orders");
    const { received } = await startInstance(mq);
    await sendAll(mq, ["m0"]);
    await clock.settle();

    await mq.admin.updateGroup("news", { consumeBroadcastEnable: false });
    await sendAll(mq, ["m1", "m2"]);
    await clock.advance(5_000);
    const meanwhile = [...received];
    await mq.admin.updateGroup("news", { consumeBroadcastEnable: true });
    await clock.advance(1_000);

    expect([meanwhile, received]).toEqual([["m0"], ["m0", "m1", "m2"]]);
  });

  it("lets clustering members consume", async () => {
    await using broker = await openTestBroker({ defaultQueueCount: 1 });
    const { mq, clock, logged } = broker;
    await mq.admin.createTopic("orders");
    await mq.admin.createGroup("news", { consumeBroadcastEnable: false });
    const { received } = await startInstance(mq, { messageModel: "clustering" });

    await sendAll(mq, ["m0"]);
    await clock.advance(1_000);

    expect(received).toEqual(["m0"]);
    expect(logged).toEqual([]);
  });
});
