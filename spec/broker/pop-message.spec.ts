import { describe, expect, it } from "vitest";
import type { PopStart } from "../../lib/broker/pop-offsets.js";
import { loadFacts } from "../support/facts.js";
import type { TestPort } from "../support/local-broker.js";
import {
  acknowledge,
  changeInvisible,
  GROUP,
  INVISIBLE_MS,
  offsetsOf,
  pop,
  popPort,
  RETRY_TOPIC,
  rowsOf,
  send,
  TOPIC,
  texts,
} from "./pop-port.js";

const MIB = 1024 * 1024;

describe("a pop", () => {
  it("takes what is there, hides it from the group and passes the offset over it, in one transaction", async () => {
    await using broker = await popPort(["a", "b", "c"]);

    const first = await pop(broker, { maxMessages: 2 });
    const second = await pop(broker);

    expect([texts(first), texts(second)]).toEqual([["a", "b"], ["c"]]);
    expect(offsetsOf(broker)).toEqual([3]);
    expect(rowsOf(broker, "mq_pop")).toMatchObject([
      { consumer_group: GROUP, start_offset: 0, message_count: 2, acknowledged: 0, distances: null },
      { consumer_group: GROUP, start_offset: 2, message_count: 1, acknowledged: 0, distances: null },
    ]);
  });

  it("finds nothing where there is nothing, and answers at once unless it is to wait", async () => {
    await using broker = await popPort();

    expect(await pop(broker)).toEqual([]);
    expect(broker.clock.pendingTimers).toBe(0);
  });

  it("gives each group all messages", async () => {
    await using broker = await popPort(["a"]);
    await broker.mq.admin.createGroup("shipping");

    const [mine, theirs] = [await pop(broker), await pop(broker, { group: "shipping" })];

    expect([texts(mine), texts(theirs)]).toEqual([["a"], ["a"]]);
  });

  it("gives the messages of one turn's pops each to one of them", async () => {
    await using broker = await popPort(["a", "b", "c"]);

    const popped = await Promise.all([1, 2, 3, 4].map(() => pop(broker, { maxMessages: 1 })));

    expect(popped.map(texts)).toEqual([["a"], ["b"], ["c"], []]);
  });

  it("sees what a send of the same turn stored before it only with its next look", async () => {
    await using broker = await popPort();

    const sent = broker.mq.producer({ group: "shop" }).send({ topic: TOPIC, body: "a" });
    const popped = pop(broker, { awaitMs: 1_000 });
    await sent;

    expect(texts(await popped)).toEqual(["a"]);
  });

  it("has RocketMQ's handle and time of the first pop among its system properties, and no ends of its queue", async () => {
    await using broker = await popPort(["a", "b"]);
    await pop(broker, { maxMessages: 1 });

    const [message] = await pop(broker, { maxMessages: 1 });

    expect(message?.systemProperties).toMatchObject({ "1ST_POP_TIME": "1700000000000" });
    expect(message?.systemProperties["POP_CK"]).toMatch(/^1 1700000000000 30000 0 0 broker-a 0 1 \d+$/);
    expect(message?.systemProperties).not.toHaveProperty("MAX_OFFSET");
    expect(message).toMatchObject({ topic: TOPIC, queueId: 0, queueOffset: 1, reconsumeTimes: 0, deliveryAttempt: 1 });
  });

  it("takes 32 messages at most, as recorded, and one at least", async () => {
    await using broker = await popPort(Array.from({ length: 40 }, (_, index) => `${index}`));
    const { code } = loadFacts("validation").observed<{ readonly code: number }>("raw-pop-too-many");

    for (const maxMessages of [33, 0, 1.5])
      await expect(pop(broker, { maxMessages })).rejects.toMatchObject({
        code: "ERR_MQ_INVALID_ARGUMENT",
        responseCode: code,
      });

    expect(await pop(broker, { maxMessages: 32 })).toHaveLength(32);
  });

  it("takes no more than 1 MiB, but one larger message", async () => {
    const sizes = [400, 400, 400, 2_000, 1];
    await using broker = await popPort();
    for (const size of sizes) await send(broker, [{ body: "x".repeat(size * 1024) }]);

    const counts: number[] = [];
    for (let left = sizes.length; left > 0; left -= counts.at(-1) ?? left) counts.push((await pop(broker)).length);

    expect(counts).toEqual([2, 1, 1, 1]);
    expect(2_000 * 1024).toBeGreaterThan(MIB);
  });

  it("takes no more than that of several queues together, and wakes the next one for what is left", async () => {
    await using broker = await popPort([], { queues: 2 });
    for (const [queue, size] of [900, 300].entries()) await send(broker, [{ body: "x".repeat(size * 1024) }], queue);

    const counts = [(await pop(broker)).length, (await pop(broker)).length];

    expect(counts).toEqual([1, 1]);
  });

  it("creates the group that it is of", async () => {
    await using broker = await popPort(["a"]);

    expect(texts(await pop(broker, { group: "new" }))).toEqual(["a"]);
    expect(await broker.mq.admin.getGroup("new")).toMatchObject({ retryMaxTimes: 16 });
  });

  it("is refused for a group that is unknown and may not be made, or may not consume, and for a filter that is none", async () => {
    await using broker = await popPort(["a"], { autoCreateGroup: false, group: { consumeEnable: false } });
    const filter = { topics: [{ topic: TOPIC, expression: "||" }] };

    await expect(pop(broker, { group: "x" })).rejects.toMatchObject({ code: "ERR_MQ_GROUP_NOT_FOUND" });
    await expect(pop(broker)).rejects.toMatchObject({ code: "ERR_MQ_NO_PERMISSION", responseCode: 16 });
    await broker.mq.admin.updateGroup(GROUP, { consumeEnable: true });
    await expect(pop(broker, filter)).rejects.toMatchObject({ code: "ERR_MQ_FILTER_SYNTAX", responseCode: 23 });
    expect([rowsOf(broker, "mq_pop"), texts(await pop(broker))]).toEqual([[], ["a"]]);
  });

  it("finds nothing in a topic that does not exist or cannot be read, and something in the next one", async () => {
    await using broker = await popPort(["a"]);
    await broker.mq.admin.createTopic("secret", { perm: "W" });
    await broker.mq.producer({ group: "shop" }).send({ topic: "secret", body: "s" });
    const asked = ["unknown", "secret", TOPIC].map((topic) => ({ topic, expression: "*" }));

    const popped = await pop(broker, { topics: asked });

    expect(texts(popped)).toEqual(["a"]);
  });

  it("takes messages of one topic only: of the first that has any", async () => {
    await using broker = await popPort(["a"]);
    await broker.mq.producer({ group: "shop" }).send({ topic: "refunds", body: "r" });
    const topics = ["refunds", TOPIC].map((topic) => ({ topic, expression: "*" }));

    const popped = [await pop(broker, { topics }), await pop(broker, { topics }), await pop(broker, { topics })];

    expect(popped.map(texts)).toEqual([["r"], ["a"], []]);
  });

  it("goes on at the beginning of a queue whose front is gone, and at the end of one that its offset is beyond", async () => {
    await using broker = await popPort(["a", "b"]);
    const { port } = broker;
    await port.engine.write(() => port.engine.offsets.store(GROUP, TOPIC, 0, 9));

    const beyond = await pop(broker);
    await send(broker, ["c"]);

    expect([texts(beyond), texts(await pop(broker))]).toEqual([[], ["c"]]);
  });

  it("passes over what the group has sent back", async () => {
    await using broker = await popPort(["a", "b", "c"]);
    await broker.port.engine.write(() => broker.port.engine.sentBack.add(GROUP, 1, 1));

    expect(texts(await pop(broker))).toEqual(["a", "c"]);
    expect(rowsOf(broker, "mq_sent_back")).toEqual([]);
    expect(rowsOf(broker, "mq_pop")).toMatchObject([{ message_count: 2, distances: "[0,2]" }]);
  });
});

