import type Database from "better-sqlite3";
import { describe, expect, it } from "vitest";
import type { Broker, MessageView, PushConsumer } from "../../lib/index.js";
import { openFaultDriver } from "../support/fault-driver.js";
import { tempFolder } from "../support/temp-folder.js";
import { openTestBroker } from "../support/test-broker.js";

const ONE_QUEUE = { readQueueNums: 1, writeQueueNums: 1 };
const RETRY = "%RETRY%billing";

type Listener = (view: MessageView) => unknown;

/** Member "w0" to "w9" of group "billing", in order of their client ids. */
function member(mq: Broker, index: number, listener: Listener): PushConsumer {
  return mq.pushConsumer({
    group: "billing",
    subscriptions: { orders: "*" },
    instanceName: `w${index}`,
    listener: (view) => listener(view) as undefined,
  });
}

function rows(mq: Broker, sql: string): readonly unknown[] {
  const statement = mq.database.prepare(sql) as Database.Statement;
  return statement.pluck().all();
}

const sentBackRows = (mq: Broker): readonly unknown[] => rows(mq, "SELECT queue_offset FROM mq_sent_back ORDER BY 1");
const putOff = (mq: Broker): readonly unknown[] => rows(mq, "SELECT message_count FROM mq_due");

async function consumed(mq: Broker, topic = "orders"): Promise<readonly number[]> {
  return (await mq.admin.consumeStats("billing", topic)).queues.map(({ consumerOffset }) => consumerOffset);
}

const told = (view: MessageView): string => `${view.text()} attempt ${view.deliveryAttempt}`;

/** Never returns for "slow", fails for "bad" the first time; says what it got. */
function partial(received: string[]): Listener {
  return (view) => {
    received.push(told(view));
    if (view.text() === "slow") return new Promise(() => undefined);
    return view.text() === "bad" && view.deliveryAttempt === 1 ? "retry" : "success";
  };
}

describe("a message that was sent back while one before it is being consumed", () => {
  const batch = ["slow", "bad", "good"].map((body) => ({ topic: "orders", body }));

  it("comes from the retry topic alone after its broker was closed without grace", async () => {
    using folder = tempFolder();
    const path = folder.file("app.db");
    const before: string[] = [];
    {
      await using broker = await openTestBroker({ path });
      await broker.mq.admin.createTopic("orders", ONE_QUEUE);
      await broker.mq.producer({ group: "shop" }).sendBatch(batch);
      await member(broker.mq, 0, partial(before)).start();
      await broker.clock.settle();
    }
    await using broker = await openTestBroker({ path });
    const { mq, clock } = broker;
    const after: string[] = [];
    const kept = [sentBackRows(mq), putOff(mq)];

    await member(mq, 0, (view) => void after.push(told(view))).start();
    await clock.advance(1_000);
    const meanwhile = [...after];
    await clock.advance(9_000);

    expect(before).toEqual(["slow attempt 1", "bad attempt 1", "good attempt 1"]);
    expect(kept).toEqual([[1], [1]]);
    expect(meanwhile).toEqual(["slow attempt 1", "good attempt 1"]);
    expect(after).toEqual([...meanwhile, "bad attempt 2"]);
    expect([sentBackRows(mq), putOff(mq)]).toEqual([[], []]);
  });

  it("comes from the retry topic alone after its queue changed hands", async () => {
    await using broker = await openTestBroker();
    const { mq, clock } = broker;
    await mq.admin.createTopic("orders", { readQueueNums: 2, writeQueueNums: 2 });
    await mq.producer({ group: "shop" }).sendBatch(batch, { queue: 1 });
    const [old, taker]: [string[], string[]] = [[], []];
    await member(mq, 0, partial(old)).start();
    await clock.settle();

    await member(mq, 1, (view) => void taker.push(told(view))).start();
    await clock.advance(60_000);

    expect(taker).toEqual(["slow attempt 1", "good attempt 1"]);
    expect(old).toEqual(["slow attempt 1", "bad attempt 1", "good attempt 1", "bad attempt 2"]);
    expect(sentBackRows(mq)).toEqual([]);
  });

  it("is remembered until the group's offset passes it, and no longer", async () => {
    await using broker = await openTestBroker();
    const { mq, clock } = broker;
    await mq.admin.createTopic("orders", ONE_QUEUE);
    await mq.producer({ group: "shop" }).sendBatch(batch);
    let finish = (): void => undefined;
    const listener: Listener = (view) => {
      if (view.text() === "bad") return "retry";
      return view.text() === "slow" ? new Promise<void>((resolve) => (finish = resolve)) : undefined;
    };
    await member(mq, 0, listener).start();
    await clock.advance(1_000);
    const meanwhile = [sentBackRows(mq), await consumed(mq)];

    finish();
    await clock.advance(50);

    expect(meanwhile).toEqual([[1], [0]]);
    expect([sentBackRows(mq), await consumed(mq)]).toEqual([[], [3]]);
  });
});

