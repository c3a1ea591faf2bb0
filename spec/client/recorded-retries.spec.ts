import { describe, expect, it } from "vitest";
import { type RetryPolicy, retryDelay } from "../../lib/broker/retry-policy.js";
import type { SendBackOutcome, SendBackRequest } from "../../lib/broker/send-back.js";
import type { Broker, ConsumeContext, Message, MessageView, PushConsumerSettings, TopicInfo } from "../../lib/index.js";
import { DELAY_LEVELS_MS } from "../../lib/time/delay-levels.js";
import { loadFacts } from "../support/facts.js";
import { openTestPort, type TestPort } from "../support/local-broker.js";
import { comparable, delivered, type RecordedMessage, stored, withPlaceholders } from "../support/recorded-message.js";
import { browseQueue } from "../support/shared-connection.js";
import { openRecordedBroker } from "../support/test-broker.js";

interface RecordedTopic {
  readonly code: number;
  readonly body: string;
}
/** What was observed of one group that failed; each fact has some of these. */
interface RecordedRetries {
  readonly deliveries?: number | readonly RecordedMessage[];
  readonly second?: RecordedMessage;
  readonly deliveriesIn14s?: number;
  readonly retriedMoreThanOnce?: boolean;
  readonly dlqRecords?: number | readonly RecordedMessage[];
  readonly retryTopicRecords?: readonly RecordedMessage[];
  readonly retryTopic?: RecordedTopic;
  readonly retryTopicConfig?: RecordedTopic;
  readonly dlqTopicConfig?: RecordedTopic;
}

const facts = loadFacts("retry");
const SECOND = 1_000;

function topicOf({ code, body }: RecordedTopic): object {
  const { topicName, readQueueNums, writeQueueNums, perm, order } = JSON.parse(body) as Readonly<
    Record<string, unknown>
  >;
  // 6 is readable and writable.
  return { code, topic: topicName, readQueueNums, writeQueueNums, perm: perm === 6 ? "RW" : perm, order };
}

function asRecordedTopic({ topic, readQueueNums, writeQueueNums, perm, order }: TopicInfo): object {
  return { code: 0, topic, readQueueNums, writeQueueNums, perm, order };
}

interface Failing {
  readonly fact: string;
  /** Ends the names of topic and group. */
  readonly name: string;
  /** Where it is not named as its topic. */
  readonly group?: string;
  readonly settings?: Omit<PushConsumerSettings, "group">;
  readonly fail: (attempt: number, context: ConsumeContext) => unknown;
  readonly prepare?: (mq: Broker, group: string) => Promise<unknown>;
  /** Of the message, beside or in place of what all have. */
  readonly sent?: Partial<Message>;
}

/** What happens within 100 s to a message whose listener fails, in the shape of the fact. */
async function observe({
  fact,
  name,
  group = `g-rt-${name}`,
  settings,
  fail,
  prepare,
  sent,
}: Failing): Promise<unknown> {
  await using broker = await openRecordedBroker({ defaultQueueCount: 1 });
  const { mq, clock } = broker;
  const topic = `Rt${name}`;
  const views: MessageView[] = [];
  const times: number[] = [];
  await prepare?.(mq, group);
  const consumer = mq.pushConsumer({
    ...settings,
    group,
    subscriptions: { [topic]: "*" },
    listener: (view, context) => {
      views.push(view);
      times.push(clock.now());
      return fail(view.deliveryAttempt, context) as "retry" | undefined;
    },
  });
  await consumer.start();
  const startedAt = clock.now();
  const message = { topic, body: "r", tag: "TagA", keys: "k1", properties: { color: "red" } };
  await mq.producer({ group: "shop" }).send({ ...message, ...sent });
  await clock.advance(100 * SECOND);

  const dead = await browseQueue(mq, `%DLQ%${group}`).catch(() => []);
  const recorded = facts.observed<RecordedRetries>(fact);
  const observed: Record<keyof RecordedRetries, () => unknown> = {
    deliveries: () => (typeof recorded.deliveries === "number" ? views.length : views.map(delivered)),
    second: () => views.slice(1, 2).map(delivered)[0],
    deliveriesIn14s: () => times.filter((time) => time <= startedAt + 14 * SECOND).length,
    retriedMoreThanOnce: () => views.length > 2,
    dlqRecords: () => (typeof recorded.dlqRecords === "number" ? dead.length : dead.map(stored)),
    retryTopicRecords: async () => (await browseQueue(mq, `%RETRY%${group}`)).map(stored),
    retryTopic: async () => asRecordedTopic(await mq.admin.getTopic(`%RETRY%${group}`)),
    retryTopicConfig: async () => asRecordedTopic(await mq.admin.getTopic(`%RETRY%${group}`)),
    dlqTopicConfig: async () => asRecordedTopic(await mq.admin.getTopic(`%DLQ%${group}`)),
  };
  const parts: [string, unknown][] = [];
  for (const part of Object.keys(recorded) as (keyof RecordedRetries)[]) parts.push([part, await observed[part]()]);
  return withPlaceholders(Object.fromEntries(parts));
}

