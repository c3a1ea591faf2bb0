import { describe, expect, it } from "vitest";
import type { ConsumeContext, MessageView, PushConsumer, PushConsumerSettings } from "../../lib/index.js";
import { isMqError } from "../../lib/index.js";
import { browseQueue } from "../support/shared-connection.js";
import { openTestBroker, type TestBroker } from "../support/test-broker.js";

const SECOND = 1_000;

/** A call of a listener that returns when told to. */
interface Call {
  readonly text: string;
  readonly attempt: number;
  readonly at: number;
  readonly context: ConsumeContext;
  end(result?: "success" | "retry" | Error): void;
}

/** One topic with one queue, and a consumer whose listeners may take 20 s. */
async function slowConsumer(
  { mq, clock }: TestBroker,
  settings: Partial<PushConsumerSettings> = {},
): Promise<{ readonly calls: Call[]; readonly consumer: PushConsumer }> {
  const calls: Call[] = [];
  await mq.admin.createTopic("orders", { readQueueNums: 1, writeQueueNums: 1 });
  const consumer = mq.pushConsumer({
    group: "billing",
    subscriptions: { orders: "*" },
    consumeTimeoutMs: 20 * SECOND,
    ...settings,
    listener: (view: MessageView, context) =>
      new Promise((resolve, reject) => {
        calls.push({
          text: view.text(),
          attempt: view.deliveryAttempt,
          at: clock.now(),
          context,
          end: (result = "success") => (typeof result === "string" ? resolve(result) : reject(result)),
        });
      }),
  });
  await consumer.start();
  return { calls, consumer };
}

async function send({ mq, clock }: TestBroker, ...bodies: readonly string[]): Promise<void> {
  await mq.producer({ group: "shop" }).sendBatch(bodies.map((body) => ({ topic: "orders", body })));
  await clock.settle();
}

const told = ({ text, attempt }: Call): string => `${text} attempt ${attempt}`;

async function copies({ mq }: TestBroker): Promise<number | undefined> {
  return (await mq.admin.topicStats("%RETRY%billing"))[0]?.maxOffset;
}

describe("a listener that runs longer than consumeTimeoutMs", () => {
  it("sees its signal abort with ERR_MQ_TIMEOUT, exactly then", async () => {
    await using broker = await openTestBroker();
    const { calls } = await slowConsumer(broker);
    await send(broker, "a");
    const signal = calls[0]?.context.signal;
    const reasons: unknown[] = [];
    signal?.addEventListener("abort", () => reasons.push([broker.clock.now(), signal.reason]));
    const startedAt = broker.clock.now();

    await broker.clock.advance(20 * SECOND - 1);
    const before = signal?.aborted;
    await broker.clock.advance(1);

    expect(before).toBe(false);
    expect(reasons).toEqual([[startedAt + 20 * SECOND, expect.objectContaining({ code: "ERR_MQ_TIMEOUT" })]]);
  });

  it("sees an aborted signal also when it asks for it only afterwards", async () => {
    await using broker = await openTestBroker();
    const { calls } = await slowConsumer(broker);
    await send(broker, "a");

    await broker.clock.advance(20 * SECOND);

    expect(calls[0]?.context.signal.aborted).toBe(true);
    expect(isMqError(calls[0]?.context.signal.reason, "ERR_MQ_TIMEOUT")).toBe(true);
  });

  it("loses its message, which is acknowledged at once and comes again 10 s later as the next attempt", async () => {
    await using broker = await openTestBroker();
    const { calls } = await slowConsumer(broker);
    await send(broker, "a");
    const startedAt = broker.clock.now();

    await broker.clock.advance(20 * SECOND);
    const { queues } = await broker.mq.admin.consumeStats("billing", "orders");
    await broker.clock.advance(10 * SECOND);

    expect(queues).toMatchObject([{ consumerOffset: 1 }]);
    expect(calls.map((call) => [told(call), call.at - startedAt])).toEqual([
      ["a attempt 1", 0],
      ["a attempt 2", 30 * SECOND],
    ]);
  });

  it.each(["success", "retry", new Error("too late")] as const)(
    "is not heard any more: its message is retried once, though it says %s",
    async (result) => {
      await using broker = await openTestBroker();
      const { calls } = await slowConsumer(broker);
      await send(broker, "a");
      await broker.clock.advance(21 * SECOND);

      calls[0]?.end(result);
      await broker.clock.advance(9 * SECOND);
      calls[1]?.end();
      await broker.clock.advance(600 * SECOND);

      expect(calls.map(told)).toEqual(["a attempt 1", "a attempt 2"]);
      expect(await copies(broker)).toBe(1);
      expect((await broker.mq.admin.consumeStats("billing")).lag).toBe(0);
    },
  );

  it("counts as one of those that run at once until it ends", async () => {
    await using broker = await openTestBroker();
    const { calls } = await slowConsumer(broker, { consumeConcurrency: 1 });
    await send(broker, "a", "b");
    await broker.clock.advance(60 * SECOND);
    const meanwhile = calls.map(told);

    calls[0]?.end();
    await broker.clock.settle();

    expect(meanwhile).toEqual(["a attempt 1"]);
    expect(calls.map(told)).toEqual(["a attempt 1", "b attempt 1"]);
  });

  it("is told of in the log", async () => {
    await using broker = await openTestBroker();
    await slowConsumer(broker);
    await send(broker, "a");

    await broker.clock.advance(20 * SECOND);

    expect(broker.logged).toEqual([
      {
        level: "warn",
        text: expect.stringContaining("a listener of group billing did not end within 20000 ms"),
        data: { topic: "orders", queueId: 0 },
      },
    ]);
  });

  it("makes its message wait for 10 s each time, whatever it asked for and its group's policy says", async () => {
    await using broker = await openTestBroker();
    const { mq, clock } = broker;
    await mq.admin.createGroup("billing", { retryPolicy: { type: "customized", delaysMs: [1] } });
    const { calls } = await slowConsumer(broker);
    await send(broker, "a");
    const startedAt = clock.now();
    for (const call of calls) call.context.delayLevelWhenNextConsume = -1;

    await clock.advance(90 * SECOND);

    expect(calls.map(({ at }) => (at - startedAt) / SECOND)).toEqual([0, 30, 60, 90]);
  });

  it("makes its message a dead letter when that was its last attempt", async () => {
    await using broker = await openTestBroker();
    const { calls } = await slowConsumer(broker, { maxReconsumeTimes: 1 });
    await send(broker, "a");

    await broker.clock.advance(600 * SECOND);

    expect(calls.map(told)).toEqual(["a attempt 1", "a attempt 2"]);
    const dead = await browseQueue(broker.mq, "%DLQ%billing");
    expect(dead.map((view) => [view.text(), view.reconsumeTimes])).toEqual([["a", 2]]);
  });

  it("is found among others, each at its own time", async () => {
    await using broker = await openTestBroker();
    const { clock } = broker;
    const { calls } = await slowConsumer(broker);
    const startedAt = clock.now();
    for (const body of ["a", "b", "c"]) {
      await send(broker, body);
      await clock.advance(5 * SECOND);
    }

    calls[1]?.end();
    await clock.advance(45 * SECOND);

    expect(calls.map((call) => [told(call), (call.at - startedAt) / SECOND])).toEqual([
      ["a attempt 1", 0],
      ["b attempt 1", 5],
      ["c attempt 1", 10],
      ["a attempt 2", 30],
      ["c attempt 2", 40],
      ["a attempt 3", 60],
    ]);
  });

  it("has no copy made of its message when the queue was taken away before", async () => {
    await using broker = await openTestBroker();
    const { mq, clock } = broker;
    const { calls, consumer } = await slowConsumer(broker);
    await send(broker, "a");
    await clock.advance(10 * SECOND);

    consumer.unsubscribe("orders");
    await clock.advance(60 * SECOND);

    expect(calls).toHaveLength(1);
    expect(await copies(broker)).toBe(0);
    expect(await mq.admin.consumeStats("billing", "orders")).toMatchObject({ lag: 1 });
  });
});

