import { describe, expect, it } from "vitest";
import { openTestPort } from "../support/local-broker.js";
import {
  deadLetters,
  FIRST_DELAY_MS,
  portWith,
  pulled,
  quietMember,
  retried,
  rowsOf,
  SECOND_DELAY_MS,
  sendBack,
} from "./send-back-port.js";

const textOf = (message: { text(): string }): string => message.text();

describe("a message that is sent back", () => {
  it("is acknowledged and has a copy that waits", async () => {
    await using broker = await portWith(["a", "b"]);
    const [first] = pulled(broker);

    const outcomes = await sendBack(broker, [first]);

    const dueAt = broker.clock.now() + FIRST_DELAY_MS;
    expect(outcomes).toEqual([{ kind: "retried", dueAt }]);
    expect(rowsOf(broker, "mq_sent_back")).toEqual([{ consumer_group: "billing", queue_key: 1, queue_offset: 0 }]);
    expect(rowsOf(broker, "mq_due")).toMatchObject([
      { due_at: dueAt, topic: "%RETRY%billing", queue_id: 0, message_count: 1 },
    ]);
  });

  it.each(["mq_due", "mq_sent_back"])(
    "is neither acknowledged nor copied when one of both cannot be stored: %s",
    async (table) => {
      await using broker = await portWith(["a", "b"]);
      const [first] = pulled(broker);
      broker.mq.database.exec(
        `CREATE TRIGGER refuse BEFORE INSERT ON ${table} BEGIN SELECT RAISE(ABORT, 'refused by the spec'); END`,
      );

      const refused = sendBack(broker, [first]);

      await expect(refused).rejects.toMatchObject({ code: "ERR_MQ_STORE", responseCode: 1 });
      expect([rowsOf(broker, "mq_due"), rowsOf(broker, "mq_sent_back")]).toEqual([[], []]);
      expect(pulled(broker).map(textOf)).toEqual(["a", "b"]);
      broker.mq.database.exec("DROP TRIGGER refuse");
      expect(await sendBack(broker, [first])).toMatchObject([{ kind: "retried" }]);
    },
  );

  it("comes to its group no more from where it was, and to every other group", async () => {
    await using broker = await portWith(["a", "b", "c"]);
    await broker.port.registerConsumer({ ...quietMember(), group: "shipping" });
    const [, second] = pulled(broker);

    await sendBack(broker, [second]);

    const { port } = broker;
    const page = { topic: "orders", queueId: 0, offset: 0, maxMessages: 32, maxBytes: 1_024, suspendMs: 0 };
    expect(pulled(broker).map(textOf)).toEqual(["a", "c"]);
    expect(pulled(broker, "orders", 1).map(textOf)).toEqual(["c"]);
    expect(port.messages.read({ group: "shipping", ...page }).messages.map(textOf)).toEqual(["a", "b", "c"]);
    expect(port.messages.browse("orders", 0, 0, 32).map(textOf)).toEqual(["a", "b", "c"]);
  });

  it("has no match in a pull that finds nothing else, which passes it", async () => {
    await using broker = await portWith(["a", "b"]);
    await sendBack(broker, pulled(broker));

    const { status, nextOffset } = broker.port.messages.read({
      ...{ group: "billing", topic: "orders", queueId: 0, offset: 0 },
      ...{ maxMessages: 32, maxBytes: 1_024, suspendMs: 0 },
    });

    expect([status, nextOffset]).toEqual(["NO_MATCHED_MSG", 2]);
  });

  it("leaves its mark only until the group's offset has passed it", async () => {
    await using broker = await portWith(["a", "b", "c"]);
    const { port, clock } = broker;
    await sendBack(broker, pulled(broker).slice(0, 2));
    const marks = (): unknown =>
      rowsOf(broker, "mq_sent_back").map((row) => (row as { queue_offset: number }).queue_offset);

    port.updateOffset("billing", "orders", 0, 1, "raise");
    await clock.advance(50);
    const afterOne = marks();
    port.updateOffset("billing", "orders", 0, 2, "raise");
    await clock.advance(50);

    expect([afterOne, marks()]).toEqual([[1], []]);
    expect(pulled(broker, "orders", 2).map(textOf)).toEqual(["c"]);
  });

  it("makes no second copy when it is sent back again, in the same call or a later one", async () => {
    await using broker = await portWith(["a"]);
    const [message] = pulled(broker);

    const twice = await sendBack(broker, [message, message]);
    const again = await sendBack(broker, [message], { delayLevel: -1 });

    expect(twice).toEqual([expect.objectContaining({ kind: "retried" }), { kind: "known" }]);
    expect(again).toEqual([{ kind: "known" }]);
    await broker.clock.advance(FIRST_DELAY_MS);
    expect([retried(broker).length, deadLetters(broker).length, rowsOf(broker, "mq_sent_back").length]).toEqual([
      1, 0, 1,
    ]);
  });

  it("is retried without a mark when the group's offset has passed it already, as another member may have seen to", async () => {
    await using broker = await portWith(["a", "b"]);
    const [first, second] = pulled(broker);
    const { port } = broker;

    port.updateOffset("billing", "orders", 0, 1, "raise");
    const pending = await sendBack(broker, [first]);
    port.updateOffset("billing", "orders", 0, 2, "raise");
    await port.persistOffsets();
    const stored = await sendBack(broker, [second]);

    expect([...pending, ...stored]).toMatchObject([{ kind: "retried" }, { kind: "retried" }]);
    expect(rowsOf(broker, "mq_sent_back")).toEqual([]);
    await broker.clock.advance(FIRST_DELAY_MS);
    expect(retried(broker).map(textOf)).toEqual(["a", "b"]);
  });

  it("keeps the progress that is made when it is acknowledged, though nothing else is stored", async () => {
    await using broker = await openTestPort({ defaultQueueCount: 1 });
    const { mq, clock } = broker;
    await mq.producer({ group: "shop" }).send({ topic: "orders", body: "a" });
    const consumer = mq.pushConsumer({ group: "billing", subscriptions: { orders: "*" }, listener: () => "retry" });
    await consumer.start();

    await clock.advance(1_000);

    expect(rowsOf(broker, "mq_consume_offset")).toContainEqual(
      expect.objectContaining({ consumer_group: "billing", topic: "orders", next_offset: 1 }),
    );
    expect(rowsOf(broker, "mq_sent_back")).toEqual([]);
  });

  it("can be withdrawn until it is stored", async () => {
    await using broker = await portWith(["a", "b"]);
    const [first, second] = pulled(broker);
    const heard: string[] = [];
    const start = (message: typeof first, name: string) =>
      broker.port.sendBack(
        {
          group: "billing",
          messages: [message as NonNullable<typeof first>],
          delayLevel: 0,
          maxReconsumeTimes: undefined,
        },
        { sentBack: () => void heard.push(name), failed: () => void heard.push(`${name} failed`) },
      );

    const [withdrawn, stored] = [start(first, "first"), start(second, "second")];
    const early = withdrawn.withdraw();
    await broker.clock.settle();
    const late = stored.withdraw();

    expect([early, late, heard]).toEqual([true, false, ["second"]]);
    expect(pulled(broker).map(textOf)).toEqual(["a"]);
    expect(rowsOf(broker, "mq_due")).toHaveLength(1);
  });
});

