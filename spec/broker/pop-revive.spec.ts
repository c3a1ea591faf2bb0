import { describe, expect, it } from "vitest";
import { openFaultDriver } from "../support/fault-driver.js";
import type { TestPort } from "../support/local-broker.js";
import { tempFolder } from "../support/temp-folder.js";
import { putOff } from "./due-store.js";
import { listen } from "./event-log.js";
import {
  acknowledge,
  changeInvisible,
  DEAD_LETTERS,
  GROUP,
  INVISIBLE_MS,
  offsetsOf,
  openPopPort,
  type PortOptions,
  pop,
  popPort,
  RETRY_TOPIC,
  rowsOf,
  send,
  TOPIC,
  texts,
} from "./pop-port.js";

const stored = ({ port }: TestPort, topic: string) => port.messages.browse(topic, 0, 0, 1_024);

/** Pops until there is nothing more, letting the time pass each time. */
async function popUntilNothing(broker: TestPort): Promise<readonly (readonly [text: string, attempt: number])[]> {
  const deliveries: (readonly [string, number])[] = [];
  for (;;) {
    const popped = await pop(broker);
    if (popped.length === 0) return deliveries;
    deliveries.push(...popped.map((message) => [message.text(), message.deliveryAttempt] as const));
    await broker.clock.advance(INVISIBLE_MS);
  }
}

