import Database from "better-sqlite3";
import { describe, expect, it } from "vitest";
import type { Broker, Message, MessageView, SimpleConsumer, SimpleConsumerOptions } from "../../lib/index.js";
import { listen } from "../broker/event-log.js";
import { tempFolder } from "../support/temp-folder.js";
import { openTestBroker, type TestBroker } from "../support/test-broker.js";
import { thrown } from "../support/thrown.js";

const [GROUP, TOPIC] = ["billing", "orders"] as const;
const INVISIBLE_MS = 10_000;
const atOnce = { maxMessages: 32, invisibleDurationMs: INVISIBLE_MS, awaitMs: 0 } as const;
const waiting = { maxMessages: 32, invisibleDurationMs: INVISIBLE_MS } as const;
const STALE = { code: "ERR_MQ_RECEIPT_HANDLE" } as const;

async function consume(mq: Broker, options: Partial<SimpleConsumerOptions> = {}): Promise<SimpleConsumer> {
  const consumer = mq.simpleConsumer({ group: GROUP, subscriptions: { [TOPIC]: "*" }, ...options });
  await consumer.start();
  return consumer;
}

function send(mq: Broker, ...bodies: readonly (string | Partial<Message>)[]): Promise<unknown> {
  const messages = bodies.map((body) => (typeof body === "string" ? { topic: TOPIC, body } : body) as Message);
  return mq.producer({ group: "shop" }).sendBatch(messages, { queue: 0 });
}

const texts = (messages: readonly MessageView[]): readonly string[] => messages.map((message) => message.text());

/** A broker, and a consumer that has started. */
async function withConsumer(
  options: Partial<SimpleConsumerOptions> = {},
): Promise<TestBroker & { readonly consumer: SimpleConsumer }> {
  const broker = await openTestBroker({ defaultQueueCount: 1 });
  return Object.assign(broker, { consumer: await consume(broker.mq, options) });
}

