import type Database from "better-sqlite3";
import { describe, expect, it } from "vitest";
import type { ConsumeContext, MessageListener } from "../../lib/index.js";
import { openFaultDriver } from "../support/fault-driver.js";
import { openTestPort } from "../support/local-broker.js";
import { browseQueue } from "../support/shared-connection.js";
import { openTestBroker, type TestBroker } from "../support/test-broker.js";
import { recordOf } from "./due-store.js";
import { listen, namesOf } from "./event-log.js";

const FIRST_DELAY_MS = 10_000;

/** With the topic "orders" of one queue. */
async function openBroker(database?: Database.Database): Promise<TestBroker> {
  const broker = await openTestBroker({ defaultQueueCount: 1, database });
  await broker.mq.admin.createTopic("orders");
  return broker;
}

/** A consumer of "orders" in the group "billing", the only one of its kind. */
async function consume({ mq }: TestBroker, listener: MessageListener, maxReconsumeTimes?: number): Promise<string> {
  const consumer = mq.pushConsumer({
    group: "billing",
    subscriptions: { orders: "*" },
    consumeConcurrency: 1,
    maxReconsumeTimes,
    listener,
  });
  await consumer.start();
  return consumer.clientId;
}

function send({ mq }: TestBroker, body: string) {
  return mq.producer({ group: "shop" }).send({ topic: "orders", body });
}

describe("the events of a message that is consumed", () => {
  it("are stored, delivered and consumed, each with what belongs to it and nothing else", async () => {
    await using broker = await openBroker();
    const { mq, clock } = broker;
    let finish = (): void => undefined;
    const clientId = await consume(broker, () => new Promise<void>((resolve) => (finish = resolve)));
    const heard = listen(mq);

    const { messageId } = await send(broker, "a");
    await clock.advance(25);
    const beforeItEnds = namesOf(heard);
    finish();
    await clock.settle();

    expect(beforeItEnds).toEqual(["message:stored", "message:delivered"]);
    expect(heard).toEqual([
      ["message:stored", { messageId, topic: "orders", queueId: 0, queueOffset: 0 }],
      ["message:delivered", { messageId, topic: "orders", group: "billing", clientId, deliveryAttempt: 1 }],
      ["message:consumed", { messageId, topic: "orders", group: "billing", clientId, costMs: 25 }],
    ]);
  });

  it("come in this order for each of many, stored in the order of the log", async () => {
    await using broker = await openBroker();
    await consume(broker, () => undefined);
    const heard = listen(broker.mq);

    const receipts = await Promise.all(["a", "b", "c"].map((body) => send(broker, body)));
    await broker.clock.settle();

    for (const { messageId } of receipts) {
      const own = heard.filter(([, value]) => (value as { messageId: string }).messageId === messageId);
      expect(namesOf(own)).toEqual(["message:stored", "message:delivered", "message:consumed"]);
    }
    const stored = heard.filter(([name]) => name === "message:stored");
    expect(stored).toMatchObject([{}, {}, {}].map((_, queueOffset) => ["message:stored", { queueOffset }]));
  });

  it("are told once for each message of a batch and of a batch listener, as far as it acknowledges them", async () => {
    await using broker = await openBroker();
    const { mq, clock } = broker;
    const consumer = mq.pushConsumer({
      group: "billing",
      subscriptions: { orders: "*" },
      consumeMessageBatchMaxSize: 8,
      batchListener: (messages, context) => {
        context.ackIndex = messages[0]?.reconsumeTimes === 0 ? 1 : messages.length;
      },
    });
    await consumer.start();
    const heard = listen(mq);

    await mq.producer({ group: "shop" }).sendBatch(["a", "b", "c"].map((body) => ({ topic: "orders", body })));
    await clock.settle();

    expect(namesOf(heard)).toEqual([
      ...["message:stored", "message:stored", "message:stored"],
      ...["message:delivered", "message:delivered", "message:delivered"],
      ...["message:consumed", "message:consumed"],
      "message:retried",
    ]);
  });

  it("come once the store shows what they tell of, to another connection too", async () => {
    const driver = openFaultDriver();
    await using broker = await openBroker(driver.database);
    await consume(broker, ({ reconsumeTimes }) => (reconsumeTimes === 0 ? "retry" : "success"), 1);
    const count = (table: string) => driver.database.prepare(`SELECT count(*) FROM ${table}`).pluck();
    const [inLog, due] = [count("mq_log"), count("mq_due")];
    const seen: unknown[] = [];
    const look = (name: string) => () => void seen.push([name, driver.database.inTransaction, inLog.get(), due.get()]);
    for (const name of ["message:stored", "message:retried"] as const) broker.mq.on(name, look(name));

    await send(broker, "a");
    await broker.clock.advance(FIRST_DELAY_MS);

    expect(seen).toEqual([
      ["message:stored", false, 1, 0],
      ["message:retried", false, 1, 1],
      ["message:stored", false, 2, 0],
    ]);
    await broker[Symbol.asyncDispose]();
    driver.database.close();
  });

  it("are told after the code that was running has ended, and before the promise of a later turn", async () => {
    await using broker = await openBroker();
    const heard = listen(broker.mq);

    broker.mq.producer({ group: "shop" }).sendSync({ topic: "orders", body: "a" });
    const atOnce = heard.length;
    await Promise.resolve();

    expect([atOnce, heard.length]).toEqual([0, 1]);
  });

  it("tell nothing of a send that is refused", async () => {
    await using broker = await openBroker();
    const heard = listen(broker.mq);
    broker.mq.database.exec(
      "CREATE TRIGGER refuse BEFORE INSERT ON mq_log BEGIN SELECT RAISE(ABORT, 'refused by the spec'); END",
    );

    await expect(send(broker, "a")).rejects.toMatchObject({ code: "ERR_MQ_STORE" });
    await broker.clock.settle();

    expect(heard).toEqual([]);
  });

  it("are told of a listener that fails with delivered only, until the message is sent back", async () => {
    const driver = openFaultDriver();
    await using broker = await openBroker(driver.database);
    const { mq, clock } = broker;
    await consume(broker, ({ reconsumeTimes }) => (reconsumeTimes === 0 ? "retry" : "success"));
    const heard = listen(mq);
    await clock.settle();

    await send(broker, "a").then(() => driver.fail("INSERT INTO mq_due", "SQLITE_FULL", "before"));
    await clock.advance(4_999);
    const afterTheFailure = heard.slice(1);
    driver.heal();
    await clock.advance(1);

    expect(namesOf(afterTheFailure)).toEqual(["message:delivered", "error"]);
    expect(afterTheFailure[1]?.[1]).toMatchObject({ code: "ERR_MQ_SERVICE_NOT_AVAILABLE" });
    expect(heard.slice(3)).toMatchObject([
      ["message:delivered", { deliveryAttempt: 2 }],
      ["message:consumed", {}],
    ]);
    await broker[Symbol.asyncDispose]();
    driver.database.close();
  });
});

