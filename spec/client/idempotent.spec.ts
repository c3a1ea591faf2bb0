import { describe, expect, it } from "vitest";
import { type ConsumeResult, idempotent, type MessageListener, type MessageView } from "../../lib/index.js";
import { type Engine, openEngines } from "../broker/engines.js";
import { openFaultDriver } from "../support/fault-driver.js";
import { consume, openKit } from "../testing/kit/open-kit.js";
import { GROUP, inOrder, openShop, TOPIC } from "./dedup-shop.js";

const RETRY_MS = 10_100;
const LEASE_MS = 60_000;
const textKey = { key: (message: MessageView): string => message.text() };

/** Notes what it gets, and ends when it is told. */
function openHandler(): {
  readonly handler: MessageListener;
  readonly calls: string[];
  /** It was called. */
  readonly began: Promise<void>;
  end(index: number, result?: ConsumeResult | Error): void;
} {
  const calls: string[] = [];
  const ends: ((result: ConsumeResult | Error) => void)[] = [];
  let begin = (): void => undefined;
  const began = new Promise<void>((resolve) => {
    begin = resolve;
  });
  return {
    calls,
    began,
    handler: (message) => {
      calls.push(message.text());
      begin();
      return new Promise((resolve, reject) => {
        ends.push((result) => (result instanceof Error ? reject(result) : resolve(result)));
      });
    },
    end: (index, result = undefined) => ends[index]?.(result),
  };
}

