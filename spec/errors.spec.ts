import Database from "better-sqlite3";
import { describe, expect, it } from "vitest";
import { parseTagExpression } from "../lib/filter/tag-expression.js";
import { type Broker, type BrokerSettings, isMqError, MQ_ERRORS, type MqErrorCode, openBroker } from "../lib/index.js";
import { checkDriverVersion } from "../lib/store/driver.js";
import { acknowledge, pop, popPort } from "./broker/pop-port.js";
import { openFaultDriver } from "./support/fault-driver.js";
import { openTestPort } from "./support/local-broker.js";
import { tempFolder } from "./support/temp-folder.js";
import { openTestBroker } from "./support/test-broker.js";

const shop = { group: "shop" } as const;
const order = { topic: "orders", body: "x" } as const;

async function withBroker(run: (mq: Broker) => unknown, settings: Omit<BrokerSettings, "clock"> = {}): Promise<void> {
  await using broker = await openTestBroker(settings);
  await run(broker.mq);
}

/** A broker on a connection whose owner, or whose disk, stands in the way. */
async function withDatabase(
  run: (
    mq: Broker,
    driver: ReturnType<typeof openFaultDriver>,
    clock: { advance(ms: number): Promise<void> },
  ) => unknown,
): Promise<void> {
  const driver = openFaultDriver();
  await using broker = await openTestBroker({ database: driver.database });
  await run(broker.mq, driver, broker.clock);
}

/** Settles as `promise` does once the clock went far enough. */
async function after(
  promise: Promise<unknown>,
  clock: { advance(ms: number): Promise<void> },
  ms: number,
): Promise<void> {
  const outcome = promise.then(
    () => undefined,
    (error: unknown) => ({ error }),
  );
  await clock.advance(ms);
  const failure = await outcome;
  if (failure !== undefined) throw failure.error;
}

/** For every code one way to get it. */
const provocations: Readonly<Record<MqErrorCode, () => unknown>> = {
  ERR_MQ_INVALID_ARGUMENT: () => openBroker({ path: "" }),
  ERR_MQ_CLOSED: () =>
    withBroker(async (mq) => {
      await mq.close();
      mq.producer(shop);
    }),
  ERR_MQ_NOT_STARTED: () => withBroker((mq) => mq.pullConsumer({ group: "billing" }).poll()),
  ERR_MQ_ALREADY_CREATED: () =>
    withBroker(async ({ admin }) => {
      await admin.createTopic("orders", { readQueueNums: 1 });
      await admin.createTopic("orders", { readQueueNums: 2 });
    }),
  ERR_MQ_MESSAGE_ILLEGAL: () => withBroker((mq) => mq.producer(shop).send({ topic: "orders", body: "" })),
  ERR_MQ_TOPIC_NOT_FOUND: () => withBroker((mq) => mq.admin.getTopic("orders")),
  ERR_MQ_GROUP_NOT_FOUND: () => withBroker((mq) => mq.admin.getGroup("billing")),
  ERR_MQ_NO_PERMISSION: () =>
    withBroker(async (mq) => {
      await mq.admin.createTopic("orders", { perm: "R" });
      await mq.producer(shop).send(order);
    }),
  ERR_MQ_RECALL: () =>
    withDatabase(async (mq, _driver, clock) => {
      const producer = mq.producer(shop);
      const { recallHandle } = await producer.send({ ...order, delayMs: 10 });
      await clock.advance(10);
      await producer.recall(order.topic, recallHandle ?? "");
    }),
  ERR_MQ_TRANSACTION: () => withBroker((mq) => mq.admin.resolveHalfMessage("of nobody", "commit")),
  ERR_MQ_SUBSCRIPTION: async () => {
    await using broker = await openTestPort();
    await broker.mq.admin.createGroup("billing");
    await broker.mq.admin.createTopic("orders");
    const pull = {
      group: "billing",
      topic: "orders",
      queueId: 0,
      offset: 0,
      maxMessages: 1,
      maxBytes: 1,
      suspendMs: 0,
    };
    await broker.port.pull(pull, new AbortController().signal);
  },
  ERR_MQ_FILTER_SYNTAX: () => parseTagExpression("||"),
  ERR_MQ_SERVICE_NOT_AVAILABLE: () =>
    withBroker(async (mq) => {
      mq.database.pragma(`max_page_count = ${String(mq.database.pragma("page_count", { simple: true }))}`);
      await mq.producer(shop).send({ topic: "orders", body: "x".repeat(100_000) });
    }),
  ERR_MQ_SYSTEM_BUSY: async () => {
    using folder = tempFolder();
    await using broker = await openTestBroker({ path: folder.file("mq.db"), busyTimeoutMs: 0 });
    const other = new Database(folder.file("mq.db"));
    try {
      other.exec("BEGIN IMMEDIATE");
      broker.mq.producer(shop).sendSync(order);
    } finally {
      other.close();
    }
  },
  ERR_MQ_TOO_MANY_REQUESTS: () =>
    withBroker(async (mq) => {
      const producer = mq.producer(shop);
      await Promise.all(Array.from({ length: 10_001 }, () => producer.send(order)));
    }),
  ERR_MQ_TIMEOUT: () =>
    withDatabase(async (mq, { database }, clock) => {
      const sending = mq.producer(shop).send(order);
      database.exec("BEGIN");
      try {
        await after(sending, clock, 4_000);
      } finally {
        database.exec("ROLLBACK");
      }
    }),
  ERR_MQ_IN_TRANSACTION: () => withBroker((mq) => mq.transaction(() => void mq.transaction(() => undefined))),
  ERR_MQ_OUTCOME_UNKNOWN: () =>
    withDatabase(async (mq, driver) => {
      driver.fail("COMMIT", "SQLITE_IOERR_FSYNC", "before");
      try {
        await mq.producer(shop).send(order);
      } finally {
        driver.heal();
      }
    }),
  ERR_MQ_OFFSET: () => withBroker((mq) => mq.producer(shop).send(order, { queue: 99 })),
  ERR_MQ_RECEIPT_HANDLE: async () => {
    await using broker = await popPort(["a"]);
    const popped = await pop(broker);
    await acknowledge(broker, popped);
    await acknowledge(broker, popped);
  },
  ERR_MQ_STORE: () => openBroker("/no/such/folder/mq.db"),
  ERR_MQ_STORE_FORMAT: async () => {
    using folder = tempFolder();
    const foreign = new Database(folder.file("app.db"));
    foreign.exec("CREATE TABLE invoice (id INTEGER)");
    foreign.close();
    await openBroker(folder.file("app.db"));
  },
  ERR_MQ_DRIVER: () => checkDriverVersion("13.2.0", "20.20.2"),
};

describe("MqError", () => {
  it.each(Object.keys(MQ_ERRORS) as MqErrorCode[])("%s can be provoked", async (code) => {
    let error: unknown;
    try {
      await provocations[code]();
    } catch (thrown) {
      error = thrown;
    }

    expect(isMqError(error) ? error.code : error).toBe(code);
  });
});