describe("a simple consumer", () => {
  it("receives messages, and acknowledges each", async () => {
    await using broker = await withConsumer();
    const { mq, clock, consumer } = broker;
    await send(mq, "a", "b", "c");

    const first = await consumer.receive({ ...waiting, maxMessages: 2 });
    for (const message of first) await consumer.ack(message);
    const second = await consumer.receive(waiting);
    await clock.advance(INVISIBLE_MS);
    const third = await consumer.receive(waiting);

    expect([texts(first), texts(second), texts(third)]).toEqual([["a", "b"], ["c"], ["c"]]);
    expect(third[0]).toMatchObject({ topic: TOPIC, deliveryAttempt: 2, reconsumeTimes: 1 });
  });

  it("waits for a message, 20 s unless it is told otherwise", async () => {
    await using broker = await withConsumer();
    const { mq, clock, consumer } = broker;
    const ended: unknown[] = [];
    void consumer.receive(waiting).then((messages) => ended.push(["20 s", texts(messages)]));
    void consumer.receive({ ...waiting, awaitMs: 5_000 }).then((messages) => ended.push(["5 s", texts(messages)]));

    await clock.advance(19_999);
    const before = [...ended];
    await clock.advance(1);

    expect([before, ended]).toEqual([
      [["5 s", []]],
      [
        ["5 s", []],
        ["20 s", []],
      ],
    ]);
    const late = consumer.receive(waiting);
    await send(mq, "a");
    expect(texts(await late)).toEqual(["a"]);
  });

  it("has its own time to wait when it is made so", async () => {
    await using broker = await withConsumer({ awaitMs: 0 });

    expect(await broker.consumer.receive(waiting)).toEqual([]);
  });

  it("shares its group's messages with other members, who may acknowledge what it received", async () => {
    await using broker = await withConsumer();
    const { mq, clock, consumer } = broker;
    const other = await consume(mq);
    await send(mq, "a", "b");

    const [a] = await consumer.receive({ ...waiting, maxMessages: 1 });
    const [b] = await other.receive(waiting);
    await other.ack(a as MessageView);
    await consumer.ack(b as MessageView);
    await clock.advance(INVISIBLE_MS);

    expect([a?.text(), b?.text(), await consumer.receive(atOnce)]).toEqual(["a", "b", []]);
  });

  it("gives a message a new handle when its invisible duration changes, which this object has from then on", async () => {
    await using broker = await withConsumer();
    const { mq, clock, consumer } = broker;
    await send(mq, "a");
    const [a] = (await consumer.receive(waiting)) as [MessageView];
    const before = a.systemProperties["POP_CK"];

    await consumer.changeInvisibleDuration(a, 60_000);
    await clock.advance(59_999);
    const hidden = await consumer.receive(atOnce);
    await consumer.ack(a);

    expect(a.systemProperties["POP_CK"]).not.toBe(before);
    expect(a.systemProperties["POP_CK"]).toMatch(/^0 1700000000000 60000 0 0 broker-a 0 0 \d+$/);
    expect(hidden).toEqual([]);
    await clock.advance(60_000);
    expect(await consumer.receive(atOnce)).toEqual([]);
  });

  it("has a message come again at once with a duration of 0", async () => {
    await using broker = await withConsumer();
    const { mq, clock, consumer } = broker;
    await send(mq, "a");
    const [a] = (await consumer.receive(waiting)) as [MessageView];

    await consumer.changeInvisibleDuration(a, 0);
    await clock.advance(0);

    expect(await consumer.receive(atOnce)).toMatchObject([{ deliveryAttempt: 2 }]);
    await expect(consumer.ack(a)).rejects.toMatchObject(STALE);
  });

  it("refuses what is not in hand: used twice, too late, of another group, of a push consumer, of no consumer", async () => {
    await using broker = await withConsumer();
    const { mq, clock, consumer } = broker;
    const others = await consume(mq, { group: "shipping" });
    await send(mq, "a", "b");
    const [a, b] = (await consumer.receive(waiting)) as [MessageView, MessageView];
    const [browsed] = (await mq.admin.browse({ topic: TOPIC, brokerName: "broker-a", queueId: 0 }, 0, 1)) as [
      MessageView,
    ];
    await consumer.ack(a);
    await clock.advance(INVISIBLE_MS);

    await expect(consumer.ack(a)).rejects.toMatchObject(STALE);
    await expect(consumer.ack(b)).rejects.toMatchObject(STALE);
    await expect(consumer.changeInvisibleDuration(b, 0)).rejects.toMatchObject(STALE);
    await expect(consumer.ack(browsed)).rejects.toMatchObject(STALE);
    const [again] = (await consumer.receive(waiting)) as [MessageView];
    await expect(others.ack(again)).rejects.toMatchObject(STALE);
    await consumer.ack(again);
  });

  it("is told of like others: delivered, consumed, retried, dead-lettered", async () => {
    await using broker = await withConsumer();
    const { mq, clock, consumer } = broker;
    await mq.admin.updateGroup(GROUP, { retryMaxTimes: 0 });
    await send(mq, "a", "b");
    const heard = listen(mq, "message:delivered", "message:consumed", "message:retried", "message:deadLettered");

    const [a] = (await consumer.receive(waiting)) as [MessageView];
    await clock.advance(3_000);
    await consumer.ack(a);
    await clock.advance(7_000);
    await consumer.receive(atOnce);
    await clock.settle();

    const of = { topic: TOPIC, group: GROUP } as const;
    expect(heard).toMatchObject([
      ["message:delivered", { ...of, messageId: a.messageId, clientId: consumer.clientId, deliveryAttempt: 1 }],
      ["message:delivered", { ...of, deliveryAttempt: 1 }],
      ["message:consumed", { ...of, messageId: a.messageId, costMs: 3_000 }],
      ["message:retried", { ...of, deliveryAttempt: 1, dueAt: 1_700_000_010_000 }],
      ["message:deadLettered", { ...of, deliveryAttempt: 1 }],
    ]);
  });

  it("receives again and buries for the longest names, and what waits may be looked at", async () => {
    const [group, topic] = ["g".repeat(255), "t".repeat(127)];
    await using broker = await withConsumer({ group, subscriptions: { [topic]: "*" } });
    const { mq, clock, consumer } = broker;
    await mq.admin.updateGroup(group, { retryMaxTimes: 1 });
    await mq.producer({ group: "shop" }).send({ topic, body: "a" });
    const retries = { topic: `%RETRY%${group}_${topic}`, brokerName: "broker-a", queueId: 0 };

    const attempts: unknown[] = [];
    for (let count = 0; count < 3; count += 1) {
      attempts.push((await consumer.receive(atOnce)).map(({ deliveryAttempt }) => deliveryAttempt));
      await clock.advance(INVISIBLE_MS);
    }

    expect(attempts).toEqual([[1], [2], []]);
    expect(texts(await mq.admin.browse(retries, 0, 1))).toEqual(["a"]);
    expect(await mq.admin.topicStats(`%DLQ%${group}`)).toMatchObject([{ maxOffset: 1 }]);
  });

  it("goes on after a restart, with what it had in hand too", async () => {
    using folder = tempFolder();
    const path = folder.file("app.db");
    let inHand: readonly MessageView[] = [];
    {
      await using first = await openTestBroker({ path, defaultQueueCount: 1 });
      await send(first.mq, "a", "b", "c");
      inHand = await (await consume(first.mq)).receive({ ...waiting, maxMessages: 2 });
    }

    await using second = await openTestBroker({ path });
    const consumer = await consume(second.mq);
    await consumer.ack(inHand[0] as MessageView);
    const rest = await consumer.receive(waiting);
    await second.clock.advance(INVISIBLE_MS);

    expect([texts(rest), texts(await consumer.receive(atOnce)).toSorted()]).toEqual([["c"], ["b", "c"]]);
  });
});

