import { describe, expect, it } from "vitest";
import { allocateAveragely } from "../../lib/client/allocate-message-queue.js";
import { type PullConsumerOptions, resolvePullConsumerOptions } from "../../lib/client/pull-consumer-options.js";
import type { MessageQueue } from "../../lib/index.js";
import { thrown } from "../support/thrown.js";
import { openReading, queueOf } from "./readers.js";

/** As from JavaScript, where nothing checks the types. */
function resolve(options: object): ReturnType<typeof resolvePullConsumerOptions> {
  return resolvePullConsumerOptions({ group: "reading", ...options } as PullConsumerOptions);
}

const INVALID = { code: "ERR_MQ_INVALID_ARGUMENT", responseCode: -1 } as const;

describe("resolvePullConsumerOptions", () => {
  it("has RocketMQ's defaults", () => {
    expect(resolve({})).toEqual({
      group: "reading",
      subscriptions: new Map(),
      consumeFromWhere: "last-offset",
      strategy: allocateAveragely,
      instanceName: undefined,
      strictSubscriptions: false,
      autoCommit: true,
      autoCommitIntervalMs: 5_000,
      pullBatchSize: 10,
      onAssignmentChange: undefined,
    });
  });

  it("takes the default for a shorter interval than a second, as RocketMQ does", () => {
    const taken = [0, 1, 999, 1_000, 60_000].map((autoCommitIntervalMs) => resolve({ autoCommitIntervalMs }));

    expect(taken.map(({ autoCommitIntervalMs }) => autoCommitIntervalMs)).toEqual([5_000, 5_000, 5_000, 1_000, 60_000]);
  });

  it.each<[object]>([
    [{ group: "DEFAULT_CONSUMER" }],
    [{ autoCommit: "yes" }],
    [{ autoCommitIntervalMs: -1 }],
    [{ autoCommitIntervalMs: 1.5 }],
    [{ autoCommitIntervalMs: 2 ** 31 }],
    [{ pullBatchSize: 0 }],
    [{ pullBatchSize: 1_025 }],
    [{ onAssignmentChange: {} }],
    [{ subscriptions: { orders: 1 } }],
    [{ consumeFromWhere: "first" }],
    [{ allocateMessageQueueStrategy: {} }],
    [{ instanceName: " " }],
    [{ messageModel: "broadcasting" }],
    [{ pullThresholdForQueue: 1 }],
  ])("refuses %j", (options) => {
    expect(thrown(() => resolve(options))).toMatchObject(INVALID);
  });

  it("refuses a filter without a tag, with the code of consumers", () => {
    expect(thrown(() => resolve({ subscriptions: { orders: "||" } }))).toMatchObject({
      code: "ERR_MQ_FILTER_SYNTAX",
      responseCode: -1,
    });
  });
});

describe("a pull consumer", () => {
  it("says in the log that an interval changes nothing", async () => {
    await using reading = await openReading();

    reading.mq.pullConsumer({ group: "reading", autoCommitIntervalMs: 999 });
    reading.mq.pullConsumer({ group: "reading", autoCommitIntervalMs: 1_000 });

    expect(reading.logged).toEqual([
      expect.objectContaining({ level: "warn", text: expect.stringContaining("autoCommitIntervalMs") }),
    ]);
  });

  it.each<[string, object]>([
    ["timeoutMs", { timeoutMs: -1 }],
    ["timeoutMs", { timeoutMs: 0.5 }],
    ["timeoutMs", { timeoutMs: Number.POSITIVE_INFINITY }],
    ["maxMessages", { maxMessages: 0 }],
    ["maxMessages", { maxMessages: 1_025 }],
    ["timeout", { timeout: 5 }],
    ["signal", { signal: null }],
    ["signal", { signal: { aborted: false } }],
    ["PollOptions", 5 as never],
  ])("refuses a poll with a wrong %s: %j", async (name, options) => {
    await using reading = await openReading();
    const consumer = await reading.reader();

    const refused = consumer.poll(options);

    await expect(refused).rejects.toMatchObject({ ...INVALID, message: expect.stringContaining(name) });
  });

  it.each<[string, unknown]>([
    ["nothing", undefined],
    ["a text", "orders"],
    ["no topic", { brokerName: "broker-a", queueId: 0 }],
    ["a bad topic", { topic: "a.b", brokerName: "broker-a", queueId: 0 }],
    ["no broker", { topic: "orders", queueId: 0 }],
    ["no queue id", { topic: "orders", brokerName: "broker-a" }],
    ["half a queue id", { topic: "orders", brokerName: "broker-a", queueId: 0.5 }],
  ])("refuses %s for a message queue, wherever one is wanted", async (_what, given) => {
    await using reading = await openReading();
    const consumer = await reading.reader({ subscriptions: {} });
    const queue = given as MessageQueue;

    for (const call of [
      () => consumer.seek(queue, 0),
      () => consumer.seekToBegin(queue),
      () => consumer.seekToEnd(queue),
      () => consumer.offsetForTimestamp(queue, 0),
      () => consumer.committed(queue),
      () => consumer.commit(new Map([[queue, 0]])),
    ])
      await expect(call()).rejects.toMatchObject(INVALID);
    for (const call of [
      () => consumer.assign([queue]),
      () => consumer.pause([queueOf(0), queue]),
      () => consumer.resume([queue]),
    ])
      expect(thrown(call)).toMatchObject(INVALID);
  });

  it.each<[string, (consumer: ReturnType<Awaited<ReturnType<typeof openReading>>["mq"]["pullConsumer"]>) => unknown]>([
    ["to assign nothing", (consumer) => consumer.assign([])],
    ["to assign what is no array", (consumer) => consumer.assign(queueOf(0) as never)],
    ["to subscribe to a bad topic", (consumer) => consumer.subscribe("a.b")],
    ["to subscribe with a filter that is no text", (consumer) => consumer.subscribe("orders", 1 as never)],
  ])("refuses %s", async (_what, call) => {
    await using reading = await openReading();
    const consumer = await reading.reader({ subscriptions: {} });

    expect(thrown(() => call(consumer))).toMatchObject(INVALID);
    consumer.subscribe("orders");
  });

  it("refuses offsets and times that are none", async () => {
    await using reading = await openReading();
    const consumer = await reading.reader();

    for (const call of [
      () => consumer.seek(queueOf(0), 0.5),
      () => consumer.seek(queueOf(0), "0" as never),
      () => consumer.commit(new Map([[queueOf(0), Number.NaN]])),
      () => consumer.commit([] as never),
      () => consumer.commit(7 as never),
      () => consumer.commit({ entries: 7 } as never),
      () => consumer.offsetForTimestamp(queueOf(0), new Date("never")),
      () => consumer.offsetForTimestamp(queueOf(0), "now" as never),
      () => consumer.fetchMessageQueues("a.b"),
    ])
      await expect(call()).rejects.toMatchObject(INVALID);
  });
});
