import { describe, expect, it } from "vitest";
import type { Broker, ConsumeContext, GroupSettings, MessageView, PushConsumerSettings } from "../../lib/index.js";
import { DELAY_LEVELS_MS } from "../../lib/time/delay-levels.js";
import { browseQueue } from "../support/shared-connection.js";
import { openTestBroker, type TestBroker } from "../support/test-broker.js";

const SECOND = 1_000;
const MINUTE = 60 * SECOND;
const HOUR = 60 * MINUTE;

interface Delivery {
  readonly at: number;
  readonly view: MessageView;
}

/** Starts a consumer of "orders" that fails each time, or for as long as `fail` does not return true. */
async function failing(
  { mq, clock }: TestBroker,
  settings: Partial<PushConsumerSettings> = {},
  fail: (context: ConsumeContext, attempt: number) => unknown = () => false,
): Promise<readonly Delivery[]> {
  const deliveries: Delivery[] = [];
  const consumer = mq.pushConsumer({
    group: "billing",
    subscriptions: { orders: "*" },
    ...settings,
    listener: (view, context) => {
      deliveries.push({ at: clock.now(), view });
      return fail(context, view.deliveryAttempt) === true ? "success" : "retry";
    },
  });
  await consumer.start();
  return deliveries;
}

async function send(mq: Broker, body = "a"): Promise<void> {
  await mq.producer({ group: "shop" }).send({ topic: "orders", body });
}

/** Between each delivery and the one before it. */
function waits(deliveries: readonly Delivery[]): readonly number[] {
  return deliveries.slice(1).map(({ at }, index) => at - (deliveries[index]?.at ?? 0));
}

async function deadLetters(mq: Broker, group = "billing"): Promise<readonly string[]> {
  const dead = await browseQueue(mq, `%DLQ%${group}`);
  return dead.map((view) => `${view.text()} reconsumeTimes ${view.reconsumeTimes}`);
}

describe("a message whose listener fails every time", () => {
  it("is delivered seventeen times, after the delays of the levels 3 to 18, and ends as a dead letter with reconsumeTimes 17", async () => {
    await using broker = await openTestBroker({ defaultQueueCount: 1 });
    const { mq, clock } = broker;
    const deliveries = await failing(broker);
    await send(mq);

    await clock.advance(12 * HOUR);

    expect(waits(deliveries)).toEqual(DELAY_LEVELS_MS.slice(2));
    expect(deliveries.map(({ view }) => view.reconsumeTimes)).toEqual(Array.from({ length: 17 }, (_, n) => n));
    expect(new Set(deliveries.map(({ view }) => view.topic))).toEqual(new Set(["orders"]));
    expect(await deadLetters(mq)).toEqual(["a reconsumeTimes 17"]);
  });

  it.each<[what: string, group: GroupSettings, maxReconsumeTimes: number | undefined, deliveries: number]>([
    ["its group says, when the consumer says nothing", { retryMaxTimes: 2 }, undefined, 3],
    ["the consumer says, whatever its group says", { retryMaxTimes: 2 }, 1, 2],
    ["RocketMQ's consumers begin with, when the consumer says -1", { retryMaxTimes: 2 }, -1, 17],
    ["the consumer says, also more often than 16 times", {}, 18, 19],
    ["0 says: never", { retryMaxTimes: 0 }, undefined, 1],
  ])("is retried as often as %s", async (_what, settings, maxReconsumeTimes, expected) => {
    await using broker = await openTestBroker({ defaultQueueCount: 1 });
    const { mq, clock } = broker;
    await mq.admin.createGroup("billing", settings);
    const deliveries = await failing(broker, { maxReconsumeTimes });
    await send(mq);

    await clock.advance(24 * HOUR);

    expect(deliveries).toHaveLength(expected);
    expect(waits(deliveries).slice(16)).toEqual(Array.from({ length: Math.max(0, expected - 17) }, () => 2 * HOUR));
    expect(await deadLetters(mq)).toEqual([`a reconsumeTimes ${expected}`]);
  });

  it("follows the group's retryMaxTimes as it is when the message fails", async () => {
    await using broker = await openTestBroker({ defaultQueueCount: 1 });
    const { mq, clock } = broker;
    const deliveries = await failing(broker);
    await send(mq);
    await clock.settle();

    await mq.admin.updateGroup("billing", { retryMaxTimes: 1 });
    await clock.advance(HOUR);

    expect(deliveries).toHaveLength(2);
  });
});

