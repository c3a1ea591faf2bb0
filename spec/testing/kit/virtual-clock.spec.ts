import { readFile } from "node:fs/promises";
import { describe, expect, it } from "vitest";
import { openBroker, type TransactionResolution } from "../../../lib/index.js";
import { virtualClock } from "../../../lib/testing/index.js";
import { Stopwatch } from "../../../lib/time/stopwatch.js";
import { openKit } from "./open-kit.js";

const START = Date.UTC(2026, 0, 1);

/** I/O of many turns of the event loop. */
async function readForAWhile(): Promise<void> {
  for (let round = 0; round < 20; round += 1) await readFile(import.meta.filename);
}

describe("a virtual clock", () => {
  it("begins on the first of January 2026, or where it is told", () => {
    const times = [virtualClock(), virtualClock(5), virtualClock(new Date(7))].map((clock) => clock.now());

    expect(times).toEqual([START, 5, 7]);
  });

  it.each([
    [1_500, 1_500],
    ["1500ms", 1_500],
    ["90s", 90_000],
    ["2h", 7_200_000],
    ["1h30m", 5_400_000],
    ["3d", 259_200_000],
    [0, 0],
  ])("advances by %s", async (by, ms) => {
    const clock = virtualClock(0);

    await clock.advance(by);

    expect(clock.now()).toBe(ms);
  });

  it.each([[-1], [1.5], [Number.NaN], ["2 hours"], [""], ["h"], ["1w"], [undefined], [null]])(
    "refuses to advance by %s, which is no duration",
    async (by) => {
      const clock = virtualClock();

      await expect(clock.advance(by as never)).rejects.toMatchObject({
        code: "ERR_MQ_INVALID_ARGUMENT",
        message: expect.stringMatching(/^by must be whole milliseconds from 0 on, or a text like .*, got /),
      });
      expect(clock.now()).toBe(START);
    },
  );

  it.each([[-1], [1.5], [Number.NaN], [new Date(-1)], ["2026-01-01"], [null]])(
    "refuses to begin at %s, when no message can be stored",
    (startAt) => {
      expect(() => virtualClock(startAt as never)).toThrow(
        /^startAt must be a Date or epoch milliseconds from 0 on, got /,
      );
    },
  );

  it("advances to a moment that is not before now", async () => {
    const clock = virtualClock(1_000);

    await clock.advanceTo(new Date(3_000));

    expect(clock.now()).toBe(3_000);
    await expect(clock.advanceTo(2_999)).rejects.toThrow("at must not be before 3000, which is now, got 2999");
  });

  it("runs what falls due in the order of the due times, then of the calls, each at its own time", async () => {
    const clock = virtualClock(0);
    const ran: string[] = [];
    const note = (name: string) => () => void ran.push(`${name} ${clock.now()}`);
    clock.at(20, note("c"));
    clock.at(10, note("a"));
    clock.at(10, note("b"));
    clock.at(30, note("later")).cancel();
    clock.at(10, () => clock.at(15, note("armed on the way")));

    await clock.advance(30);

    expect(ran).toEqual(["a 10", "b 10", "armed on the way 15", "c 20"]);
  });

  it.each([
    [Number.NaN, (): void => undefined, "at: dueMs must be epoch milliseconds, got NaN"],
    [undefined, (): void => undefined, "at: dueMs must be epoch milliseconds, got undefined"],
    [1, undefined, "at: run must be a function, got undefined"],
  ])("refuses a timer at %s that runs %s, and goes on", async (dueMs, run, message) => {
    const clock = virtualClock(0);

    expect(() => clock.at(dueMs as number, run as () => void)).toThrow(message);
    await clock.advance(10);

    expect(clock.now()).toBe(10);
    await expect(clock.advance(Number.MAX_SAFE_INTEGER)).rejects.toThrow("by must lead to a time that");
  });

  it("rejects with what something that fell due throws", async () => {
    const clock = virtualClock(0);
    clock.at(10, () => {
      throw new Error("on purpose");
    });

    await expect(clock.advance(20)).rejects.toThrow("on purpose");
  });

  it("refuses to be moved by two at once, which would be a forgotten await", async () => {
    const clock = virtualClock(0);
    const first = clock.advance("1s");

    await expect(clock.advance("1s")).rejects.toThrow("advance: an earlier advance or runUntilIdle has not ended");
    await first;
    expect(clock.now()).toBe(1_000);
  });

  it("serves openBroker as well, and waits for its listeners", async () => {
    const clock = virtualClock();
    await using mq = await openBroker({ path: ":memory:", clock });
    const consumed: string[] = [];
    const consumer = mq.pushConsumer({
      group: "readers",
      subscriptions: { orders: "*" },
      listener: async (message) => {
        await readFile(import.meta.filename);
        consumed.push(`${message.text()} ${clock.now() - START}`);
      },
    });
    await consumer.start();
    await mq.producer({ group: "p" }).send({ topic: "orders", body: "a", delayMs: 1_800_000 });

    await clock.advance("30m");

    expect(consumed).toEqual(["a 1800000"]);
  });
});