describe("where a message that is sent back goes", () => {
  it.each([
    [0, FIRST_DELAY_MS],
    [1, 1_000],
    [2, 5_000],
    [18, 2 * 60 * 60 * 1_000],
    [19, 2 * 60 * 60 * 1_000],
    [2 ** 31 - 1, 2 * 60 * 60 * 1_000],
  ])("is the retry topic with delay level %i, after %i ms", async (delayLevel, delayMs) => {
    await using broker = await portWith(["a"]);
    const { clock } = broker;

    const outcomes = await sendBack(broker, pulled(broker), { delayLevel });
    const dueAt = clock.now() + delayMs;
    await clock.advance(delayMs - 1);
    const early = retried(broker).length;
    await clock.advance(1);

    expect(outcomes).toEqual([{ kind: "retried", dueAt }]);
    expect(early).toBe(0);
    expect(retried(broker)).toMatchObject([{ reconsumeTimes: 1, queueOffset: 0, storeTimestamp: dueAt }]);
  });

  it("is the dead-letter queue at once with a delay level below 0", async () => {
    await using broker = await portWith(["a"]);

    const outcomes = await sendBack(broker, pulled(broker), { delayLevel: -1 });

    expect(outcomes).toEqual([{ kind: "deadLettered" }]);
    expect(deadLetters(broker)).toMatchObject([
      { topic: "%DLQ%billing", queueId: 0, queueOffset: 0, reconsumeTimes: 1 },
    ]);
    expect(pulled(broker)).toEqual([]);
    expect(await broker.mq.admin.getTopic("%DLQ%billing")).toMatchObject({
      readQueueNums: 1,
      writeQueueNums: 1,
      perm: "RW",
    });
  });

  it("is the dead-letter queue when it has failed as often as it may: as told, else as its group says", async () => {
    await using broker = await portWith(["a", "b", "c"]);
    const [a, b, c] = pulled(broker);

    const told = [
      ...(await sendBack(broker, [a], { maxReconsumeTimes: 0 })),
      ...(await sendBack(broker, [b], { maxReconsumeTimes: 1 })),
    ];
    await broker.mq.admin.updateGroup("billing", { retryMaxTimes: 0 });
    const asTheGroupSays = await sendBack(broker, [c]);
    await broker.clock.advance(FIRST_DELAY_MS);
    const second = await sendBack(broker, pulled(broker, "%RETRY%billing"), { maxReconsumeTimes: 1 });

    expect(told.map(({ kind }) => kind)).toEqual(["deadLettered", "retried"]);
    expect(asTheGroupSays).toEqual([{ kind: "deadLettered" }]);
    expect(second).toEqual([{ kind: "deadLettered" }]);
    expect(deadLetters(broker).map((message) => [message.text(), message.reconsumeTimes])).toEqual([
      ["a", 1],
      ["c", 1],
      ["b", 2],
    ]);
  });

  it("is nowhere for a group without retry queues, not even with a delay level below 0; it is acknowledged", async () => {
    await using broker = await portWith(["a", "b"]);
    await broker.mq.admin.updateGroup("billing", { retryQueueNums: 0 });

    const [a, b] = pulled(broker);
    const outcomes = [...(await sendBack(broker, [a])), ...(await sendBack(broker, [b], { delayLevel: -1 }))];

    expect(outcomes).toEqual([{ kind: "dropped" }, { kind: "dropped" }]);
    expect(pulled(broker)).toEqual([]);
    expect([rowsOf(broker, "mq_due").length, rowsOf(broker, "mq_sent_back").length]).toEqual([0, 2]);
    await expect(broker.mq.admin.getTopic("%DLQ%billing")).rejects.toMatchObject({ code: "ERR_MQ_TOPIC_NOT_FOUND" });
  });

  it("is any of the retry queues of its group", async () => {
    await using broker = await portWith(Array.from({ length: 64 }, (_, index) => `${index}`));
    await broker.mq.admin.updateGroup("billing", { retryQueueNums: 4 });

    await sendBack(broker, pulled(broker));
    await broker.clock.advance(FIRST_DELAY_MS);

    const stats = await broker.mq.admin.topicStats("%RETRY%billing");
    const counts = stats.map(({ maxOffset }) => maxOffset);
    expect(counts.reduce((sum, count) => sum + count)).toBe(64);
    expect(counts.filter((count) => count === 0)).toEqual([]);
  });

  it("is the retry topic again when it came from there, one level later", async () => {
    await using broker = await portWith(["a"]);
    await sendBack(broker, pulled(broker));
    await broker.clock.advance(FIRST_DELAY_MS);

    const outcomes = await sendBack(broker, pulled(broker, "%RETRY%billing"));
    await broker.clock.advance(SECOND_DELAY_MS);

    expect(outcomes).toEqual([{ kind: "retried", dueAt: broker.clock.now() }]);
    expect(pulled(broker, "%RETRY%billing")).toMatchObject([{ queueOffset: 1, reconsumeTimes: 2 }]);
  });
});