describe("a pop of some tags", () => {
  const paid = { topics: [{ topic: TOPIC, expression: "paid" }] };

  it("counts what it does not want as consumed, and says in its checkpoint which messages it is of", async () => {
    await using broker = await popPort([
      { body: "a", tag: "created" },
      { body: "b", tag: "paid" },
      { body: "c", tag: "created" },
      { body: "d", tag: "paid" },
      { body: "e", tag: "created" },
    ]);

    const popped = await pop(broker, paid);

    expect(texts(popped)).toEqual(["b", "d"]);
    expect(offsetsOf(broker)).toEqual([5]);
    expect(rowsOf(broker, "mq_pop")).toMatchObject([{ start_offset: 0, message_count: 2, distances: "[1,3]" }]);
    expect(popped.map(({ systemProperties }) => systemProperties["POP_CK"]?.split(" ")[0])).toEqual(["0", "0"]);
  });

  it("counts a tag that only has the code of one that is wanted as consumed", async () => {
    await using broker = await popPort([
      { body: "a", tag: "BB" },
      { body: "b", tag: "Aa" },
    ]);

    const popped = await pop(broker, { topics: [{ topic: TOPIC, expression: "Aa" }] });

    expect(texts(popped)).toEqual(["b"]);
    expect(rowsOf(broker, "mq_pop")).toMatchObject([{ message_count: 1, distances: "[1]" }]);
  });

  it("finds the one that is wanted behind thousands that are not", async () => {
    await using broker = await popPort();
    for (let batch = 0; batch < 4; batch += 1)
      await send(
        broker,
        Array.from({ length: 1_000 }, () => ({ body: "x", tag: "created" })),
      );
    await send(broker, [{ body: "b", tag: "paid" }]);

    expect(texts(await pop(broker, paid))).toEqual(["b"]);
  });

  it("wants retries by their tag, too", async () => {
    await using broker = await popPort([{ body: "a", tag: "paid" }]);
    await pop(broker, paid);
    await broker.clock.advance(INVISIBLE_MS);

    const others = await pop(broker, { topics: [{ topic: TOPIC, expression: "created" }] });

    expect(others).toEqual([]);
    expect(offsetsOf(broker, RETRY_TOPIC)).toEqual([1]);
  });
});