describe("the subscriptions of a simple consumer", () => {
  const both = { subscriptions: { [TOPIC]: "*", refunds: "*" } } as const;
  const refund = (body: string): Partial<Message> => ({ topic: "refunds", body });

  it("take turns, one topic a call", async () => {
    await using broker = await withConsumer(both);
    const { mq, consumer } = broker;
    await send(mq, "a", "b");
    await send(mq, refund("r"), refund("s"));

    const received: unknown[] = [];
    for (let call = 0; call < 4; call += 1)
      received.push(texts(await consumer.receive({ ...waiting, maxMessages: 1 })));

    expect(received).toEqual([["a"], ["r"], ["b"], ["s"]]);
  });

  it("are all looked at before it waits, and all waited for", async () => {
    await using broker = await withConsumer(both);
    const { mq, consumer } = broker;
    await send(mq, refund("r"));

    const first = await consumer.receive(waiting);
    const second = consumer.receive(waiting);
    await send(mq, refund("s"));

    expect([texts(first), texts(await second)]).toEqual([["r"], ["s"]]);
  });

  it("may change: what is added is received, what is gone is not, and what was received of it may be acknowledged", async () => {
    await using broker = await withConsumer();
    const { mq, consumer } = broker;
    await send(mq, "a", { topic: TOPIC, body: "b", tag: "paid" }, "c");
    await send(mq, refund("r"));
    const [a] = (await consumer.receive({ ...waiting, maxMessages: 1 })) as [MessageView];

    consumer.subscribe(TOPIC, "paid");
    const paid = await consumer.receive(atOnce);
    consumer.unsubscribe(TOPIC);
    consumer.subscribe("refunds");
    const refunds = await consumer.receive(atOnce);
    await consumer.ack(a);

    expect([texts(paid), texts(refunds)]).toEqual([["b"], ["r"]]);
    expect(await mq.admin.getGroup(GROUP)).toMatchObject({ subscriptions: { refunds: "*" }, members: 1 });
  });

  it("are its own: each member gets what it asks for, and the group is told that they differ", async () => {
    await using broker = await withConsumer({ subscriptions: { [TOPIC]: "paid" } });
    const { mq, consumer } = broker;
    const heard = listen(mq, "group:conflict");
    const other = await consume(mq);
    await send(mq, { topic: TOPIC, body: "a", tag: "paid" }, { topic: TOPIC, body: "b", tag: "paid" });

    const received = [texts(await consumer.receive({ ...atOnce, maxMessages: 1 })), texts(await other.receive(atOnce))];

    expect(received).toEqual([["a"], ["b"]]);
    expect(heard).toMatchObject([["group:conflict", { group: GROUP, clientId: other.clientId, topics: [TOPIC] }]]);
  });

  it("may be none, but then there is nothing to receive", async () => {
    await using broker = await withConsumer({ subscriptions: {} });

    await expect(broker.consumer.receive(atOnce)).rejects.toMatchObject({
      code: "ERR_MQ_INVALID_ARGUMENT",
      responseCode: -1,
    });
  });
});

