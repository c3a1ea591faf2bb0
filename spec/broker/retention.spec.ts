import Database from "better-sqlite3";
import { describe, expect, it } from "vitest";
import type { Broker, BrokerSettings } from "../../lib/index.js";
import { MachineClock } from "../support/machine-clock.js";
import { tempFolder } from "../support/temp-folder.js";
import { openTestBroker } from "../support/test-broker.js";
import { VirtualClock } from "../support/virtual-clock.js";
import { DAY, ends, HOUR, NOON, openAtNoon, send, useUtc } from "./retention-broker.js";

useUtc();

function database(mq: Broker): Database.Database {
  return mq.database as Database.Database;
}

describe("messages that have been kept for 72 hours", () => {
  it("are deleted at the next four o'clock in the morning, not before", async () => {
    await using broker = await openAtNoon();
    const { mq, clock, expired } = broker;
    await send(mq, "a", "b");
    await clock.advance(20 * HOUR);
    await send(mq, "c");

    await clock.advance(3 * DAY + 16 * HOUR - 20 * HOUR - 1);
    const before = await ends(mq);
    await clock.advance(1);

    expect(before).toEqual([0, 3]);
    expect(await ends(mq)).toEqual([2, 3]);
    expect(expired).toEqual([{ topic: "orders", queueId: 0, fromOffset: 0, toOffset: 2, unconsumedBy: [] }]);
  });

  it("are deleted as soon as they are so old within that hour", async () => {
    await using broker = await openAtNoon({ retention: { fileReservedTimeHours: 16 } });
    const { mq, clock } = broker;
    await clock.advance(5 * 60_000);
    await send(mq, "a");

    await clock.advance(16 * HOUR);
    const before = await ends(mq);
    await clock.advance(10_000);

    expect([before, await ends(mq)]).toEqual([
      [0, 1],
      [1, 1],
    ]);
  });

  it("are deleted in each of several hours, and after as long as the broker is told", async () => {
    await using broker = await openAtNoon({ retention: { fileReservedTimeHours: 1, deleteWhen: "09;14" } });
    const { mq, clock } = broker;
    await send(mq, "a");

    await clock.advance(2 * HOUR + 10_000);
    const afternoon = await ends(mq);
    await send(mq, "b");
    await clock.advance(19 * HOUR);

    expect([afternoon, await ends(mq)]).toEqual([
      [1, 1],
      [2, 2],
    ]);
  });

  it("leave the numbers of their queue behind, over a restart too", async () => {
    using folder = tempFolder();
    const path = folder.file("app.db");
    const first = await openAtNoon({ path });
    await send(first.mq, "a", "b");
    const { offsetMessageId } = await first.mq.producer({ group: "shop" }).send({ topic: "orders", body: "c" });
    await first.clock.advance(4 * DAY);
    const emptied = await ends(first.mq);
    await first[Symbol.asyncDispose]();

    await using broker = await openTestBroker({ path });
    const receipt = await broker.mq.producer({ group: "shop" }).send({ topic: "orders", body: "d" });

    expect(emptied).toEqual([3, 3]);
    expect(receipt).toMatchObject({ queueOffset: 3 });
    expect(receipt.offsetMessageId > offsetMessageId).toBe(true);
    expect(await ends(broker.mq)).toEqual([3, 4]);
  });

  it("are deleted from every queue, in transactions that each do as much, between which others send", async () => {
    await using broker = await openAtNoon({ defaultQueueCount: 3 });
    const { mq, clock, expired } = broker;
    const producer = mq.producer({ group: "shop" });
    const body = Buffer.alloc(32_000);
    for (let index = 0; index < 200; index += 1)
      for (const queue of [0, 1, 2]) producer.sendSync({ topic: "orders", body }, { queue });

    await clock.advance(4 * DAY);

    expect(expired.map(({ queueId, fromOffset, toOffset }) => [queueId, fromOffset, toOffset])).toEqual([
      [0, 0, 160],
      [0, 160, 200],
      [1, 0, 120],
      [1, 120, 200],
      [2, 0, 80],
      [2, 80, 200],
    ]);
    expect((await mq.admin.topicStats("orders")).map(({ minOffset }) => minOffset)).toEqual([200, 200, 200]);
  });

  it.each([
    ["of a broker's own file", "own", 250],
    ["of an application's file not", "attached", 1_000],
  ] as const)(
    "have the write-ahead log %s copied in small steps while they go, and as usual afterwards",
    async (_of, kind, pages) => {
      using folder = tempFolder();
      const path = folder.file("app.db");
      const own = kind === "attached" ? new Database(path) : undefined;
      own?.pragma("journal_mode = WAL");
      const place = own === undefined ? { path } : { database: own };
      await using broker = await openTestBroker({ ...place, defaultQueueCount: 1, clock: new VirtualClock(NOON) });
      const { mq, clock } = broker;
      const pagesNow = (): unknown => database(mq).pragma("wal_autocheckpoint", { simple: true });
      const steps: unknown[] = [];
      mq.on("message:expired", () => void steps.push(pagesNow()));
      await send(mq, "a");

      await clock.advance(4 * DAY);

      expect([steps, pagesNow()]).toEqual([[pages], 1_000]);
      await broker[Symbol.asyncDispose]();
      own?.close();
    },
  );
});

