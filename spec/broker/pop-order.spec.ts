import { describe, expect, it } from "vitest";
import type { StoredMessageView } from "../../lib/message/message-view.js";
import type { ReceiptHandle } from "../../lib/message/receipt-handle.js";
import { openFaultDriver } from "../support/fault-driver.js";
import type { TestPort } from "../support/local-broker.js";
import { tempFolder } from "../support/temp-folder.js";
import { listen } from "./event-log.js";
import {
  acknowledge,
  changeInvisible,
  DEAD_LETTERS,
  GROUP,
  INVISIBLE_MS,
  offsetsOf,
  openPopPort,
  pop,
  popPort,
  popping,
  RETRY_TOPIC,
  rowsOf,
  send,
  TOPIC,
  texts,
} from "./pop-port.js";

const STALE = { code: "ERR_MQ_RECEIPT_HANDLE" } as const;
const orderly = { consumeMessageOrderly: true } as const;
/** As RocketMQ counts. */
const recorded = { group: orderly, profile: "rocketmq" } as const;

const attempts = (messages: readonly StoredMessageView[]): readonly string[] =>
  messages.map((message) => `${message.text()} ${message.deliveryAttempt}`);

const deadLetters = ({ port }: TestPort): readonly StoredMessageView[] =>
  port.messages.browse(DEAD_LETTERS, 0, 0, 1_024);

describe("the queue of an orderly group", () => {
  it("is blocked until all that was popped of it is acknowledged", async () => {
    await using broker = await popPort(["a", "b", "c"], { group: orderly });
    const [a, b] = await pop(broker, { maxMessages: 2 });

    const looks = [await pop(broker)];
    await acknowledge(broker, [a]);
    looks.push(await pop(broker));
    await acknowledge(broker, [b]);
    looks.push(await pop(broker));

    expect(looks.map(texts)).toEqual([[], [], ["c"]]);
  });

  it("keeps its offset at the first message that is not acknowledged", async () => {
    await using broker = await popPort(["a", "b", "c"], { group: orderly });
    const [a, b, c] = await pop(broker);

    const offsets = [offsetsOf(broker)];
    for (const message of [b, a, c]) {
      await acknowledge(broker, [message]);
      offsets.push(offsetsOf(broker));
    }

    expect(offsets).toEqual([[0], [0], [2], [3]]);
    expect([rowsOf(broker, "mq_pop_order"), rowsOf(broker, "mq_pop")]).toEqual([[], []]);
  });

  it("blocks no other queue, and no other group", async () => {
    await using broker = await popPort(["a"], { queues: 2, group: orderly });
    await broker.mq.admin.createGroup("shipping", orderly);
    await pop(broker);
    await send(broker, ["b"], 1);

    expect(texts(await pop(broker))).toEqual(["b"]);
    expect(texts(await pop(broker, { group: "shipping" })).toSorted()).toEqual(["a", "b"]);
  });

  it.each([
    ["embedded", "the first one has", ["a 2", "b 1", "c 1"]],
    ["rocketmq", "all of them have", ["a 2", "b 2", "c 1"]],
  ] as const)("is free again when the time is up: under %s %s one more attempt", async (profile, _who, expected) => {
    await using broker = await popPort(["a", "b", "c"], { group: orderly, profile });
    await pop(broker, { maxMessages: 2 });

    await broker.clock.advance(INVISIBLE_MS - 1);
    const early = await pop(broker);
    await broker.clock.advance(1);

    expect([early, attempts(await pop(broker))]).toEqual([[], expected]);
    expect(rowsOf(broker, "mq_topic").map((row) => row["topic"])).not.toContain(RETRY_TOPIC);
  });

  it("gives what was acknowledged again with what lies before it", async () => {
    await using broker = await popPort(["a", "b", "c"], recorded);
    const [a, , c] = await pop(broker);
    await acknowledge(broker, [a, c]);

    await broker.clock.advance(INVISIBLE_MS);

    expect(attempts(await pop(broker))).toEqual(["b 2", "c 2"]);
  });

  it("counts attempts only from one pop to the next", async () => {
    await using broker = await popPort(["a", "b"], recorded);
    const looks: unknown[] = [];
    for (const maxMessages of [2, 1, 2]) {
      looks.push(attempts(await pop(broker, { maxMessages })));
      await broker.clock.advance(INVISIBLE_MS);
    }

    expect(looks).toEqual([["a 1", "b 1"], ["a 2"], ["a 3", "b 1"]]);
  });

  it("gives the same attempt the same messages again, as of the same attempt, and makes the handles before useless", async () => {
    await using broker = await popPort(["a", "b"], { group: orderly });
    const first = await pop(broker, { attemptId: "1" });

    const [other, again] = [await pop(broker, { attemptId: "2" }), await pop(broker, { attemptId: "1" })];

    expect([other, attempts(again)]).toEqual([[], ["a 1", "b 1"]]);
    await expect(acknowledge(broker, [first[0]])).rejects.toMatchObject(STALE);
    await acknowledge(broker, again);
    expect(offsetsOf(broker)).toEqual([2]);
  });

  it("does not block two pops that name no attempt for less time than others", async () => {
    await using broker = await popPort(["a"], { group: orderly });
    await pop(broker);

    expect(await pop(broker)).toEqual([]);
  });

  it("has RocketMQ's handle of an orderly group, without the retry topic", async () => {
    await using broker = await popPort(["a"], { group: orderly });

    const [a] = await pop(broker);

    expect(a?.systemProperties["POP_CK"]).toMatch(/^0 1700000000000 30000 999 0 broker-a 0 0 \d+$/);
  });

  it("passes over what a filter does not want, together with what it does", async () => {
    await using broker = await popPort(
      ["created", "paid", "created", "paid", "created"].map((tag, index) => ({ body: `${index}`, tag })),
      { group: orderly },
    );
    const paid = { topics: [{ topic: TOPIC, expression: "paid" }] };

    const popped = await pop(broker, paid);
    const offsets = [offsetsOf(broker)];
    await acknowledge(broker, popped);
    offsets.push(offsetsOf(broker));
    const rest = await pop(broker, paid);
    offsets.push(offsetsOf(broker));

    expect([texts(popped), rest]).toEqual([["1", "3"], []]);
    expect(offsets).toEqual([[1], [4], [5]]);
  });

  it("is not blocked any more by a group that is orderly no longer: it goes on where it was", async () => {
    await using broker = await popPort(["a", "b"], { group: orderly });
    const [a] = await pop(broker, { maxMessages: 1 });
    await broker.mq.admin.updateGroup(GROUP, { consumeMessageOrderly: false });

    const popped = await pop(broker);
    await acknowledge(broker, popped);

    await expect(acknowledge(broker, [a])).rejects.toMatchObject(STALE);
    expect([texts(popped), offsetsOf(broker)]).toEqual([["a", "b"], [2]]);
  });
});