describe("an abort of a receive", () => {
  it("ends the waiting with the signal's reason, and nothing is received", async () => {
    await using broker = await withConsumer();
    const { mq, clock, consumer } = broker;
    const controller = new AbortController();
    const received = consumer.receive({ ...waiting, signal: controller.signal });
    await clock.settle();

    const reason = new Error("enough");
    controller.abort(reason);
    await expect(received).rejects.toBe(reason);
    await send(mq, "a");
    await clock.settle();

    expect(await mq.admin.consumeStats(GROUP)).toMatchObject({ lag: 1, inflight: 0 });
  });

  it("before it, and in the turn of the call, receives nothing", async () => {
    await using broker = await withConsumer();
    const { mq, clock, consumer } = broker;
    await send(mq, "a");
    const controller = new AbortController();

    const received = consumer.receive({ ...waiting, signal: controller.signal });
    controller.abort();
    const again = consumer.receive({ ...waiting, signal: controller.signal });

    await expect(received).rejects.toMatchObject({ name: "AbortError" });
    await expect(again).rejects.toMatchObject({ name: "AbortError" });
    await clock.settle();
    expect(texts(await consumer.receive(atOnce))).toEqual(["a"]);
  });

  it("with a message that comes in the same turn keeps it for others", async () => {
    await using broker = await withConsumer();
    const { mq, clock, consumer } = broker;
    const controller = new AbortController();
    const received = consumer.receive({ ...waiting, signal: controller.signal });
    await clock.settle();

    // The message wakes the receive, which is to look in the next turn.
    mq.once("message:stored", () => controller.abort());
    await send(mq, "a");

    await expect(received).rejects.toMatchObject({ name: "AbortError" });
    expect(texts(await consumer.receive(atOnce))).toEqual(["a"]);
  });

  it("leaves no listener on the signal, however it ends", async () => {
    await using broker = await withConsumer();
    const { mq, clock, consumer } = broker;
    const { signal } = new AbortController();
    let listeners = 0;
    const counting = new Proxy(signal, {
      get: (target, key) => {
        if (key === "addEventListener") listeners += 1;
        if (key === "removeEventListener") listeners -= 1;
        const value: unknown = Reflect.get(target, key, target);
        return typeof value === "function" ? value.bind(target) : value;
      },
    });

    const several = Array.from({ length: 20 }, () =>
      consumer.receive({ ...waiting, maxMessages: 1, awaitMs: 1_000, signal: counting }),
    );
    await clock.settle();
    await send(mq, "a");
    await clock.advance(1_000);
    await Promise.all(several);

    expect(listeners).toBe(0);
  });
});

describe("closing a simple consumer", () => {
  it("ends receives that wait with no message, and is the same for every call", async () => {
    await using broker = await withConsumer();
    const { clock, consumer } = broker;
    const received = consumer.receive(waiting);
    await clock.settle();

    const closing = consumer.close();

    expect(consumer.close()).toBe(closing);
    expect(await received).toEqual([]);
    await closing;
    expect(clock.pendingTimers).toBe(0);
  });

  it("lets acknowledgements finish that were begun, and refuses those that come later", async () => {
    await using broker = await withConsumer();
    const { mq, clock, consumer } = broker;
    await send(mq, "a", "b");
    const [a, b] = (await consumer.receive(waiting)) as [MessageView, MessageView];

    const acknowledged = consumer.ack(a);
    const closing = consumer.close();
    const late = consumer.ack(b);

    await expect(late).rejects.toMatchObject({ code: "ERR_MQ_CLOSED" });
    await expect(acknowledged).resolves.toBeUndefined();
    await closing;
    await clock.advance(INVISIBLE_MS);
    expect(texts(await (await consume(mq)).receive(atOnce))).toEqual(["b"]);
  });

  it("leaves the group, and frees the name", async () => {
    await using broker = await withConsumer({ instanceName: "one" });
    const { mq, consumer } = broker;
    await expect(consume(mq, { instanceName: "one" })).rejects.toMatchObject({ code: "ERR_MQ_ALREADY_CREATED" });

    await consumer.close();

    expect(await mq.admin.getGroup(GROUP)).toMatchObject({ members: 0 });
    await consume(mq, { instanceName: "one" });
  });

  it("comes with that of its broker", async () => {
    await using broker = await withConsumer();
    const { mq, clock, consumer } = broker;
    const received = consumer.receive(waiting);
    await clock.settle();

    await mq.close();

    expect(await received).toEqual([]);
  });

  it("may be by disposing", async () => {
    await using broker = await withConsumer();

    await broker.consumer[Symbol.asyncDispose]();

    await expect(broker.consumer.receive(atOnce)).rejects.toMatchObject({ code: "ERR_MQ_CLOSED" });
  });
});

