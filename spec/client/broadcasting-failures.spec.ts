import { describe, expect, it } from "vitest";
import type { Broker, ConsumeResult, MessageListener } from "../../lib/index.js";
import { browseQueue } from "../support/shared-connection.js";
import { type LoggedLine, openTestBroker } from "../support/test-broker.js";
import { type InstanceSettings, rowsOf, sendAll, startInstance } from "./broadcasting-instance.js";

const DAY = 24 * 60 * 60 * 1_000;

/** What is said of messages that are given up. */
const dropsOf = (logged: readonly LoggedLine[]): readonly LoggedLine[] =>
  logged.filter(({ text }) => text.includes("drops it"));

/** Nothing of the group waits to be delivered again, and nothing ever did. */
async function expectNoCopies({ admin, database }: Broker): Promise<void> {
  const topics = (await admin.listTopics({ system: true })).map(({ topic }) => topic);
  expect(topics).not.toContain("%DLQ%news");
  expect(await admin.maxOffset({ topic: "%RETRY%news", brokerName: "broker-a", queueId: 0 })).toBe(0);
  expect(rowsOf(database, "mq_due", "due_key")).toEqual([]);
  expect(rowsOf(database, "mq_sent_back", "consumer_group")).toEqual([]);
}

describe("a message on which a broadcasting instance fails", () => {
  const fail = (): never => {
    throw new Error("no");
  };
  it.each<[how: string, listener: MessageListener, settings?: InstanceSettings]>([
    ["throws", fail],
    ["rejects", () => Promise.reject(new Error("no"))],
    ["returns retry", () => "retry"],
    ["resolves with retry", () => Promise.resolve<ConsumeResult>("retry")],
    ["returns null, as in JavaScript", () => null as unknown as undefined],
    ["returns what is no result, as in JavaScript", () => "later" as unknown as undefined],
    ["throws and may retry often", fail, { maxReconsumeTimes: 99 }],
    ["throws and may not retry", fail, { maxReconsumeTimes: 0 }],
    [
      "asks for a delay level",
      (_message, context) => {
        context.delayLevelWhenNextConsume = 1;
        return "retry";
      },
    ],
    [
      "asks for the dead letters",
      (_message, context) => {
        context.delayLevelWhenNextConsume = -1;
        return "retry";
      },
    ],
  ])("is logged and dropped when its listener %s, and progress passes it", async (_how, listener, settings = {}) => {
    await using broker = await openTestBroker({ defaultQueueCount: 1 });
    const { mq, clock, logged } = broker;
    await mq.admin.createTopic("orders");
    const { received } = await startInstance(mq, {
      ...settings,
      listener: (message, context) => (message.text() === "bad" ? listener(message, context) : "success"),
    });
    await sendAll(mq, ["good", "bad", "fine"]);

    await clock.advance(DAY);

    expect(received).toEqual(["good", "bad", "fine"]);
    const [, bad] = await browseQueue(mq, "orders");
    expect(dropsOf(logged)).toEqual([
      {
        level: "warn",
        text: expect.stringContaining("news"),
        data: { topic: "orders", queueId: 0, queueOffset: 1, messageId: bad?.messageId },
      },
    ]);
    expect(rowsOf(mq.database, "mq_broadcast_offset", "next_offset")).toEqual([[3]]);
    await expectNoCopies(mq);
  });

  it("is not delivered again after a restart", async () => {
    await using broker = await openTestBroker({ defaultQueueCount: 1 });
    const { mq, clock } = broker;
    await mq.admin.createTopic("orders");
    const first = await startInstance(mq, { listener: () => "retry" });
    await sendAll(mq, ["bad"]);
    await clock.settle();

    await first.consumer.close();
    const second = await startInstance(mq);
    await clock.advance(DAY);

    expect(first.received).toEqual(["bad"]);
    expect(second.received).toEqual([]);
  });

  it("has come to the others", async () => {
    await using broker = await openTestBroker({ defaultQueueCount: 1 });
    const { mq, clock } = broker;
    await mq.admin.createTopic("orders");
    await startInstance(mq, { instanceName: "a", listener: () => "retry" });
    const other = await startInstance(mq, { instanceName: "b" });

    await sendAll(mq, ["bad"]);
    await clock.settle();

    expect(other.received).toEqual(["bad"]);
  });

  it.each<[how: string, listener: MessageListener]>([
    ["throws", fail],
    ["returns what is no result", () => "later" as unknown as undefined],
    ["does not end in time", () => new Promise(() => undefined)],
  ])("is nowhere said to be retried when its listener %s", async (_how, listener) => {
    await using broker = await openTestBroker({ defaultQueueCount: 1 });
    const { mq, clock, logged } = broker;
    await mq.admin.createTopic("orders");
    await startInstance(mq, { consumeTimeoutMs: 60_000, listener });

    await sendAll(mq, ["bad"]);
    await clock.advance(60_000);

    expect(dropsOf(logged).length).toBe(1);
    expect(logged.filter(({ text }) => text.includes("are retried"))).toEqual([]);
  });
});