describe("advance", () => {
  it("has let listeners end, promises and I/O included, before it resolves and before time goes on", async () => {
    await using kit = await openKit();
    const { broker } = kit;
    const lines: string[] = [];
    const note = (text: string): void => void lines.push(`${text} ${(broker.clock.now() - START) / 1_000}`);
    const listener = async (): Promise<void> => {
      note("begins");
      for (let round = 0; round < 3; round += 1) await readFile(import.meta.filename);
      note("ends");
    };
    await broker.pushConsumer({ group: "readers", subscriptions: { orders: "*" }, listener }).start();
    const producer = broker.producer({ group: "p" });
    await producer.send({ topic: "orders", body: "a", delayLevel: 1 });
    await producer.send({ topic: "orders", body: "b", delayLevel: 2 });

    await broker.clock.advance("10s");

    expect(lines).toEqual(["begins 1", "ends 1", "begins 5", "ends 5"]);
  });

  it("goes on while a listener waits for the clock itself", async () => {
    await using kit = await openKit();
    const { broker } = kit;
    const lines: string[] = [];
    const listener = async (): Promise<void> => {
      await new Promise<void>((resolve) => broker.clock.at(broker.clock.now() + 60_000, resolve));
      await readFile(import.meta.filename);
      lines.push(`ended ${broker.clock.now() - START}`);
    };
    await broker.pushConsumer({ group: "readers", subscriptions: { orders: "*" }, listener }).start();
    await broker.producer({ group: "p" }).send({ topic: "orders", body: "a" });

    await broker.clock.advance("59s");
    const before = [...lines];
    await broker.clock.advance("1s");

    expect([before, lines]).toEqual([[], ["ended 60000"]]);
  });

  it("waits again for a listener that has waited for the clock, its I/O included, before time goes on", async () => {
    await using kit = await openKit();
    const { broker } = kit;
    const ended: number[] = [];
    const listener = async (): Promise<void> => {
      await new Promise<void>((resolve) => broker.clock.at(broker.clock.now() + 60_000, resolve));
      await readForAWhile();
      ended.push(broker.clock.now() - START);
    };
    await broker.pushConsumer({ group: "readers", subscriptions: { orders: "*" }, listener }).start();
    await broker.producer({ group: "p" }).send({ topic: "orders", body: "a" });

    await broker.clock.advance("2h");

    expect(ended).toEqual([60_000]);
  });

  it("waits for a check of a transaction as for a listener, unless that waits for the clock itself", async () => {
    await using kit = await openKit({ profile: "embedded" });
    const { broker } = kit;
    const ended: number[] = [];
    const producer = broker.transactionProducer({
      group: "p",
      checkLocalTransaction: async (): Promise<TransactionResolution> => {
        await new Promise<void>((resolve) => broker.clock.at(broker.clock.now() + 60_000, resolve));
        await readForAWhile();
        ended.push(broker.clock.now() - START);
        return "commit";
      },
    });
    await producer.start();
    await producer.beginTransaction().send({ topic: "orders", body: "a" });

    await broker.clock.advance("2h");

    expect(ended).toEqual([66_000]);
  });

  it("waits for a local transaction as for a listener, unless that waits for the clock itself", async () => {
    await using kit = await openKit({ profile: "embedded" });
    const { broker } = kit;
    const lines: string[] = [];
    const note = (text: string): void => void lines.push(`${text} ${(broker.clock.now() - START) / 1_000}`);
    const producer = broker.transactionProducer({
      group: "p",
      executeLocalTransaction: async (): Promise<TransactionResolution> => {
        await readForAWhile();
        note("read");
        await new Promise<void>((resolve) => broker.clock.at(broker.clock.now() + 10_000, resolve));
        await readForAWhile();
        note("executed");
        return "commit";
      },
      checkLocalTransaction: () => {
        note("checked");
        return "unknown";
      },
    });
    await producer.start();

    const sent = producer.sendInTransaction({ topic: "orders", body: "a" });
    await broker.clock.advance("2h");

    expect(lines).toEqual(["read 0", "checked 6", "executed 10"]);
    await sent;
  });

  it("waits for a check that has had the broker arm timers of its own", async () => {
    await using kit = await openKit({ profile: "embedded" });
    const { broker } = kit;
    const ended: number[] = [];
    const consumer = broker.pushConsumer({
      ...{ group: "readers", subscriptions: { orders: "*" }, listener: () => undefined },
    });
    const producer = broker.transactionProducer({
      group: "p",
      checkLocalTransaction: async (): Promise<TransactionResolution> => {
        await consumer.start();
        await readForAWhile();
        ended.push(broker.clock.now() - START);
        return "commit";
      },
    });
    await producer.start();
    await producer.beginTransaction().send({ topic: "orders", body: "a" });

    await broker.clock.advance("2h");

    expect(ended).toEqual([6_000]);
  });

  it("lets a local transaction move time", async () => {
    await using kit = await openKit({ profile: "embedded" });
    const { broker } = kit;
    const checked: number[] = [];
    const producer = broker.transactionProducer({
      group: "p",
      executeLocalTransaction: async (): Promise<TransactionResolution> => {
        await broker.clock.advance("1m");
        await broker.runUntilIdle();
        return "commit";
      },
      checkLocalTransaction: () => {
        checked.push(broker.clock.now() - START);
        return "unknown";
      },
    });
    await producer.start();
    const stopwatch = new Stopwatch();

    await producer.sendInTransaction({ topic: "orders", body: "a" });

    expect(checked).toEqual([6_000, 36_000]);
    // It would wait for its own end, a second of real time.
    expect(stopwatch.elapsedMs).toBeLessThan(900);
  });

  it("waits for a listener of which runUntilIdle has said that it is busy", async () => {
    await using kit = await openKit();
    const { broker } = kit;
    const ended: number[] = [];
    const listener = async (): Promise<void> => {
      for (let round = 0; round < 200; round += 1) await readFile(import.meta.filename);
      ended.push(broker.clock.now() - START);
    };
    await broker.pushConsumer({ group: "readers", subscriptions: { orders: "*" }, listener }).start();
    await broker.producer({ group: "p" }).send({ topic: "orders", body: "a" });
    await broker.waitFor({ state: "delivered" });
    await expect(broker.runUntilIdle({ timeoutMs: 1 })).rejects.toThrow("busy: a listener of group readers");

    await broker.clock.advance("2h");

    expect(ended).toEqual([0]);
  });

  it("is refused in a listener, for whose end it would wait", async () => {
    await using kit = await openKit();
    const { broker } = kit;
    const refused: unknown[] = [];
    const listener = async (): Promise<void> => {
      for (const move of [() => broker.clock.advance("1s"), () => broker.runUntilIdle()])
        await move().catch((error: Error) => refused.push(error.message));
    };
    await broker.pushConsumer({ group: "readers", subscriptions: { orders: "*" }, listener }).start();
    await broker.producer({ group: "p" }).send({ topic: "orders", body: "a" });
    await broker.waitFor({ state: "consumed" });

    expect(refused).toEqual([
      expect.stringMatching(/^advance: do not move time in a listener: this is a listener of group readers /),
      expect.stringMatching(/^runUntilIdle: do not move time in a listener: this is a listener of group readers /),
    ]);
  });

  it("gives up on a listener that never ends, so that its consume time-out comes", async () => {
    await using kit = await openKit();
    const { broker } = kit;
    const attempts: number[] = [];
    const consumer = broker.pushConsumer({
      group: "readers",
      subscriptions: { orders: "*" },
      consumeTimeoutMs: 60_000,
      listener: (message) => {
        attempts.push(message.deliveryAttempt);
        return attempts.length === 1 ? new Promise(() => undefined) : "success";
      },
    });
    await consumer.start();
    await broker.producer({ group: "p" }).send({ topic: "orders", body: "a" });

    await broker.clock.advance("2h");

    expect(attempts).toEqual([1, 2]);
    expect(broker.history.map(({ state }) => state)).toEqual([
      "stored",
      "delivered",
      "retried",
      "delivered",
      "consumed",
    ]);
  });
});