describe("a simple consumer at the wrong time", () => {
  const message = { messageId: "x" } as MessageView;

  it("is refused before it has started", async () => {
    await using broker = await openTestBroker();
    const consumer = broker.mq.simpleConsumer({ group: GROUP, subscriptions: { [TOPIC]: "*" } });
    const refused = { code: "ERR_MQ_NOT_STARTED", responseCode: -1 };

    await expect(consumer.receive(atOnce)).rejects.toMatchObject(refused);
    await expect(consumer.ack(message)).rejects.toMatchObject(refused);
    await expect(consumer.changeInvisibleDuration(message, 0)).rejects.toMatchObject(refused);
    consumer.subscribe("refunds");
  });

  it("is refused after it was closed", async () => {
    await using broker = await withConsumer();
    const { consumer } = broker;
    await consumer.close();
    const refused = { code: "ERR_MQ_CLOSED", responseCode: -1 };

    await expect(consumer.receive(atOnce)).rejects.toMatchObject(refused);
    await expect(consumer.ack(message)).rejects.toMatchObject(refused);
    await expect(consumer.changeInvisibleDuration(message, 0)).rejects.toMatchObject(refused);
    await expect(consumer.start()).rejects.toMatchObject(refused);
    expect(thrown(() => consumer.subscribe("refunds"))).toMatchObject(refused);
    expect(thrown(() => consumer.unsubscribe(TOPIC))).toMatchObject(refused);
  });

  it("is refused a second start", async () => {
    await using broker = await withConsumer();

    await expect(broker.consumer.start()).rejects.toMatchObject({ code: "ERR_MQ_ALREADY_CREATED" });
  });

  it("fails, with the receives that wait, when the owner closes the connection", async () => {
    const database = new Database(":memory:");
    await using broker = await openTestBroker({ database });
    const consumer = await consume(broker.mq);
    const received = consumer.receive(waiting).catch(({ code }) => code);
    await broker.clock.settle();

    database.close();
    await broker.clock.advance(1_000);

    expect(await received).toBe("ERR_MQ_CLOSED");
    await expect(consumer.receive(atOnce)).rejects.toMatchObject({ code: "ERR_MQ_CLOSED" });
    await expect(consumer.ack(message)).rejects.toMatchObject({ code: "ERR_MQ_CLOSED" });
  });
});

describe("the members of a group", () => {
  it("share queues as if the simple ones were not there", async () => {
    await using broker = await withConsumer();
    const { mq } = broker;
    await mq.admin.createTopic(TOPIC, { readQueueNums: 4, writeQueueNums: 4 });
    const push = mq.pushConsumer({ group: GROUP, subscriptions: { [TOPIC]: "*" }, listener: () => undefined });
    await push.start();

    expect(push.assignment.map(({ queueId }) => queueId)).toEqual([0, 1, 2, 3]);
    expect(await mq.admin.getGroup(GROUP)).toMatchObject({ members: 2 });
    expect(broker.logged.map(({ text }) => text)).toContainEqual(expect.stringContaining("differ in how they consume"));
  });

  it("share them so in other processes, too", async () => {
    using folder = tempFolder();
    const path = folder.file("app.db");
    await using first = await openTestBroker({ path, seed: 1 });
    await using second = await openTestBroker({ path, seed: 2 });
    await first.mq.admin.createTopic(TOPIC, { readQueueNums: 4, writeQueueNums: 4 });
    await consume(first.mq);
    const push = second.mq.pushConsumer({ group: GROUP, subscriptions: { [TOPIC]: "*" }, listener: () => undefined });
    await push.start();

    expect(push.assignment.map(({ queueId }) => queueId)).toEqual([0, 1, 2, 3]);
    expect(await second.mq.admin.getGroup(GROUP)).toMatchObject({ members: 2 });
  });
});