describe("an acknowledgement of an orderly group", () => {
  it("is refused a second time, too late, with another's handle and after another pop", async () => {
    await using broker = await popPort(["a", "b"], { group: orderly });
    const [a, b] = await pop(broker);
    await acknowledge(broker, [a]);

    await expect(acknowledge(broker, [a])).rejects.toMatchObject(STALE);
    await expect(acknowledge(broker, [b], "shipping")).rejects.toMatchObject(STALE);
    broker.clock.setTime(broker.clock.now() + INVISIBLE_MS);
    await expect(acknowledge(broker, [b])).rejects.toMatchObject(STALE);
    const [again] = await pop(broker);
    await expect(acknowledge(broker, [b])).rejects.toMatchObject(STALE);

    await acknowledge(broker, [again]);
    expect(offsetsOf(broker)).toEqual([2]);
  });

  it("of a whole batch in one turn is one change", async () => {
    await using broker = await popPort(["a", "b", "c"], { group: orderly });

    await acknowledge(broker, await pop(broker));

    expect([offsetsOf(broker), rowsOf(broker, "mq_pop_order")]).toEqual([[3], []]);
  });

  it("wakes a pop that waits when it frees the queue, and not before", async () => {
    await using broker = await popPort(["a", "b", "c"], { group: orderly });
    const [a, b] = await pop(broker, { maxMessages: 2 });
    const got: unknown[] = [];
    void popping(broker, { awaitMs: 20_000 }).popped.then((messages) => got.push(texts(messages)));
    await broker.clock.settle();

    await acknowledge(broker, [a]);
    await broker.clock.settle();
    const before = [...got];
    await acknowledge(broker, [b]);
    await broker.clock.settle();

    expect([before, got]).toEqual([[], [["c"]]]);
  });
});