describe("the queues of a topic", () => {
  it("are read in a ring from a random one on, until the pop is full", async () => {
    await using broker = await popPort([], { queues: 4, drawn: [46] });
    for (let queue = 0; queue < 4; queue += 1) await send(broker, [`${queue}a`, `${queue}b`], queue);

    const popped = await pop(broker, { maxMessages: 5 });

    expect(texts(popped)).toEqual(["2a", "2b", "3a", "3b", "0a"]);
    expect(rowsOf(broker, "mq_pop").map((row) => row["message_count"])).toEqual([2, 2, 1]);
  });

  it.each([
    [19, ["retry", "new"]],
    [20, ["new", "retry"]],
  ])("are read behind the retries by 20 pops of 100, before them by the others: %i draws %j", async (drawn, order) => {
    await using broker = await popPort(["retry"], { drawn: [50, drawn] });
    await pop(broker);
    await broker.clock.advance(INVISIBLE_MS);
    await send(broker, ["new"]);

    expect(texts(await pop(broker))).toEqual(order);
  });

  it("are all that a pop looks at that is full before the retries", async () => {
    await using broker = await popPort(["retry"], { drawn: [50, 50] });
    await pop(broker);
    await broker.clock.advance(INVISIBLE_MS);
    await send(broker, ["new"]);

    expect(texts(await pop(broker, { maxMessages: 1 }))).toEqual(["new"]);
  });
});

