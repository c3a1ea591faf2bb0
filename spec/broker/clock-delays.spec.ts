import type Database from "better-sqlite3";
import { describe, expect, it } from "vitest";
import type { Broker, MessageView, SimpleConsumer } from "../../lib/index.js";
import { openFaultDriver } from "../support/fault-driver.js";
import { MachineClock } from "../support/machine-clock.js";
import { tempFolder } from "../support/temp-folder.js";
import { openTestBroker, type TestBroker, type TestBrokerOptions } from "../support/test-broker.js";

const [SECOND, HOUR] = [1_000, 3_600_000];
/** How long it takes at most until a jump is found out. */
const FOUND_MS = SECOND;
const GROUP = "billing";

interface OnMachine extends TestBroker {
  readonly clock: MachineClock;
}

async function openOnMachine(
  options: TestBrokerOptions<never> & { readonly clock?: MachineClock } = {},
): Promise<OnMachine> {
  const { clock = new MachineClock() } = options;
  const broker = await openTestBroker({ defaultQueueCount: 1, ...options, clock });
  return { ...broker, clock };
}

/** Gets everything from the beginning on; each message is retried until it was delivered so often. */
async function consume(mq: Broker, attempts = 1): Promise<readonly string[]> {
  const received: string[] = [];
  const consumer = mq.pushConsumer({
    group: GROUP,
    subscriptions: { orders: "*" },
    consumeFromWhere: "first-offset",
    listener: (message) => {
      received.push(`${message.text()} ${message.deliveryAttempt}`);
      return message.deliveryAttempt < attempts ? "retry" : "success";
    },
  });
  await consumer.start();
  return received;
}

function send(mq: Broker, body: string, delay: object = {}): Promise<unknown> {
  return mq.producer({ group: "shop" }).send({ topic: "orders", body, ...delay });
}

function count({ mq }: TestBroker, table: string): unknown {
  return (mq.database as Database.Database).prepare(`SELECT count(*) FROM ${table}`).pluck().get();
}

/** What has happened a millisecond before so much has passed, and then. */
async function when<T>(
  clock: MachineClock,
  ms: number,
  happened: () => readonly T[],
): Promise<readonly (readonly T[])[]> {
  await clock.advance(ms - 1);
  const before = [...happened()];
  await clock.advance(1);
  return [before, [...happened()]];
}

