import { describe, expect, it } from "vitest";
import type { Broker, SendReceipt } from "../../lib/index.js";
import { MachineClock } from "../support/machine-clock.js";
import { browseQueue } from "../support/shared-connection.js";
import { openTestBroker, type TestBroker, type TestBrokerOptions } from "../support/test-broker.js";

const HOUR = 3_600_000;
/** How long it takes at most until a jump is found out. */
const FOUND_MS = 1_000;

interface Jumping extends TestBroker {
  readonly clock: MachineClock;
  readonly jumps: number[];
}

async function openJumping(options: TestBrokerOptions<never> = {}): Promise<Jumping> {
  const clock = new MachineClock();
  const broker = await openTestBroker({ defaultQueueCount: 1, ...options, clock });
  await broker.mq.admin.createTopic("orders");
  const jumps: number[] = [];
  broker.mq.on("clock:jumped", ({ byMs }) => void jumps.push(byMs));
  return { ...broker, clock, jumps };
}

async function stored(mq: Broker): Promise<readonly string[]> {
  return (await browseQueue(mq, "orders")).map((message) => message.text());
}

describe("clock:jumped", () => {
  it("tells once by how much the clock was set, and a line of the log says so", async () => {
    await using broker = await openJumping();
    const { clock, jumps, logged } = broker;

    for (const byMs of [-HOUR, 2 * HOUR]) {
      clock.setTime(clock.now() + byMs);
      await clock.advance(60_000);
    }

    expect(jumps).toEqual([-HOUR, 2 * HOUR]);
    expect(logged.filter(({ level }) => level === "warn")).toEqual([
      { level: "warn", text: expect.stringContaining("set back by 3600000 ms"), data: { byMs: -HOUR } },
      { level: "warn", text: expect.stringContaining("set forth by 7200000 ms"), data: { byMs: 2 * HOUR } },
    ]);
  });

  it("tells of a machine that slept, also where what elapses goes on meanwhile", async () => {
    await using broker = await openJumping();
    const { clock, jumps } = broker;

    clock.sleep(8 * HOUR);
    await clock.advance(FOUND_MS);

    expect(jumps.map((byMs) => Math.round(byMs / HOUR))).toEqual([8]);
  });

  it("is not told while the clock is kept in time, nor when time passes", async () => {
    await using broker = await openJumping();
    const { clock, jumps } = broker;

    for (let minute = 0; minute < 10; minute += 1) {
      clock.setTime(clock.now() + (minute % 2 === 0 ? -300 : 300));
      await clock.advance(60_000);
    }

    expect(jumps).toEqual([]);
  });

  it("is told by each broker, also one that does nothing else", async () => {
    await using first = await openJumping();
    await using second = await openJumping();

    for (const { clock } of [first, second]) {
      clock.setTime(clock.now() - HOUR);
      await clock.advance(FOUND_MS);
    }

    expect([first.jumps, second.jumps]).toEqual([[-HOUR], [-HOUR]]);
  });

  it("is told also with a clock that only says what time it is, as soon as that shows", async () => {
    await using broker = await openTestBroker();
    const { mq, clock } = broker;
    const jumps: number[] = [];
    mq.on("clock:jumped", ({ byMs }) => void jumps.push(byMs));
    await mq.producer({ group: "shop" }).send({ topic: "orders", body: "a", delayMs: 2 * HOUR });

    clock.setTime(clock.now() - HOUR);
    await mq.producer({ group: "shop" }).send({ topic: "orders", body: "b" });
    await clock.settle();
    const back = [...jumps];
    clock.setTime(clock.now() + 4 * HOUR);
    await clock.advance(0);

    expect([back, jumps]).toEqual([[-HOUR], [-HOUR, 4 * HOUR]]);
  });
});