describe("the events of a message that fails", () => {
  it("are retried with the time of its next delivery, and stored, delivered and consumed when it comes", async () => {
    await using broker = await openBroker();
    const { mq, clock } = broker;
    const heard = listen(mq);
    const clientId = await consume(broker, ({ reconsumeTimes }) => (reconsumeTimes === 0 ? "retry" : "success"));
    const { messageId } = await send(broker, "a");
    await clock.settle();
    const dueAt = clock.now() + FIRST_DELAY_MS;

    await clock.advance(FIRST_DELAY_MS);

    const ofMessage = { messageId, topic: "orders", group: "billing" };
    expect(heard.filter(([name]) => name.startsWith("message:"))).toEqual([
      ["message:stored", { messageId, topic: "orders", queueId: 0, queueOffset: 0 }],
      ["message:delivered", { ...ofMessage, clientId, deliveryAttempt: 1 }],
      ["message:retried", { ...ofMessage, deliveryAttempt: 1, dueAt }],
      ["message:stored", { messageId, topic: "%RETRY%billing", queueId: 0, queueOffset: 0 }],
      ["message:delivered", { ...ofMessage, clientId, deliveryAttempt: 2 }],
      ["message:consumed", { ...ofMessage, clientId, costMs: 0 }],
    ]);
  });

  it("are retried with the attempt that failed and the time that its delay level gives", async () => {
    await using broker = await openBroker();
    const { mq, clock } = broker;
    const levels = [1, 0, 4];
    await consume(broker, ({ reconsumeTimes }, context: ConsumeContext) => {
      context.delayLevelWhenNextConsume = levels[reconsumeTimes] ?? -1;
      return "retry";
    });
    const heard = listen(mq, "message:retried", "message:deadLettered");
    const begin = clock.now();
    await send(broker, "a");

    await clock.advance(100_000);

    const told = heard.map(([name, value]) => {
      const { deliveryAttempt, dueAt = begin } = value as { deliveryAttempt: number; dueAt?: number };
      return [name, deliveryAttempt, dueAt - begin];
    });
    expect(told).toEqual([
      ["message:retried", 1, 1_000],
      ["message:retried", 2, 31_000],
      ["message:retried", 3, 61_000],
      ["message:deadLettered", 4, 0],
    ]);
  });

  it("are deadLettered after its last attempt, and stored in the dead-letter queue", async () => {
    await using broker = await openBroker();
    const { mq, clock } = broker;
    await consume(broker, () => "retry", 0);
    const heard = listen(mq);
    const { messageId } = await send(broker, "a");

    await clock.settle();

    const buried = heard
      .filter(([name]) => name !== "message:delivered")
      .slice(1)
      .toSorted(([a], [b]) => (a < b ? -1 : 1));
    expect(buried).toEqual([
      ["message:deadLettered", { messageId, topic: "orders", group: "billing", deliveryAttempt: 1 }],
      ["message:stored", { messageId, topic: "%DLQ%billing", queueId: 0, queueOffset: 0 }],
    ]);
  });

  it("tell nothing when its group has no retry queues, in which it is dropped", async () => {
    await using broker = await openBroker();
    await broker.mq.admin.createGroup("billing", { retryQueueNums: 0 });
    await consume(broker, () => "retry");
    const heard = listen(broker.mq);

    await send(broker, "a");
    await broker.clock.advance(60_000);

    expect(namesOf(heard)).toEqual(["message:stored", "message:delivered"]);
  });
});

describe("a message without an id of its own, as another client may send it", () => {
  it("is told with that of where it lies, as its view has it", async () => {
    await using broker = await openTestPort({ defaultQueueCount: 1 });
    const { mq, port, clock } = broker;
    await mq.producer({ group: "shop" }).send({ topic: "orders", body: "a" });
    const heard = listen(mq, "message:stored");
    const nameless = { ...recordOf("b"), uniqueId: "", queueOffset: -1, commitLogOffset: -1 };

    const deadline = Number.MAX_SAFE_INTEGER;
    port.appendSync({ topic: "orders", queueId: 0, messages: [nameless, nameless], bytes: 2, deadline });
    await clock.settle();

    const views = (await browseQueue(mq, "orders")).slice(1);
    expect(heard.map(([, value]) => value)).toEqual(
      views.map(({ messageId, queueOffset }) => ({ messageId, topic: "orders", queueId: 0, queueOffset })),
    );
    expect(views.map(({ messageId }) => messageId)).toEqual(views.map(({ offsetMessageId }) => offsetMessageId));
  });
});
