import { setImmediate, setInterval } from "node:timers";
import { describe, expect, it } from "vitest";
import type { EmbeddedProducer, SendReceipt } from "../../lib/index.js";
import { type FaultDriver, openFaultDriver } from "../support/fault-driver.js";
import { openTestBroker } from "../support/test-broker.js";

const TOPIC = "orders";

/** How many messages the log holds at the end of each commit. */
function watchCommits(driver: FaultDriver): readonly number[] {
  const count = driver.database.prepare("SELECT coalesce(sum(message_count), 0) FROM mq_log").pluck();
  const counts: number[] = [];
  driver.onRun = (source) => {
    if (source === "COMMIT") counts.push(count.get() as number);
  };
  return counts;
}

function send(producer: EmbeddedProducer, body: string | Uint8Array, queue = 0): Promise<SendReceipt> {
  return producer.send({ topic: TOPIC, body }, { queue });
}

/** The code of each rejection, the queue offset of each stored message. */
async function outcomes(sends: readonly Promise<SendReceipt>[]): Promise<readonly unknown[]> {
  const settled = await Promise.allSettled(sends);
  return settled.map((result) =>
    result.status === "fulfilled" ? result.value.queueOffset : (result.reason as { code: string }).code,
  );
}

describe("what one commit takes", () => {
  it("stores the sends of one turn in one commit", async () => {
    const driver = openFaultDriver();
    await using test = await openTestBroker({ database: driver.database });
    const producers = [test.mq.producer({ group: "p1" }), test.mq.producer({ group: "p2" })];
    const commits = watchCommits(driver);

    await Promise.all(Array.from({ length: 100 }, (_, i) => send(producers[i % 2] as EmbeddedProducer, `${i}`, i % 4)));

    expect(commits).toEqual([100]);
  });

  it("commits a lone send without waiting for company", async () => {
    const driver = openFaultDriver();
    await using test = await openTestBroker({ database: driver.database });
    const producer = test.mq.producer({ group: "p" });
    const commits = watchCommits(driver);

    for (let i = 0; i < 5; i += 1) await send(producer, `${i}`);

    expect(commits).toEqual([1, 2, 3, 4, 5]);
  });

  it.each([
    [1, [997, 1_994, 2_000]],
    [4, [988, 1_976, 2_000]],
    [2_000, [250, 500, 750, 1_000, 1_250, 1_500, 1_750, 2_000]],
  ])("takes at most 1,000 of cost: a message costs 1, and each of %i queues 3 more", async (queues, expected) => {
    const driver = openFaultDriver();
    await using test = await openTestBroker({ database: driver.database });
    const producer = test.mq.producer({ group: "p" });
    await test.mq.admin.createTopic(TOPIC, { writeQueueNums: queues, readQueueNums: queues });
    const commits = watchCommits(driver);

    await Promise.all(Array.from({ length: 2_000 }, (_, i) => send(producer, `${i}`, i % queues)));

    expect(commits).toEqual(expected);
  });

  it("takes a larger batch alone, behind what came before it", async () => {
    const driver = openFaultDriver();
    await using test = await openTestBroker({ database: driver.database });
    const producer = test.mq.producer({ group: "p" });
    const commits = watchCommits(driver);
    const few = (): Promise<SendReceipt>[] => Array.from({ length: 10 }, (_, i) => send(producer, `${i}`));
    const batch = Array.from({ length: 2_000 }, (_, i) => ({ topic: TOPIC, body: `batch ${i}` }));

    const before = few();
    const sending = producer.sendBatch(batch, { queue: 0 });
    const after = few();
    await Promise.all([...before, sending, ...after]);

    expect(commits).toEqual([10, 2_010, 2_020]);
  });

  it("takes at most 1 MiB, or one larger message", async () => {
    const driver = openFaultDriver();
    await using test = await openTestBroker({ database: driver.database });
    const producer = test.mq.producer({ group: "p" });
    const commits = watchCommits(driver);
    const sizes = [400, 400, 400, 400, 2_000, 1];

    await Promise.all(sizes.map((kib) => send(producer, Buffer.alloc(kib * 1_024, 1))));

    expect(commits).toEqual([2, 4, 5, 6]);
  });

  it("leaves consume offsets to the next commit, and makes one for them after 50 ms", async () => {
    const driver = openFaultDriver();
    await using test = await openTestBroker({ database: driver.database });
    const producer = test.mq.producer({ group: "p" });
    const consumer = test.mq.pushConsumer({ group: "g", subscriptions: { [TOPIC]: "*" }, listener: () => undefined });
    await consumer.start();
    await send(producer, "first");
    await test.clock.settle();
    const commits = watchCommits(driver);

    await test.clock.advance(49);
    const early = [...commits];
    await test.clock.advance(1);
    const late = [...commits];
    await send(producer, "second");
    await send(producer, "third");
    await test.clock.advance(49);

    expect(early).toEqual([]);
    expect(late).toEqual([1]);
    expect(commits).toEqual([1, 2, 3]);
  });
});

