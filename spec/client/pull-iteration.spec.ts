import Database from "better-sqlite3";
import { describe, expect, it } from "vitest";
import type { MessageView, PullConsumer } from "../../lib/index.js";
import { GROUP_TIMERS, numbered, openReading, pollNow, queueOf, storedOffsets } from "./readers.js";

/** Takes so many, and leaves the loop with the last one. */
async function take(consumer: PullConsumer, count: number): Promise<string[]> {
  const taken: string[] = [];
  for await (const message of consumer) {
    taken.push(message.text());
    if (taken.length === count) break;
  }
  return taken;
}

/** What a loop is given, in the background, until it ends. */
function follow(consumer: PullConsumer): { readonly taken: readonly string[]; readonly ended: Promise<string> } {
  const taken: string[] = [];
  const run = async (): Promise<string> => {
    for await (const message of consumer) taken.push(message.text());
    return "done";
  };
  return { taken, ended: run().catch((error: { readonly code?: string }) => String(error.code)) };
}

describe("iterating over a pull consumer", () => {
  it("gives each message once, in the order of its queue, also those that come meanwhile", async () => {
    await using reading = await openReading();
    await reading.send(0, ...numbered(30));
    const consumer = await reading.reader();
    const { taken, ended } = follow(consumer);

    await reading.clock.settle();
    await reading.send(0, ...numbered(5, 31));
    await consumer.close();

    expect(await ended).toBe("done");
    expect(taken).toEqual(numbered(35));
  });

  it("takes no message before the loop asks for it, whatever was pulled: progress ends behind the last one given", async () => {
    await using reading = await openReading();
    await reading.send(0, ...numbered(30));
    const consumer = await reading.reader({ autoCommit: false });
    const offsets: number[] = [];

    for await (const message of consumer) {
      await consumer.commit();
      offsets.push(...(await storedOffsets(reading.mq)));
      if (message.text() === "3") break;
    }

    expect(offsets).toEqual([1, 2, 3]);
  });

  it.each([
    ["break", (consumer: PullConsumer) => take(consumer, 3)],
    [
      "return",
      async (consumer: PullConsumer) => {
        let count = 0;
        for await (const _message of consumer) {
          count += 1;
          if (count === 3) return;
        }
      },
    ],
    [
      "throw",
      async (consumer: PullConsumer) => {
        let count = 0;
        for await (const _message of consumer) {
          count += 1;
          if (count === 3) throw new Error("left");
        }
      },
    ],
  ])("goes on behind the last message that was given when it is left by %s", async (_how, leave) => {
    await using reading = await openReading();
    await reading.send(0, ...numbered(12));
    const consumer = await reading.reader();

    await Promise.resolve(leave(consumer)).catch(() => undefined);
    const again = await take(consumer, 2);
    const polled = await pollNow(consumer);
    await consumer.close();

    expect([again, polled]).toEqual([["4", "5"], numbered(7, 6)]);
    expect(await storedOffsets(reading.mq)).toEqual([12]);
  });

  it("gives what was not given to whoever comes after a restart", async () => {
    await using reading = await openReading();
    await reading.send(0, ...numbered(12));
    const consumer = await reading.reader();
    await take(consumer, 3);
    await consumer.close();

    expect(await take(await reading.reader(), 2)).toEqual(["4", "5"]);
  });

  it("ends when the consumer is closed while it waits", async () => {
    await using reading = await openReading();
    const consumer = await reading.reader();
    const { taken, ended } = follow(consumer);
    await reading.send(0, "a");

    await consumer.close();

    expect([await ended, taken]).toEqual(["done", ["a"]]);
    // The one that stores offsets is not needed any more.
    await reading.settle();
    expect(reading.clock.pendingTimers).toBe(0);
  });

  it("ends when the consumer is closed from within the loop, awaited or not, with messages left", async () => {
    await using reading = await openReading();
    await reading.send(0, ...numbered(5));
    const [awaited, forgotten] = [await reading.reader({ group: "a" }), await reading.reader({ group: "b" })];
    const taken: string[] = [];

    for await (const message of awaited) {
      taken.push(message.text());
      await awaited.close();
    }
    for await (const message of forgotten) {
      taken.push(message.text());
      void forgotten.close();
    }
    await forgotten.close();

    expect(taken).toEqual(["1", "1"]);
    expect([await storedOffsets(reading.mq, "a"), await storedOffsets(reading.mq, "b")]).toEqual([[1], [1]]);
  });

  it("ends at once over a consumer that is closed, and is refused over one that is not started", async () => {
    await using reading = await openReading();
    const consumer = reading.mq.pullConsumer({ group: "reading" });

    expect(await follow(consumer).ended).toBe("ERR_MQ_NOT_STARTED");
    await consumer.start();
    await consumer.close();

    expect(await follow(consumer).ended).toBe("done");
  });

  it("commits now and then while it waits", async () => {
    await using reading = await openReading();
    await reading.send(0, "a", "b");
    const consumer = await reading.reader({ autoCommitIntervalMs: 2_000 });
    const { ended } = follow(consumer);
    await reading.clock.settle();

    const before = await storedOffsets(reading.mq);
    await reading.clock.advance(2_000);
    const after = await storedOffsets(reading.mq);
    await consumer.close();

    expect([before, after]).toEqual([[0], [2]]);
    await ended;
  });

  it("arms no timer while it waits, where it commits nothing", async () => {
    await using reading = await openReading();
    const consumer = await reading.reader({ autoCommit: false });
    const { ended } = follow(consumer);
    await reading.clock.settle();

    expect(reading.clock.pendingTimers).toBe(GROUP_TIMERS);
    await consumer.close();
    await ended;
  });

  it("obeys a seek from within the loop at once", async () => {
    await using reading = await openReading();
    await reading.send(0, ...numbered(5));
    const consumer = await reading.reader();
    const taken: string[] = [];

    for await (const message of consumer) {
      taken.push(message.text());
      if (taken.length === 2) await consumer.seek(queueOf(0), 4);
      if (taken.length === 3) break;
    }

    expect(taken).toEqual(["1", "2", "5"]);
  });

  it("lets the queues take turns", async () => {
    await using reading = await openReading(2);
    await reading.send(0, ...numbered(100));
    await reading.send(1, "a", "b");
    const consumer = await reading.reader();

    const taken = await take(consumer, 4);

    expect([...taken].sort()).toEqual(["1", "2", "a", "b"]);
  });

  it("ends a call of next that waits when return is called, refuses a second one meanwhile, and is over then", async () => {
    await using reading = await openReading();
    const consumer = await reading.reader();
    const iterator = consumer[Symbol.asyncIterator]();

    const waiting = iterator.next();
    await expect(iterator.next()).rejects.toMatchObject({ code: "ERR_MQ_TOO_MANY_REQUESTS", responseCode: -1 });
    const left = await iterator.return?.();
    await reading.send(0, "a");

    expect([await waiting, left, await iterator.next()]).toEqual(
      Array.from({ length: 3 }, () => ({ done: true, value: undefined })),
    );
    expect(await pollNow(consumer)).toEqual(["a"]);
  });

  it("takes no turn from others before its first message is asked for", async () => {
    await using reading = await openReading();
    await reading.send(0, "a");
    const consumer = await reading.reader();
    const unused = consumer[Symbol.asyncIterator]();

    expect(await pollNow(consumer)).toEqual(["a"]);
    await unused.return?.();
    await reading.send(0, "b");
    expect(await take(consumer, 1)).toEqual(["b"]);
  });

  it.each<[string, (iterator: AsyncIterator<MessageView, undefined>) => Promise<unknown>]>([
    ["was never begun", async () => undefined],
    ["was refused", (iterator) => iterator.next().catch(() => undefined)],
  ])("leaves a poll that waits alone when one that %s returns", async (_which, use) => {
    await using reading = await openReading();
    const consumer = await reading.reader();
    const iterator = consumer[Symbol.asyncIterator]();

    const polling = consumer.poll();
    await use(iterator);
    await iterator.return?.();
    await reading.send(0, "a");

    expect((await polling).map((message) => message.text())).toEqual(["a"]);
  });

  it("fails when the broker can go on no longer, with what that failed of", async () => {
    const database = new Database(":memory:");
    await using reading = await openReading(1, { database });
    const consumer = await reading.reader();
    const { ended } = follow(consumer);
    await reading.clock.settle();

    database.close();
    await reading.clock.advance(1_000);

    expect(await ended).toBe("ERR_MQ_CLOSED");
    await expect(consumer.poll()).rejects.toMatchObject({ code: "ERR_MQ_CLOSED" });
  });

  it("hands views out that are those of a poll", async () => {
    await using reading = await openReading();
    await reading.send(0, "a");
    const consumer = await reading.reader();
    const views: MessageView[] = [];

    for await (const message of consumer) {
      views.push(message);
      break;
    }

    expect(views[0]).toMatchObject({ topic: "orders", queueId: 0, queueOffset: 0, reconsumeTimes: 0 });
  });
});
