import { describe, expect, it } from "vitest";
import type { BatchConsumeContext, ConsumeResult, MessageListener, MessageView } from "../../lib/index.js";
import { openTestBroker, type TestBroker } from "../support/test-broker.js";

const ONE_QUEUE = { readQueueNums: 1, writeQueueNums: 1 };

/** A broker whose topic "orders" has one queue that holds these bodies, sent in one batch. */
async function brokerWith(...bodies: string[]): Promise<TestBroker> {
  const broker = await openTestBroker();
  await broker.mq.admin.createTopic("orders", ONE_QUEUE);
  if (bodies.length > 0)
    await broker.mq.producer({ group: "shop" }).sendBatch(bodies.map((body) => ({ topic: "orders", body })));
  return broker;
}

async function committed({ mq }: TestBroker): Promise<number | undefined> {
  return (await mq.admin.consumeStats("billing")).queues[0]?.consumerOffset;
}

const throwing = (value: unknown) => (): never => {
  throw value;
};

function revokedProxy(): object {
  const { proxy, revoke } = Proxy.revocable({}, {});
  revoke();
  return proxy;
}

/** An object that `await` takes for a promise. */
function thenable(then: PropertyDescriptor): object {
  const name = "then";
  return Object.defineProperty({}, name, then);
}

function rejectTwice(_resolve: unknown, reject: (error: unknown) => void): never {
  reject(1);
  reject(2);
  throw new Error("3");
}

const numbers = (count: number): string[] => Array.from({ length: count }, (_, index) => String(index));