describe("idempotent", () => {
  it("acknowledges a message whose key is done without running the handler", async () => {
    await using shop = await openShop();
    const ran: string[] = [];
    await shop.consume(idempotent(shop.mq, textKey, (message) => void ran.push(message.text())));

    await shop.send("a", "b");
    await shop.test.clock.settle();
    await shop.send("a", "c");
    await shop.test.clock.advance(100);

    expect(ran).toEqual(["a", "b", "c"]);
    expect([shop.keys(), shop.storedOffset(), shop.warnings()]).toEqual([3, 4, []]);
  });

  it("stores the key as taken before the handler runs, and as done before the message is acknowledged", async () => {
    await using shop = await openShop();
    const { handler, end } = openHandler();
    const { database } = shop.mq;
    const state = (): readonly unknown[] => [
      database.prepare("SELECT owner IS NULL FROM mq_dedup").pluck().get(),
      shop.storedOffset(),
    ];
    const states: (readonly unknown[])[] = [];
    await shop.consume(
      idempotent(shop.mq, {}, async (message, context) => {
        states.push(state());
        await handler(message, context);
        states.push(state());
      }),
    );
    await shop.send("a");
    await shop.test.clock.settle();
    end(0);
    await shop.test.clock.settle();
    states.push(state());
    await shop.test.clock.advance(100);
    states.push(state());

    expect(states).toEqual([
      [0, undefined],
      [0, undefined],
      [1, undefined],
      [1, 1],
    ]);
  });

  it.each<[string, ConsumeResult | Error | null]>([
    ["returns retry", "retry"],
    ["returns null", null],
    ["returns an unknown word", "done" as "success"],
    ["throws", new Error("the card was refused")],
  ])("releases the key when the handler %s, so that it runs again with the retry", async (_how, result) => {
    await using shop = await openShop();
    const { handler, calls, end } = openHandler();
    await shop.consume(idempotent(shop.mq, {}, handler));
    await shop.send("a");
    await shop.test.clock.settle();

    end(0, result as ConsumeResult);
    await shop.test.clock.settle();
    const released = shop.keys();
    await shop.test.clock.advance(RETRY_MS);
    end(1);
    await shop.test.clock.advance(100);

    expect([released, shop.keys(), calls]).toEqual([0, 1, ["a", "a"]]);
    expect(shop.warnings().map((text) => text.split("\n")[0])).toEqual(
      result instanceof Error ? [`a listener of group ${GROUP} failed: Error: the card was refused`] : [],
    );
  });

  it("hands the context of the delivery to the handler, and takes its delay level", async () => {
    await using shop = await openShop();
    const attempts: number[] = [];
    const start = shop.test.clock.now();
    await shop.consume(
      idempotent(shop.mq, {}, (message, context) => {
        attempts.push(shop.test.clock.now() - start);
        context.delayLevelWhenNextConsume = 1;
        return message.reconsumeTimes === 0 ? "retry" : "success";
      }),
    );

    await shop.send("a");
    await shop.test.clock.advance(2_000);

    expect(attempts).toEqual([0, 1_000]);
  });

  it("retries a message whose key another delivery works on, which then finds it done", async () => {
    await using shop = await openShop();
    const { handler, calls, end } = openHandler();
    await shop.consume(idempotent(shop.mq, textKey, handler));

    await shop.send("a", "a");
    await shop.test.clock.advance(1_000);
    end(0);
    await shop.test.clock.advance(RETRY_MS + 100);

    expect([calls, shop.keys(), shop.warnings()]).toEqual([["a"], 1, []]);
    expect(shop.mq.database.prepare("SELECT count(*) FROM mq_due").pluck().get()).toBe(0);
    expect((await shop.mq.admin.consumeStats(GROUP)).lag).toBe(0);
  });

  it("suspends an orderly queue while another delivery works on the key", async () => {
    await using shop = await openShop({ defaultQueueCount: 2 });
    const { handler, calls, end } = openHandler();
    const once = idempotent(shop.mq, textKey, handler);
    const results: unknown[] = [];
    const listener = inOrder(async (message, context) => {
      const result = await once(message, context);
      results.push(result);
      return result;
    });
    await shop.mq.pushConsumer({ group: GROUP, subscriptions: { [TOPIC]: "*" }, orderly: true, listener }).start();
    for (const queue of [0, 1]) await shop.producer.send({ topic: TOPIC, body: "a" }, { queue });
    await shop.test.clock.advance(100);
    end(0);
    await shop.test.clock.advance(2_000);

    expect([calls, results]).toEqual([["a"], ["suspend", undefined, undefined]]);
  });

  it("takes a key over when its lease has run out, which is longer than leaseMs - 1", async () => {
    await using shop = await openShop();
    const { handler, calls } = openHandler();
    const key = textKey.key;
    await shop.consume(idempotent(shop.mq, { key, leaseMs: 5_000 }, handler));
    await shop.send("a");
    await shop.test.clock.settle();

    await shop.test.clock.advance(4_999);
    await shop.send("a");
    await shop.test.clock.settle();
    const before = [...calls];
    await shop.test.clock.advance(1);
    await shop.send("a");
    await shop.test.clock.settle();

    expect([before, calls]).toEqual([["a"], ["a", "a"]]);
  });

  it("takes over after a process died while its handler ran, 60 s later if not told otherwise", async () => {
    await using kit = await openKit({ defaultQueueCount: 1 });
    const { broker } = kit;
    const { handler, calls, began } = openHandler();
    let isHanging = true;
    const listener = idempotent(broker, {}, (message, context) => {
      const result = handler(message, context);
      return isHanging ? result : "success";
    });
    await consume(broker, { listener });
    await broker.producer({ group: "p" }).send({ topic: TOPIC, body: "a" });
    await began;

    isHanging = false;
    await broker.faults.crash();
    await consume(broker, { listener });
    await broker.clock.advance(LEASE_MS - 1_000);
    const before = calls.length;
    // Retries come after 10, 30 and 60 s.
    await broker.clock.advance(50_000);

    expect([before, calls]).toEqual([1, ["a", "a"]]);
    expect(broker.consumed()).toHaveLength(1);
  });

  describe("in a process that is stopped between taking a key and its handler for longer than its lease", () => {
    /** @param meanwhile - what another process does. */
    async function stopped(meanwhile: string): Promise<readonly [calls: readonly string[], keys: readonly unknown[]]> {
      const driver = openFaultDriver();
      await using shop = await openShop({ database: driver.database });
      const { clock } = shop.test;
      const { handler, calls } = openHandler();
      await shop.consume(idempotent(shop.mq, { leaseMs: 1_000 }, handler));
      const start = clock.now();
      let hasTaken = false;
      driver.onRan = (source) => {
        if (source.startsWith("INSERT INTO mq_dedup ")) hasTaken = true;
        if (source !== "COMMIT" || !hasTaken) return;
        driver.onRan = undefined;
        clock.setTime(start + 1_000);
        shop.mq.database.exec(meanwhile);
      };

      await shop.send("a");
      await clock.settle();

      const keys = shop.mq.database.prepare("SELECT owner IS NULL, expires_at - ? FROM mq_dedup").raw().all(start);
      return [calls, keys];
    }

    it("does not run the handler when another process has done it", async () => {
      const done = "UPDATE mq_dedup SET owner = NULL, expires_at = expires_at + 600000";

      expect(await stopped(done)).toEqual([[], [[1, 601_000]]]);
    });

    it("runs the handler with a new lease when nobody took the key", async () => {
      expect(await stopped("")).toEqual([["a"], [[0, 2_000]]]);
    });
  });

  describe("whose handler outlives its lease", () => {
    /** The handler of the first delivery runs still, and that of another one since the lease ran out. */
    async function openOverrun() {
      const shop = await openShop();
      const { handler, calls, end } = openHandler();
      const results: unknown[] = [];
      const once = idempotent(shop.mq, { ...textKey, leaseMs: 1_000 }, handler);
      await shop.consume(async (message, context) => {
        try {
          const result = await once(message, context);
          results.push(result);
          return result;
        } catch (error) {
          results.push((error as { code?: string }).code);
          throw error;
        }
      });
      await shop.send("a");
      await shop.test.clock.advance(1_000);
      const takeOver = async (): Promise<void> => {
        await shop.send("a");
        await shop.test.clock.settle();
      };
      return { shop, calls, end, results, takeOver, [Symbol.asyncDispose]: () => shop[Symbol.asyncDispose]() };
    }

    it("completes the key as usual where nobody took it over", async () => {
      await using run = await openOverrun();

      run.end(0);
      await run.shop.test.clock.settle();
      await run.takeOver();

      expect([run.calls, run.results]).toEqual([["a"], [undefined, undefined]]);
    });

    it("fails, and can neither complete nor release the key, while another delivery has it", async () => {
      await using run = await openOverrun();
      await run.takeOver();

      run.end(0);
      await run.shop.test.clock.settle();
      const owner = run.shop.mq.database.prepare("SELECT owner FROM mq_dedup").pluck().get();

      expect(run.results).toEqual(["ERR_MQ_TIMEOUT"]);
      expect(owner).toEqual(expect.any(Number));
      expect(run.shop.warnings()).toEqual([expect.stringContaining("outlived its lease of 1000 ms")]);
      run.end(1);
      await run.shop.test.clock.advance(RETRY_MS);
      expect([run.calls, run.results]).toEqual([
        ["a", "a"],
        ["ERR_MQ_TIMEOUT", undefined, undefined],
      ]);
    });

    it("cannot release the key of the other by failing", async () => {
      await using run = await openOverrun();
      await run.takeOver();

      run.end(0, "retry");
      await run.shop.test.clock.settle();

      expect(run.shop.keys()).toBe(1);
      run.end(1);
      await run.shop.test.clock.advance(RETRY_MS);
      expect(run.calls).toEqual(["a", "a"]);
    });

    it("is successful where the other has completed the key", async () => {
      await using run = await openOverrun();
      await run.takeOver();

      run.end(1);
      await run.shop.test.clock.settle();
      run.end(0);
      await run.shop.test.clock.settle();

      expect([run.results, run.shop.keys(), run.shop.warnings()]).toEqual([[undefined, undefined], 1, []]);
    });
  });

  it("is retried where the key cannot be stored, and the handler does not run", async () => {
    const driver = openFaultDriver();
    await using shop = await openShop({ database: driver.database });
    const ran: string[] = [];
    await shop.consume(idempotent(shop.mq, {}, (message) => void ran.push(message.text())));
    await shop.send("a");
    driver.fail("INSERT INTO mq_dedup ", "SQLITE_FULL", "rolled back");
    await shop.test.clock.settle();
    driver.heal();
    const before = [...ran];
    await shop.test.clock.advance(RETRY_MS);

    expect([before, ran]).toEqual([[], ["a"]]);
  });
});

describe("idempotent in two processes on one file", () => {
  it("lets one of them work on a key at the same time", async () => {
    await using engines = await openEngines();
    const [a, b] = [await engines.open({ defaultQueueCount: 2 }), await engines.open({ defaultQueueCount: 2 })];
    await a.test.mq.admin.createTopic(TOPIC);
    const { handler, calls, end } = openHandler();
    const start = async ({ test: { mq } }: Engine): Promise<void> => {
      const listener = idempotent(mq, textKey, handler);
      await mq.pushConsumer({ group: GROUP, subscriptions: { [TOPIC]: "*" }, listener }).start();
    };
    await start(a);
    await start(b);
    await engines.settle();

    for (const queue of [0, 1]) await a.send("x", queue);
    await engines.settle();
    end(0);
    await engines.advance(RETRY_MS);

    expect(calls).toEqual(["x"]);
    expect((await a.test.mq.admin.consumeStats(GROUP)).lag).toBe(0);
  });
});