describe("messages that go while somebody has them in hand", () => {
  const soon = { profile: "rocketmq", retention: { fileReservedTimeHours: 1, deleteWhen: "14" } } as const;

  it("do not come again to a simple consumer, and leave nothing behind", async () => {
    await using broker = await openAtNoon(soon);
    const { mq, clock, expired } = broker;
    await send(mq, "a", "b");
    const consumer = mq.simpleConsumer({ group: "billing", subscriptions: { orders: "*" } });
    await consumer.start();
    await consumer.receive({ maxMessages: 2, invisibleDurationMs: 12 * HOUR });

    await clock.advance(2 * HOUR + 10_000);
    const inHand = await mq.admin.checkStore();
    await clock.advance(12 * HOUR);

    expect(inHand.problems).toEqual([]);
    expect(expired).toMatchObject([{ toOffset: 2, unconsumedBy: ["billing"] }]);
    expect(await mq.admin.consumeStats("billing")).toMatchObject({ lag: 0, inflight: 0 });
  });

  it("count for a push consumer whose listener is at them, and what failed comes again", async () => {
    await using broker = await openAtNoon(soon);
    const { mq, clock } = broker;
    const got: string[] = [];
    let end = (): void => undefined;
    const consumer = mq.pushConsumer({
      group: "billing",
      subscriptions: { orders: "*" },
      consumeTimeoutMs: DAY,
      listener: (message, context) => {
        got.push(`${message.text()} ${message.deliveryAttempt}`);
        if (message.text() === "fails" && message.deliveryAttempt === 1) {
          context.delayLevelWhenNextConsume = 18;
          return "retry";
        }
        if (message.text() !== "held") return "success";
        return new Promise<void>((resolve) => {
          end = resolve;
        });
      },
    });
    await consumer.start();
    await send(mq, "held", "fails");

    await clock.advance(2 * HOUR + 10_000);
    const during = await mq.admin.checkStore();
    end();
    await send(mq, "next");
    await clock.advance(HOUR);

    expect(during.problems).toEqual([]);
    expect(got).toEqual(["held 1", "fails 1", "fails 2", "next 1"]);
    expect(await ends(mq)).toEqual([2, 3]);
  });
});