describe("a listener that ends in time", () => {
  it("is heard, at the last millisecond too", async () => {
    await using broker = await openTestBroker();
    const { calls } = await slowConsumer(broker);
    await send(broker, "a");
    await broker.clock.advance(20 * SECOND - 1);

    calls[0]?.end();
    await broker.clock.advance(600 * SECOND);

    expect(calls.map(told)).toEqual(["a attempt 1"]);
    expect(calls[0]?.context.signal.aborted).toBe(false);
    expect(broker.logged).toEqual([]);
  });

  it("may take 15 minutes when nothing is said", async () => {
    await using broker = await openTestBroker();
    const { calls } = await slowConsumer(broker, { consumeTimeoutMs: undefined });
    await send(broker, "a");

    await broker.clock.advance(15 * 60 * SECOND - 1);
    const before = broker.logged.length;
    await broker.clock.advance(1);

    expect([before, broker.logged.length]).toEqual([0, 1]);
    expect(calls[0]?.context.signal.aborted).toBe(true);
  });
});

describe("a batch whose listener runs too long", () => {
  it("is retried as a whole, whatever ackIndex says", async () => {
    await using broker = await openTestBroker({ defaultQueueCount: 1 });
    const { mq, clock } = broker;
    const calls: string[][] = [];
    const consumer = mq.pushConsumer({
      group: "billing",
      subscriptions: { orders: "*" },
      consumeMessageBatchMaxSize: 3,
      consumeTimeoutMs: 20 * SECOND,
      batchListener: async (messages, context) => {
        calls.push(messages.map((view) => `${view.text()} attempt ${view.deliveryAttempt}`));
        context.ackIndex = 1;
        if (calls.length === 1) await new Promise<void>((resolve) => clock.at(clock.now() + 25 * SECOND, resolve));
        else context.ackIndex = 2;
      },
    });
    await send(broker, "a", "b", "c");

    await consumer.start();
    await clock.advance(600 * SECOND);

    expect(calls).toEqual([
      ["a attempt 1", "b attempt 1", "c attempt 1"],
      ["a attempt 2", "b attempt 2", "c attempt 2"],
    ]);
  });
});