describe("when the clock is set back by an hour, as soon as that is found out", () => {
  it("a retry waits for its delay anew, and no longer", async () => {
    await using broker = await openOnMachine();
    const { mq, clock } = broker;
    const received = await consume(mq, 2);
    await send(mq, "a");
    await clock.advance(5 * SECOND);

    clock.setTime(clock.now() - HOUR);
    await clock.advance(FOUND_MS);

    expect(await when(clock, 10 * SECOND, () => received)).toEqual([["a 1"], ["a 1", "a 2"]]);
  });

  it("a delay level does, and what waits for a moment does not", async () => {
    await using broker = await openOnMachine();
    const { mq, clock } = broker;
    const received = await consume(mq);
    const dueAt = clock.now() + 30 * SECOND;
    await Promise.all([
      send(mq, "level", { delayLevel: 4 }),
      send(mq, "moment", { deliverAt: dueAt }),
      send(mq, "delay", { delayMs: 30 * SECOND }),
    ]);
    await clock.advance(5 * SECOND);

    clock.setTime(clock.now() - HOUR);
    await clock.advance(FOUND_MS);
    const level = await when(clock, 30 * SECOND, () => received);
    const rest = await when(clock, dueAt - clock.now(), () => received);

    expect(level).toEqual([[], ["level 1"]]);
    expect([rest[0], rest[1]?.toSorted()]).toEqual([["level 1"], ["delay 1", "level 1", "moment 1"]]);
  });

  it("a message that was popped is visible again after its invisible duration", async () => {
    await using broker = await openOnMachine();
    const { mq, clock } = broker;
    await using popping = await popper(mq);
    await send(mq, "a");
    await popping.receive();
    await clock.advance(5 * SECOND);

    clock.setTime(clock.now() - HOUR);
    await clock.advance(FOUND_MS);
    await clock.advance(20 * SECOND - 1);
    const before = await popping.receive();
    await clock.advance(1);

    expect([before, await popping.receive()]).toEqual([[], ["a 2"]]);
  });

  it("it can be acknowledged until then, and made invisible for longer", async () => {
    await using broker = await openOnMachine();
    const { mq, clock } = broker;
    const costs: number[] = [];
    mq.on("message:consumed", ({ costMs }) => void costs.push(costMs));
    await using popping = await popper(mq);
    for (const body of ["a", "b"]) await send(mq, body);
    await popping.receive(2);
    const [a, b] = popping.inHand as [MessageView, MessageView];

    clock.setTime(clock.now() - HOUR);
    await clock.advance(FOUND_MS + 20 * SECOND - 1);
    await popping.consumer.ack(a);
    expect(costs).toEqual([0]);
    await popping.consumer.changeInvisibleDuration(b, 30 * SECOND);
    await clock.advance(30 * SECOND - 1);
    const before = await popping.receive();
    await clock.advance(1);

    expect([before, await popping.receive(), await popping.receive()]).toEqual([[], ["b 2"], []]);
  });

  it("an orderly group gets the queue that it has in hand again after the invisible duration, also who waits for it", async () => {
    await using broker = await openOnMachine();
    const { mq, clock } = broker;
    await mq.admin.createGroup(GROUP, { consumeMessageOrderly: true });
    await using popping = await popper(mq);
    await send(mq, "a");
    await popping.receive();
    await clock.advance(5 * SECOND);
    const waiting = popping.receive(1, 60 * SECOND);
    let received: readonly string[] = [];
    void waiting.then((found) => {
      received = found;
    });
    await clock.advance(SECOND);

    clock.setTime(clock.now() - HOUR);
    await clock.advance(FOUND_MS);

    expect(await when(clock, 20 * SECOND, () => received)).toEqual([[], ["a 2"]]);
    await waiting;
  });

  it("all of thousands of delays wait anew, in steps, among as many that do not", async () => {
    await using broker = await openOnMachine();
    const { mq, clock } = broker;
    const received = await consume(mq);
    for (let index = 0; index < 1_500; index += 1) {
      await send(mq, "level", { delayLevel: 1 });
      await send(mq, "moment", { deliverAt: clock.now() + 10 * HOUR });
    }

    clock.setTime(clock.now() - HOUR);
    await clock.advance(FOUND_MS + SECOND + 100);

    expect([received.length, count(broker, "mq_due")]).toEqual([1_500, 1_500]);
  });

  it("large delays wait anew in steps of at most 1 MiB, or one larger block", async () => {
    const driver = openFaultDriver();
    const { database } = driver;
    const clock = new MachineClock();
    await using broker = await openTestBroker({ database, clock, defaultQueueCount: 1 });
    const { mq } = broker;
    const kib = [400, 400, 400, 2_000, 1, 1];
    for (const size of kib) {
      await send(mq, "x".repeat(size * 1_024), { delayLevel: 17 });
      await clock.advance(1);
    }
    const left = database.prepare("SELECT count(*) FROM mq_due WHERE due_at > ?").pluck();
    const now = clock.now();
    const counts: unknown[] = [];
    driver.onRun = (source) => {
      if (source === "COMMIT") counts.push(left.get(now));
    };

    clock.setTime(now - 2 * HOUR);
    await clock.advance(FOUND_MS);
    driver.onRun = undefined;

    expect(counts.filter((count, index) => count !== counts[index - 1])).toEqual([4, 3, 2, 0]);
    await broker[Symbol.asyncDispose]();
    database.close();
  });

  it("what is put off afterwards waits as long as it is to", async () => {
    await using broker = await openOnMachine();
    const { mq, clock } = broker;
    const received = await consume(mq);
    clock.setTime(clock.now() - HOUR);
    await clock.advance(FOUND_MS / 2);
    await send(mq, "a", { delayLevel: 3 });

    expect(await when(clock, 10 * SECOND, () => received)).toEqual([[], ["a 1"]]);
  });

  it("it is tried again where it fails, and told of", async () => {
    await using broker = await openOnMachine();
    const { mq, clock } = broker;
    const errors: string[] = [];
    mq.on("error", ({ message }) => void errors.push(message));
    const received = await consume(mq);
    await send(mq, "a", { delayLevel: 2 });
    const database = mq.database as Database.Database;
    database.exec("CREATE TRIGGER refuse BEFORE INSERT ON mq_due BEGIN SELECT RAISE(ABORT, 'no'); END");

    clock.setTime(clock.now() - HOUR);
    await clock.advance(3 * SECOND);
    database.exec("DROP TRIGGER refuse");
    await clock.advance(FOUND_MS + 5 * SECOND);

    expect(errors).toEqual([expect.stringContaining("SQLITE_CONSTRAINT_TRIGGER"), ...errors.slice(0, -1)]);
    expect(errors.length).toBeGreaterThan(1);
    expect(received).toEqual(["a 1"]);
  });
});