describe("an hour in which nobody had the store open", () => {
  async function openLater(
    path: string,
    at: number,
    settings: Omit<BrokerSettings, "clock"> = {},
  ): Promise<readonly number[]> {
    await using broker = await openTestBroker({ path, clock: new VirtualClock(at), ...settings });
    await broker.clock.advance(1_000);
    return ends(broker.mq);
  }

  async function fill(path: string): Promise<void> {
    await using broker = await openAtNoon({ path });
    await send(broker.mq, "a");
  }

  it("is made up for when it is opened, once", async () => {
    using folder = tempFolder();
    const path = folder.file("app.db");
    await fill(path);

    const early = await openLater(path, NOON + 2 * DAY);
    const late = await openLater(path, NOON + 4 * DAY);
    const broker = await openTestBroker({ path, clock: new VirtualClock(NOON + 4 * DAY + HOUR) });
    await send(broker.mq, "b");
    await broker[Symbol.asyncDispose]();
    const again = await openLater(path, NOON + 4 * DAY + 2 * HOUR, { retention: { fileReservedTimeHours: 0 } });

    expect([early, late, again]).toEqual([
      [0, 1],
      [1, 1],
      [1, 2],
    ]);
  });

  it("is none of those in which somebody had it open and nothing was old enough", async () => {
    using folder = tempFolder();
    const path = folder.file("app.db");
    const first = await openAtNoon({ path });
    await send(first.mq, "a");
    await first.clock.advance(DAY);
    await first[Symbol.asyncDispose]();

    expect(await openLater(path, NOON + DAY, { retention: { fileReservedTimeHours: 1 } })).toEqual([0, 1]);
  });

  it("is made up for with what was old enough then: what becomes so later waits for the next", async () => {
    using folder = tempFolder();
    await using broker = await openAtNoon({ path: folder.file("app.db"), retention: { fileReservedTimeHours: 1 } });
    const { mq, clock } = broker;
    await send(mq, "a");

    await clock.advance(16 * HOUR - 1);
    const before = await ends(mq);
    await clock.advance(1);

    expect([before, await ends(mq)]).toEqual([
      [0, 1],
      [1, 1],
    ]);
  });

  it("is made up for by the next one where the broker was closed in the middle of it", async () => {
    using folder = tempFolder();
    const path = folder.file("app.db");
    const first = await openAtNoon({ path });
    const producer = first.mq.producer({ group: "shop" });
    for (let index = 0; index < 2_000; index += 1) producer.sendSync({ topic: "orders", body: `${index}` });
    await first[Symbol.asyncDispose]();
    const interrupted = await openTestBroker({ path, clock: new VirtualClock(NOON + 4 * DAY) });
    await new Promise((resolve) => interrupted.mq.once("message:expired", resolve));
    const [{ minOffset } = { minOffset: -1 }] = await interrupted.mq.admin.topicStats("orders");
    await interrupted[Symbol.asyncDispose]();

    const rest = await openLater(path, NOON + 4 * DAY + HOUR);

    expect(minOffset).toBeGreaterThan(0);
    expect(minOffset).toBeLessThan(2_000);
    expect(rest).toEqual([2_000, 2_000]);
  });

  it("is not in the profile rocketmq, where it waits for the next", async () => {
    using folder = tempFolder();
    const path = folder.file("app.db");
    await fill(path);

    expect(await openLater(path, NOON + 4 * DAY, { profile: "rocketmq" })).toEqual([0, 1]);
  });
});

describe("the hour of deleting, when the clock is set", () => {
  it.each([
    { jump: "back past it, comes once more by the new time", byMs: -11 * HOUR, waitMs: 2 * HOUR },
    { jump: "forth past it, is made up for within a second", byMs: 17 * HOUR, waitMs: 1_000 },
  ])("$jump", async ({ byMs, waitMs }) => {
    await using broker = await openAtNoon({ clock: new MachineClock(NOON), retention: { fileReservedTimeHours: 1 } });
    const { mq, clock } = broker;
    await send(mq, "old");
    await clock.advance(2 * HOUR);
    const before = await ends(mq);

    clock.setTime(clock.now() + byMs);
    // What was stored by a clock that was ahead is old when the right time has come so far.
    if (byMs < 0) database(mq).exec(`UPDATE mq_log SET store_timestamp = ${clock.now() - 2 * HOUR}`);
    await clock.advance(waitMs);

    expect([before, await ends(mq)]).toEqual([
      [0, 1],
      [1, 1],
    ]);
  });

  it("takes messages that a clock stored which was far ahead, and those behind them, when others are old that came later", async () => {
    await using broker = await openAtNoon({ clock: new MachineClock(NOON), defaultQueueCount: 3 });
    const { mq, clock } = broker;
    const producer = mq.producer({ group: "shop" });
    const sendTo = (queue: number): unknown => producer.sendSync({ topic: "orders", body: "a" }, { queue });
    const minima = async (): Promise<unknown> =>
      (await mq.admin.topicStats("orders")).map(({ minOffset }) => minOffset);
    for (const queue of [0, 0, 2]) sendTo(queue);
    clock.setTime(clock.now() + 365 * DAY);
    await clock.advance(2_000);
    for (const queue of [0, 1, 0]) sendTo(queue);
    clock.setTime(clock.now() - 365 * DAY);
    await clock.advance(2_000);
    const setForth = await minima();
    await clock.advance(2 * DAY);
    for (const queue of [0, 0]) sendTo(queue);

    await clock.advance(2 * DAY);
    const early = await minima();
    await clock.advance(2 * DAY);

    expect([setForth, early, await minima()]).toEqual([
      [2, 0, 1],
      [2, 0, 1],
      [6, 1, 1],
    ]);
  });

  it("is made up for when the store is opened, though a clock that was ahead has noted a later one", async () => {
    using folder = tempFolder();
    const path = folder.file("app.db");
    {
      await using first = await openAtNoon({ path });
      await send(first.mq, "old");
      database(first.mq).exec(`INSERT INTO mq_meta VALUES ('last_retention', ${NOON + 365 * DAY})`);
    }

    await using second = await openTestBroker({ path, clock: new VirtualClock(NOON + 4 * DAY) });
    await second.clock.advance(100);

    expect(await ends(second.mq)).toEqual([1, 1]);
  });
});

