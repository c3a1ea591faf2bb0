import { getEventListeners } from "node:events";
import { describe, expect, it } from "vitest";
import type { PullRequest, PullResult } from "../../lib/broker/broker-port.js";
import { PullHold } from "../../lib/broker/pull-hold.js";
import { openTestPort, type TestPort } from "../support/local-broker.js";

const FOREVER = Number.POSITIVE_INFINITY;

/** Topic "orders" with two queues, subscribed to by a group that wants "paid". */
async function openPort(): Promise<TestPort> {
  const broker = await openTestPort();
  await broker.mq.admin.createTopic("orders", { readQueueNums: 2, writeQueueNums: 2 });
  await broker.port.registerConsumer({
    clientId: "127.0.0.1@w",
    group: "billing",
    messageModel: "clustering",
    instance: undefined,
    subscriptions: new Map([["orders", "paid"]]),
    wantedQueues: [],
    dropLostQueues: () => undefined,
    takeNewQueues: () => undefined,
    brokerFailed: () => undefined,
  });
  return broker;
}

/** A pull, and how it ended so far. */
function pull({ port }: TestPort, request: Partial<PullRequest> = {}, abort = new AbortController()) {
  const full = { group: "billing", topic: "orders", queueId: 0, offset: 0, maxMessages: 32, maxBytes: 1_000_000 };
  const held: { result?: PullResult; error?: unknown; readonly abort: AbortController } = { abort };
  port.pull({ ...full, suspendMs: FOREVER, ...request }, abort.signal).then(
    (result) => (held.result = result),
    (error: unknown) => (held.error = error),
  );
  return held;
}

async function send({ mq }: TestPort, tag: string, queue = 0): Promise<void> {
  await mq.producer({ group: "shop" }).send({ topic: "orders", tag, body: tag }, { queue });
}

describe("PullHold", () => {
  it("answers a pull that waits as soon as its queue gets a message", async () => {
    await using broker = await openPort();
    const [waiting, elsewhere] = [pull(broker), pull(broker, { queueId: 1 })];
    await broker.clock.settle();
    const before = waiting.result;

    await send(broker, "paid");
    await broker.clock.settle();

    expect(before).toBeUndefined();
    expect(waiting.result).toMatchObject({ status: "FOUND", nextOffset: 1, messages: [expect.anything()] });
    expect(elsewhere.result).toBeUndefined();
  });

  it("answers also when the filter lets nothing through, so that the offset passes it", async () => {
    await using broker = await openPort();
    const waiting = pull(broker);

    await send(broker, "created");
    await broker.clock.settle();

    expect(waiting.result).toMatchObject({ status: "NO_MATCHED_MSG", nextOffset: 1, messages: [] });
  });

  it("answers every pull that waits for the same queue", async () => {
    await using broker = await openPort();
    const waiting = [pull(broker), pull(broker), pull(broker)];

    await send(broker, "paid");
    await broker.clock.settle();

    expect(waiting.map(({ result }) => result?.status)).toEqual(["FOUND", "FOUND", "FOUND"]);
  });

  it("keeps a pull whose offset the queue has not reached", async () => {
    await using broker = await openPort();
    await send(broker, "paid");
    const waiting = pull(broker, { offset: 1 });
    await send(broker, "paid", 1);
    await broker.clock.settle();
    const before = waiting.result;

    await send(broker, "paid");
    await broker.clock.settle();

    expect(before).toBeUndefined();
    expect(waiting.result).toMatchObject({ status: "FOUND", nextOffset: 2 });
  });

  it("looks at every pull when there may be messages anywhere, and answers those that have one", async () => {
    await using broker = await openPort();
    const hold = new PullHold((pulled) => broker.port.messages.read(pulled), broker.clock);
    const request = {
      group: "billing",
      topic: "orders",
      offset: 0,
      maxMessages: 1,
      maxBytes: 1_000,
      suspendMs: FOREVER,
    };
    const answered: [number, string][] = [];
    for (const queueId of [0, 1]) {
      const nothing = broker.port.messages.read({ ...request, queueId });
      void hold
        .hold({ ...request, queueId }, nothing, new AbortController().signal)
        .then(({ status }) => answered.push([queueId, status]));
    }
    await send(broker, "paid", 1);

    hold.wakeAll();
    await broker.clock.settle();

    expect(answered).toEqual([[1, "FOUND"]]);
    expect(hold.count).toBe(1);
  });

  it("lets a pull wait for exactly as long as it asked to", async () => {
    await using broker = await openPort();
    const timers = broker.clock.pendingTimers;
    const waiting = pull(broker, { suspendMs: 15_000 });

    await broker.clock.advance(14_999);
    const before = waiting.result;
    await broker.clock.advance(1);

    expect(before).toBeUndefined();
    expect(waiting.result).toMatchObject({ status: "NO_NEW_MSG", nextOffset: 0 });
    expect(broker.clock.pendingTimers).toBe(timers);
  });

  it("answers at once when it may not wait, when there is something, and when the signal is aborted already", async () => {
    await using broker = await openPort();
    await send(broker, "paid", 1);
    const abort = new AbortController();
    abort.abort();

    const answers = [pull(broker, { suspendMs: 0 }), pull(broker, { queueId: 1 }), pull(broker, {}, abort)];
    await broker.clock.settle();

    expect(answers.map(({ result }) => result?.status)).toEqual(["NO_NEW_MSG", "FOUND", "NO_NEW_MSG"]);
  });

  it("ends a wait that is aborted, and leaves no listener and no timer behind", async () => {
    await using broker = await openPort();
    const timers = broker.clock.pendingTimers;
    const [aborted, answered] = [pull(broker, { suspendMs: 15_000 }), pull(broker, { suspendMs: 15_000, queueId: 1 })];
    await broker.clock.settle();

    aborted.abort.abort();
    await send(broker, "paid", 1);
    await broker.clock.settle();

    expect([aborted, answered].map(({ result }) => result?.status)).toEqual(["NO_NEW_MSG", "FOUND"]);
    for (const { abort } of [aborted, answered]) expect(getEventListeners(abort.signal, "abort")).toEqual([]);
    expect(broker.clock.pendingTimers).toBe(timers);
  });

  it("fails what waits when the group may consume no more and when the broker closes", async () => {
    await using broker = await openPort();
    const forbidden = pull(broker);
    const closed = pull(broker, { queueId: 1 });
    await broker.clock.settle();

    await broker.mq.admin.updateGroup("billing", { consumeEnable: false });
    await send(broker, "paid");
    await broker.clock.settle();
    await broker.mq.close();

    expect(forbidden.error).toMatchObject({ code: "ERR_MQ_NO_PERMISSION" });
    expect(closed.error).toMatchObject({ code: "ERR_MQ_CLOSED" });
  });
});
