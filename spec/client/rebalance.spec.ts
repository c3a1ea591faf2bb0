import { describe, expect, it } from "vitest";
import type { AllocateMessageQueueStrategy, Broker, MessageQueue, MessageView, PushConsumer } from "../../lib/index.js";
import { openTestBroker } from "../support/test-broker.js";

const noop = (): undefined => undefined;

/** Member "w0" to "w9", in order of their client ids. */
function member(mq: Broker, index: number, settings: object = {}): PushConsumer {
  return mq.pushConsumer({
    group: "billing",
    subscriptions: { orders: "*" },
    instanceName: `w${index}`,
    listener: noop,
    ...settings,
  });
}

const ids = ({ assignment }: PushConsumer): number[] => assignment.map(({ queueId }) => queueId);

async function topicWith(mq: Broker, count: number, topic = "orders"): Promise<void> {
  await mq.admin.createTopic(topic, { readQueueNums: count, writeQueueNums: count });
}

describe("rebalance", () => {
  it.each([
    [
      8,
      3,
      [
        [0, 1, 2],
        [3, 4, 5],
        [6, 7],
      ],
    ],
    [4, 6, [[0], [1], [2], [3], [], []]],
    [4, 1, [[0, 1, 2, 3]]],
    [1, 2, [[0], []]],
  ])("shares %i queues among %i members averagely, in order of client ids", async (queues, members, shares) => {
    await using broker = await openTestBroker();
    await topicWith(broker.mq, queues);
    const consumers = Array.from({ length: members }, (_, index) => member(broker.mq, index));

    for (const consumer of [...consumers].reverse()) await consumer.start();

    expect(consumers.map(ids)).toEqual(shares);
  });

  it("leaves those without a queue idle, until somebody leaves whose queue they get", async () => {
    await using broker = await openTestBroker();
    const { mq, clock } = broker;
    await topicWith(mq, 2);
    const received: string[] = [];
    const consumers = [0, 1, 2].map((index) =>
      member(mq, index, { listener: (message: MessageView) => void received.push(`${message.text()} w${index}`) }),
    );
    for (const consumer of consumers) await consumer.start();
    const send = async (body: string): Promise<void> => {
      for (const queue of [0, 1])
        await mq.producer({ group: "shop" }).send({ topic: "orders", body: `${body}${queue}` }, { queue });
      await clock.settle();
    };

    await send("a");
    await consumers[0]?.close();
    await send("b");

    expect(received).toEqual(["a0 w0", "a1 w1", "b0 w1", "b1 w2"]);
    expect(consumers.map(ids)).toEqual([[], [0], [1]]);
  });

  it("counts no broadcasting member among those who share", async () => {
    await using broker = await openTestBroker();
    await topicWith(broker.mq, 4);
    const consumers = [0, 1, 2].map((index) =>
      member(broker.mq, index, index === 1 ? { messageModel: "broadcasting" } : {}),
    );

    for (const consumer of consumers) await consumer.start();

    expect(consumers.map(ids)).toEqual([
      [0, 1],
      [0, 1, 2, 3],
      [2, 3],
    ]);
  });

  it("has shared anew when start, close, subscribe and unsubscribe return", async () => {
    await using broker = await openTestBroker();
    await topicWith(broker.mq, 4);
    const [a, b] = [member(broker.mq, 0), member(broker.mq, 1)];
    const shares: number[][][] = [];
    const note = (): void => void shares.push([ids(a), ids(b)]);

    await a.start();
    note();
    await b.start();
    note();
    a.unsubscribe("orders");
    note();
    a.subscribe("orders", "*");
    note();
    await a.close();
    note();

    expect(shares).toEqual([
      [[0, 1, 2, 3], []],
      [
        [0, 1],
        [2, 3],
      ],
      [[], [2, 3]],
      [
        [0, 1],
        [2, 3],
      ],
      [[], [0, 1, 2, 3]],
    ]);
  });

  it("never gives a queue to two members or to none, whatever they see while it shares", async () => {
    await using broker = await openTestBroker();
    await topicWith(broker.mq, 8);
    const members: PushConsumer[] = [];
    const twice: MessageQueue[][] = [];
    const spy: AllocateMessageQueueStrategy = (_group, clientId, queues, clientIds) => {
      const held = members.flatMap(({ assignment }) => assignment);
      if (new Set(held.map(({ queueId }) => queueId)).size < held.length) twice.push([...held]);
      return queues.filter((_, index) => clientIds[index % clientIds.length] === clientId);
    };

    for (let index = 0; index < 5; index += 1) {
      members.push(member(broker.mq, index, { allocateMessageQueueStrategy: spy }));
      await members.at(-1)?.start();
    }
    for (const index of [2, 0, 4]) {
      await members[index]?.close();
      expect(members.flatMap(ids).sort()).toEqual([0, 1, 2, 3, 4, 5, 6, 7]);
    }

    expect(twice).toEqual([]);
  });

  it("delivers every message to one member, and to the ones left after one has left", async () => {
    await using broker = await openTestBroker();
    const { mq, clock } = broker;
    await topicWith(mq, 4);
    const received: [number, string][] = [];
    const consumers = [0, 1, 2].map((index) =>
      member(mq, index, { listener: (message: { text(): string }) => void received.push([index, message.text()]) }),
    );
    for (const consumer of consumers) await consumer.start();
    const producer = mq.producer({ group: "shop" });
    const send = async (prefix: string): Promise<void> => {
      for (let queue = 0; queue < 4; queue += 1) {
        await producer.send({ topic: "orders", body: `${prefix}${queue}` }, { queue });
      }
    };

    await send("a");
    await clock.settle();
    await consumers[0]?.close();
    await send("b");
    await clock.settle();

    expect(received.sort()).toEqual([
      [0, "a0"],
      [0, "a1"],
      [1, "a2"],
      [1, "b0"],
      [1, "b1"],
      [2, "a3"],
      [2, "b2"],
      [2, "b3"],
    ]);
  });

  it("goes on at the lowest unacknowledged message when a queue changes hands, and ignores what the old member still returns", async () => {
    await using broker = await openTestBroker();
    const { mq, clock } = broker;
    await topicWith(mq, 2);
    const bodies = ["0", "1", "2", "3"].map((body) => ({ topic: "orders", body }));
    await mq.producer({ group: "shop" }).sendBatch(bodies, { queue: 1 });
    const finish = new Map<string, () => void>();
    const slow = member(mq, 0, {
      listener: (message: { text(): string }) =>
        new Promise<void>((resolve) => finish.set(message.text(), () => resolve())),
    });
    await slow.start();
    await clock.settle();
    finish.get("0")?.();
    finish.get("2")?.();
    await clock.settle();
    const received: string[] = [];
    const waiting: (() => void)[] = [];
    const taker = member(mq, 1, {
      listener: async (message: { text(): string; deliveryAttempt: number }) => {
        received.push(`${message.text()} attempt ${message.deliveryAttempt}`);
        await new Promise<void>((resolve) => waiting.push(resolve));
      },
    });

    await taker.start();
    await clock.settle();
    for (const body of ["1", "3"]) finish.get(body)?.();
    await clock.settle();

    expect(received).toEqual(["1 attempt 1", "2 attempt 1", "3 attempt 1"]);
    const [, taken] = (await mq.admin.consumeStats("billing")).queues;
    expect(taken).toMatchObject({ consumerOffset: 1 });
    for (const resolve of waiting) resolve();
    await clock.settle();
    expect(await mq.admin.consumeStats("billing")).toMatchObject({ lag: 0 });
  });

  it("calls no listener for what waits when its queue is taken away, and takes no failure for it", async () => {
    await using broker = await openTestBroker();
    const { mq, clock } = broker;
    await topicWith(mq, 2);
    const bodies = ["0", "1"].map((body) => ({ topic: "orders", body }));
    await mq.producer({ group: "shop" }).sendBatch(bodies, { queue: 1 });
    const calls: string[] = [];
    let fail = (): void => undefined;
    const old = member(mq, 0, {
      consumeConcurrency: 1,
      listener: (message: { text(): string }) => {
        calls.push(`old ${message.text()}`);
        return new Promise((_resolve, reject) => {
          fail = () => reject(new Error("too late"));
        });
      },
    });
    await old.start();
    await clock.settle();

    await member(mq, 1, {
      listener: (message: { text(): string }) => void calls.push(`new ${message.text()}`),
    }).start();
    await clock.settle();
    fail();
    await clock.advance(60_000);

    expect(calls).toEqual(["old 0", "new 0", "new 1"]);
    expect(await mq.admin.topicStats("%RETRY%billing")).toMatchObject([{ maxOffset: 0 }]);
  });

  it("forgets what was to be delivered again from memory when its queue is taken away", async () => {
    await using broker = await openTestBroker();
    const { mq, clock } = broker;
    await topicWith(mq, 2);
    await mq.admin.createTopic("%RETRY%billing", { readQueueNums: 1, writeQueueNums: 1, perm: "R" });
    await mq.producer({ group: "shop" }).send({ topic: "orders", body: "a" }, { queue: 1 });
    const calls: string[] = [];
    const listener = (): string => {
      calls.push("old");
      return "retry";
    };
    const failing = member(mq, 0, { listener });
    await failing.start();
    await clock.advance(1_000);

    await member(mq, 1, {
      listener: ({ deliveryAttempt }: MessageView) => void calls.push(`new, attempt ${deliveryAttempt}`),
    }).start();
    await clock.advance(60_000);

    expect(calls).toEqual(["old", "new, attempt 1"]);
    expect(failing.assignment).toHaveLength(1);
  });

  it("keeps no timer for what was to be delivered again from a queue that was taken away", async () => {
    await using broker = await openTestBroker();
    const { mq, clock } = broker;
    await topicWith(mq, 2);
    await mq.admin.createTopic("%RETRY%billing", { readQueueNums: 1, writeQueueNums: 1, perm: "R" });
    await mq.producer({ group: "shop" }).send({ topic: "orders", body: "a" }, { queue: 1 });
    await member(mq, 0, { listener: () => "retry" }).start();
    await clock.settle();

    await member(mq, 1).start();

    // Disposing the broker fails when a timer is left.
    expect((await mq.admin.getGroup("billing")).members).toBe(2);
  });

  it("lets the subscriptions registered last hold for the whole group, and warns of it", async () => {
    await using broker = await openTestBroker();
    const { mq, clock, logged } = broker;
    await topicWith(mq, 2);
    const received: string[] = [];
    const listener = (message: { tag: string | undefined; queueId: number }): void =>
      void received.push(`${message.tag} from ${message.queueId}`);
    await member(mq, 0, { listener, subscriptions: { orders: "a" } }).start();

    await member(mq, 1, { listener, subscriptions: { orders: "b" } }).start();
    for (const queue of [0, 1]) {
      for (const tag of ["a", "b"])
        await mq.producer({ group: "shop" }).send({ topic: "orders", tag, body: "x" }, { queue });
    }
    await clock.settle();

    expect(received).toEqual(["b from 1"]);
    expect((await mq.admin.getGroup("billing")).subscriptions).toEqual({ orders: "b" });
    expect(logged).toEqual([
      {
        level: "warn",
        text: expect.stringContaining("members of a consumer group differ in their subscriptions"),
        data: { group: "billing", clientId: "127.0.0.1@w1", topics: ["orders"] },
      },
    ]);
  });

  it("refuses the pulls of a topic that the last member does not subscribe to, until they agree", async () => {
    await using broker = await openTestBroker();
    const { mq, clock, logged } = broker;
    for (const topic of ["orders", "payments"]) await topicWith(mq, 2, topic);
    const received: string[] = [];
    const listener = (message: { topic: string }): void => void received.push(message.topic);
    await member(mq, 0, { listener, subscriptions: { orders: "*" } }).start();
    const last = member(mq, 1, { listener, subscriptions: { payments: "*" } });
    await last.start();
    await mq.producer({ group: "shop" }).send({ topic: "orders", body: "x" }, { queue: 0 });

    await clock.advance(2_000);
    const meanwhile = [...received];
    last.subscribe("orders", "*");
    await clock.advance(1_000);

    expect([meanwhile, received]).toEqual([[], ["orders"]]);
    expect(logged.map(({ text }) => text)).toContainEqual(
      expect.stringContaining("consumer group billing does not subscribe to topic orders"),
    );
  });

  it("lets what those who are left subscribe to hold again when the last member leaves", async () => {
    await using broker = await openTestBroker();
    const { mq, clock } = broker;
    await topicWith(mq, 1);
    const producer = mq.producer({ group: "shop" });
    const received: string[] = [];
    const listener = (message: { text(): string }): void => void received.push(message.text());
    await member(mq, 0, { listener, subscriptions: { orders: "a" } }).start();

    const last = member(mq, 1, { listener, subscriptions: { orders: "b" } });
    await last.start();
    await last.close();
    for (const tag of ["a", "b"]) await producer.send({ topic: "orders", tag, body: `with ${tag}` });
    await clock.settle();

    expect(received).toEqual(["with a"]);
    expect((await mq.admin.getGroup("billing")).subscriptions).toEqual({ orders: "a" });
  });

  it("goes on with a topic to which the member that left did not subscribe", async () => {
    await using broker = await openTestBroker();
    const { mq, clock } = broker;
    for (const topic of ["orders", "payments"]) await topicWith(mq, 1, topic);
    const received: string[] = [];
    const listener = (message: { text(): string }): void => void received.push(message.text());
    await member(mq, 0, { listener }).start();

    const last = member(mq, 1, { listener, subscriptions: { payments: "*" } });
    await last.start();
    await last.close();
    await mq.producer({ group: "shop" }).send({ topic: "orders", body: "a" });
    await clock.advance(2_000);

    expect(received).toEqual(["a"]);
  });
});