describe("the hours of deleting", () => {
  it("are those of the process's time zone, and one that a clock change leaves out begins when the clock changes", async () => {
    process.env["TZ"] = "Europe/Berlin";
    const ran: string[] = [];
    for (const profile of ["embedded", "rocketmq"] as const) {
      // The clock goes from 2 to 3 in the night to 29 March 2026, at 1 UTC.
      const clock = new VirtualClock(Date.UTC(2026, 2, 28, 12));
      await using broker = await openTestBroker({
        profile,
        clock,
        retention: { fileReservedTimeHours: 1, deleteWhen: "02" },
      });
      broker.mq.on("message:expired", () => void ran.push(`${profile} ${new Date(clock.now()).toISOString()}`));
      await send(broker.mq, "a");
      await clock.advance(2 * DAY);
    }

    expect(ran).toEqual(["embedded 2026-03-29T01:00:00.000Z", "rocketmq 2026-03-30T00:00:00.000Z"]);
  });

  it.each(["embedded", "rocketmq"] as const)(
    "are twice as long when a clock change repeats one: %s",
    async (profile) => {
      process.env["TZ"] = "Europe/Berlin";
      // The clock goes from 3 to 2 in the night to 25 October 2026, at 1 UTC.
      const clock = new VirtualClock(Date.UTC(2026, 9, 25, 0, 30));
      await using broker = await openTestBroker({
        profile,
        clock,
        retention: { fileReservedTimeHours: 1, deleteWhen: "02" },
      });
      const ran: string[] = [];
      broker.mq.on("message:expired", () => void ran.push(new Date(clock.now()).toISOString()));
      await send(broker.mq, "a");

      await clock.advance(2 * HOUR);

      expect(ran).toEqual(["2026-10-25T01:30:10.000Z"]);
    },
  );
});

describe("bad input to retention", () => {
  it.each<[options: unknown, text: string]>([
    [{ fileReservedTimeHours: -1 }, "retention.fileReservedTimeHours must be an integer from 0 to 1000000, got -1"],
    [{ fileReservedTimeHours: 1.5 }, "retention.fileReservedTimeHours"],
    [{ deleteWhen: "4" }, 'retention.deleteWhen must be hours like "04" or "04;16", got "4"'],
    [{ deleteWhen: "24" }, "retention.deleteWhen"],
    [{ deleteWhen: "04;" }, "retention.deleteWhen"],
    [{ deleteWhen: 4 }, "retention.deleteWhen"],
    [{ keepUnconsumed: "yes" }, "retention.keepUnconsumed"],
    [{ hours: 1 }, "hours"],
    [7, "retention must be an object"],
  ])("is refused: %j", async (retention, text) => {
    await expect(openTestBroker({ retention: retention as object })).rejects.toMatchObject({
      code: "ERR_MQ_INVALID_ARGUMENT",
      message: expect.stringContaining(text),
    });
  });
});