describe("a message that was not acknowledged in time", () => {
  it("is delivered again from the retry topic of group and topic, and says that it is of the topic it was sent to", async () => {
    await using broker = await popPort([
      { body: "a", tag: "paid", keys: ["k1"], flag: 7, properties: { color: "red" } },
    ]);
    const [first] = await pop(broker);

    await broker.clock.advance(INVISIBLE_MS);
    const [second] = await pop(broker);

    expect(second).toMatchObject({
      topic: TOPIC,
      storedTopic: RETRY_TOPIC,
      queueId: 0,
      queueOffset: 0,
      reconsumeTimes: 1,
      deliveryAttempt: 2,
      tag: "paid",
      keys: ["k1"],
      flag: 7,
      properties: { color: "red" },
      messageId: first?.messageId,
      bornTimestamp: first?.bornTimestamp,
      storeTimestamp: 1_700_000_030_000,
    });
    expect(second?.commitLogOffset).toBeGreaterThan(first?.commitLogOffset ?? 0);
    expect(second?.systemProperties).not.toHaveProperty("RETRY_TOPIC");
    expect(second?.systemProperties["POP_CK"]).toMatch(/^0 1700000030000 30000 0 1 broker-a 0 0 \d+$/);
  });

  it("gets that topic made with one queue, from whose beginning the group reads", async () => {
    await using broker = await popPort(["a"]);
    await pop(broker);

    await broker.clock.advance(INVISIBLE_MS);

    expect(await broker.mq.admin.getTopic(RETRY_TOPIC)).toMatchObject({
      readQueueNums: 1,
      writeQueueNums: 1,
      perm: "RW",
    });
    expect(offsetsOf(broker, RETRY_TOPIC)).toEqual([0]);
    expect(rowsOf(broker, "mq_pop")).toEqual([]);
  });

  it("says when it was popped first, however often it is popped", async () => {
    await using broker = await popPort(["a"]);
    await pop(broker);
    await broker.clock.advance(INVISIBLE_MS);
    await pop(broker);
    await broker.clock.advance(INVISIBLE_MS);

    const [third] = await pop(broker);

    expect(third).toMatchObject({ storedTopic: RETRY_TOPIC, queueOffset: 1, deliveryAttempt: 3 });
    expect(third?.systemProperties["1ST_POP_TIME"]).toBe("1700000000000");
  });

  it("comes at its time and not a millisecond sooner", async () => {
    await using broker = await popPort(["a"]);
    await pop(broker, { invisibleMs: 12_345 });

    await broker.clock.advance(12_344);
    const early = stored(broker, RETRY_TOPIC).length;
    await broker.clock.advance(1);

    expect([early, stored(broker, RETRY_TOPIC).length]).toEqual([0, 1]);
  });

  it("comes alone: the others of its pop that were acknowledged do not", async () => {
    await using broker = await popPort(["a", "b", "c", "d"]);
    const [a, , c] = await pop(broker);
    await acknowledge(broker, [a, c]);

    await broker.clock.advance(INVISIBLE_MS);

    expect(texts(await pop(broker))).toEqual(["b", "d"]);
  });

  it("is told of as retried, with its attempt and the time that was up", async () => {
    await using broker = await popPort(["a"]);
    const events = listen(broker.mq, "message:retried");
    const [first] = await pop(broker);

    await broker.clock.advance(INVISIBLE_MS);
    await pop(broker);
    await broker.clock.advance(INVISIBLE_MS);

    const told = { messageId: first?.messageId, topic: TOPIC, group: GROUP };
    expect(events.map(([, event]) => event)).toEqual([
      { ...told, deliveryAttempt: 1, dueAt: 1_700_000_030_000 },
      { ...told, deliveryAttempt: 2, dueAt: 1_700_000_060_000 },
    ]);
  });

  it("goes back to the retry topic that it was popped from, whose it ever is", async () => {
    await using broker = await popPort([]);
    await broker.mq.admin.createTopic("%RETRY%billing", { readQueueNums: 2, writeQueueNums: 2 });
    await broker.mq.producer({ group: "shop" }).send({ topic: "%RETRY%billing", body: "a" }, { queue: 1 });
    const topics = [{ topic: "%RETRY%billing", expression: "*" }];
    await pop(broker, { topics });

    await broker.clock.advance(INVISIBLE_MS);

    expect(await pop(broker, { topics })).toMatchObject([{ queueId: 0, deliveryAttempt: 2 }]);
  });

  it("is lost where retention has deleted it", async () => {
    await using broker = await popPort(["a"]);
    await send(broker, ["b"]);
    await pop(broker);
    broker.mq.database.exec("DELETE FROM mq_log WHERE first_offset = 0; UPDATE mq_queue SET floor_offset = 1");
    await broker.port.engine.write(() => {
      broker.port.engine.queues.drop();
      broker.port.engine.reader.drop();
    });

    await broker.clock.advance(INVISIBLE_MS);

    expect(texts(await pop(broker))).toEqual(["b"]);
  });

  it("comes when the store is opened, where its time was up before", async () => {
    using folder = tempFolder();
    const path = folder.file("app.db");
    {
      await using first = await openPopPort({ path });
      await send(first, ["a"]);
      await pop(first);
    }

    await using second = await openPopPort({ path });
    second.clock.setTime(1_700_000_100_000);
    await second.clock.advance(0);

    expect(await pop(second)).toMatchObject([{ deliveryAttempt: 2 }]);
  });

  it("is neither lost nor doubled when moving it fails: it is tried again after a second", async () => {
    const driver = openFaultDriver();
    await using broker = await openPopPort({ database: driver.database });
    await send(broker, ["a"]);
    const errors: unknown[] = [];
    broker.mq.on("error", ({ code }) => void errors.push(code));
    await pop(broker);

    driver.fail("DELETE FROM mq_pop", "SQLITE_IOERR_WRITE", "before");
    await broker.clock.advance(INVISIBLE_MS);
    driver.heal();
    const between = [rowsOf(broker, "mq_pop").length, stored(broker, RETRY_TOPIC).length];
    await broker.clock.advance(1_000);

    expect(errors).toEqual(["ERR_MQ_STORE"]);
    expect(between).toEqual([1, 0]);
    expect(await popUntilNothing(broker)).toHaveLength(16);
  });
});