describe("ConsumeService", () => {
  it("keeps to the committed offset of the lowest unacknowledged message when acknowledgements come out of order", async () => {
    await using broker = await brokerWith("0", "1", "2");
    const finish = new Map<string, () => void>();
    const listener = (message: MessageView): Promise<undefined> =>
      new Promise((resolve) => finish.set(message.text(), () => resolve(undefined)));
    await broker.mq.pushConsumer({ group: "billing", subscriptions: { orders: "*" }, listener }).start();
    await broker.clock.settle();
    const offsets = [await committed(broker)];

    for (const body of ["0", "2", "1"]) {
      finish.get(body)?.();
      await broker.clock.settle();
      offsets.push(await committed(broker));
    }

    expect(offsets).toEqual([0, 1, 1, 3]);
  });

  it("runs as many listeners at once as it may, and the next one when one ends", async () => {
    await using broker = await brokerWith(...numbers(10));
    const running: (() => void)[] = [];
    const started: string[] = [];
    await broker.mq
      .pushConsumer({
        group: "billing",
        subscriptions: { orders: "*" },
        consumeConcurrency: 3,
        listener: async (message) => {
          started.push(message.text());
          await new Promise<void>((resolve) => running.push(resolve));
        },
      })
      .start();
    await broker.clock.settle();
    const atFirst = [...started];

    running.splice(0, 2).map((finish) => finish());
    await broker.clock.settle();

    expect(atFirst).toEqual(["0", "1", "2"]);
    expect(started).toEqual(["0", "1", "2", "3", "4"]);
    while (running.length > 0) {
      running.shift()?.();
      await broker.clock.settle();
    }
  });

  it("counts a batch as one call", async () => {
    await using broker = await brokerWith(...numbers(10));
    const batches: string[][] = [];
    await broker.mq
      .pushConsumer({
        group: "billing",
        subscriptions: { orders: "*" },
        consumeMessageBatchMaxSize: 4,
        batchListener: (messages) => void batches.push(messages.map((message) => message.text())),
      })
      .start();

    await broker.clock.settle();

    expect(batches).toEqual([
      ["0", "1", "2", "3"],
      ["4", "5", "6", "7"],
      ["8", "9"],
    ]);
    expect(await committed(broker)).toBe(10);
  });

  it("tells the listener where it is", async () => {
    await using broker = await brokerWith("a");
    const contexts: unknown[] = [];
    const consumer = broker.mq.pushConsumer({
      group: "billing",
      subscriptions: { orders: "*" },
      batchListener: (_messages, context) => {
        const { group, clientId, messageQueue, ackIndex, signal } = context;
        contexts.push({ group, clientId, messageQueue, ackIndex, isAborted: signal.aborted });
      },
    });
    await consumer.start();

    await broker.clock.settle();

    const messageQueue = { topic: "orders", brokerName: "broker-a", queueId: 0 };
    expect(contexts).toEqual([
      {
        group: "billing",
        clientId: consumer.clientId,
        messageQueue,
        ackIndex: Number.MAX_SAFE_INTEGER,
        isAborted: false,
      },
    ]);
  });

  it.each([
    [2, ["3", "4"]],
    [-1, ["0", "1", "2", "3", "4"]],
    [-7, ["0", "1", "2", "3", "4"]],
    [0, ["1", "2", "3", "4"]],
    [4, []],
    [99, []],
    [Number.POSITIVE_INFINITY, []],
    [2.5, ["3", "4"]],
    [Number.NaN, ["0", "1", "2", "3", "4"]],
    ["3", ["0", "1", "2", "3", "4"]],
  ])("sends back what lies behind ackIndex %j of a batch of five", async (ackIndex, retried) => {
    await using broker = await brokerWith(...numbers(5));
    const calls: string[][] = [];
    await broker.mq
      .pushConsumer({
        group: "billing",
        subscriptions: { orders: "*" },
        consumeMessageBatchMaxSize: 5,
        batchListener: (messages, context) => {
          calls.push(messages.map((message) => `${message.text()} attempt ${message.deliveryAttempt}`));
          if (calls.length === 1) context.ackIndex = ackIndex as BatchConsumeContext["ackIndex"];
        },
      })
      .start();
    await broker.clock.settle();
    const afterFirst = await committed(broker);

    await broker.clock.advance(10_000);

    expect(calls.slice(1)).toEqual(retried.length === 0 ? [] : [retried.map((body) => `${body} attempt 2`)]);
    expect(afterFirst).toBe(5);
  });

  it("takes no notice of ackIndex when the batch failed", async () => {
    await using broker = await brokerWith(...numbers(3));
    const calls: number[] = [];
    await broker.mq
      .pushConsumer({
        group: "billing",
        subscriptions: { orders: "*" },
        consumeMessageBatchMaxSize: 3,
        batchListener: (messages, context) => {
          calls.push(messages.length);
          context.ackIndex = 1;
          return calls.length === 1 ? "retry" : "success";
        },
      })
      .start();

    await broker.clock.advance(10_000 + 30_000);

    expect(calls).toEqual([3, 3, 1]);
    expect(await committed(broker)).toBe(3);
  });

  const failures: readonly (readonly [string, () => unknown])[] = [
    ["throws an error", throwing(new Error("no"))],
    ["throws undefined", throwing(undefined)],
    ["throws an object without a prototype", throwing(Object.create(null))],
    ["throws what cannot be looked at", throwing(revokedProxy())],
    [
      "throws an error without a readable stack",
      throwing(Object.defineProperty(new Error("no"), "stack", { get: throwing(1) })),
    ],
    ["rejects", () => Promise.reject(new Error("no"))],
    ["rejects with undefined", () => Promise.reject(undefined)],
    ['returns "retry"', () => "retry"],
    ['resolves with "retry"', async () => "retry"],
    ["returns null", () => null],
    ["resolves with null", async () => null],
    ["misspells success", () => "sucess"],
    ["returns an object whose then throws when it is read", () => thenable({ get: throwing(new Error("no then")) })],
    ["returns an object that rejects twice and throws", () => thenable({ value: rejectTwice })],
  ];
  it.each(failures)(
    "sends a message back when its listener %s: acknowledged at once, again after exactly 10 s",
    async (_what, fail) => {
      await using broker = await brokerWith("bad", "good");
      const { clock } = broker;
      const startedAt = clock.now();
      const calls: [string, number, number, number, string | undefined][] = [];
      const listener: MessageListener = (message) => {
        const { reconsumeTimes, deliveryAttempt } = message;
        const { CONSUME_START_TIME: stamp } = message.systemProperties;
        calls.push([message.text(), clock.now() - startedAt, reconsumeTimes, deliveryAttempt, stamp]);
        return message.text() === "bad" && reconsumeTimes < 2 ? (fail() as ConsumeResult) : undefined;
      };
      await broker.mq.pushConsumer({ group: "billing", subscriptions: { orders: "*" }, listener }).start();
      await clock.settle();
      const offsets = [await committed(broker)];

      const callsAfter: number[] = [];
      for (const ms of [9_999, 1, 29_999, 1, 60_000]) {
        await clock.advance(ms);
        offsets.push(await committed(broker));
        callsAfter.push(calls.length);
      }

      expect(calls).toEqual([
        ["bad", 0, 0, 1, String(startedAt)],
        ["good", 0, 0, 1, String(startedAt)],
        ["bad", 10_000, 1, 2, String(startedAt + 10_000)],
        ["bad", 40_000, 2, 3, String(startedAt + 40_000)],
      ]);
      expect(callsAfter).toEqual([2, 3, 3, 4, 4]);
      expect(offsets).toEqual([2, 2, 2, 2, 2, 2]);
    },
  );

  it("delivers again what is stored, whatever a failed listener did to the message", async () => {
    await using broker = await brokerWith();
    const { mq, clock } = broker;
    await mq.producer({ group: "shop" }).send({ topic: "orders", body: "secret", properties: { region: "EU" } });
    const seen: string[] = [];
    const listener: MessageListener = (message) => {
      seen.push(`${message.text()} ${message.body} ${JSON.stringify(message.properties)}`);
      message.body.fill("X");
      // Frozen: the assignment throws, so that the message is retried.
      Object.assign(message.properties, { region: "US" });
    };

    await mq.pushConsumer({ group: "billing", subscriptions: { orders: "*" }, listener }).start();
    await clock.advance(10_000);

    expect(seen).toEqual(['secret secret {"region":"EU"}', 'secret secret {"region":"EU"}']);
  });

  it("says what a listener threw, and which message it was", async () => {
    await using broker = await brokerWith("a");
    let calls = 0;
    const listener = (): undefined => {
      calls += 1;
      if (calls === 1) throw new TypeError("amount is missing");
    };
    await broker.mq.pushConsumer({ group: "billing", subscriptions: { orders: "*" }, listener }).start();

    await broker.clock.advance(10_000);

    expect(calls).toBe(2);
    expect(broker.logged).toEqual([
      {
        level: "warn",
        text: expect.stringMatching(/listener of group billing failed: TypeError: amount is missing\n {4}at /),
        data: { topic: "orders", queueId: 0, queueOffset: 0 },
      },
    ]);
  });

  it.each([
    [undefined],
    ["success"],
    [true],
    [false],
    [7],
    [{}],
    [() => "retry"],
    [thenable({ value: (resolve: () => void) => resolve() })],
  ])("acknowledges when the listener returns %j", async (result) => {
    await using broker = await brokerWith("a");
    await broker.mq
      .pushConsumer({ group: "billing", subscriptions: { orders: "*" }, listener: () => result as ConsumeResult })
      .start();

    await broker.clock.settle();

    expect(await committed(broker)).toBe(1);
    expect(broker.logged).toEqual([]);
  });

  it("goes on with other messages of the queue, and with its offset, for as long as one fails", async () => {
    await using broker = await brokerWith(...numbers(10));
    const { mq, clock } = broker;
    const received = new Set<string>();
    await mq
      .pushConsumer({
        group: "billing",
        subscriptions: { orders: "*" },
        consumeConcurrentlyMaxSpan: 20,
        listener: (message) => {
          received.add(message.text());
          return message.text() === "0" ? "retry" : "success";
        },
      })
      .start();

    const bodies = Array.from({ length: 100 }, (_, index) => `late ${index}`);
    for (const body of bodies) await mq.producer({ group: "shop" }).send({ topic: "orders", body });
    await clock.settle();

    expect(received.size).toBe(110);
    expect(await committed(broker)).toBe(110);
  });

  const listeners: readonly (readonly [string, MessageListener])[] = [
    ["synchronous", () => undefined],
    ["asynchronous", async () => undefined],
    ["waiting a turn", () => new Promise((resolve) => setImmediate(() => resolve(undefined)))],
  ];
  it.each(listeners)(
    "lets timers and I/O have their turn while %s listeners drain a backlog",
    async (_kind, listener) => {
      await using broker = await openTestBroker();
      const { mq } = broker;
      const batch = Array.from({ length: 1_000 }, () => ({ topic: "orders", body: "x" }));
      for (let sent = 0; sent < 20; sent += 1) await mq.producer({ group: "shop" }).sendBatch(batch);
      let calls = 0;
      const callsAt = { immediate: [0], timer: [0] };
      const done = new Promise<void>((resolve) => {
        const timer = setInterval(() => {
          callsAt.timer.push(calls);
          if (calls < 20_000) return;
          clearInterval(timer);
          resolve();
        }, 1);
        const immediate = (): void => {
          callsAt.immediate.push(calls);
          if (calls < 20_000) setImmediate(immediate);
        };
        setImmediate(immediate);
      });

      await mq
        .pushConsumer({
          group: "billing",
          subscriptions: { orders: "*" },
          listener: (message, context) => {
            calls += 1;
            return listener(message, context);
          },
        })
        .start();
      await done;

      expect(calls).toBe(20_000);
      const between = (counts: readonly number[]): number =>
        Math.max(...counts.slice(1).map((count, index) => count - (counts[index] as number)));
      expect(between(callsAt.immediate)).toBeLessThanOrEqual(200);
      expect(between(callsAt.timer)).toBeLessThan(20_000 / 2);
    },
  );
});
