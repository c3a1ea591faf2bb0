import { getEventListeners } from "node:events";
import Database from "better-sqlite3";
import { describe, expect, it } from "vitest";
import { isMqError, type PullConsumer } from "../../lib/index.js";
import {
  drain,
  GROUP,
  GROUP_TIMERS,
  numbered,
  openReading,
  pollNow,
  queueOf,
  storedOffsets,
  texts,
} from "./readers.js";

const listenersOf = (signal: AbortSignal): number => getEventListeners(signal, "abort").length;

/** The outcome of a call that is not awaited, as far as it is known. */
function follow<T>(promise: Promise<T>): { readonly outcome: () => unknown } {
  let outcome: unknown = "pending";
  promise.then(
    (value) => {
      outcome = value;
    },
    (error: unknown) => {
      outcome = isMqError(error) ? error.code : error;
    },
  );
  return { outcome: () => outcome };
}

describe("PullConsumer.poll", () => {
  it("resolves with a batch of one queue in order, 10 at most unless it is told otherwise", async () => {
    await using reading = await openReading(2);
    await reading.send(0, ...numbered(25));
    const consumer = await reading.reader();

    const batches = [await consumer.poll(), await consumer.poll({ maxMessages: 3 }), await consumer.poll()];

    expect(batches.map(texts)).toEqual([numbered(10), numbered(3, 11), numbered(10, 14)]);
    expect(batches.flat().every(({ queueId, deliveryAttempt }) => queueId === 0 && deliveryAttempt === 1)).toBe(true);
  });

  it("takes the batch size of the consumer, and more than that where it is asked to", async () => {
    await using reading = await openReading();
    await reading.send(0, ...numbered(40));
    const consumer = await reading.reader({ pullBatchSize: 4 });

    expect(await pollNow(consumer)).toEqual(numbered(4));
    expect(await pollNow(consumer, { maxMessages: 30 })).toEqual(numbered(30, 5));
  });

  it("lets the queues take turns, whatever lies in them", async () => {
    await using reading = await openReading(3);
    await reading.send(1, ...numbered(5_000));
    await reading.send(0, "a", "b");
    const consumer = await reading.reader({ pullBatchSize: 1 });
    await reading.send(2, "x", "y");

    const seen: string[] = [];
    for (let poll = 0; poll < 8; poll += 1) seen.push(...(await pollNow(consumer)));

    expect(seen.slice(0, 6).sort()).toEqual(["1", "2", "a", "b", "x", "y"]);
    expect(seen.slice(6)).toEqual(["3", "4"]);
  });

  it("resolves with nothing when nothing comes in time, not before", async () => {
    await using reading = await openReading();
    const consumer = await reading.reader();

    const short = follow(consumer.poll({ timeoutMs: 300 }));
    await reading.clock.advance(299);
    const before = short.outcome();
    await reading.clock.advance(1);
    const after = short.outcome();
    const long = follow(consumer.poll());
    await reading.clock.advance(4_999);
    const stillWaiting = long.outcome();
    await reading.clock.advance(1);

    expect([before, after, stillWaiting, long.outcome()]).toEqual(["pending", [], "pending", []]);
  });

  it("takes what is there already with a time-out of 0, and waits for nothing", async () => {
    await using reading = await openReading();
    const consumer = await reading.reader();

    expect(await pollNow(consumer)).toEqual([]);
    await reading.send(0, "a");
    expect(await pollNow(consumer)).toEqual(["a"]);
  });

  it("is answered within the commit that stores a message, before the send that did it can go on", async () => {
    await using reading = await openReading();
    const consumer = await reading.reader();
    const order: string[] = [];

    const polling = consumer.poll().then((messages) => void order.push(...texts(messages)));
    const sending = reading.mq.producer({ group: "shop" }).send({ topic: "orders", body: "a" });
    // One turn: that of the commit.
    await sending.then(() => new Promise<void>((resolve) => reading.clock.turn(resolve)));

    expect(order).toEqual(["a"]);
    expect(reading.clock.pendingTimers).toBe(GROUP_TIMERS);
    await polling;
  });

  it("is answered with as many as a commit stores, up to the batch", async () => {
    await using reading = await openReading();
    const consumer = await reading.reader({ pullBatchSize: 4 });

    const polling = consumer.poll();
    await reading.send(0, ...numbered(6));

    expect(texts(await polling)).toEqual(numbered(4));
    expect(await pollNow(consumer)).toEqual(["5", "6"]);
  });

  it("passes over what its own filter does not want, whatever others of the group subscribe to", async () => {
    await using reading = await openReading();
    const { mq, clock } = reading;
    const producer = mq.producer({ group: "shop" });
    for (const tag of ["paid", "created", "paid", "Aa", "BB"])
      await producer.send({ topic: "orders", body: tag, tag }, { queue: 0 });
    const consumer = await reading.reader({ subscriptions: { orders: "paid || Aa" } });
    const other = { group: GROUP, instanceName: "~", subscriptions: { orders: "none" }, listener: () => undefined };
    await mq.pushConsumer(other).start();

    expect(await drain(reading, consumer)).toEqual(["paid", "paid", "Aa"]);
    await consumer.commit();
    await clock.settle();
    expect(await storedOffsets(mq)).toEqual([5]);
  });

  it("resolves with nothing while it has no queue", async () => {
    await using reading = await openReading(0);
    const consumer = await reading.reader({ subscriptions: {} });

    expect(await pollNow(consumer)).toEqual([]);
    expect(consumer.assignment).toEqual([]);
  });

  it("gets a topic as soon as there is one", async () => {
    await using reading = await openReading(0, { defaultQueueCount: 1 });
    const consumer = await reading.reader();

    const polling = consumer.poll();
    await reading.send(0, "a");

    expect(texts(await polling)).toEqual(["a"]);
    expect(consumer.assignment).toEqual([queueOf(0)]);
  });
});