describe("a message that was delivered as often as its group allows", () => {
  const twice: PortOptions = { group: { retryMaxTimes: 1 } };

  it("is delivered 17 times and is a dead letter when it would be delivered again", async () => {
    await using broker = await popPort(["a"]);
    const events = listen(broker.mq, "message:deadLettered");

    const deliveries = await popUntilNothing(broker);

    expect(deliveries).toEqual(Array.from({ length: 17 }, (_, index) => ["a", index + 1]));
    expect(stored(broker, DEAD_LETTERS)).toMatchObject([{ reconsumeTimes: 18 }]);
    expect(events).toMatchObject([["message:deadLettered", { topic: TOPIC, group: GROUP, deliveryAttempt: 17 }]]);
    expect([rowsOf(broker, "mq_pop"), await pop(broker)]).toEqual([[], []]);
  });

  it.each([
    ["embedded", TOPIC],
    ["rocketmq", RETRY_TOPIC],
  ] as const)("says under the profile %s that it was in %s", async (profile, topic) => {
    await using broker = await popPort([{ body: "a", keys: ["k1"] }], { ...twice, profile });

    await popUntilNothing(broker);

    const [letter] = stored(broker, DEAD_LETTERS);
    expect(letter).toMatchObject({ keys: ["k1"], reconsumeTimes: 3 });
    expect(letter?.systemProperties["RETRY_TOPIC"]).toBe(topic);
  });

  it("is passed over together with its dead letter: in one pop with others that are delivered", async () => {
    await using broker = await popPort(["a"], { ...twice, drawn: [0, 0, 0] });
    await pop(broker);
    await broker.clock.advance(INVISIBLE_MS);
    await pop(broker);
    await broker.clock.advance(INVISIBLE_MS);
    await send(broker, ["b"]);

    const popped = await pop(broker);

    expect(texts(popped)).toEqual(["b"]);
    expect(texts(stored(broker, DEAD_LETTERS))).toEqual(["a"]);
  });

  it("is gone where its group has no retry queues", async () => {
    await using broker = await popPort(["a"], { group: { retryMaxTimes: 0, retryQueueNums: 0 } });

    expect(await popUntilNothing(broker)).toEqual([["a", 1]]);
    expect(rowsOf(broker, "mq_topic").map((row) => row["topic"])).not.toContain(DEAD_LETTERS);
  });

  it("is delivered once at least", async () => {
    await using broker = await popPort(["a"], { group: { retryMaxTimes: -1 } });

    expect(await popUntilNothing(broker)).toEqual([["a", 1]]);
    expect(texts(stored(broker, DEAD_LETTERS))).toEqual(["a"]);
  });
});

describe("a dead letter that is popped", () => {
  const once: PortOptions = { group: { retryMaxTimes: 0 } };
  const letters = { topics: [{ topic: DEAD_LETTERS, expression: "*" }] };

  it("is delivered, by its own group too, and is a dead letter again when it is not acknowledged", async () => {
    await using broker = await popPort(["a"], once);
    await popUntilNothing(broker);

    const [first, none] = [await pop(broker, letters), await pop(broker, letters)];
    await broker.clock.advance(INVISIBLE_MS);
    const buried = await pop(broker, letters);
    const again = await pop(broker, letters);
    await acknowledge(broker, again);

    expect([first, none, buried, again].map(texts)).toEqual([["a"], [], [], ["a"]]);
    expect([stored(broker, DEAD_LETTERS).length, offsetsOf(broker, DEAD_LETTERS)]).toEqual([2, [2]]);
  });

  it("says that it is of the dead letters whenever it is delivered", async () => {
    await using broker = await popPort(["a"], once);
    await popUntilNothing(broker);
    const mine = { ...letters, group: "operations" };
    await broker.mq.admin.createGroup("operations", { retryMaxTimes: 100 });

    const first = await pop(broker, mine);
    await broker.clock.advance(INVISIBLE_MS);
    const second = await pop(broker, mine);

    expect([...first, ...second]).toMatchObject([
      { topic: DEAD_LETTERS, storedTopic: DEAD_LETTERS },
      { topic: DEAD_LETTERS, storedTopic: `%RETRY%operations_${DEAD_LETTERS}` },
    ]);
  });
});