describe("a message that is delivered at a moment of the clock", () => {
  it.each(["deliverAt", "delayMs"] as const)("waits for it when the clock is set back (%s)", async (how) => {
    await using broker = await openJumping();
    const { mq, clock } = broker;
    const delay = how === "delayMs" ? { delayMs: 60_000 } : { deliverAt: clock.now() + 60_000 };
    await mq.producer({ group: "shop" }).send({ topic: "orders", body: "a", ...delay });

    clock.setTime(clock.now() - HOUR);
    await clock.advance(HOUR + 60_000 - 1);
    const before = await stored(mq);
    await clock.advance(1);

    expect([before, await stored(mq)]).toEqual([[], ["a"]]);
  });

  it.each(["set forth", "asleep"])("comes within a second of its being %s past that", async (how) => {
    await using broker = await openJumping();
    const { mq, clock } = broker;
    await mq.producer({ group: "shop" }).send({ topic: "orders", body: "a", delayMs: HOUR });
    await clock.advance(FOUND_MS / 2);

    if (how === "asleep") clock.sleep(2 * HOUR);
    else clock.setTime(clock.now() + 2 * HOUR);
    const before = await stored(mq);
    await clock.advance(FOUND_MS);

    expect([before, await stored(mq)]).toEqual([[], ["a"]]);
  });

  it("comes at it when the clock is set to and fro", async () => {
    await using broker = await openJumping();
    const { mq, clock } = broker;
    await mq.producer({ group: "shop" }).send({ topic: "orders", body: "a", delayMs: 60_000 });

    for (const byMs of [-HOUR, 30_000, -2 * HOUR, 3 * HOUR - 30_000]) {
      clock.setTime(clock.now() + byMs);
      await clock.advance(FOUND_MS);
    }
    const before = await stored(mq);
    await clock.advance(60_000 - 4 * FOUND_MS);

    expect([before, await stored(mq)]).toEqual([[], ["a"]]);
  });
});

describe("a broker whose clock jumps", () => {
  it("does no more than before, and does not spin", async () => {
    await using broker = await openJumping();
    const { mq, clock } = broker;
    const consumer = mq.pushConsumer({ group: "billing", subscriptions: { orders: "*" }, listener: () => "success" });
    await consumer.start();
    await mq.producer({ group: "shop" }).send({ topic: "orders", body: "a", deliverAt: clock.now() + 10 * HOUR });
    const ringsOf = async (ms: number): Promise<number> => {
      const before = clock.rings;
      await clock.advance(ms);
      return clock.rings - before;
    };
    await clock.advance(HOUR);
    const usual = await ringsOf(60_000);

    for (const byMs of [-HOUR, HOUR, -24 * HOUR, 24 * HOUR, -365 * 24 * HOUR, 365 * 24 * HOUR - 60_000]) {
      clock.setTime(clock.now() + byMs);
      expect(await ringsOf(60_000)).toBeLessThanOrEqual(usual + 5);
    }
  });

  it("numbers messages in the order in which they were sent, gives no id twice, and finds offsets of every time", async () => {
    await using broker = await openJumping();
    const { mq, clock } = broker;
    const start = clock.now();
    const producer = mq.producer({ group: "shop" });
    const receipts: SendReceipt[] = [];

    for (const [index, byMs] of [0, -HOUR, 0, 2 * HOUR, -3 * HOUR, 0].entries()) {
      clock.setTime(clock.now() + byMs);
      receipts.push(await producer.send({ topic: "orders", body: `${index}` }));
      await clock.advance(10);
    }

    expect(receipts.map(({ queueOffset }) => queueOffset)).toEqual([0, 1, 2, 3, 4, 5]);
    expect(new Set(receipts.map(({ messageId }) => messageId)).size).toBe(6);
    expect(await stored(mq)).toEqual(["0", "1", "2", "3", "4", "5"]);
    const consumer = mq.pullConsumer({ group: "reading", subscriptions: { orders: "*" } });
    await consumer.start();
    const found: number[] = [];
    for (const queue of consumer.assignment)
      for (let at = start - 4 * HOUR; at < start + 4 * HOUR; at += HOUR / 4)
        found.push(await consumer.offsetForTimestamp(queue, at));
    await consumer.close();
    expect(found).toHaveLength(32);
    expect([Math.min(...found), Math.max(...found)]).toEqual([0, 6]);
  });
});
