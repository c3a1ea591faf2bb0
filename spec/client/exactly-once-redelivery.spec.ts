import type Database from "better-sqlite3";
import { describe, expect, it } from "vitest";
import { exactlyOnce, type MessageListener, type MessageView } from "../../lib/index.js";
import type { TestBroker } from "../../lib/testing/index.js";
import { type Engine, openEngines } from "../broker/engines.js";
import { tempFolder } from "../support/temp-folder.js";
import { consume, openKit } from "../testing/kit/open-kit.js";
import { bill, GROUP, TOPIC } from "./dedup-shop.js";

function connectionOf(broker: { readonly database: unknown }): Database.Database {
  return broker.database as Database.Database;
}

function invoices(broker: { readonly database: unknown }): readonly unknown[] {
  return connectionOf(broker).prepare("SELECT body FROM invoice ORDER BY rowid").pluck().all();
}

function billing(broker: TestBroker): MessageListener {
  connectionOf(broker).exec("CREATE TABLE IF NOT EXISTS invoice (body TEXT)");
  return exactlyOnce(broker, {}, (message) => bill(message, connectionOf(broker)));
}

describe("an effect is made once", () => {
  it("though messages are delivered twice, acknowledgements are lost and the process dies", async () => {
    using folder = tempFolder();
    await using kit = await openKit({ path: folder.file("app.db") });
    const { broker } = kit;
    broker.faults.duplicateDelivery();
    broker.faults.loseAck();
    const listener = billing(broker);
    await consume(broker, { listener });
    const producer = broker.producer({ group: "p" });
    for (const body of ["a", "b", "c"]) await producer.send({ topic: TOPIC, body });
    await broker.clock.advance("1s");

    await broker.faults.crash();
    await consume(broker, { listener });
    await broker.clock.advance("1m");

    expect(broker.consumed()).toHaveLength(12);
    expect([...invoices(broker)].sort()).toEqual(["a", "b", "c"]);
  });

  it("and its message does not come again after a crash, unless one before it was open", async () => {
    await using kit = await openKit({ defaultQueueCount: 1 });
    const { broker } = kit;
    const once = billing(broker);
    const delivered: string[] = [];
    let hangs = true;
    const listener: MessageListener = (message, context) => {
      delivered.push(message.text());
      return hangs && message.text() === "b" ? new Promise(() => undefined) : once(message, context);
    };
    await consume(broker, { listener });
    const producer = broker.producer({ group: "p" });
    for (const body of ["a", "b", "c"]) await producer.send({ topic: TOPIC, body, keys: [body] });
    await broker.waitFor({ state: "consumed", key: "c" });

    hangs = false;
    await broker.faults.crash();
    await consume(broker, { listener });
    await broker.clock.advance("1s");

    expect(delivered).toEqual(["a", "b", "c", "b", "c"]);
    expect(invoices(broker)).toEqual(["a", "c", "b"]);
  });

  it("not at all when the process dies before the transaction, and after it has started again", async () => {
    await using kit = await openKit();
    const { broker } = kit;
    const once = billing(broker);
    let crash: Promise<void> | undefined;
    const listener: MessageListener = (message, context) => {
      const result = once(message, context);
      crash ??= broker.faults.crash();
      return result;
    };
    await consume(broker, { listener });
    await broker.producer({ group: "p" }).send({ topic: TOPIC, body: "a" });
    await broker.runUntilIdle();
    await crash;
    const afterCrash = invoices(broker);

    await consume(broker, { listener });
    await broker.clock.advance("1s");

    expect([afterCrash, invoices(broker)]).toEqual([[], ["a"]]);
  });

  it("fails while its consumer is cut off from the broker, and is made later", async () => {
    await using kit = await openKit();
    const { broker } = kit;
    const once = billing(broker);
    let undo: (() => void) | undefined;
    let rejected: unknown;
    const listener: MessageListener = async (message, context) => {
      undo ??= broker.faults.partition(context.clientId);
      try {
        return await once(message, context);
      } catch (error) {
        rejected ??= error;
        throw error;
      }
    };
    await consume(broker, { listener });
    await broker.producer({ group: "p" }).send({ topic: TOPIC, body: "a" });
    await broker.runUntilIdle();
    const whileCut = invoices(broker);
    undo?.();
    await broker.clock.advance("1m");

    expect(rejected).toMatchObject({ code: "ERR_MQ_TIMEOUT" });
    expect([whileCut, invoices(broker)]).toEqual([[], ["a"]]);
  });

  it("works with a test broker that was reset", async () => {
    await using kit = await openKit();
    const { broker } = kit;
    const listener = billing(broker);
    const producer = broker.producer({ group: "p" });
    const run = async (): Promise<readonly unknown[]> => {
      await consume(broker, { listener });
      await producer.send({ topic: TOPIC, body: "a" });
      await broker.runUntilIdle();
      return invoices(broker);
    };

    const first = await run();
    await broker.reset();
    const second = await run();

    expect([first, second]).toEqual([["a"], ["a", "a"]]);
  });
});

describe("two processes on one file", () => {
  const key = (message: MessageView): string => message.text();

  async function bills(engine: Engine): Promise<readonly string[]> {
    const { mq } = engine.test;
    const made: string[] = [];
    connectionOf(mq).exec("CREATE TABLE IF NOT EXISTS invoice (body TEXT)");
    const once = exactlyOnce(mq, { key }, (message) => {
      bill(message, connectionOf(mq));
      made.push(message.text());
    });
    await mq.pushConsumer({ group: GROUP, subscriptions: { [TOPIC]: "*" }, listener: once }).start();
    return made;
  }

  it("make the effect of one key once, at the same time, and share the others", async () => {
    await using engines = await openEngines();
    const [a, b] = [await engines.open({ defaultQueueCount: 2 }), await engines.open({ defaultQueueCount: 2 })];
    await a.test.mq.admin.createTopic(TOPIC);
    const [ofA, ofB] = [await bills(a), await bills(b)];
    await engines.settle();

    for (const body of ["x", "y", "z"]) for (const queue of [0, 1]) await a.send(body, queue);
    await engines.settle();

    expect([...invoices(a.test.mq)].sort()).toEqual(["x", "y", "z"]);
    expect([...ofA, ...ofB].sort()).toEqual(["x", "y", "z"]);
    expect((await a.test.mq.admin.consumeStats(GROUP)).lag).toBe(0);
  });
});
