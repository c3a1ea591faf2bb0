import { describe, expect, it } from "vitest";
import type { GroupMember, PullRequest, PullResult } from "../../lib/broker/broker-port.js";
import { openTestPort, type TestPort } from "../support/local-broker.js";
import { thrown } from "../support/thrown.js";

/** A member that takes part but pulls nothing by itself. */
function member(subscriptions: Readonly<Record<string, string>>, clientId = "127.0.0.1@w"): GroupMember {
  return {
    clientId,
    group: "billing",
    messageModel: "clustering",
    instance: undefined,
    subscriptions: new Map(Object.entries(subscriptions)),
    wantedQueues: [],
    dropLostQueues: () => undefined,
    takeNewQueues: () => undefined,
    brokerFailed: () => undefined,
  };
}

/** Topic "orders" with one queue that holds a message for each tag, and a group with this tag expression. */
async function portWith(expression: string, ...tags: string[]): Promise<TestPort> {
  const broker = await openTestPort();
  await broker.mq.admin.createTopic("orders", { readQueueNums: 1, writeQueueNums: 1 });
  const messages = tags.map((tag) => ({ topic: "orders", body: tag || "none", tag: tag || undefined }));
  if (messages.length > 0) await broker.mq.producer({ group: "shop" }).sendBatch(messages);
  await broker.port.registerConsumer(member({ orders: expression }));
  return broker;
}

function pull({ port }: TestPort, request: Partial<PullRequest> = {}): PullResult {
  return port.messages.read({
    group: "billing",
    topic: "orders",
    queueId: 0,
    offset: 0,
    maxMessages: 32,
    maxBytes: 1_000_000,
    suspendMs: 0,
    ...request,
  });
}

const outline = ({ status, nextOffset, messages }: PullResult): unknown => [
  status,
  nextOffset,
  messages.map((message) => message.text()),
];

