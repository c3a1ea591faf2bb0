import { describe, expect, it } from "vitest";
import type { Broker, MessageQueue, MqError, PullConsumer, PushConsumerOptions } from "../../lib/index.js";
import { loadFacts } from "../support/facts.js";
import { openRecordedBroker } from "../support/test-broker.js";
import { refusal } from "../support/thrown.js";

const validation = loadFacts("validation");
const usual = { group: "billing", listener: () => undefined };

describe("a push consumer", () => {
  it.each<[fact: string, options: Readonly<Record<string, unknown>>]>([
    ["consumer-group-default", { group: "DEFAULT_CONSUMER" }],
    ["consumer-group-empty", { group: "" }],
    ["consumer-group-illegal", { group: "a.b" }],
    ["consumer-group-121", { group: "g".repeat(121) }],
    ["consumer-thread-0", { consumeConcurrency: 0 }],
    ["consumer-batch-0", { listener: undefined, batchListener: () => undefined, consumeMessageBatchMaxSize: 0 }],
    ["consumer-batch-1025", { listener: undefined, batchListener: () => undefined, consumeMessageBatchMaxSize: 1_025 }],
    ["consumer-pull-batch-0", { pullBatchSize: 0 }],
    ["consumer-threshold-0", { pullThresholdForQueue: 0 }],
    ["consumer-interval-negative", { pullIntervalMs: -1 }],
    ["consumer-timestamp", { consumeFromWhere: { timestamp: "2026-01-01" } }],
    ["consumer-null-strategy", { allocateMessageQueueStrategy: null }],
    ["consumer-no-listener", { listener: undefined }],
    ["consumer-subscribe-empty-expression-list", { subscriptions: { orders: "||" } }],
    ["consumer-subscribe-null-topic", { subscriptions: { "": "*" } }],
    ["consumer-no-subscription", { subscriptions: {} }],
    ["consumer-unknown-topic", { subscriptions: { unknown: "*" } }],
  ])("starts or is refused as recorded in %s", async (fact, options) => {
    await using broker = await openRecordedBroker();
    const make = (): Promise<void> =>
      broker.mq.pushConsumer({ ...usual, ...options } as unknown as PushConsumerOptions).start();

    const { responseCode } = validation.error(fact) ?? {};
    if (responseCode === undefined) await make();
    else expect(refusal(make)).toBe(responseCode);
  });
});

/** What a call on a pull consumer ended with, in the words of RocketMQ's client. */
interface Refusal {
  readonly responseCode: number | undefined;
  readonly text: string;
}

const VAL: MessageQueue = { topic: "Val", brokerName: "broker-a", queueId: 0 };

describe("a pull consumer", () => {
  /** As the recorder did, one after the other. */
  const calls: Readonly<Record<string, (mq: Broker, consumer: PullConsumer) => unknown>> = {
    "lite-pull-before-start": (_mq, consumer) => consumer.poll({ timeoutMs: 100 }),
    "lite-pull-assign-then-subscribe": async (_mq, consumer) => {
      await consumer.start();
      consumer.assign([VAL]);
      consumer.subscribe("Val", "*");
    },
    "lite-pull-seek-unassigned": (_mq, consumer) => consumer.seek({ ...VAL, queueId: 1 }, 0),
    "lite-pull-seek-out-of-range": (_mq, consumer) => consumer.seek(VAL, 99_999),
    "lite-pull-negative-timeout": (_mq, consumer) => consumer.poll({ timeoutMs: -1 }),
    "lite-pull-auto-commit-interval": (mq) => mq.pullConsumer({ group: "gv17", autoCommitIntervalMs: 999 }),
  };

  it("refuses what RocketMQ's refuses, with its code and, where that says more than ours, its words", async () => {
    await using broker = await openRecordedBroker();
    const { mq } = broker;
    await mq.admin.createTopic("Val", { readQueueNums: 2, writeQueueNums: 2 });
    const producer = mq.producer({ group: "shop" });
    for (let index = 0; index < 12; index += 1) await producer.send({ topic: "Val", body: "x" }, { queue: 0 });
    const consumer = mq.pullConsumer({ group: "gv16" });

    for (const [fact, call] of Object.entries(calls)) {
      const found = await Promise.resolve()
        .then(() => call(mq, consumer))
        .then(
          () => undefined,
          (error: MqError): Refusal => ({ responseCode: error.responseCode, text: error.message }),
        );
      const recorded = validation.error(fact);

      expect(found === undefined, fact).toBe(recorded === undefined);
      // Where its client throws an exception of Java's there is no code.
      if (recorded !== undefined) expect(found?.responseCode, fact).toBe(recorded.responseCode ?? -1);
      if (fact.includes("-seek-")) expect(`${found?.text}<faq>`).toBe(recorded?.message);
    }
  });
});

describe("a producer that was closed", () => {
  it("refuses a send as recorded in producer-after-shutdown", async () => {
    await using broker = await openRecordedBroker();
    const producer = broker.mq.producer({ group: "shop" });
    await producer.close();

    const { responseCode } = validation.error("producer-after-shutdown") ?? {};

    expect(refusal(() => producer.sendSync({ topic: "orders", body: "x" }))).toBe(responseCode);
  });
});