describe("a group without progress", () => {
  /** A queue of which the first two messages are gone: [2, 5). */
  async function oldQueue(): Promise<TestPort> {
    const broker = await popPort();
    await send(broker, ["a", "b"]);
    await broker.clock.advance(1_000);
    await send(broker, ["c"]);
    await broker.clock.advance(1_000);
    await send(broker, ["d"]);
    await broker.clock.advance(1_000);
    await send(broker, ["e"]);
    broker.mq.database.exec("DELETE FROM mq_log WHERE first_offset = 0; UPDATE mq_queue SET floor_offset = 2");
    await broker.port.engine.write(() => broker.port.engine.queues.drop());
    return broker;
  }

  it.each<[PopStart, readonly string[]]>([
    ["last-message", ["a", "b"]],
    ["last-offset", ["a", "b"]],
    ["first-offset", ["a", "b"]],
    [{ timestamp: 1_900_000_000_000 }, ["a", "b"]],
  ])("begins at the beginning of a young queue: %j", async (startAt, expected) => {
    await using broker = await popPort(["a", "b"]);

    expect(texts(await pop(broker, { startAt }))).toEqual(expected);
  });

  it.each<[PopStart, readonly string[]]>([
    ["last-message", ["e"]],
    ["last-offset", []],
    ["first-offset", ["c", "d", "e"]],
    [{ timestamp: 1_700_000_002_000 }, ["d", "e"]],
  ])("begins in an old one at %j", async (startAt, expected) => {
    await using broker = await oldQueue();

    expect(texts(await pop(broker, { startAt }))).toEqual(expected);
  });

  it("has its beginning in each queue stored with its first pop, so that nothing is passed over that comes then", async () => {
    await using broker = await oldQueue();

    await pop(broker, { startAt: "last-offset" });
    await send(broker, ["f", "g"]);

    expect(texts(await pop(broker, { startAt: "last-offset" }))).toEqual(["f", "g"]);
  });

  it("begins at the beginning of queues that the topic gets later", async () => {
    await using broker = await popPort(["a"]);
    await pop(broker);
    await broker.mq.admin.updateTopic(TOPIC, { readQueueNums: 3, writeQueueNums: 3 });

    await send(broker, ["c"], 2);

    expect(texts(await pop(broker))).toEqual(["c"]);
    expect(offsetsOf(broker)).toEqual([1, 0, 1]);
  });

  it("goes on where it was when it has some, whatever it asks for", async () => {
    await using broker = await oldQueue();
    await broker.port.engine.write(() => broker.port.engine.offsets.store(GROUP, TOPIC, 0, 3));

    expect(texts(await pop(broker, { startAt: "last-offset" }))).toEqual(["d", "e"]);
  });
});

describe("an offset that a push consumer of the group has reported and that is not stored", () => {
  it("counts for a pop: it begins there", async () => {
    await using broker = await popPort(["a", "b", "c"]);
    broker.port.updateOffset(GROUP, TOPIC, 0, 2, "raise");

    expect(texts(await pop(broker))).toEqual(["c"]);
    await broker.clock.advance(50);
    expect(offsetsOf(broker)).toEqual([3]);
  });

  it("lowers the group's offset once only", async () => {
    await using broker = await popPort(["a", "b", "c"]);
    await acknowledge(broker, await pop(broker));
    broker.port.updateOffset(GROUP, TOPIC, 0, 1, "set");

    const again = await pop(broker);
    await broker.clock.advance(50);

    expect([texts(again), offsetsOf(broker)]).toEqual([["b", "c"], [3]]);
  });
});

describe("changing the invisible duration", () => {
  it("keeps the others of the pop where they are", async () => {
    await using broker = await popPort(["a", "b"]);
    const popped = await pop(broker);

    await changeInvisible(broker, popped[0], 60_000);
    await broker.clock.advance(INVISIBLE_MS);

    expect(texts(await pop(broker))).toEqual(["b"]);
    await broker.clock.advance(30_000);
    expect(texts(await pop(broker))).toContain("a");
  });
});
