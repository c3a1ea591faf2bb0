import Database from "better-sqlite3";
import { describe, expect, it } from "vitest";
import { QueueLocks } from "../../lib/broker/queue-locks.js";
import type { Broker, PushConsumerOptions } from "../../lib/index.js";
import { withSteadyClock } from "../../lib/time/clocks.js";
import { MachineClock } from "../support/machine-clock.js";
import { tempFolder } from "../support/temp-folder.js";
import { openTestBroker, type TestBroker, type TestBrokerOptions } from "../support/test-broker.js";

const HOUR = 3_600_000;
const JUMPS = [
  { jump: "set back", byMs: -HOUR },
  { jump: "set forth", byMs: HOUR },
];

interface OnMachine extends TestBroker {
  readonly clock: MachineClock;
}

/** One queue a topic; "orders" exists. */
async function openOnMachine(options: TestBrokerOptions<never> = {}): Promise<OnMachine> {
  const clock = new MachineClock();
  const broker = await openTestBroker({ defaultQueueCount: 1, ...options, clock });
  await broker.mq.admin.createTopic("orders");
  return { ...broker, clock };
}

async function consume(mq: Broker, options: Partial<PushConsumerOptions>): Promise<void> {
  const consumer = mq.pushConsumer({
    group: "billing",
    subscriptions: { orders: "*" },
    ...options,
  } as PushConsumerOptions);
  await consumer.start();
}

function send(mq: Broker, body: string, timeoutMs?: number): Promise<unknown> {
  return mq.producer({ group: "shop" }).send({ topic: "orders", body }, { timeoutMs });
}

/** Whether it has happened a millisecond before so much has passed, and then. */
async function when(clock: MachineClock, ms: number, happened: () => unknown): Promise<readonly unknown[]> {
  await clock.advance(ms - 1);
  const before = happened();
  await clock.advance(1);
  return [before, happened()];
}

describe.each(JUMPS)("when the clock is $jump by an hour", ({ byMs }) => {
  it("a listener times out when it has run for so long", async () => {
    await using broker = await openOnMachine();
    const { mq, clock } = broker;
    const retried: string[] = [];
    mq.on("message:retried", ({ topic }) => void retried.push(topic));
    await consume(mq, { consumeTimeoutMs: 60_000, listener: () => new Promise<never>(() => undefined) });
    await send(mq, "a");
    await clock.advance(1_000);

    clock.setTime(clock.now() + byMs);

    expect(await when(clock, 59_000, () => retried.length)).toEqual([0, 1]);
  });

  it("an orderly queue that is suspended goes on after its time", async () => {
    await using broker = await openOnMachine();
    const { mq, clock } = broker;
    let attempts = 0;
    const listener = (): "success" | "suspend" => {
      attempts += 1;
      return attempts === 1 ? "suspend" : "success";
    };
    await consume(mq, { orderly: true, suspendCurrentQueueTimeMs: 30_000, listener });
    await send(mq, "a");
    await clock.advance(1_000);

    clock.setTime(clock.now() + byMs);

    expect(await when(clock, 29_000, () => attempts)).toEqual([1, 2]);
  });

  it("a poll ends after its time", async () => {
    await using broker = await openOnMachine();
    const { mq, clock } = broker;
    const consumer = mq.pullConsumer({ group: "reading", subscriptions: { orders: "*" } });
    await consumer.start();
    let polled: unknown;
    const polling = consumer.poll({ timeoutMs: 20_000 }).then((messages) => {
      polled = messages.length;
    });
    await clock.advance(1_000);

    clock.setTime(clock.now() + byMs);
    const ended = await when(clock, 19_000, () => polled);
    await polling;
    await consumer.close();

    expect(ended).toEqual([undefined, 0]);
  });

  it("a receive ends after its time", async () => {
    await using broker = await openOnMachine();
    const { mq, clock } = broker;
    const consumer = mq.simpleConsumer({ group: "popping", subscriptions: { orders: "*" } });
    await consumer.start();
    let received: unknown;
    const receiving = consumer
      .receive({ maxMessages: 1, invisibleDurationMs: 60_000, awaitMs: 20_000 })
      .then((messages) => {
        received = messages.length;
      });
    await clock.advance(1_000);

    clock.setTime(clock.now() + byMs);
    const ended = await when(clock, 19_000, () => received);
    await receiving;
    await consumer.close();

    expect(ended).toEqual([undefined, 0]);
  });

  it("a send gives up after its time while somebody else has the store locked, and is tried until then", async () => {
    using folder = tempFolder();
    const path = folder.file("app.db");
    await using broker = await openOnMachine({ path });
    const { mq, clock } = broker;
    using other = locked(path);
    const outcomes: unknown[] = [];
    const sending = [3_000, 60_000].map((timeoutMs) =>
      send(mq, `${timeoutMs}`, timeoutMs).then(
        () => outcomes.push("stored"),
        (error: unknown) => outcomes.push(error),
      ),
    );
    await clock.advance(1_000);

    clock.setTime(clock.now() + byMs);
    await clock.advance(1_900);
    const before = [...outcomes];
    await clock.advance(200);
    const after = [...outcomes];
    other.release();
    await clock.advance(100);
    await Promise.all(sending);

    expect([before, after]).toEqual([[], [expect.objectContaining({ code: "ERR_MQ_SYSTEM_BUSY" })]]);
    expect(outcomes[1]).toBe("stored");
  });

  it("progress is stored within 50 ms", async () => {
    await using broker = await openOnMachine();
    const { mq, clock } = broker;
    await consume(mq, { listener: (): "success" => "success" });
    await send(mq, "a");
    await clock.settle();

    clock.setTime(clock.now() + byMs);
    await clock.advance(50);

    const progress = "SELECT next_offset FROM mq_consume_offset WHERE topic = 'orders'";
    expect((mq.database as Database.Database).prepare(progress).pluck().all()).toEqual([1]);
  });

  it("queues are shared anew every 20 s", async () => {
    await using broker = await openOnMachine();
    const { mq, clock } = broker;
    let calls = 0;
    await consume(mq, {
      listener: (): "success" => "success",
      allocateMessageQueueStrategy: (_group, _clientId, queues) => {
        calls += 1;
        return queues;
      },
    });
    await clock.advance(1_000);
    const usual = calls;

    clock.setTime(clock.now() + byMs);

    expect(await when(clock, 19_000, () => calls > usual)).toEqual([false, true]);
  });

  it("the lock of a queue ends 60 s after its owner has last been heard of", async () => {
    const machine = new MachineClock();
    const { steady } = withSteadyClock(machine);
    const freed: string[] = [];
    const locks = new QueueLocks(steady, (group) => void freed.push(group));
    const queue = { topic: "orders", brokerName: "broker-a", queueId: 0 };
    locks.lock("billing", "a", [queue]);
    await machine.advance(10_000);

    machine.setTime(machine.now() + byMs);
    const taken = locks.lock("billing", "b", [queue]);

    expect(taken).toEqual([]);
    expect(await when(machine, 50_001, () => [...freed])).toEqual([[], ["billing"]]);
    expect(locks.lock("billing", "b", [queue])).toEqual([queue]);
    locks.close();
  });
});

interface Locked extends Disposable {
  release(): void;
}

/** Another connection that writes to the file. */
function locked(path: string): Locked {
  const database = new Database(path);
  database.exec("BEGIN IMMEDIATE");
  return { release: () => void database.exec("ROLLBACK"), [Symbol.dispose]: () => void database.close() };
}