describe("a pop of an orderly group that waits", () => {
  it("gets what is visible again at its time", async () => {
    await using broker = await popPort(["a"], { group: orderly });
    await pop(broker, { invisibleMs: 10_000 });
    const got: unknown[] = [];
    void popping(broker, { awaitMs: 20_000 }).popped.then((messages) => got.push(attempts(messages)));

    await broker.clock.advance(9_999);
    const before = [...got];
    await broker.clock.advance(1);

    expect([before, got]).toEqual([[], [["a 2"]]]);
  });

  it("gets what another one took while both waited, at the time at which that is visible again", async () => {
    await using broker = await popPort([], { group: orderly });
    const got: unknown[] = [];
    for (const who of ["first", "second", "third"])
      void popping(broker, { awaitMs: 60_000, invisibleMs: 10_000 }).popped.then((messages) =>
        got.push([who, attempts(messages)]),
      );
    await broker.clock.settle();

    await send(broker, ["a"]);
    await broker.clock.advance(9_999);
    const before = [...got];
    await broker.clock.advance(10_001);

    expect(before).toEqual([["first", ["a 1"]]]);
    expect(got).toEqual([
      ["first", ["a 1"]],
      ["second", ["a 2"]],
      ["third", ["a 3"]],
    ]);
  });

  it("follows a change of the invisible duration", async () => {
    await using broker = await popPort(["a"], { group: orderly });
    const [a] = await pop(broker);
    const got: unknown[] = [];
    void popping(broker, { awaitMs: 20_000 }).popped.then((messages) => got.push(attempts(messages)));
    await broker.clock.advance(1_000);

    await changeInvisible(broker, a, 5_000);
    await broker.clock.advance(5_000);

    expect(got).toEqual([["a 2"]]);
  });

  it("gets nothing at the end of its own time when another writer has the lock as the queue becomes free", async () => {
    const driver = openFaultDriver();
    await using broker = await openPopPort({ database: driver.database, group: orderly });
    await send(broker, ["a"]);
    await pop(broker, { invisibleMs: 10_000 });
    const got: unknown[] = [];
    void popping(broker, { awaitMs: 20_000 }).popped.then(
      (messages) => got.push(attempts(messages)),
      ({ code }) => got.push(code),
    );
    await broker.clock.advance(9_000);

    driver.fail("COMMIT", "SQLITE_BUSY", "before");
    await broker.clock.advance(10_999);
    const before = [...got];
    await broker.clock.advance(1);
    driver.heal();
    await broker.clock.settle();

    expect([before, got]).toEqual([[], [[]]]);
  });

  it("gets nothing when the queue stays blocked", async () => {
    await using broker = await popPort(["a"], { group: orderly });
    await pop(broker);
    const popped = popping(broker, { awaitMs: 20_000 });

    await broker.clock.advance(20_000);

    expect(await popped.popped).toEqual([]);
  });
});

describe("changing the invisible duration of a message of an orderly group", () => {
  it("blocks the queue until then, whatever the others of its batch do, and gives it a new handle", async () => {
    await using broker = await popPort(["a", "b"], recorded);
    const [a, b] = await pop(broker);

    const handle = await changeInvisible(broker, a, 60_000);
    await acknowledge(broker, [b]);
    await broker.clock.advance(INVISIBLE_MS);
    const blocked = await pop(broker);
    await broker.clock.advance(INVISIBLE_MS);

    expect(handle).toMatchObject({ popTime: 1_700_000_000_000, invisibleMs: 60_000, reviveQueueId: 999 });
    expect([blocked, attempts(await pop(broker))]).toEqual([[], ["a 2", "b 2"]]);
  });

  it("makes the handle before it useless", async () => {
    await using broker = await popPort(["a"], { group: orderly });
    const [a] = await pop(broker);

    const handle: ReceiptHandle = await changeInvisible(broker, a, 60_000);

    await expect(acknowledge(broker, [a])).rejects.toMatchObject(STALE);
    await broker.port.acknowledge({ group: GROUP, topic: TOPIC, handle });
    expect(offsetsOf(broker)).toEqual([1]);
  });
});