describe("when the clock is set back again and again", () => {
  it("nothing waits for longer than its delay behind the last time, and nothing comes before", async () => {
    await using broker = await openOnMachine();
    const { mq, clock } = broker;
    const received = await consume(mq);
    await send(mq, "a", { delayLevel: 4 });

    for (let round = 0; round < 5; round += 1) {
      clock.setTime(clock.now() - HOUR);
      await clock.advance(FOUND_MS + 20 * SECOND);
    }
    const before = [...received];
    await clock.advance(10 * SECOND);

    expect([before, received]).toEqual([[], ["a 1"]]);
  });

  it("also while what waits is put off anew, all of it waits from the last time on", async () => {
    const driver = openFaultDriver();
    const { database } = driver;
    const clock = new MachineClock();
    await using broker = await openTestBroker({ database, clock, defaultQueueCount: 1 });
    await consume(broker.mq);
    for (let index = 0; index < 1_500; index += 1) {
      await send(broker.mq, `${index}`, { delayLevel: 4 });
      await clock.advance(1);
    }
    const now = clock.now();
    const deliveredAfter: number[] = [];
    broker.mq.on("message:delivered", () => void deliveredAfter.push(clock.now() - (now - 2 * HOUR)));
    const left = database.prepare("SELECT count(*) FROM mq_due WHERE due_at > ?").pluck();
    let leftAtFirst: unknown;
    driver.onRun = (source) => {
      if (source !== "COMMIT" || leftAtFirst !== undefined) return;
      leftAtFirst = left.get(now);
      clock.setTime(now - 2 * HOUR);
      // Long enough for that to be found out before the next step.
      clock.turn(() => database.exec("BEGIN"));
      clock.after(2 * FOUND_MS, () => database.exec("COMMIT"));
    };

    clock.setTime(now - HOUR);
    await clock.advance(2 * FOUND_MS);
    driver.onRun = undefined;

    expect(leftAtFirst).toBeGreaterThan(0);
    expect(deliveredAfter).toHaveLength(1_500);
    expect(Math.min(...deliveredAfter)).toBeGreaterThanOrEqual(30 * SECOND);
    expect(Math.max(...deliveredAfter)).toBeLessThanOrEqual(30 * SECOND + 4 * FOUND_MS);
    await broker[Symbol.asyncDispose]();
    database.close();
  });

  it("by less than what waits has waited, that comes when it would have", async () => {
    await using broker = await openOnMachine();
    const { mq, clock } = broker;
    const received = await consume(mq);
    await send(mq, "a", { delayLevel: 5 });
    await clock.advance(40 * SECOND);

    clock.setTime(clock.now() - 30 * SECOND);

    expect(await when(clock, 50 * SECOND, () => received)).toEqual([[], ["a 1"]]);
  });
});