describe("a poll that is aborted", () => {
  it("rejects with the reason at once, keeps no listener and no timer, and loses nothing", async () => {
    await using reading = await openReading();
    const consumer = await reading.reader();
    const controller = new AbortController();
    const { signal } = controller;
    const reason = new Error("no longer wanted");

    const polling = consumer.poll({ signal });
    const whileWaiting = [listenersOf(signal), reading.clock.pendingTimers];
    controller.abort(reason);
    await expect(polling).rejects.toBe(reason);
    await reading.send(0, "a");

    expect(whileWaiting).toEqual([1, GROUP_TIMERS + 1]);
    expect([listenersOf(signal), reading.clock.pendingTimers]).toEqual([0, GROUP_TIMERS]);
    expect(await pollNow(consumer)).toEqual(["a"]);
  });

  it("takes nothing when the signal is aborted already, and leaves the next poll its turn", async () => {
    await using reading = await openReading();
    await reading.send(0, "a");
    const consumer = await reading.reader();
    const reason = { no: "error" };

    await expect(consumer.poll({ signal: AbortSignal.abort(reason) })).rejects.toBe(reason);

    expect(await pollNow(consumer)).toEqual(["a"]);
  });

  it("resolves with what it was answered with where the abort comes later", async () => {
    await using reading = await openReading();
    const consumer = await reading.reader();
    const controller = new AbortController();

    const polling = consumer.poll({ signal: controller.signal });
    await reading.send(0, "a", "b");
    controller.abort();

    expect(texts(await polling)).toEqual(["a", "b"]);
    expect(listenersOf(controller.signal)).toBe(0);
  });
});

describe("polling from two places at once", () => {
  const tooMany = { code: "ERR_MQ_TOO_MANY_REQUESTS", responseCode: -1 };

  it("is refused to the second, which moves nothing, and the first gets its messages", async () => {
    await using reading = await openReading();
    const consumer = await reading.reader();

    const first = consumer.poll();
    await expect(consumer.poll()).rejects.toMatchObject(tooMany);
    await expect(consumer.poll({ timeoutMs: 0 })).rejects.toMatchObject(tooMany);
    await expect(consumer[Symbol.asyncIterator]().next()).rejects.toMatchObject(tooMany);
    await reading.send(0, "a");

    expect(texts(await first)).toEqual(["a"]);
    expect(await pollNow(consumer)).toEqual([]);
  });

  it("is refused while somebody iterates, also while the loop is busy with a message", async () => {
    await using reading = await openReading();
    await reading.send(0, "a", "b");
    const consumer = await reading.reader();

    for await (const message of consumer) {
      await expect(consumer.poll()).rejects.toMatchObject(tooMany);
      await expect(consumer[Symbol.asyncIterator]().next()).rejects.toMatchObject(tooMany);
      if (message.text() === "b") break;
    }

    await reading.send(0, "c");
    expect(await pollNow(consumer)).toEqual(["c"]);
  });
});