describe("a message of an orderly group that was delivered as often as allowed", () => {
  it("is a dead letter, and those behind it go on", async () => {
    await using broker = await popPort(["a", "b"], { group: { ...orderly, retryMaxTimes: 1 } });
    const looks: unknown[] = [];
    for (let round = 0; round < 2; round += 1) {
      looks.push(attempts(await pop(broker, { maxMessages: 1 })));
      await broker.clock.advance(INVISIBLE_MS);
    }

    looks.push(attempts(await pop(broker, { maxMessages: 1, awaitMs: 1 })));

    expect(looks).toEqual([["a 1"], ["a 2"], ["b 1"]]);
    expect(texts(deadLetters(broker))).toEqual(["a"]);
    expect(offsetsOf(broker)).toEqual([1]);
  });

  it("is told of with its last attempt", async () => {
    await using broker = await popPort(["a"], { group: { ...orderly, retryMaxTimes: 2 } });
    const events = listen(broker.mq, "message:deadLettered");
    for (let round = 0; round < 3; round += 1) {
      await pop(broker);
      await broker.clock.advance(INVISIBLE_MS);
    }

    await pop(broker);

    expect(events).toMatchObject([["message:deadLettered", { topic: TOPIC, group: GROUP, deliveryAttempt: 3 }]]);
  });

  it("does not take with it what was received together with it and is in order", async () => {
    await using broker = await popPort(["a", "b", "c"], { group: { ...orderly, retryMaxTimes: 2 } });
    const looks: unknown[] = [];
    for (let round = 0; round < 4; round += 1) {
      looks.push(attempts(await pop(broker)));
      await broker.clock.advance(INVISIBLE_MS);
    }

    expect(looks).toEqual([
      ["a 1", "b 1", "c 1"],
      ["a 2", "b 1", "c 1"],
      ["a 3", "b 1", "c 1"],
      ["b 1", "c 1"],
    ]);
    expect(texts(deadLetters(broker))).toEqual(["a"]);
  });

  it("takes it with it under the profile rocketmq", async () => {
    await using broker = await popPort(["a", "b", "c"], { ...recorded, group: { ...orderly, retryMaxTimes: 1 } });
    for (let round = 0; round < 2; round += 1) {
      await pop(broker);
      await broker.clock.advance(INVISIBLE_MS);
    }

    expect(await pop(broker)).toEqual([]);
    expect(texts(deadLetters(broker))).toEqual(["a", "b", "c"]);
  });

  it("is none when it was acknowledged and only comes again with one before it", async () => {
    await using broker = await popPort(["a", "b"], { ...recorded, group: { ...orderly, retryMaxTimes: 1 } });
    for (let round = 0; round < 2; round += 1) {
      const [, b] = await pop(broker);
      await acknowledge(broker, [b]);
      await broker.clock.advance(INVISIBLE_MS);
    }

    const last = await pop(broker);

    expect([last, texts(deadLetters(broker)), offsetsOf(broker)]).toEqual([[], ["a"], [2]]);
  });
});

describe("an orderly group whose progress somebody sets", () => {
  it("goes on there at once, with first attempts, and what it had in hand is nothing any more", async () => {
    await using broker = await popPort(["a", "b", "c"], { group: orderly });
    await pop(broker, { maxMessages: 1 });
    await broker.clock.advance(INVISIBLE_MS);
    const before = await pop(broker, { maxMessages: 2 });
    await acknowledge(broker, [before[0]]);

    broker.port.updateOffset(GROUP, TOPIC, 0, 0, "set");
    await expect(acknowledge(broker, [before[1]])).rejects.toMatchObject(STALE);
    const again = await pop(broker);
    await acknowledge(broker, again);

    expect([attempts(before), attempts(again)]).toEqual([
      ["a 2", "b 1"],
      ["a 1", "b 1", "c 1"],
    ]);
    expect([offsetsOf(broker), rowsOf(broker, "mq_pop_order")]).toEqual([[3], []]);
  });
});

describe("what an orderly group has in hand", () => {
  it("is inflight, until it is visible again or somebody sets the group's progress", async () => {
    await using broker = await popPort(["a", "b", "c"], { group: orderly });
    const inflight = async (): Promise<number> => (await broker.mq.admin.consumeStats(GROUP, TOPIC)).inflight;
    const counts: number[] = [];

    const [a] = await pop(broker);
    counts.push(await inflight());
    await acknowledge(broker, [a]);
    counts.push(await inflight());
    await broker.clock.advance(INVISIBLE_MS);
    counts.push(await inflight());
    await pop(broker);
    broker.port.updateOffset(GROUP, TOPIC, 0, 2, "set");
    counts.push(await inflight());

    expect(counts).toEqual([3, 2, 0, 0]);
  });
});

describe("a store that is opened again", () => {
  it("knows what an orderly group has in hand, and its attempts", async () => {
    using folder = tempFolder();
    const path = folder.file("app.db");
    let popped: readonly StoredMessageView[] = [];
    {
      await using first = await openPopPort({ path, group: orderly });
      await send(first, ["a", "b"]);
      popped = await pop(first);
    }

    await using second = await openPopPort({ path, group: orderly });
    const blocked = await pop(second);
    await acknowledge(second, [popped[0]]);
    await second.clock.advance(INVISIBLE_MS);

    expect([blocked, attempts(await pop(second))]).toEqual([[], ["b 2"]]);
  });
});
