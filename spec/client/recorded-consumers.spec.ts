import { describe, expect, it } from "vitest";
import type { PushConsumerOptions } from "../../lib/index.js";
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

describe("a producer that was closed", () => {
  it("refuses a send as recorded in producer-after-shutdown", async () => {
    await using broker = await openRecordedBroker();
    const producer = broker.mq.producer({ group: "shop" });
    await producer.close();

    const { responseCode } = validation.error("producer-after-shutdown") ?? {};

    expect(refusal(() => producer.sendSync({ topic: "orders", body: "x" }))).toBe(responseCode);
  });
});