describe("many messages that were not acknowledged in time", () => {
  it("move 1,024 messages in a transaction, a pop as a whole, in the order of their times", async () => {
    const driver = openFaultDriver();
    await using broker = await openPopPort({ database: driver.database });
    const bodies = Array.from({ length: 2_100 }, (_, index) => `${index}`);
    await send(broker, bodies);
    for (let left = bodies.length; left > 0; left -= 3) {
      await pop(broker, { maxMessages: 3 });
      broker.clock.setTime(broker.clock.now() + 1);
    }
    const left: number[] = [];
    driver.onRan = (source) => {
      if (source === "COMMIT") left.push(rowsOf(broker, "mq_pop").length);
    };

    broker.clock.setTime(broker.clock.now() + INVISIBLE_MS);
    await broker.clock.advance(0);
    driver.onRan = undefined;

    // 700 pops.
    expect(left).toEqual([358, 16, 0]);
    expect(texts(stored(broker, RETRY_TOPIC))).toEqual(bodies.slice(0, 1_024));
  });

  it("move about 1 MiB in a transaction", async () => {
    const driver = openFaultDriver();
    await using broker = await openPopPort({ database: driver.database });
    for (let index = 0; index < 5; index += 1) {
      await send(broker, [{ body: `${index}`.repeat(600 * 1024) }]);
      await pop(broker);
    }
    const left: number[] = [];
    driver.onRan = (source) => {
      if (source === "COMMIT") left.push(rowsOf(broker, "mq_pop").length);
    };

    await broker.clock.advance(INVISIBLE_MS);
    driver.onRan = undefined;

    expect(left).toEqual([3, 1, 0]);
  });
});

describe("the timer of what is due", () => {
  it("is one for messages that are put off and for what is popped, and set for the earliest", async () => {
    await using broker = await popPort(["a", "b"]);
    await pop(broker, { maxMessages: 1 });
    await putOff(broker, { afterMs: 10_000, body: "later" });
    await pop(broker, { maxMessages: 1, invisibleMs: 20_000 });

    const timers = broker.clock.pendingTimers;
    await broker.clock.advance(10_000);
    const first = [texts(await pop(broker)), stored(broker, RETRY_TOPIC).length];
    await broker.clock.advance(10_000);
    const second = texts(stored(broker, RETRY_TOPIC));
    await broker.clock.advance(10_000);

    expect(timers).toBe(1);
    expect([first, second]).toEqual([[["later"], 0], ["b"]]);
    expect(texts(stored(broker, RETRY_TOPIC))).toEqual(["b", "a"]);
  });

  it("writes nothing when all was acknowledged until then, and goes on to what is popped since", async () => {
    const driver = openFaultDriver();
    await using broker = await openPopPort({ database: driver.database });
    await send(broker, ["a", "b"]);
    await acknowledge(broker, await pop(broker, { maxMessages: 1 }));
    await broker.clock.advance(10_000);
    await pop(broker);
    let commits = 0;
    driver.onRan = (source) => {
      if (source === "COMMIT") commits += 1;
    };

    await broker.clock.advance(INVISIBLE_MS - 10_000);
    const atFirst = commits;
    await broker.clock.advance(10_000);
    driver.onRan = undefined;

    expect([atFirst, commits]).toEqual([0, 1]);
    expect(texts(stored(broker, RETRY_TOPIC))).toEqual(["b"]);
  });

  it("follows a duration that is changed", async () => {
    await using broker = await popPort(["a"]);
    const [a] = await pop(broker, { invisibleMs: 3_600_000 });

    await changeInvisible(broker, a, 1_000);
    await broker.clock.advance(1_000);

    expect(await pop(broker)).toMatchObject([{ deliveryAttempt: 2 }]);
  });
});
