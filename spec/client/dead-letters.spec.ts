import { describe, expect, it } from "vitest";
import type { Broker, MessageView } from "../../lib/index.js";
import { browseQueue } from "../support/shared-connection.js";
import { openTestBroker } from "../support/test-broker.js";

/** Fails on every message of these topics until it is a dead letter. */
async function bury(mq: Broker, group: string, ...topics: readonly string[]): Promise<void> {
  const consumer = mq.pushConsumer({
    group,
    subscriptions: Object.fromEntries(topics.map((topic) => [topic, "*"])),
    maxReconsumeTimes: 1,
    listener: (_view, context) => {
      context.delayLevelWhenNextConsume = 1;
      return "retry";
    },
  });
  await consumer.start();
}

async function send(mq: Broker, topic: string, body: string): Promise<void> {
  await mq.producer({ group: "shop" }).send({ topic, body });
}

/** Of a group that reads dead letters. */
async function read(mq: Broker, topic: string, listener: (view: MessageView) => unknown): Promise<void> {
  const subscriptions = { [topic]: "*" };
  await mq.pushConsumer({ group: "reader", subscriptions, listener: (view) => listener(view) as undefined }).start();
}

describe("the dead-letter queue of a group", () => {
  it("is there from the first dead letter on, with one queue, readable and writable", async () => {
    await using broker = await openTestBroker();
    const { mq, clock } = broker;
    await bury(mq, "billing", "orders");
    const before = (await mq.admin.listTopics()).map(({ topic }) => topic);

    await send(mq, "orders", "a");
    await clock.advance(1_000);

    expect(before).toEqual(["%RETRY%billing"]);
    expect(await mq.admin.getTopic("%DLQ%billing")).toMatchObject({
      readQueueNums: 1,
      writeQueueNums: 1,
      perm: "RW",
      system: false,
    });
  });

  it("holds the dead letters of all topics of its group, in the order in which they died", async () => {
    await using broker = await openTestBroker();
    const { mq, clock } = broker;
    await bury(mq, "billing", "orders", "refunds");

    await send(mq, "orders", "a");
    await clock.advance(500);
    await send(mq, "refunds", "b");
    await clock.advance(1_000);

    const dead = await browseQueue(mq, "%DLQ%billing");
    expect(dead.map((view) => [view.text(), view.systemProperties["RETRY_TOPIC"], view.queueOffset])).toEqual([
      ["a", "orders", 0],
      ["b", "refunds", 1],
    ]);
  });

  it("is consumed as any other topic: a message says that it is from there, and how often it had failed", async () => {
    await using broker = await openTestBroker();
    const { mq, clock } = broker;
    await bury(mq, "billing", "orders");
    const received: unknown[] = [];
    await read(mq, "%DLQ%billing", ({ topic, reconsumeTimes, queueOffset }) => {
      received.push({ topic, reconsumeTimes, queueOffset });
    });

    await send(mq, "orders", "a");
    await clock.advance(1_000);

    expect(received).toEqual([{ topic: "%DLQ%billing", reconsumeTimes: 2, queueOffset: 0 }]);
    expect((await mq.admin.consumeStats("reader", "%DLQ%billing")).lag).toBe(0);
  });

  it("has messages whose failures count on: a reader that fails gets them for as long as its own limit allows", async () => {
    await using broker = await openTestBroker();
    const { mq, clock } = broker;
    await bury(mq, "billing", "orders");
    await mq.admin.createGroup("reader", { retryMaxTimes: 3 });
    const received: number[] = [];
    await read(mq, "%DLQ%billing", ({ reconsumeTimes }) => {
      received.push(reconsumeTimes);
      return "retry";
    });

    await send(mq, "orders", "a");
    await clock.advance(24 * 3_600_000);

    expect(received).toEqual([2, 3]);
    const dead = await browseQueue(mq, "%DLQ%reader");
    expect(dead.map((view) => [view.text(), view.reconsumeTimes])).toEqual([["a", 4]]);
  });
});

describe("a group with a name of 255 characters", () => {
  const group = "g".repeat(255);
  const [retry, dead] = [`%RETRY%${group}`, `%DLQ%${group}`];

  it("retries its messages and buries them", async () => {
    await using broker = await openTestBroker();
    const { mq, clock } = broker;
    await bury(mq, group, "orders");

    await send(mq, "orders", "a");
    await clock.advance(1_000);

    const queues = [await browseQueue(mq, retry), await browseQueue(mq, dead)];
    expect(queues.map((views) => views.map((view) => [view.text(), view.reconsumeTimes]))).toEqual([
      [["a", 1]],
      [["a", 2]],
    ]);
    expect(await mq.admin.topicStats(dead)).toMatchObject([{ maxOffset: 1 }]);
    expect((await mq.admin.getTopic(dead)).topic).toBe(dead);
    expect((await mq.admin.consumeStats(group)).lag).toBe(0);
  });

  it("has dead letters that others consume", async () => {
    await using broker = await openTestBroker();
    const { mq, clock } = broker;
    const received: string[] = [];
    await bury(mq, group, "orders");
    await read(mq, dead, (view) => void received.push(`${view.text()} of ${view.topic}`));

    await send(mq, "orders", "a");
    await clock.advance(1_000);

    expect(received).toEqual([`a of ${dead}`]);
  });

  it("has topics to which nobody sends and that nobody creates by himself: those have 127 characters at most", async () => {
    await using broker = await openTestBroker();
    const { mq } = broker;

    for (const topic of [retry, dead]) {
      await expect(mq.admin.createTopic(topic)).rejects.toMatchObject({ code: "ERR_MQ_INVALID_ARGUMENT" });
      await expect(send(mq, topic, "x")).rejects.toMatchObject({ code: "ERR_MQ_INVALID_ARGUMENT" });
    }
    expect(() =>
      mq.pushConsumer({ group: "reader", listener: () => undefined, subscriptions: { [`${dead}g`]: "*" } }),
    ).toThrow(expect.objectContaining({ code: "ERR_MQ_INVALID_ARGUMENT" }));
  });
});