describe("a message whose listener fails", () => {
  it("is acknowledged with the commit that stores its copy, and its offset 50 ms later", async () => {
    await using broker = await openTestBroker();
    const { mq, clock } = broker;
    await mq.admin.createTopic("orders", ONE_QUEUE);
    await member(mq, 0, () => "retry").start();

    await mq.producer({ group: "shop" }).send({ topic: "orders", body: "bad" });
    await clock.settle();
    const atOnce = [sentBackRows(mq), putOff(mq), await consumed(mq)];
    await clock.advance(50);

    expect(atOnce).toEqual([[0], [1], [1]]);
    expect([sentBackRows(mq), putOff(mq), await consumed(mq)]).toEqual([[], [1], [1]]);
  });

  it("leaves nothing behind in the retry topic either, once it is consumed", async () => {
    await using broker = await openTestBroker();
    const { mq, clock } = broker;
    await member(mq, 0, ({ deliveryAttempt }) => (deliveryAttempt < 3 ? "retry" : "success")).start();

    await mq.producer({ group: "shop" }).send({ topic: "orders", body: "bad" });
    await clock.advance(41_000);

    expect([sentBackRows(mq), putOff(mq), await consumed(mq, RETRY)]).toEqual([[], [], [2]]);
    expect((await mq.admin.consumeStats("billing")).lag).toBe(0);
  });

  it("is one of many: more than one transaction takes are sent back, each once", async () => {
    await using broker = await openTestBroker();
    const { mq, clock } = broker;
    await mq.admin.createTopic("orders", ONE_QUEUE);
    const bodies = Array.from({ length: 250 }, (_, index) => `${index}`);
    await mq.producer({ group: "shop" }).sendBatch(bodies.map((body) => ({ topic: "orders", body })));
    const calls: string[][] = [];
    const consumer = mq.pushConsumer({
      group: "billing",
      subscriptions: { orders: "*" },
      pullBatchSize: 1_000,
      consumeMessageBatchMaxSize: 1_000,
      batchListener: (messages) => {
        calls.push(messages.map((view) => view.text()));
        return calls.length === 1 ? "retry" : "success";
      },
    });

    await consumer.start();
    await clock.advance(10_000);

    expect(calls[0]).toHaveLength(250);
    expect(calls.slice(1).flat()).toEqual(bodies);
    expect(await consumed(mq)).toEqual([250]);
  });

  it("is dropped with a warning when its group has no retry queues", async () => {
    await using broker = await openTestBroker();
    const { mq, clock, logged } = broker;
    await mq.admin.createTopic("orders", ONE_QUEUE);
    await mq.admin.createGroup("billing", { retryQueueNums: 0, retryMaxTimes: 0 });
    const received: string[] = [];
    const listener: Listener = (view) => {
      received.push(told(view));
      return "retry";
    };
    await member(mq, 0, listener).start();

    const { messageId } = await mq.producer({ group: "shop" }).send({ topic: "orders", body: "bad" });
    await clock.advance(60_000);

    expect(received).toEqual(["bad attempt 1"]);
    expect(logged).toEqual([
      {
        level: "warn",
        text: "group billing has no retry queues: a message that failed is dropped",
        data: { topic: "orders", queueId: 0, queueOffset: 0, messageId },
      },
    ]);
    expect([sentBackRows(mq), putOff(mq), await consumed(mq)]).toEqual([[], [], [1]]);
    await expect(mq.admin.getTopic("%DLQ%billing")).rejects.toMatchObject({ code: "ERR_MQ_TOPIC_NOT_FOUND" });
  });
});

describe("a send-back that is not stored yet when its queue is taken away", () => {
  it.each([
    ["consumes it", "success", ["w1 a attempt 1"], []],
    ["fails too", "retry", ["w1 a attempt 1", "w0 a attempt 2"], [1]],
  ] as const)(
    "is withdrawn: the next owner gets the message as the same attempt, and %s",
    async (_what, result, later, copies) => {
      const driver = openFaultDriver();
      await using broker = await openTestBroker({ database: driver.database });
      const { mq, clock } = broker;
      await mq.admin.createTopic("orders", { readQueueNums: 2, writeQueueNums: 2 });
      const received: string[] = [];
      const make = (index: number, outcome: string): PushConsumer =>
        member(mq, index, (view) => {
          received.push(`w${index} ${told(view)}`);
          return view.deliveryAttempt === 1 ? outcome : "success";
        });
      await mq.producer({ group: "shop" }).send({ topic: "orders", body: "a" }, { queue: 1 });
      const first = make(0, "retry");
      first.suspend();
      await first.start();
      await clock.advance(100);
      driver.fail("BEGIN", "SQLITE_BUSY", "before");
      first.resume();
      await clock.settle();

      await make(1, result).start();
      await clock.settle();
      driver.heal();
      await clock.advance(1_000);
      const stored = putOff(mq);
      await clock.advance(60_000);

      expect(received).toEqual(["w0 a attempt 1", ...later]);
      expect(stored).toEqual(copies);
      expect([sentBackRows(mq), putOff(mq), await consumed(mq)]).toEqual([[], [], [0, 1]]);
    },
  );
});