describe("delayLevelWhenNextConsume", () => {
  it.each<[level: unknown, waits: readonly number[], logged: number]>([
    [0, [10 * SECOND, 30 * SECOND], 0],
    [1, [SECOND, SECOND], 0],
    [5, [MINUTE, MINUTE], 0],
    [18, [2 * HOUR, 2 * HOUR], 0],
    [19, [2 * HOUR, 2 * HOUR], 0],
    [1e9, [2 * HOUR, 2 * HOUR], 0],
    [1.5, [10 * SECOND, 30 * SECOND], 3],
    [Number.NaN, [10 * SECOND, 30 * SECOND], 3],
    ["5", [10 * SECOND, 30 * SECOND], 3],
    [null, [10 * SECOND, 30 * SECOND], 3],
  ])("%j makes two retries wait %j ms", async (level, expected, logged) => {
    await using broker = await openTestBroker({ defaultQueueCount: 1 });
    const { mq, clock } = broker;
    const deliveries = await failing(broker, { maxReconsumeTimes: 2 }, (context) => {
      context.delayLevelWhenNextConsume = level as number;
    });
    await send(mq);

    await clock.advance(5 * HOUR);

    expect(waits(deliveries)).toEqual(expected);
    expect(await deadLetters(mq)).toEqual(["a reconsumeTimes 3"]);
    const errors = broker.logged.filter(({ level: of }) => of === "error");
    expect(errors).toHaveLength(logged);
    for (const { text } of errors) expect(text).toContain("set delayLevelWhenNextConsume to ");
  });

  it.each([-1, -2, -1_000])("%i sends the message to the dead letters at once", async (level) => {
    await using broker = await openTestBroker({ defaultQueueCount: 1 });
    const { mq, clock } = broker;
    const deliveries = await failing(broker, {}, (context) => {
      context.delayLevelWhenNextConsume = level;
    });
    await send(mq);

    await clock.advance(12 * HOUR);

    expect(deliveries).toHaveLength(1);
    expect(await deadLetters(mq)).toEqual(["a reconsumeTimes 1"]);
  });

  it("is 0 at each delivery, and counts for nothing when the message was consumed", async () => {
    await using broker = await openTestBroker({ defaultQueueCount: 1 });
    const { mq, clock } = broker;
    const seen: number[] = [];
    const deliveries = await failing(broker, {}, (context, attempt) => {
      seen.push(context.delayLevelWhenNextConsume);
      context.delayLevelWhenNextConsume = attempt === 1 ? 1 : -1;
      return attempt === 2;
    });
    await send(mq);

    await clock.advance(HOUR);

    expect(seen).toEqual([0, 0]);
    expect(deliveries).toHaveLength(2);
    await expect(mq.admin.getTopic("%DLQ%billing")).rejects.toMatchObject({ code: "ERR_MQ_TOPIC_NOT_FOUND" });
  });

  it("holds for all that a call of a batch listener leaves behind ackIndex", async () => {
    await using broker = await openTestBroker({ defaultQueueCount: 1 });
    const { mq, clock } = broker;
    const calls: [at: number, texts: readonly string[]][] = [];
    const batch = ["0", "1", "2", "3"].map((body) => ({ topic: "orders", body }));
    await mq.producer({ group: "shop" }).sendBatch(batch);
    const consumer = mq.pushConsumer({
      group: "billing",
      subscriptions: { orders: "*" },
      consumeMessageBatchMaxSize: 4,
      batchListener: (messages, context) => {
        calls.push([clock.now(), messages.map((view) => `${view.text()} attempt ${view.deliveryAttempt}`)]);
        context.delayLevelWhenNextConsume = 2;
        if (calls.length === 1) context.ackIndex = 1;
      },
    });
    const startedAt = clock.now();

    await consumer.start();
    await clock.advance(MINUTE);

    expect(calls.slice(1)).toEqual([[startedAt + 5 * SECOND, ["2 attempt 2", "3 attempt 2"]]]);
  });
});

describe("the retry policy of a group", () => {
  it.each<[what: string, policy: GroupSettings["retryPolicy"], waits: readonly number[]]>([
    ["customized", { type: "customized", delaysMs: [1, 2, 300, 4_000, 50_000] }, [300, 4_000, 50_000, 50_000]],
    ["customized with fewer delays than it skips", { type: "customized", delaysMs: [1, 20] }, [20, 20, 20, 20]],
    ["customized with one delay", { type: "customized", delaysMs: [7] }, [7, 7, 7, 7]],
    [
      "exponential",
      { type: "exponential", initialMs: 1_000, maxMs: 5_000, multiplier: 2 },
      [1_000, 2_000, 4_000, 5_000],
    ],
  ])("%s decides how long each retry waits", async (_what, retryPolicy, expected) => {
    await using broker = await openTestBroker({ defaultQueueCount: 1 });
    const { mq, clock } = broker;
    await mq.admin.createGroup("billing", { retryPolicy, retryMaxTimes: 4 });
    const deliveries = await failing(broker);
    await send(mq);

    await clock.advance(HOUR);

    expect(waits(deliveries)).toEqual(expected);
    expect(await deadLetters(mq)).toEqual(["a reconsumeTimes 5"]);
  });

  it("gives way to the level that the listener asks for", async () => {
    await using broker = await openTestBroker({ defaultQueueCount: 1 });
    const { mq, clock } = broker;
    const retryPolicy = { type: "customized", delaysMs: [HOUR] } as const;
    await mq.admin.createGroup("billing", { retryPolicy, retryMaxTimes: 2 });
    const deliveries = await failing(broker, {}, (context, attempt) => {
      context.delayLevelWhenNextConsume = attempt === 1 ? 2 : 0;
    });
    await send(mq);

    await clock.advance(2 * HOUR);

    expect(waits(deliveries)).toEqual([5 * SECOND, HOUR]);
  });

  it("is asked when the message fails: a later one holds from the next failure on", async () => {
    await using broker = await openTestBroker({ defaultQueueCount: 1 });
    const { mq, clock } = broker;
    const deliveries = await failing(broker, { maxReconsumeTimes: 2 });
    await send(mq);
    await clock.settle();

    await mq.admin.updateGroup("billing", { retryPolicy: { type: "customized", delaysMs: [SECOND] } });
    await clock.advance(HOUR);

    expect(waits(deliveries)).toEqual([10 * SECOND, SECOND]);
  });
});