function recordedAs(fact: string): unknown {
  const parts = Object.entries(facts.observed<RecordedRetries>(fact)).map(([part, value]) => {
    const isTopic = typeof value === "object" && "body" in value && "code" in value;
    return [part, isTopic ? topicOf(value as RecordedTopic) : value];
  });
  return withPlaceholders(comparable(Object.fromEntries(parts)));
}

const again = (): string => "retry";

describe("a message that a group fails on", () => {
  it.each<Failing>([
    {
      fact: "delayed-message-retried",
      name: "Tag",
      group: "g-rt-tag",
      sent: { tag: "a", keys: [], properties: {}, body: "x", delayLevel: 2 },
      fail: (attempt, context) => {
        context.delayLevelWhenNextConsume = 1;
        return attempt === 1 ? "retry" : "success";
      },
    },
    { fact: "default-delays", name: "Def", fail: (attempt) => (attempt <= 3 ? "retry" : "success") },
    {
      fact: "max-2-level-1",
      name: "Max2",
      settings: { maxReconsumeTimes: 2 },
      fail: (_attempt, context) => {
        context.delayLevelWhenNextConsume = 1;
        return "retry";
      },
    },
    { fact: "max-0", name: "Max0", settings: { maxReconsumeTimes: 0 }, fail: again },
    {
      fact: "delay-level-minus-1",
      name: "Neg",
      fail: (_attempt, context) => {
        context.delayLevelWhenNextConsume = -1;
        return "retry";
      },
    },
    {
      fact: "listener-throws",
      name: "Exc",
      fail: (attempt) => {
        if (attempt === 1) throw new Error("no");
      },
    },
    { fact: "listener-returns-null", name: "Null", fail: (attempt) => (attempt === 1 ? null : "success") },
    {
      fact: "group-retry-max-1",
      name: "Gm1",
      settings: { maxReconsumeTimes: -1 },
      fail: again,
      prepare: (mq, group) => mq.admin.createGroup(group, { retryMaxTimes: 1 }),
    },
    {
      fact: "group-retry-queues-0",
      name: "Rq0",
      fail: again,
      prepare: (mq, group) => mq.admin.createGroup(group, { retryQueueNums: 0 }),
    },
    { fact: "broadcasting", name: "Bc", settings: { messageModel: "broadcasting" }, fail: again },
  ])("is delivered and stored as recorded in $fact", async (failing) => {
    const observed = await observe(failing);

    expect(observed).toEqual(recordedAs(failing.fact));
  });

  it("waits as long as recorded in default-delays, but for the tenths of a second that a busy machine takes", () => {
    const { deliveries } = facts.observed<{ readonly deliveries: readonly RecordedMessage[] }>("default-delays");

    const seconds = deliveries.slice(1).map(({ secondsSincePrevious = 0 }) => Math.round(secondsSincePrevious));

    expect(seconds.map((waited) => waited * SECOND)).toEqual(DELAY_LEVELS_MS.slice(2, 5));
  });

  it("comes with the others behind ackIndex as recorded in ack-index", async () => {
    await using broker = await openRecordedBroker({ defaultQueueCount: 1 });
    const { mq, clock } = broker;
    const listenerCalls: string[][] = [];
    const batch = ["m0", "m1", "m2", "m3", "m4"].map((body) => ({ topic: "RtAck", body }));
    await mq.producer({ group: "shop" }).sendBatch(batch);
    const consumer = mq.pushConsumer({
      group: "g-rt-ack",
      subscriptions: { RtAck: "*" },
      consumeMessageBatchMaxSize: 5,
      batchListener: (messages, context) => {
        listenerCalls.push(messages.map((view) => `${view.text()} reconsumeTimes ${view.reconsumeTimes}`));
        context.ackIndex = 2;
      },
    });

    await consumer.start();
    await clock.advance(60 * SECOND);

    expect({ listenerCalls }).toEqual(facts.observed("ack-index"));
  });

  it("comes again when its listener takes too long, as recorded in consume-timeout", async () => {
    await using broker = await openRecordedBroker({ defaultQueueCount: 1 });
    const { mq, clock } = broker;
    const recorded = facts.observed<{ readonly deliveries: readonly RecordedMessage[] }>("consume-timeout");
    const views: MessageView[] = [];
    const consumer = mq.pushConsumer({
      group: "g-rt-timeout",
      subscriptions: { RtTimeout: "*" },
      consumeTimeoutMs: 60 * SECOND,
      listener: async (view) => {
        views.push(view);
        if (views.length === 1) await new Promise<void>((resolve) => clock.at(clock.now() + 150 * SECOND, resolve));
      },
    });
    await consumer.start();
    await mq.producer({ group: "shop" }).send({ topic: "RtTimeout", body: "x" });

    await clock.advance(300 * SECOND);

    expect(withPlaceholders(views.map(delivered))).toEqual(withPlaceholders(comparable(recorded.deliveries)));
  });
});

