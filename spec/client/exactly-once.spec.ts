import { AsyncLocalStorage } from "node:async_hooks";
import { describe, expect, it } from "vitest";
import {
  type BatchListener,
  exactlyOnce,
  type MessageListener,
  type MessageView,
  type OrderlyListener,
  OrderlyResult,
} from "../../lib/index.js";
import { openFaultDriver } from "../support/fault-driver.js";
import { CONNECTIONS, openShared } from "../support/shared-connection.js";
import { bill, billing, GROUP, inOrder, openShop, TOPIC } from "./dedup-shop.js";

const RETRY_MS = 10_100;

describe.each(CONNECTIONS)("exactlyOnce on an %s", (kind) => {
  it("stores effect, key and acknowledgement, and undoes the effect that fails alone, which is retried", async () => {
    await using shared = await openShared(kind);
    const { mq, clock, database } = shared;
    const rows = (sql: string) => database.prepare(sql).pluck().safeIntegers(false).all();
    const producer = mq.producer({ group: "shop" });
    const insert = database.prepare("INSERT INTO invoice VALUES (?)");
    const effect = (message: MessageView): undefined => {
      insert.run(Number(message.text()));
      if (message.text() === "2" && message.reconsumeTimes === 0) throw new Error("the card was refused");
    };
    const listener = exactlyOnce(mq, {}, effect);
    await mq.pushConsumer({ group: GROUP, subscriptions: { [TOPIC]: "*" }, listener }).start();

    await Promise.all(["1", "2", "3"].map((body) => producer.send({ topic: TOPIC, body })));
    await clock.settle();

    expect(rows("SELECT id FROM invoice")).toEqual([1, 3]);
    expect(rows("SELECT count(*) FROM mq_dedup")).toEqual([2]);
    await clock.advance(RETRY_MS);
    expect(rows("SELECT id FROM invoice")).toEqual([1, 3, 2]);
    expect(rows("SELECT expires_at FROM mq_dedup WHERE owner IS NOT NULL")).toEqual([]);
    expect(shared.logged.filter(({ level }) => level === "warn").map(({ text }) => text.split("\n")[0])).toEqual([
      `a listener of group ${GROUP} failed: Error: the card was refused`,
    ]);
  });
});