describe("a batch of which a broadcasting instance consumes only a part", () => {
  it.each([
    ["up to ackIndex", { ackIndex: 1, result: "success" }, [2, 3]],
    ["none with ackIndex -1", { ackIndex: -1, result: "success" }, [0, 1, 2, 3]],
    ["none with retry, whatever ackIndex says", { ackIndex: 1, result: "retry" }, [0, 1, 2, 3]],
  ] as const)("is delivered once, %s, and the rest is logged and dropped", async (_what, said, dropped) => {
    await using broker = await openTestBroker({ defaultQueueCount: 1 });
    const { mq, clock, logged } = broker;
    await mq.admin.createTopic("orders");
    const batches: string[][] = [];
    const consumer = mq.pushConsumer({
      group: "news",
      messageModel: "broadcasting",
      subscriptions: { orders: "*" },
      consumeMessageBatchMaxSize: 10,
      batchListener: (messages, context) => {
        batches.push(messages.map((message) => message.text()));
        context.ackIndex = said.ackIndex;
        return said.result;
      },
    });
    await consumer.start();
    const bodies = ["m0", "m1", "m2", "m3"];

    await mq.producer({ group: "shop" }).sendBatch(bodies.map((body) => ({ topic: "orders", body })));
    await clock.advance(DAY);

    expect(batches).toEqual([bodies]);
    expect(dropsOf(logged).map(({ data }) => data)).toEqual(
      dropped.map((queueOffset) => expect.objectContaining({ topic: "orders", queueId: 0, queueOffset })),
    );
    expect(rowsOf(mq.database, "mq_broadcast_offset", "next_offset")).toEqual([[4]]);
    await expectNoCopies(mq);
  });
});

describe("a message that takes a broadcasting instance longer than consumeTimeoutMs", () => {
  it("is logged and dropped then, its signal aborts, and progress passes it", async () => {
    await using broker = await openTestBroker({ defaultQueueCount: 1 });
    const { mq, clock, logged } = broker;
    await mq.admin.createTopic("orders");
    const signals: AbortSignal[] = [];
    const { received } = await startInstance(mq, {
      consumeTimeoutMs: 60_000,
      listener: (message, { signal }) => {
        signals.push(signal);
        return message.text() === "slow" ? new Promise(() => undefined) : "success";
      },
    });
    await sendAll(mq, ["slow", "fast"]);

    await clock.advance(59_999);
    const before = [
      signals.map(({ aborted }) => aborted),
      rowsOf(mq.database, "mq_broadcast_offset", "next_offset"),
      [...logged],
    ];
    await clock.advance(1);
    await clock.advance(DAY);

    expect(before).toEqual([[false, false], [[0]], []]);
    expect(signals.map(({ aborted }) => aborted)).toEqual([true, false]);
    expect(signals[0]?.reason).toMatchObject({ code: "ERR_MQ_TIMEOUT" });
    expect(received).toEqual(["slow", "fast"]);
    expect(dropsOf(logged).map(({ data }) => data)).toEqual([
      expect.objectContaining({ topic: "orders", queueId: 0, queueOffset: 0 }),
    ]);
    expect(rowsOf(mq.database, "mq_broadcast_offset", "next_offset")).toEqual([[2]]);
    await expectNoCopies(mq);
  });

  it.each<[how: string, result: () => Promise<ConsumeResult>]>([
    ["succeeds", () => Promise.resolve<ConsumeResult>("success")],
    ["fails", () => Promise.reject(new Error("no"))],
  ])("is dropped once when its listener %s afterwards", async (_how, result) => {
    await using broker = await openTestBroker({ defaultQueueCount: 1 });
    const { mq, clock, logged } = broker;
    await mq.admin.createTopic("orders");
    let end = (): void => undefined;
    const ended = new Promise<void>((resolve) => {
      end = resolve;
    });
    const { received } = await startInstance(mq, {
      consumeTimeoutMs: 60_000,
      listener: () => ended.then(result),
    });
    await sendAll(mq, ["slow"]);
    await clock.advance(60_000);

    end();
    await clock.advance(DAY);

    expect(received).toEqual(["slow"]);
    expect(dropsOf(logged).length).toBe(1);
  });
});