describe("a pull consumer that is not started, or closed", () => {
  const calls: Readonly<Record<string, (consumer: PullConsumer) => unknown>> = {
    poll: (consumer) => consumer.poll(),
    iterate: (consumer) => consumer[Symbol.asyncIterator]().next(),
    seek: (consumer) => consumer.seek(queueOf(0), 0),
    seekToBegin: (consumer) => consumer.seekToBegin(queueOf(0)),
    seekToEnd: (consumer) => consumer.seekToEnd(queueOf(0)),
    offsetForTimestamp: (consumer) => consumer.offsetForTimestamp(queueOf(0), 0),
    committed: (consumer) => consumer.committed(queueOf(0)),
    commit: (consumer) => consumer.commit(),
    "commit of offsets": (consumer) => consumer.commit(new Map([[queueOf(0), 0]])),
    fetchMessageQueues: (consumer) => consumer.fetchMessageQueues("orders"),
  };

  it.each(Object.entries(calls))("refuses %s before start has resolved", async (_name, call) => {
    await using reading = await openReading();
    const consumer = reading.mq.pullConsumer({ group: GROUP });

    const before = follow(Promise.resolve(call(consumer)));
    const starting = consumer.start();
    const meanwhile = follow(Promise.resolve(call(consumer)));
    await starting;

    expect([before.outcome(), meanwhile.outcome()]).toEqual(["ERR_MQ_NOT_STARTED", "ERR_MQ_NOT_STARTED"]);
  });

  it.each(Object.entries(calls).filter(([name]) => name !== "iterate"))(
    "refuses %s from the call of close on",
    async (_name, call) => {
      await using reading = await openReading();
      const consumer = await reading.reader();

      const closing = consumer.close();
      const meanwhile = follow(Promise.resolve(call(consumer)));
      await closing;
      const after = follow(Promise.resolve(call(consumer)));
      await reading.clock.settle();

      expect([meanwhile.outcome(), after.outcome()]).toEqual(["ERR_MQ_CLOSED", "ERR_MQ_CLOSED"]);
    },
  );

  it("refuses to subscribe, assign, pause, resume and start after close", async () => {
    await using reading = await openReading();
    const consumer = await reading.reader({ subscriptions: {} });
    await consumer.close();

    for (const call of [
      () => consumer.subscribe("orders"),
      () => consumer.assign([queueOf(0)]),
      () => consumer.pause([]),
      () => consumer.resume([]),
    ])
      expect(call).toThrow(expect.objectContaining({ code: "ERR_MQ_CLOSED" }));
    await expect(consumer.start()).rejects.toMatchObject({ code: "ERR_MQ_CLOSED" });
  });

  it("closes without having been started, and every call of close returns the same promise", async () => {
    await using reading = await openReading();
    const [idle, started] = [reading.mq.pullConsumer({ group: GROUP }), await reading.reader()];

    await idle.close();

    const closing = started.close();
    expect(started.close()).toBe(closing);
    await closing;
  });

  it("is refused a second start, and a name that another member has", async () => {
    await using reading = await openReading();
    const consumer = await reading.reader({ instanceName: "w1" });
    const namesake = reading.mq.pullConsumer({ group: GROUP, instanceName: "w1" });

    await expect(consumer.start()).rejects.toMatchObject({ code: "ERR_MQ_ALREADY_CREATED" });
    await expect(namesake.start()).rejects.toMatchObject({ code: "ERR_MQ_ALREADY_CREATED" });
  });
});

describe("a pull consumer whose broker can go on no longer", () => {
  const calls: Readonly<Record<string, (consumer: PullConsumer) => void>> = {
    subscribe: (consumer) => consumer.subscribe("invoices"),
    assign: (consumer) => consumer.assign([queueOf(0)]),
    pause: (consumer) => consumer.pause([queueOf(0)]),
    resume: (consumer) => consumer.resume([queueOf(0)]),
  };

  it.each(Object.entries(calls))("refuses to %s with what that failed of, and takes no queue", async (_name, call) => {
    const database = new Database(":memory:");
    await using reading = await openReading(1, { database });
    const consumer = await reading.reader({ subscriptions: {} });
    database.close();
    await reading.clock.advance(1_000);

    expect(() => call(consumer)).toThrow(
      expect.objectContaining({ code: "ERR_MQ_CLOSED", message: expect.stringContaining("stopped: ") }),
    );
    expect(consumer.assignment).toEqual([]);
  });
});

describe("PullConsumer.close", () => {
  it("resolves a poll that waits with nothing, and leaves neither timer nor listener", async () => {
    await using reading = await openReading();
    const consumer = await reading.reader();
    const { signal } = new AbortController();

    const polling = consumer.poll({ signal });
    await consumer.close();

    expect(await polling).toEqual([]);
    expect([listenersOf(signal), reading.clock.pendingTimers]).toEqual([0, 0]);
  });

  it("still hands a poll that waits what was stored before, and commits it", async () => {
    await using reading = await openReading();
    const consumer = await reading.reader();

    const polling = consumer.poll();
    const sending = reading.mq.producer({ group: "shop" }).send({ topic: "orders", body: "a" });
    const closing = consumer.close();
    await Promise.all([sending, closing]);

    expect(texts(await polling)).toEqual(["a"]);
    expect(await storedOffsets(reading.mq)).toEqual([1]);
  });

  it("happens with that of its broker", async () => {
    await using reading = await openReading();
    await reading.send(0, "a");
    const consumer = await reading.reader();
    await consumer.poll();

    const polling = consumer.poll();
    await reading.mq.close();

    expect(await polling).toEqual([]);
    await expect(consumer.poll()).rejects.toMatchObject({ code: "ERR_MQ_CLOSED" });
  });
});
