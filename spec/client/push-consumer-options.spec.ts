import { describe, expect, it } from "vitest";
import { allocateAveragely } from "../../lib/client/allocate-message-queue.js";
import { type PushConsumerOptions, resolvePushConsumerOptions } from "../../lib/client/push-consumer-options.js";
import { thrown } from "../support/thrown.js";

const listener = (): void => undefined;
const batchListener = (): void => undefined;

/** As from JavaScript, where nothing checks the types. */
function resolve(options: object): ReturnType<typeof resolvePushConsumerOptions> {
  return resolvePushConsumerOptions(options as PushConsumerOptions);
}

function refusal(options: object): string {
  const error = thrown(() => resolve({ group: "billing", listener, ...options }));
  expect(error).toMatchObject({ code: "ERR_MQ_INVALID_ARGUMENT", responseCode: -1 });
  return error.message;
}

describe("resolvePushConsumerOptions", () => {
  it("has RocketMQ's defaults", () => {
    expect(resolve({ group: "billing", listener })).toEqual({
      group: "billing",
      subscriptions: new Map(),
      consumeFromWhere: "last-offset",
      strategy: allocateAveragely,
      instanceName: undefined,
      strictSubscriptions: false,
      messageModel: "clustering",
      maxReconsumeTimes: undefined,
      consumeTimeoutMs: 15 * 60 * 1_000,
      suspendCurrentQueueTimeMs: 1_000,
      listeners: { orderly: false, listener, batchListener: undefined },
      consumeConcurrency: 20,
      consumeMessageBatchMaxSize: 1,
      pullBatchSize: 32,
      pullBatchSizeInBytes: 256 * 1024,
      pullIntervalMs: 0,
      pullThresholdForQueue: 1_000,
      pullThresholdSizeForQueueMiB: 100,
      pullThresholdForTopic: undefined,
      pullThresholdSizeForTopicMiB: undefined,
      consumeConcurrentlyMaxSpan: 2_000,
    });
  });

  it("takes -1 retries for 16, and of an orderly consumer for no limit", () => {
    const retries = [false, true].map((orderly) =>
      resolve({ group: "billing", listener, orderly, maxReconsumeTimes: -1 }),
    );

    expect(retries.map(({ maxReconsumeTimes }) => maxReconsumeTimes)).toEqual([16, undefined]);
  });

  it("takes undefined for an option that is left out", () => {
    const options = { group: "billing", listener, batchListener: undefined, subscriptions: undefined };

    expect(resolve({ ...options, pullBatchSize: undefined, instanceName: undefined })).toMatchObject({
      pullBatchSize: 32,
      subscriptions: new Map(),
    });
  });

  it.each([
    ["consumeConcurrency", 1, 1_000],
    ["maxReconsumeTimes", -1, 2_147_483_647],
    ["consumeTimeoutMs", 1, 2_147_483_647],
    ["suspendCurrentQueueTimeMs", 0, 2_147_483_647],
    ["pullBatchSize", 1, 1_024],
    ["pullBatchSizeInBytes", 1, 104_857_600],
    ["pullIntervalMs", 0, 65_535],
    ["pullThresholdForQueue", 1, 65_535],
    ["pullThresholdSizeForQueueMiB", 1, 1_024],
    ["pullThresholdForTopic", 1, 6_553_500],
    ["pullThresholdSizeForTopicMiB", 1, 102_400],
    ["consumeConcurrentlyMaxSpan", 1, 65_535],
  ])("takes %s from %i to %i and nothing else", (name, min, max) => {
    const expected = `${name} must be an integer from ${min} to ${max}, got `;

    for (const good of [min, max]) resolve({ group: "billing", listener, [name]: good });

    for (const bad of [min - 1, max + 1, min + 0.5, Number.NaN]) expect(refusal({ [name]: bad })).toBe(expected + bad);
    expect(refusal({ [name]: "5" })).toBe(`${expected}"5"`);
    expect(refusal({ [name]: null })).toBe(`${expected}null`);
  });

  it("takes batches of 1 to 1,024 with a batch listener, of 1 only with a single one", () => {
    const sizes = [1, 1_024].map((consumeMessageBatchMaxSize) =>
      resolve({ group: "billing", batchListener, consumeMessageBatchMaxSize }),
    );

    expect(sizes.map((resolved) => resolved.consumeMessageBatchMaxSize)).toEqual([1, 1_024]);
    expect(refusal({ listener: undefined, batchListener, consumeMessageBatchMaxSize: 1_025 })).toContain("1 to 1024");
    expect(resolve({ group: "billing", listener, consumeMessageBatchMaxSize: 1 }).consumeMessageBatchMaxSize).toBe(1);
    expect(refusal({ consumeMessageBatchMaxSize: 2 })).toContain("give a batchListener");
  });

  it("wants exactly one listener, a function", () => {
    expect(refusal({ listener: undefined })).toContain("listener or batchListener must be given");
    expect(refusal({ batchListener })).toContain("exclude each other");
    expect(refusal({ listener: "log" })).toBe('listener must be a function, got "log"');
    expect(refusal({ listener: null })).toBe("listener must be a function, got null");
    expect(refusal({ listener: undefined, batchListener: {} })).toBe("batchListener must be a function, got an object");
    expect(refusal({ orderly: true, batchListener })).toContain("exclude each other");
    expect(refusal({ orderly: "yes" })).toBe('orderly must be true or false, got "yes"');
  });

  it("takes true and false for strictSubscriptions and nothing else", () => {
    expect(resolve({ group: "billing", listener, strictSubscriptions: true }).strictSubscriptions).toBe(true);
    for (const [bad, text] of [
      ["yes", '"yes"'],
      [1, "1"],
      [null, "null"],
    ])
      expect(refusal({ strictSubscriptions: bad })).toBe(`strictSubscriptions must be true or false, got ${text}`);
  });

  it("names an option it does not know", () => {
    expect(refusal({ consumeThreadMax: 5 })).toContain('PushConsumerOptions has no option "consumeThreadMax"');
    expect(refusal({ consumeTimeout: 15 })).toContain('no option "consumeTimeout"');
    expect(thrown(() => resolvePushConsumerOptions(undefined as never)).message).toContain("must be an object");
  });

  it.each([["DEFAULT_CONSUMER"], [""], [" "], ["my.group"], ["g".repeat(256)], [undefined], [7]])(
    "refuses the group %j",
    (group) => {
      const error = thrown(() => resolve({ group, listener }));

      expect(error).toMatchObject({ code: "ERR_MQ_INVALID_ARGUMENT", responseCode: -1 });
    },
  );

  it("keeps tag expressions as they are, and a blank one as all", () => {
    const { subscriptions } = resolve({
      group: "billing",
      listener,
      subscriptions: { a: "x||y", b: "", c: "  ", d: "*" },
    });

    expect([...subscriptions]).toEqual([
      ["a", "x||y"],
      ["b", "*"],
      ["c", "*"],
      ["d", "*"],
    ]);
  });

  it("is not changed by what the caller does to its options afterwards", () => {
    const subscriptions: Record<string, string> = { orders: "*" };
    const resolved = resolve({ group: "billing", listener, subscriptions });

    Object.assign(subscriptions, { payments: "*" });

    expect([...resolved.subscriptions.keys()]).toEqual(["orders"]);
  });

  it("refuses subscriptions that are none", () => {
    expect(refusal({ subscriptions: ["orders"] })).toContain("must be an object of topics and tag expressions");
    expect(refusal({ subscriptions: null })).toContain("got null");
    expect(refusal({ subscriptions: new Map([["orders", "*"]]) })).toContain("must be an object of topics");
    expect(refusal({ subscriptions: { orders: 1 } })).toContain(
      "subscription of topic orders must be a tag expression",
    );
    expect(refusal({ subscriptions: { "my.topic": "*" } })).toContain("my.topic");
    expect(thrown(() => resolve({ group: "billing", listener, subscriptions: { orders: "||" } }))).toMatchObject({
      code: "ERR_MQ_FILTER_SYNTAX",
      responseCode: -1,
    });
  });

  it("takes the start of a group as a word, a time or a date", () => {
    const starts = ["last-offset", "first-offset", { timestamp: 5 }, { timestamp: new Date(6) }].map(
      (consumeFromWhere) => resolve({ group: "billing", listener, consumeFromWhere }).consumeFromWhere,
    );

    expect(starts).toEqual(["last-offset", "first-offset", { timestamp: 5 }, { timestamp: 6 }]);
    for (const consumeFromWhere of ["first", null, 5, {}, { timestamp: 0.5 }, { timestamp: new Date(Number.NaN) }]) {
      expect(refusal({ consumeFromWhere })).toContain("consumeFromWhere must be");
    }
  });

  it("takes clustering and broadcasting for a message model", () => {
    const models = ["clustering", "broadcasting"].map(
      (messageModel) => resolve({ group: "billing", listener, messageModel }).messageModel,
    );

    expect(models).toEqual(["clustering", "broadcasting"]);
    for (const messageModel of ["CLUSTERING", "", null, 1])
      expect(refusal({ messageModel })).toContain('messageModel must be "clustering" or "broadcasting"');
  });

  it("takes maxReconsumeTimes -1 for RocketMQ's 16, and leaves it to the group when nothing is said", () => {
    const given = [-1, 0, 3, undefined].map((maxReconsumeTimes) =>
      resolve({ group: "billing", listener, maxReconsumeTimes }),
    );

    expect(given.map(({ maxReconsumeTimes }) => maxReconsumeTimes)).toEqual([16, 0, 3, undefined]);
  });

  it("wants a function as strategy and a name that is not blank", () => {
    expect(refusal({ allocateMessageQueueStrategy: "averagely" })).toContain("must be a function");
    expect(refusal({ instanceName: "" })).toContain("instanceName must be a string that is not blank");
    expect(refusal({ instanceName: 5 })).toContain("got 5");
    expect(resolve({ group: "billing", listener, instanceName: "worker-1" }).instanceName).toBe("worker-1");
  });
});