describe("PullMessage", () => {
  it.each([
    [0, "FOUND", 3, ["a", "b", "c"]],
    [2, "FOUND", 3, ["c"]],
    [3, "NO_NEW_MSG", 3, []],
    [4, "OFFSET_ILLEGAL", 3, []],
    [-1, "OFFSET_ILLEGAL", 0, []],
  ])("reads at offset %i of [0, 3): %s, next %i", async (offset, status, nextOffset, texts) => {
    await using broker = await portWith("*", "a", "b", "c");

    const result = pull(broker, { offset });

    expect(outline(result)).toEqual([status, nextOffset, texts]);
    expect([result.minOffset, result.maxOffset]).toEqual([0, 3]);
  });

  it("reads by the expression of the pull where it has one, whatever the group subscribes to", async () => {
    await using broker = await portWith("a", "a", "b", "c");

    const results = ["b", "a || c", undefined].map((expression) => pull(broker, { expression }));
    const other = pull(broker, { expression: "*", group: "billing", topic: "orders" });

    expect([...results, other].map(outline)).toEqual([
      ["FOUND", 3, ["b"]],
      ["FOUND", 3, ["a", "c"]],
      ["FOUND", 3, ["a"]],
      ["FOUND", 3, ["a", "b", "c"]],
    ]);
  });

  it.each([
    [0, "NO_NEW_MSG", 0],
    [1, "OFFSET_ILLEGAL", 0],
  ])("reads at offset %i of a queue that was never written to: %s", async (offset, status, nextOffset) => {
    await using broker = await portWith("*");

    expect(outline(pull(broker, { offset }))).toEqual([status, nextOffset, []]);
  });

  it("lets other tags with the same hash through, and no others", async () => {
    await using broker = await portWith("Aa || x", "Aa", "BB", "C", "", "x");

    expect(outline(pull(broker))).toEqual(["FOUND", 5, ["Aa", "BB", "x"]]);
  });

  it("passes over what is filtered out, 800 messages at a time", async () => {
    await using broker = await portWith("paid", ...new Array<string>(1_000).fill("created"));

    const results = [pull(broker), pull(broker, { offset: 800 })];

    expect(results.map(outline)).toEqual([
      ["NO_MATCHED_MSG", 800, []],
      ["NO_MATCHED_MSG", 1_000, []],
    ]);
  });

  it("ends where it found enough, and not behind what follows", async () => {
    await using broker = await portWith("paid", "paid", "created", "paid", "paid", "created");

    expect(outline(pull(broker, { maxMessages: 2 }))).toEqual(["FOUND", 3, ["paid", "paid"]]);
    expect(outline(pull(broker, { offset: 3 }))).toEqual(["FOUND", 5, ["paid"]]);
  });

  it("returns one message that is larger than maxBytes, and stops before one that would exceed it", async () => {
    await using broker = await portWith("*", "a", "b", "c");
    const size = broker.port.messages.browse("orders", 0, 0, 1)[0]?.storeSize as number;

    const results = [1, 2 * size - 1, 2 * size, 3 * size].map((maxBytes) => pull(broker, { maxBytes }).nextOffset);

    expect(results).toEqual([1, 1, 2, 3]);
  });

  it("stamps what it returns with the bounds of the queue", async () => {
    await using broker = await portWith("*", "a", "b");

    const [message] = pull(broker, { offset: 1 }).messages;

    expect(message?.systemProperties).toMatchObject({ MIN_OFFSET: "0", MAX_OFFSET: "2" });
  });

  it("refuses, in this order: group, permission of the group, topic, permission of the topic, queue, subscription", async () => {
    await using broker = await openTestPort({ autoCreateGroup: false });
    const { admin } = broker.mq;
    const refusals: unknown[] = [];
    const step = async (mend: () => Promise<unknown>): Promise<void> => {
      const { code, responseCode, message } = thrown(() => pull(broker, { queueId: 4 }));
      refusals.push([code, responseCode, message]);
      await mend();
    };

    await step(() => admin.createGroup("billing", { consumeEnable: false }));
    await step(() => admin.updateGroup("billing", { consumeEnable: true }));
    await step(() => admin.createTopic("orders", { perm: "W" }));
    await step(() => admin.updateTopic("orders", { perm: "R" }));
    await step(() => admin.updateTopic("orders", { readQueueNums: 5 }));
    await step(() => broker.port.registerConsumer(member({ payments: "*" })));
    await step(() => broker.port.registerConsumer(member({ orders: "*" }, "127.0.0.1@other")));

    expect(refusals).toEqual([
      ["ERR_MQ_GROUP_NOT_FOUND", 26, "consumer group billing does not exist"],
      ["ERR_MQ_NO_PERMISSION", 16, "consumer group billing may not consume (consumeEnable is false)"],
      ["ERR_MQ_TOPIC_NOT_FOUND", 17, "topic orders does not exist"],
      ["ERR_MQ_NO_PERMISSION", 16, "topic orders is not readable"],
      ["ERR_MQ_OFFSET", 29, "topic orders has 4 read queues, got queueId 4"],
      ["ERR_MQ_SUBSCRIPTION", 24, "consumer group billing has no members"],
      ["ERR_MQ_SUBSCRIPTION", 24, "consumer group billing does not subscribe to topic orders"],
    ]);
    expect(outline(pull(broker, { queueId: 4 }))).toEqual(["NO_NEW_MSG", 0, []]);
  });

  it("follows a new expression of the group at once", async () => {
    await using broker = await portWith("a", "a", "b");
    const before = outline(pull(broker));

    await broker.port.registerConsumer(member({ orders: "b" }, "127.0.0.1@later"));

    expect([before, outline(pull(broker))]).toEqual([
      ["FOUND", 2, ["a"]],
      ["FOUND", 2, ["b"]],
    ]);
  });

  it("remembers where the last pull of each queue began", async () => {
    await using broker = await portWith("*", "a", "b");

    const before = broker.port.messages.pulledOffset("billing", "orders", 0);
    pull(broker, { offset: 1 });

    expect([before, broker.port.messages.pulledOffset("billing", "orders", 0)]).toEqual([0, 1]);
  });
});