describe("how much may be pending", () => {
  it("lets timers fire between commits while 300,000 sends are stored", async () => {
    await using test = await openTestBroker();
    const producer = test.mq.producer({ group: "p" });
    let [issued, resolved] = [0, 0];
    const finished = new Promise<void>((resolve, reject) => {
      const issue = (): void => {
        for (; issued < 300_000 && issued - resolved < 10_000; issued += 1)
          send(producer, "x", issued % 4).then(onStored, reject);
      };
      const onStored = (): void => {
        resolved += 1;
        if (resolved === 300_000) resolve();
        else if (issued - resolved <= 9_750) issue();
      };
      issue();
    });
    const betweenTurns = watchProgress(
      () => resolved,
      (tick) => {
        let isOn = true;
        const turn = (): void => {
          tick();
          if (isOn) setImmediate(turn);
        };
        setImmediate(turn);
        return () => {
          isOn = false;
        };
      },
    );
    const betweenTimers = watchProgress(
      () => resolved,
      (tick) => {
        const interval = setInterval(tick, 1);
        return () => clearInterval(interval);
      },
    );

    await finished;

    const [turns, timers] = [betweenTurns(), betweenTimers()];
    expect(turns.most).toBeLessThanOrEqual(1_000);
    // A millisecond is long enough for some commits; a machine would have to be ten times faster to reach this.
    expect(timers.most).toBeLessThanOrEqual(5_000);
    expect(timers.ticks).toBeGreaterThanOrEqual(60);
  });

  it("refuses the send that would be the 10,001st pending one, with 215, and stores nothing of it", async () => {
    await using test = await openTestBroker();
    const producer = test.mq.producer({ group: "p" });

    const sends = outcomes(Array.from({ length: 10_000 }, (_, i) => send(producer, `${i}`)));
    const refusal = await send(producer, "refused").catch((error: unknown) => error);

    expect(refusal).toMatchObject({ code: "ERR_MQ_TOO_MANY_REQUESTS", responseCode: 215 });
    expect(await sends).toEqual(Array.from({ length: 10_000 }, (_, i) => i));
    expect((await test.mq.admin.topicStats(TOPIC))[0]?.maxOffset).toBe(10_000);
    expect((await send(producer, "later")).queueOffset).toBe(10_000);
  });

  it("refuses what would make more than 64 MiB pending", async () => {
    await using test = await openTestBroker();
    const producer = test.mq.producer({ group: "p" });
    const body = Buffer.alloc(4 * 1024 * 1024, 1);

    const results = await outcomes(Array.from({ length: 17 }, () => send(producer, body)));

    // Properties count too, so that the sixteenth is a few bytes too many.
    expect(results.slice(0, 15)).toEqual(Array.from({ length: 15 }, (_, i) => i));
    expect(results.slice(15)).toEqual(["ERR_MQ_TOO_MANY_REQUESTS", "ERR_MQ_TOO_MANY_REQUESTS"]);
    expect((await test.mq.admin.topicStats(TOPIC))[0]?.maxOffset).toBe(15);
  });
});

interface Progress {
  readonly ticks: number;
  /** The most that was done between two ticks. */
  readonly most: number;
}

/** The returned function ends the watching. */
function watchProgress(done: () => number, start: (tick: () => void) => () => void): () => Progress {
  let [ticks, most, last] = [0, 0, done()];
  const stop = start(() => {
    ticks += 1;
    most = Math.max(most, done() - last);
    last = done();
  });
  return () => {
    stop();
    return { ticks, most };
  };
}