describe("a store that is opened after the clock was set back", () => {
  it.each(["delayed", "retried", "popped"] as const)("delivers what is %s after its delay", async (how) => {
    using folder = tempFolder();
    const path = folder.file("app.db");
    {
      await using first = await openOnMachine({ path });
      if (how === "delayed") await send(first.mq, "a", { delayLevel: 4 });
      if (how === "retried") {
        await consume(first.mq, 2);
        await send(first.mq, "a");
        await first.clock.advance(100);
      }
      if (how === "popped") {
        await using popping = await popper(first.mq);
        await send(first.mq, "a");
        await popping.receive();
      }
    }
    const clock = new MachineClock();
    clock.setTime(clock.now() - HOUR);

    await using second = await openOnMachine({ path, clock });
    await clock.advance(100);
    if (how === "popped") {
      await using popping = await popper(second.mq);
      await clock.advance(20 * SECOND);
      expect(await popping.receive()).toEqual(["a 2"]);
      return;
    }
    const received = await consume(second.mq, 2);
    await clock.advance(how === "delayed" ? 29 * SECOND : 9 * SECOND);
    const before = [...received];
    await clock.advance(2 * SECOND);

    expect([before, received]).toEqual([[], [how === "delayed" ? "a 1" : "a 2"]]);
  });
});

describe("when the clock is set forth by an hour", () => {
  it("what waits comes within a second", async () => {
    await using broker = await openOnMachine();
    const { mq, clock } = broker;
    const received = await consume(mq);
    await send(mq, "level", { delayLevel: 17 });
    await send(mq, "moment", { delayMs: HOUR / 2 });
    await clock.advance(SECOND / 2);

    clock.setTime(clock.now() + HOUR);
    await clock.advance(FOUND_MS);

    expect(received.toSorted()).toEqual(["level 1", "moment 1"]);
  });

  it.each([false, true])(
    "what is in hand comes within a second to who waits for it, orderly: %s",
    async (isOrderly) => {
      await using broker = await openOnMachine();
      const { mq, clock } = broker;
      await mq.admin.createGroup(GROUP, { consumeMessageOrderly: isOrderly });
      await using popping = await popper(mq);
      await send(mq, "a");
      await popping.receive();
      let received: readonly string[] = [];
      const waiting = popping.receive(1, 10 * SECOND).then((found) => {
        received = found;
      });
      await clock.advance(SECOND / 2);

      clock.setTime(clock.now() + HOUR);
      await clock.advance(FOUND_MS);
      const inTime = received;
      await clock.advance(10 * SECOND);
      await waiting;

      expect(inTime).toEqual(["a 2"]);
    },
  );
});

interface Popper extends AsyncDisposable {
  readonly consumer: SimpleConsumer;
  inHand: readonly MessageView[];
  /** Text and attempt of what it got. */
  receive(max?: number, awaitMs?: number): Promise<readonly string[]>;
}

/** Receives for 20 s. */
async function popper(mq: Broker): Promise<Popper> {
  const consumer = mq.simpleConsumer({ group: GROUP, subscriptions: { orders: "*" } });
  await consumer.start();
  const popping: Popper = {
    consumer,
    inHand: [],
    receive: async (maxMessages = 1, awaitMs = 0) => {
      popping.inHand = await consumer.receive({ maxMessages, invisibleDurationMs: 20 * SECOND, awaitMs });
      return popping.inHand.map((message) => `${message.text()} ${message.deliveryAttempt}`);
    },
    [Symbol.asyncDispose]: () => consumer.close(),
  };
  return popping;
}