interface RecordedRequests {
  readonly retryRecords: readonly RecordedMessage[];
  readonly scheduledRecord: RecordedMessage;
  readonly unknownGroupDlq: number;
}

describe("the request to send a message back", () => {
  const recorded = facts.observed<RecordedRequests>("send-back-request");

  async function sendBack(
    { mq, port }: TestPort,
    request: Omit<SendBackRequest, "messages">,
  ): Promise<readonly SendBackOutcome[]> {
    await mq.producer({ group: "shop" }).send({ topic: "RtBack", body: "x" });
    const messages = port.messages.browse("RtBack", 0, 0, 1);
    return new Promise((sentBack, failed) => port.sendBack({ ...request, messages }, { sentBack, failed }));
  }

  it("stores with level 1 what send-back-request recorded, after a second", async () => {
    await using broker = await openTestPort({ profile: "rocketmq", defaultQueueCount: 1 });
    await sendBack(broker, { group: "g-rt-back", delayLevel: 1, maxReconsumeTimes: undefined });
    await broker.clock.advance(999);
    const before = await browseQueue(broker.mq, "%RETRY%g-rt-back");

    await broker.clock.advance(1);

    const after = await browseQueue(broker.mq, "%RETRY%g-rt-back");
    expect(before).toEqual([]);
    expect(withPlaceholders(after.map(stored))).toEqual(withPlaceholders(comparable(recorded.retryRecords)));
  });

  it("takes level 19 for 18, as the record that send-back-request found in SCHEDULE_TOPIC_XXXX says", async () => {
    await using broker = await openTestPort({ profile: "rocketmq", defaultQueueCount: 1 });
    const sentAt = broker.clock.now();

    const outcomes = await sendBack(broker, { group: "g-rt-back", delayLevel: 19, maxReconsumeTimes: undefined });

    await broker.clock.advance(2 * 60 * 60 * SECOND);
    const [message] = (await browseQueue(broker.mq, "%RETRY%g-rt-back")).map(stored);
    const { properties } = withPlaceholders(recorded.scheduledRecord);
    expect(outcomes).toEqual([{ kind: "retried", dueAt: sentAt + 2 * 60 * 60 * SECOND }]);
    expect(withPlaceholders(message)).toMatchObject({ reconsumeTimes: 1, body: "x" });
    // Its own id is the first one of the record, which lies elsewhere.
    expect(withPlaceholders(message)?.properties).toEqual(properties);
  });

  it("buries at maxReconsumeTimes 0 for a group that was unknown, as recorded in send-back-request", async () => {
    await using broker = await openTestPort({ profile: "rocketmq", defaultQueueCount: 1 });

    const outcomes = await sendBack(broker, { group: "g-rt-unknown", delayLevel: 0, maxReconsumeTimes: 0 });

    expect(outcomes).toEqual([{ kind: "deadLettered" }]);
    expect(await browseQueue(broker.mq, "%DLQ%g-rt-unknown")).toHaveLength(recorded.unknownGroupDlq);
    expect(await broker.mq.admin.listGroups()).toMatchObject([{ group: "g-rt-unknown" }]);
  });
});

describe("the retry policy of a group", () => {
  const recorded = loadFacts("names").observed<Readonly<Record<string, readonly number[]>>>("retry-policies");

  it.each<[name: string, policy: RetryPolicy]>([
    ["customized", { type: "customized", delaysMs: DELAY_LEVELS_MS }],
    ["exponential", { type: "exponential", initialMs: 5 * SECOND, maxMs: 7_200 * SECOND, multiplier: 2 }],
  ])("%s waits as recorded in retry-policies", (name, policy) => {
    const delays = recorded[name]?.map((_, reconsumeTimes) => retryDelay(policy, reconsumeTimes));

    expect(delays).toEqual(recorded[name]);
  });
});