describe("runUntilIdle", () => {
  it("runs what is due now, and what follows, and moves no time", async () => {
    await using kit = await openKit();
    const { broker } = kit;
    const bodies: string[] = [];
    const producer = broker.producer({ group: "p" });
    const listener = async (message: { text(): string }): Promise<void> => {
      bodies.push(message.text());
      await readFile(import.meta.filename);
      if (message.text() === "first") await producer.send({ topic: "orders", body: "second" });
    };
    await broker.pushConsumer({ group: "readers", subscriptions: { orders: "*" }, listener }).start();
    await producer.send({ topic: "orders", body: "later", delayLevel: 1 });
    producer.sendOneway({ topic: "orders", body: "first" });

    await broker.runUntilIdle();

    expect(bodies).toEqual(["first", "second"]);
    expect(broker.clock.now()).toBe(START);
    broker.faults.jumpClock(1_000);
    await broker.runUntilIdle();
    expect(bodies).toEqual(["first", "second", "later"]);
  });

  it("names the listener that does not end", async () => {
    await using kit = await openKit();
    const { broker } = kit;
    const listener = (): Promise<void> => new Promise(() => undefined);
    const consumer = broker.pushConsumer({ group: "readers", subscriptions: { orders: "*" }, listener });
    await consumer.start();
    const { messageId } = await broker.producer({ group: "p" }).send({ topic: "orders", keys: ["o-1"], body: "a" });
    await broker.waitFor({ state: "delivered" });

    const idle = broker.runUntilIdle({ timeoutMs: 30 });

    await expect(idle).rejects.toMatchObject({
      code: "ERR_MQ_TIMEOUT",
      message: `not idle after 30 ms of real time; busy: a listener of group readers (client ${consumer.clientId}) with message ${messageId} (orders, keys o-1, attempt 1)`,
    });
  });

  it("names the local transaction that does not end", async () => {
    await using kit = await openKit();
    const producer = kit.broker.transactionProducer({
      ...{ group: "shop", checkLocalTransaction: (): TransactionResolution => "unknown" },
      executeLocalTransaction: () => new Promise(() => undefined),
    });
    await producer.start();
    void producer.sendInTransaction({ topic: "orders", body: "a" });
    await kit.broker.waitFor({ state: "half" });

    const idle = kit.broker.runUntilIdle({ timeoutMs: 30 });

    await expect(idle).rejects.toThrow(/busy: the local transaction of message \w{32} by producer group shop$/);
  });

  it("names timers that fall due again and again", async () => {
    await using kit = await openKit();
    const { clock } = kit.broker;
    let isOver = false;
    const again = (): void => {
      if (!isOver) clock.at(clock.now(), again);
    };
    again();

    await expect(kit.broker.runUntilIdle({ timeoutMs: 20 })).rejects.toThrow(
      "busy: timers that fall due again and again",
    );
    isOver = true;
  });

  it.each([[0], [1.5], ["1s"]])("refuses a time-out of %s", async (timeoutMs) => {
    await using kit = await openKit();

    await expect(kit.broker.runUntilIdle({ timeoutMs } as never)).rejects.toThrow(
      "runUntilIdle: timeoutMs must be an integer from 1 to",
    );
  });
});