describe("exactlyOnce", () => {
  it("acknowledges with the effect: nothing comes again after a crash right behind the transaction", async () => {
    await using shop = await openShop();
    await shop.consume(billing(shop.mq));

    await shop.send("a", "b");
    await shop.test.clock.settle();

    expect(shop.storedOffset()).toBe(2);
    expect(shop.invoices()).toEqual(["a", "b"]);
    await shop.test.clock.advance(100);
    expect(shop.storedOffset()).toBe(2);
  });

  it("acknowledges nothing behind a message that is open still", async () => {
    await using shop = await openShop();
    const once = billing(shop.mq);
    let end = (): void => undefined;
    const open = new Promise<undefined>((resolve) => {
      end = () => resolve(undefined);
    });
    await shop.consume((message, context) => (message.text() === "b" ? open : once(message, context)));

    await shop.send("a", "b", "c");
    await shop.test.clock.settle();
    const whileOpen = shop.storedOffset();
    end();
    await shop.test.clock.advance(100);

    expect([whileOpen, shop.storedOffset()]).toEqual([1, 3]);
  });

  it("does not acknowledge a message whose effect failed", async () => {
    const driver = openFaultDriver();
    await using shop = await openShop({ database: driver.database });
    await shop.consume(
      exactlyOnce(shop.mq, {}, (message, database) => {
        bill(message, database);
        if (message.text() === "b" && message.reconsumeTimes === 0) throw new Error("the card was refused");
      }),
    );
    const offsets: (number | undefined)[] = [];
    driver.onRan = (source) => {
      if (source === "COMMIT" && shop.keys() > 0) offsets.push(shop.storedOffset());
    };

    await shop.send("a", "b", "c");
    await shop.test.clock.settle();
    driver.onRan = undefined;

    // Then its copy is stored, which acknowledges it.
    expect(offsets).toEqual([1, 1]);
    expect(shop.mq.database.prepare("SELECT count(*) FROM mq_due").pluck().get()).toBe(1);
  });

  it("makes 100 effects of a turn with one commit", async () => {
    const driver = openFaultDriver();
    await using shop = await openShop({ database: driver.database });
    await shop.consume(billing(shop.mq), { consumeConcurrency: 100 });
    await shop.send("first");
    await shop.test.clock.advance(100);

    driver.failCall(0, "SQLITE_FULL", "before");
    await shop.send(...Array.from({ length: 100 }, (_, index) => String(index)));
    await shop.test.clock.settle();

    const commits = driver.calls.filter(({ source }) => source === "COMMIT").length;
    expect(shop.invoices()).toHaveLength(101);
    // Of the sends and of the effects.
    expect(commits).toBe(2);
  });

  it("takes no place among the listeners that run at the same time, but within one it does", async () => {
    const driver = openFaultDriver();
    await using shop = await openShop({ database: driver.database });
    const { mq } = shop;
    const once = billing(mq);
    let [running, most] = [0, 0];
    const wrapped: MessageListener = async (message, context) => {
      running += 1;
      most = Math.max(most, running);
      await once(message, context);
      running -= 1;
    };
    const bodies = Array.from({ length: 50 }, (_, index) => String(index));
    await shop.consume(once, { consumeConcurrency: 1 });
    await shop.consume(wrapped, { group: "auditing", consumeConcurrency: 3 });
    await shop.send("first");
    await shop.test.clock.advance(100);
    driver.failCall(0, "SQLITE_FULL", "before");

    await shop.send(...bodies);
    await shop.test.clock.settle();

    const ofBilling = [...new Set(shop.invoices())];
    expect(ofBilling).toEqual(["first", ...bodies]);
    expect(shop.invoices()).toHaveLength(102);
    expect(most).toBe(3);
    // One for the sends, and one for each three of the others, the first with all 50.
    expect(driver.calls.filter(({ source }) => source === "COMMIT").length).toBeLessThanOrEqual(19);
  });

  it("makes the effect of a key once, for other messages with the key too", async () => {
    await using shop = await openShop();
    const key = (message: MessageView): string => message.text();
    await shop.consume(billing(shop.mq, { key }));

    await shop.send("a", "a", "b");
    await shop.test.clock.settle();
    await shop.send("b", "c");
    await shop.test.clock.advance(RETRY_MS);

    expect(shop.invoices()).toEqual(["a", "b", "c"]);
    expect([shop.keys(), shop.storedOffset()]).toEqual([3, 5]);
  });

  it("keeps the keys of groups apart", async () => {
    await using shop = await openShop();
    await shop.consume(billing(shop.mq));
    await shop.consume(billing(shop.mq), { group: "auditing" });

    await shop.send("a");
    await shop.test.clock.settle();

    expect([shop.invoices(), shop.keys()]).toEqual([["a", "a"], 2]);
  });

  it("forgets a key after retainMs, and deletes it within a minute of that", async () => {
    await using shop = await openShop();
    const { clock } = shop.test;
    await shop.consume(billing(shop.mq, { key: (message) => message.text(), retainMs: 90_000 }));

    await shop.send("a");
    await clock.advance(89_000);
    await shop.send("a");
    await clock.advance(2_000);
    const before = shop.invoices();
    await shop.send("a");
    await clock.advance(100);

    expect([before, shop.invoices()]).toEqual([["a"], ["a", "a"]]);
    await clock.advance(150_000);
    expect(shop.keys()).toBe(0);
  });

  it.each<[string, unknown, string]>([
    ["an async function", async () => undefined, "returns a promise"],
    ["a function that returns something", () => "retry", "must return nothing, got a string of 5 characters"],
  ])("undoes and fails %s", async (_what, result, reason) => {
    await using shop = await openShop();
    const effect = (message: MessageView): undefined => {
      bill(message, shop.mq.database);
      return (result as () => undefined)();
    };
    await shop.consume(exactlyOnce(shop.mq, {}, effect), { maxReconsumeTimes: 0 });

    await shop.send("a");
    await shop.test.clock.advance(100);

    expect([shop.invoices(), shop.keys()]).toEqual([[], 0]);
    expect(shop.warnings()[0]).toContain(reason);
  });

  it("calls an effect in the asynchronous context of its own delivery", async () => {
    await using shop = await openShop();
    const trace = new AsyncLocalStorage<string>();
    const seen: (string | undefined)[] = [];
    const once = exactlyOnce(shop.mq, {}, () => void seen.push(trace.getStore()));
    await shop.consume((message, context) => trace.run(message.text(), () => once(message, context)));

    await shop.send("a", "b", "c");
    await shop.test.clock.settle();

    expect(seen).toEqual(["a", "b", "c"]);
  });

  it("works within a batch listener, where each message is one, and in an orderly one", async () => {
    await using shop = await openShop();
    const once = billing(shop.mq);
    const { mq } = shop;
    const subscriptions = { [TOPIC]: "*" };
    const batchListener: BatchListener = async (messages, context) => {
      await Promise.all(messages.map((message) => once(message, context)));
    };
    await mq.pushConsumer({ group: GROUP, subscriptions, consumeMessageBatchMaxSize: 8, batchListener }).start();
    await mq.pushConsumer({ group: "auditing", subscriptions, orderly: true, listener: inOrder(once) }).start();

    await shop.send("a", "b");
    await shop.test.clock.advance(100);

    expect([...shop.invoices()].sort()).toEqual(["a", "a", "b", "b"]);
    expect(shop.storedOffset()).toBe(2);
  });

  it("leaves the acknowledgement to an orderly listener that commits itself, and has no effect twice after its rollback", async () => {
    await using shop = await openShop();
    const once = billing(shop.mq);
    const offsets: (number | undefined)[] = [];
    let rollbacks = 0;
    const listener: OrderlyListener = async (message, context) => {
      context.autoCommit = false;
      await inOrder(once)(message, context);
      offsets.push(shop.storedOffset());
      if (message.text() === "a") return undefined;
      rollbacks += 1;
      return rollbacks === 1 ? OrderlyResult.ROLLBACK : OrderlyResult.COMMIT;
    };
    await shop.mq.pushConsumer({ group: GROUP, subscriptions: { [TOPIC]: "*" }, orderly: true, listener }).start();

    await shop.send("a", "b");
    await shop.test.clock.advance(2_000);

    expect(offsets).toEqual([undefined, undefined, undefined, undefined]);
    expect([shop.invoices(), shop.storedOffset()]).toEqual([["a", "b"], 2]);
  });

  it("has one effect in a broadcasting group, of which each instance acknowledges", async () => {
    await using shop = await openShop();
    for (const instanceName of ["x", "y"])
      await shop.consume(billing(shop.mq), { messageModel: "broadcasting", instanceName });

    await shop.send("a");
    await shop.test.clock.settle();

    const { database } = shop.mq;
    expect(shop.invoices()).toEqual(["a"]);
    expect(database.prepare("SELECT next_offset FROM mq_broadcast_offset").pluck().all()).toEqual([1, 1]);
    expect(shop.storedOffset()).toBeUndefined();
  });

  it("passes what was sent back before in its queue", async () => {
    await using shop = await openShop();
    const once = billing(shop.mq);
    let end = (): void => undefined;
    const waiting = new Promise<void>((resolve) => {
      end = resolve;
    });
    await shop.consume(async (message, context) => {
      if (message.text() === "b" && message.reconsumeTimes === 0) return "retry";
      if (message.text() === "a") await waiting;
      return once(message, context);
    });

    await shop.send("a", "b");
    await shop.test.clock.advance(100);
    end();
    // Its listener is one of its own: the acknowledgement rides with a later commit.
    await shop.test.clock.advance(100);

    expect(shop.storedOffset()).toBe(2);
    expect(shop.mq.database.prepare("SELECT * FROM mq_sent_back").all()).toEqual([]);
    await shop.test.clock.advance(RETRY_MS);
    expect(shop.invoices()).toEqual(["a", "b"]);
  });
});
