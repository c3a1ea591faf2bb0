import { describe, expect, it } from "vitest";
import type { OffsetRule } from "../../lib/broker/broker-port.js";
import { openFaultDriver } from "../support/fault-driver.js";
import { openTestPort, type TestPort } from "../support/local-broker.js";
import { tempFolder } from "../support/temp-folder.js";
import { openTestBroker } from "../support/test-broker.js";

const QUEUE = ["billing", "orders", 0] as const;

/** With the groups whose offsets are stored. */
async function openPort(): Promise<TestPort> {
  const broker = await openTestPort();
  for (const group of ["billing", "shipping"]) await broker.mq.admin.createGroup(group);
  return broker;
}

function stored({ mq }: TestPort): unknown {
  const { database } = mq as unknown as { database: { prepare(sql: string): { pluck(): { get(): unknown } } } };
  return database.prepare("SELECT next_offset FROM mq_consume_offset WHERE consumer_group = 'billing'").pluck().get();
}

describe("ConsumeOffsets", () => {
  it("is known at once and stored at the latest 50 ms later, without a message", async () => {
    await using broker = await openPort();
    const { port, clock } = broker;

    port.updateOffset(...QUEUE, 7, "raise");
    const known = port.engine.offsets.find(...QUEUE);
    await clock.advance(49);
    const before = stored(broker);
    await clock.advance(1);

    expect([known, before, stored(broker)]).toEqual([7, undefined, 7]);
  });

  it("rides with the next commit of messages", async () => {
    await using broker = await openPort();

    broker.port.updateOffset(...QUEUE, 7, "raise");
    await broker.mq.producer({ group: "shop" }).send({ topic: "other", body: "x" });

    expect(stored(broker)).toBe(7);
  });

  it("is durable when persistOffsets returns, which may be asked for again", async () => {
    await using broker = await openPort();
    const { port } = broker;

    port.updateOffset(...QUEUE, 7, "raise");
    await port.persistOffsets();
    const persisted = stored(broker);
    await port.persistOffsets();

    expect(persisted).toBe(7);
    expect(port.engine.offsets.hasPending).toBe(false);
  });

  it("is durable when commitOffsets returns, with what was given before, and known at once", async () => {
    await using broker = await openPort();
    const { port } = broker;
    const read = (queueId: number) => port.queryOffset("billing", "orders", queueId);

    port.updateOffset("billing", "orders", 0, 7, "raise");
    const committing = port.commitOffsets("billing", [{ topic: "orders", queueId: 1, nextOffset: 3 }], "set");
    const known = [await read(0), await read(1), await read(2)].map(({ storedOffset }) => storedOffset);
    await committing;

    expect(known).toEqual([7, 3, undefined]);
    expect(port.engine.offsets.hasPending).toBe(false);
    expect(stored(broker)).toBe(7);
  });

  it.each<[OffsetRule, number[], number]>([
    ["raise", [5, 3], 5],
    ["raise", [3, 5], 5],
    ["set", [5, 3], 3],
    ["set", [3, 5], 5],
    ["set-unclaimed", [5, 3], 3],
  ])("only grows when told to: %s, %j", async (rule, updates, expected) => {
    await using broker = await openPort();
    const { port, clock } = broker;

    for (const next of updates) port.updateOffset(...QUEUE, next, rule);
    const known = port.engine.offsets.find(...QUEUE);
    await clock.advance(50);

    expect([known, stored(broker)]).toEqual([expected, expected]);
  });

  it("only grows beyond what is stored, too", async () => {
    await using broker = await openPort();
    const { port } = broker;
    broker.mq.database.exec("INSERT INTO mq_consume_offset VALUES ('billing', 'orders', 0, 9)");

    port.updateOffset(...QUEUE, 4, "raise");
    await port.persistOffsets();
    const grown = [port.engine.offsets.find(...QUEUE), stored(broker)];
    port.updateOffset(...QUEUE, 4, "set");
    await port.persistOffsets();

    expect(grown).toEqual([9, 9]);
    expect(stored(broker)).toBe(4);
  });

  it.each([
    ["stays where a pop of the same transaction has put it", undefined, 7],
    ["is lowered after all when the transaction in which a pop has passed it is undone", new Error("undone"), 4],
  ])("%s", async (_rule, failure, expected) => {
    await using broker = await openPort();
    const { port } = broker;
    port.updateOffset(...QUEUE, 4, "set");

    const popping = port.engine.write(() => {
      port.engine.offsets.store(...QUEUE, 7);
      if (failure !== undefined) throw failure;
    });
    await popping.catch(() => undefined);
    await port.persistOffsets();

    expect(stored(broker)).toBe(expected);
  });

  it("is raised within a transaction, and what was to lower it before counts no more, unless that is rolled back", async () => {
    await using broker = await openPort();
    const { port } = broker;
    const { engine } = port;

    port.updateOffset(...QUEUE, 5, "set-unclaimed");
    await port.persistOffsets();
    port.updateOffset(...QUEUE, 3, "set-unclaimed");
    await expect(
      engine.write(() => {
        engine.offsets.raise(...QUEUE, 8);
        throw new Error("rolled back");
      }),
    ).rejects.toThrow("rolled back");
    const afterRollBack = stored(broker);
    port.updateOffset(...QUEUE, 4, "set-unclaimed");
    await engine.write(() => engine.offsets.raise(...QUEUE, 8));
    const raised = stored(broker);
    await engine.write(() => engine.offsets.raise(...QUEUE, 6));

    expect([afterRollBack, raised, stored(broker)]).toEqual([3, 8, 8]);
  });

  it("is raised by nobody but who has the queue", async () => {
    using folder = tempFolder();
    await using broker = await openTestPort({}, { path: folder.file("app.db") });
    await broker.mq.admin.createGroup("billing");
    const { engine } = broker.port;

    await engine.write(() => engine.offsets.raise(...QUEUE, 8));

    expect(stored(broker)).toBeUndefined();
  });

  it("lists the queues of one group for which something waits to be stored", async () => {
    await using broker = await openPort();
    const { port } = broker;
    port.updateOffset("billing", "orders", 0, 1, "raise");
    await port.persistOffsets();

    port.updateOffset("billing", "orders", 1, 3, "raise");
    port.updateOffset("billing", "invoices", 0, 4, "raise");
    port.updateOffset("shipping", "orders", 2, 5, "raise");
    const { offsets } = port.engine;
    const pending = offsets.listPending("billing").map(({ topic, queueId }) => [topic, queueId]);
    await port.persistOffsets();

    expect(pending).toEqual([
      ["orders", 1],
      ["invoices", 0],
    ]);
    expect(offsets.listPending("billing")).toEqual([]);
  });

  it("keeps in memory only what is not stored yet", async () => {
    await using broker = await openPort();
    const { port } = broker;
    port.updateOffset("billing", "orders", 0, 1, "raise");
    await port.persistOffsets();
    port.updateOffset("billing", "orders", 1, 5, "raise");
    broker.mq.database.exec("UPDATE mq_consume_offset SET next_offset = 2 WHERE queue_id = 0");

    expect([0, 1].map((queueId) => port.engine.offsets.find("billing", "orders", queueId))).toEqual([2, 5]);
  });
});

describe("consume offsets that could not be stored", () => {
  it("are tried again after a second, without another acknowledgement", async () => {
    const driver = openFaultDriver();
    await using broker = await openTestBroker({ database: driver.database });
    const { mq, clock } = broker;
    await mq.producer({ group: "shop" }).send({ topic: "orders", body: "a" }, { queue: 0 });
    const consumer = mq.pushConsumer({ group: "billing", subscriptions: { orders: "*" }, listener: () => undefined });
    await consumer.start();
    driver.fail("COMMIT", "SQLITE_FULL", "before");
    await clock.advance(50);
    const offsets = () => driver.database.prepare("SELECT next_offset FROM mq_consume_offset").pluck().all();
    const whileFull = offsets();

    driver.heal();
    await clock.advance(1_000);

    expect([whileFull, offsets()]).toEqual([[], [1]]);
  });
});