describe("sending back for a group", () => {
  it("that nobody knows creates it with its retry topic", async () => {
    await using broker = await portWith(["a"]);

    const outcomes = await sendBack(broker, pulled(broker), { group: "shipping" });

    expect(outcomes).toMatchObject([{ kind: "retried" }]);
    expect(await broker.mq.admin.getGroup("shipping")).toMatchObject({ members: 0, retryMaxTimes: 16 });
    expect(await broker.mq.admin.getTopic("%RETRY%shipping")).toMatchObject({ readQueueNums: 1, writeQueueNums: 1 });
  });

  it("that nobody knows is refused with 26 where groups are not created, and nothing is stored", async () => {
    await using broker = await openTestPort({ autoCreateGroup: false, defaultQueueCount: 1 });
    await broker.mq.admin.createGroup("billing");
    await broker.mq.producer({ group: "shop" }).send({ topic: "orders", body: "a" });
    await broker.port.registerConsumer(quietMember());
    const messages = pulled(broker);

    const refused = sendBack(broker, messages, { group: "shipping" });

    await expect(refused).rejects.toMatchObject({ code: "ERR_MQ_GROUP_NOT_FOUND", responseCode: 26 });
    expect([rowsOf(broker, "mq_due"), rowsOf(broker, "mq_sent_back")]).toEqual([[], []]);
    expect((await broker.mq.admin.listGroups()).map(({ group }) => group)).toEqual(["billing"]);
    expect((await broker.mq.admin.listTopics()).map(({ topic }) => topic)).toEqual(["%RETRY%billing", "orders"]);
  });

  it.each(["R", "none"] as const)(
    "whose retry topic has the permission %s is refused with 16, and the message is kept",
    async (perm) => {
      await using broker = await portWith(["a"]);
      await broker.mq.admin.updateTopic("%RETRY%billing", { perm });
      const messages = pulled(broker);

      const refusals = await Promise.allSettled([
        sendBack(broker, messages),
        sendBack(broker, messages, { delayLevel: -1 }),
      ]);

      const refused = { status: "rejected", reason: { code: "ERR_MQ_NO_PERMISSION", responseCode: 16 } };
      expect(refusals).toMatchObject([refused, refused]);
      expect(pulled(broker).map(textOf)).toEqual(["a"]);
      expect([rowsOf(broker, "mq_due"), rowsOf(broker, "mq_sent_back")]).toEqual([[], []]);
      await broker.mq.admin.updateTopic("%RETRY%billing", { perm: "RW" });
      expect(await sendBack(broker, messages)).toMatchObject([{ kind: "retried" }]);
    },
  );

  it("is refused for itself alone when it is refused among others", async () => {
    await using broker = await portWith(["a", "b"]);
    await broker.mq.admin.createGroup("shipping", { retryQueueNums: 1 });
    await broker.mq.admin.updateTopic("%RETRY%billing", { perm: "R" });
    const [a, b] = pulled(broker);

    const results = await Promise.allSettled([
      sendBack(broker, [a]),
      sendBack(broker, [b], { group: "shipping" }),
      broker.mq.producer({ group: "shop" }).send({ topic: "orders", body: "c" }),
    ]);

    expect(results.map(({ status }) => status)).toEqual(["rejected", "fulfilled", "fulfilled"]);
    expect(rowsOf(broker, "mq_due")).toMatchObject([{ topic: "%RETRY%shipping" }]);
  });

  it("is refused with 215 while 10,000 writes are pending, and the message is kept", async () => {
    await using broker = await portWith(["a"]);
    const messages = pulled(broker);
    const producer = broker.mq.producer({ group: "shop" });

    const sends = Array.from({ length: 10_000 }, () => producer.send({ topic: "other", body: "x" }));
    const refusal = await sendBack(broker, messages).catch((error: unknown) => error);
    await Promise.all(sends);

    expect(refusal).toMatchObject({ code: "ERR_MQ_TOO_MANY_REQUESTS", responseCode: 215 });
    expect(pulled(broker).map(textOf)).toEqual(["a"]);
    expect([rowsOf(broker, "mq_due"), rowsOf(broker, "mq_sent_back")]).toEqual([[], []]);
    expect(await sendBack(broker, messages)).toMatchObject([{ kind: "retried" }]);
  });

  it("is refused once the broker closes", async () => {
    await using broker = await portWith(["a"]);
    const messages = pulled(broker);
    await broker.mq.close();

    await expect(sendBack(broker, messages)).rejects.toMatchObject({ code: "ERR_MQ_CLOSED" });
  });
});
