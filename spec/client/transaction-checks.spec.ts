import { describe, expect, it } from "vitest";
import type { TransactionResolution } from "../../lib/index.js";
import { MachineClock } from "../support/machine-clock.js";
import { storedIn } from "../support/shared-connection.js";
import { tempFolder } from "../support/temp-folder.js";
import { openRecordedBroker, openTestBroker } from "../support/test-broker.js";
import { VirtualClock } from "../support/virtual-clock.js";
import { type Asked, halves, startProducer, TOPIC } from "./transaction-support.js";

const ONE_QUEUE = { defaultQueueCount: 1 };
const SECOND = 1_000;
const SHORT = { timeoutMs: 10 * SECOND, checkIntervalMs: 20 * SECOND, checkMax: 3 };

function at(asked: readonly Asked[]): readonly string[] {
  return asked.map(({ body, atMs }) => `${body} ${atMs / SECOND}`);
}

describe("checks under the profile embedded", () => {
  it("come at exactly the time-out of each message, and then each interval, as often as the broker's option says", async () => {
    await using broker = await openTestBroker({ ...ONE_QUEUE, transaction: SHORT });
    const { producer, asked } = await startProducer(broker);
    await producer.sendInTransaction({ topic: TOPIC, body: "a" });
    await broker.clock.advance(1_234);
    await producer.sendInTransaction({ topic: TOPIC, body: "b" });

    await broker.clock.advance(200 * SECOND);

    expect(at(asked)).toEqual(["a 10", "b 11.234", "a 30", "b 31.234", "a 50", "b 51.234"]);
    expect(await storedIn(broker.mq, "TRANS_CHECK_MAX_TIME_TOPIC")).toEqual(["0 a", "1 b"]);
    expect(await halves(broker.mq)).toEqual([]);
  });

  it.each([
    ["0", 0],
    ["3", 3],
    ["60", 60],
    ["-1", 10],
    ["soon", 10],
    ["1.5", 10],
  ])("come not before CHECK_IMMUNITY_TIME_IN_SECONDS %s: after %i s", async (immunity, seconds) => {
    await using broker = await openTestBroker({ ...ONE_QUEUE, transaction: SHORT });
    const { producer, asked } = await startProducer(broker, {}, { a: "commit" });
    const properties = { CHECK_IMMUNITY_TIME_IN_SECONDS: immunity };

    await producer.sendInTransaction({ topic: TOPIC, body: "a", properties });
    await broker.clock.advance(100 * SECOND);

    expect(at(asked)).toEqual([`a ${seconds}`]);
  });

  it("are not made, and not counted, while no producer of the group lives; the next one answers at once what has waited", async () => {
    await using broker = await openTestBroker({ ...ONE_QUEUE, transaction: SHORT });
    const first = await startProducer(broker);
    const other = await startProducer(broker, {}, {}, { group: "others" });
    await first.producer.sendInTransaction({ topic: TOPIC, body: "a" });
    await first.producer.close();
    await broker.clock.advance(1_000 * SECOND);
    const waiting = await halves(broker.mq);

    const second = await startProducer(broker, {}, { a: "commit" });
    await broker.clock.advance(0);

    expect(waiting).toEqual([`${TOPIC} shop 0`]);
    expect([at(first.asked), at(other.asked), at(second.asked)]).toEqual([[], [], ["a 0"]]);
    expect(await storedIn(broker.mq, TOPIC)).toEqual(["0 a"]);
  });

  it("go to the producers of the group in turn", async () => {
    await using broker = await openTestBroker({ ...ONE_QUEUE, transaction: SHORT });
    const producers = [await startProducer(broker), await startProducer(broker), await startProducer(broker)];
    await producers[0]?.producer.sendInTransaction({ topic: TOPIC, body: "a" });

    await broker.clock.advance(100 * SECOND);

    expect(producers.map(({ asked }) => at(asked))).toEqual([["a 10"], ["a 30"], ["a 50"]]);
  });

  it("count on after the broker was opened again, and go to a producer of the group in the new one", async () => {
    using folder = tempFolder();
    const [path, clock] = [folder.file("store.db"), new VirtualClock()];
    {
      await using broker = await openTestBroker({ path, clock, transaction: SHORT });
      const { producer } = await startProducer(broker);
      await producer.sendInTransaction({ topic: TOPIC, body: "a" });
      await clock.advance(31 * SECOND);
    }
    await using broker = await openTestBroker({ path, clock, transaction: SHORT });
    const { asked } = await startProducer(broker);
    const before = await halves(broker.mq);
    await clock.advance(100 * SECOND);

    expect(before).toEqual([`${TOPIC} shop 2`]);
    expect(at(asked)).toEqual(["a 19"]);
    expect(await storedIn(broker.mq, "TRANS_CHECK_MAX_TIME_TOPIC")).toEqual(["0 a"]);
  });

  it("count what throws, and what says no resolution, as unknown", async () => {
    await using broker = await openTestBroker({ ...ONE_QUEUE, transaction: SHORT });
    const answers = [() => fail(), () => null, () => "commit"];
    const { producer, asked } = await startProducer(broker, {}, { a: () => answers.shift()?.() });
    await producer.sendInTransaction({ topic: TOPIC, body: "a" });

    await broker.clock.advance(100 * SECOND);

    expect(at(asked)).toEqual(["a 10", "a 30", "a 50"]);
    expect(broker.logged.map(({ level }) => level)).toEqual(["warn", "warn"]);
    expect(await storedIn(broker.mq, TOPIC)).toEqual(["0 a"]);
  });

  it("tell of each answer and of each end", async () => {
    await using broker = await openTestBroker({ ...ONE_QUEUE, transaction: SHORT });
    const told: string[] = [];
    const answers: TransactionResolution[] = ["unknown", "rollback"];
    const { producer } = await startProducer(broker, {}, { a: () => answers.shift() });
    broker.mq.on("transaction:checked", ({ producerGroup, checks, resolution }) => {
      told.push(`${producerGroup} ${checks} ${resolution}`);
    });
    broker.mq.on("transaction:resolved", ({ resolution }) => void told.push(resolution));
    await producer.sendInTransaction({ topic: TOPIC, body: "a" });
    await producer.sendInTransaction({ topic: TOPIC, body: "b" });

    await broker.clock.advance(100 * SECOND);

    expect(told).toEqual([
      ...["shop 1 unknown", "shop 1 unknown", "shop 2 rollback", "shop 2 unknown", "rollback", "shop 3 unknown"],
      "gave-up",
    ]);
  });

  it("ask at most 16 at once of one producer, the others as soon as it has answered", async () => {
    await using broker = await openTestBroker({ ...ONE_QUEUE, transaction: SHORT });
    const held = new HeldChecks();
    const { producer, asked } = await startProducer(broker, {}, { a: () => held.hold() });
    await Promise.all(Array.from({ length: 40 }, () => producer.sendInTransaction({ topic: TOPIC, body: "a" })));
    await broker.clock.advance(10 * SECOND);
    const counts = [asked.length];

    for (let round = 0; round < 2; round += 1) {
      held.end("commit");
      await broker.clock.advance(0);
      counts.push(asked.length);
    }
    held.end("commit");
    await broker.clock.advance(0);

    expect(counts).toEqual([16, 32, 40]);
    expect(await storedIn(broker.mq, TOPIC)).toHaveLength(40);
  });

  it("never ask for a message while a producer has not answered yet, however long that takes, nor count it", async () => {
    await using broker = await openTestBroker({ ...ONE_QUEUE, transaction: SHORT });
    const held = new HeldChecks();
    const { producer, asked } = await startProducer(broker, {}, { a: () => held.hold() });
    await startProducer(broker, {}, { a: () => held.hold() });
    await producer.sendInTransaction({ topic: TOPIC, body: "a" });
    await broker.clock.advance(500 * SECOND);
    const [open, count] = [held.count, await halves(broker.mq)];

    held.end("unknown");
    await broker.clock.advance(0);
    const again = held.count;
    held.end("commit");
    await broker.clock.advance(0);

    expect([open, count, at(asked)]).toEqual([1, [`${TOPIC} shop 1`], ["a 10"]]);
    // The interval was over long ago: the other producer is asked at once.
    expect(again).toBe(1);
    expect(await storedIn(broker.mq, TOPIC)).toEqual(["0 a"]);
  });

  it("ask in one of two brokers on a file, and never in both at once, however long an answer takes", async () => {
    using folder = tempFolder();
    const [path, clock] = [folder.file("store.db"), new VirtualClock()];
    await using one = await openTestBroker({ path, clock, transaction: SHORT });
    await using other = await openTestBroker({ path, clock, transaction: SHORT });
    const held = new HeldChecks();
    const first = await startProducer(one, {}, { a: () => held.hold() });
    const second = await startProducer(other, {}, { a: () => held.hold() });
    await first.producer.sendInTransaction({ topic: TOPIC, body: "a" });
    const most: number[] = [];

    for (let step = 0; step < 20; step += 1) {
      await clock.advance(5 * SECOND);
      most.push(held.count);
    }
    held.end("unknown");
    await clock.advance(20 * SECOND);
    const later = held.count;
    held.end("commit");
    await Promise.all([first.producer.close(), second.producer.close()]);
    await clock.advance(SECOND);

    expect(Math.max(...most)).toBe(1);
    expect([later, first.asked.length + second.asked.length]).toEqual([1, 2]);
    expect(await storedIn(one.mq, TOPIC)).toEqual(["0 a"]);
  });

  it("are answered in another broker on the file than that of the send", async () => {
    using folder = tempFolder();
    const [path, clock] = [folder.file("store.db"), new VirtualClock()];
    await using one = await openTestBroker({ path, clock, transaction: SHORT });
    await using other = await openTestBroker({ path, clock, transaction: SHORT });
    const { asked } = await startProducer(other, {}, { a: "commit" });
    const { producer } = await startProducer(one);
    await producer.sendInTransaction({ topic: TOPIC, body: "a" });
    await producer.close();

    await clock.advance(12 * SECOND);

    expect(at(asked)).toHaveLength(1);
    expect(await storedIn(one.mq, TOPIC)).toEqual(["0 a"]);
  });

  it("that end when the broker is closed have no effect, and the next broker asks again", async () => {
    using folder = tempFolder();
    const [path, clock] = [folder.file("store.db"), new VirtualClock()];
    const held = new HeldChecks();
    {
      await using broker = await openTestBroker({ path, clock, transaction: SHORT });
      const { producer } = await startProducer(broker, {}, { a: () => held.hold() });
      await producer.sendInTransaction({ topic: TOPIC, body: "a" });
      await clock.advance(10 * SECOND);
    }
    held.end("commit");
    await using broker = await openTestBroker({ path, clock, transaction: SHORT });
    const before = await halves(broker.mq);
    const { asked } = await startProducer(broker, {}, { a: "rollback" });
    await clock.advance(60 * SECOND);

    expect(before).toEqual([`${TOPIC} shop 1`]);
    expect(asked).toHaveLength(1);
    expect(await halves(broker.mq)).toEqual([]);
  });

  it("have no effect when the producer ends the transaction meanwhile: the first end counts", async () => {
    await using broker = await openTestBroker({ ...ONE_QUEUE, transaction: SHORT });
    const held = new HeldChecks();
    const { producer } = await startProducer(broker, {}, { a: () => held.hold() });
    const transaction = producer.beginTransaction();
    await transaction.send({ topic: TOPIC, body: "a" });
    await broker.clock.advance(10 * SECOND);

    await transaction.rollback();
    held.end("commit");
    await broker.clock.advance(SECOND);

    expect(await storedIn(broker.mq, TOPIC)).toEqual([]);
    expect(await halves(broker.mq)).toEqual([]);
  });

  it("wait anew when the clock is set back, and come when it is set forth", async () => {
    const clock = new MachineClock();
    await using broker = await openTestBroker({ ...ONE_QUEUE, clock, transaction: SHORT });
    const { producer, asked } = await startProducer(broker);
    await producer.sendInTransaction({ topic: TOPIC, body: "a" });
    clock.setTime(clock.now() - 3_600 * SECOND);
    await clock.advance(5 * SECOND);
    const early = asked.length;
    await clock.advance(15 * SECOND);
    const back = asked.length;
    clock.setTime(clock.now() + 3_600 * SECOND);
    await clock.advance(SECOND);

    expect([early, back, asked.length]).toEqual([0, 1, 2]);
  });
});

describe("checks under the profile rocketmq", () => {
  it("come in rounds, one each interval from the opening of the broker, to what is old enough", async () => {
    await using broker = await openRecordedBroker({ ...ONE_QUEUE, transaction: SHORT });
    const { producer, asked } = await startProducer(broker);
    await broker.clock.advance(9_999);
    await producer.sendInTransaction({ topic: TOPIC, body: "a" });
    await broker.clock.advance(2);
    await producer.sendInTransaction({ topic: TOPIC, body: "b" });

    await broker.clock.advance(100 * SECOND);

    expect(at(asked)).toEqual(["a 20", "b 40", "a 40", "b 60", "a 60", "b 80"]);
    expect(await storedIn(broker.mq, "TRANS_CHECK_MAX_TIME_TOPIC")).toEqual(["0 a", "1 b"]);
  });

  it("are counted while no producer of the group lives, and then given up unasked", async () => {
    await using broker = await openRecordedBroker({ ...ONE_QUEUE, transaction: SHORT });
    const { producer, asked } = await startProducer(broker);
    const told: string[] = [];
    broker.mq.on("transaction:checked", ({ transactionId }) => void told.push(transactionId));
    await producer.sendInTransaction({ topic: TOPIC, body: "a" });
    await producer.close();

    await broker.clock.advance(80 * SECOND);

    expect([asked, told]).toEqual([[], []]);
    expect(await storedIn(broker.mq, "TRANS_CHECK_MAX_TIME_TOPIC")).toEqual(["0 a"]);
  });

  it("leave a group to its producers in another process for a round", async () => {
    using folder = tempFolder();
    const [path, clock] = [folder.file("store.db"), new VirtualClock()];
    await using one = await openRecordedBroker({ path, clock, transaction: SHORT });
    await using other = await openRecordedBroker({ path, clock, transaction: SHORT });
    const { producer } = await startProducer(one);
    const { asked } = await startProducer(other);
    await producer.sendInTransaction({ topic: TOPIC, body: "a" });
    await producer.close();

    await clock.advance(100 * SECOND);

    expect(at(asked)).toEqual(["a 20", "a 40", "a 60"]);
    expect(await storedIn(one.mq, "TRANS_CHECK_MAX_TIME_TOPIC")).toEqual(["0 a"]);
  });

  it("count a message whose producer has not answered, and ask for it again once it has", async () => {
    await using broker = await openRecordedBroker({ ...ONE_QUEUE, transaction: { ...SHORT, checkMax: 5 } });
    const held = new HeldChecks();
    const { producer, asked } = await startProducer(broker, {}, { a: () => held.hold() });
    await producer.sendInTransaction({ topic: TOPIC, body: "a" });
    await broker.clock.advance(70 * SECOND);
    const open = [held.count, await halves(broker.mq)];

    held.end("unknown");
    await broker.clock.advance(20 * SECOND);
    held.end("commit");
    await broker.clock.advance(SECOND);

    expect(open).toEqual([1, [`${TOPIC} shop 3`]]);
    expect(at(asked)).toEqual(["a 20", "a 80"]);
    expect(await storedIn(broker.mq, TOPIC)).toEqual(["0 a"]);
  });

  it("ask for sixteen messages of a round at once, the others in their order, and for 2,016 of a producer at most", async () => {
    await using broker = await openRecordedBroker({ ...ONE_QUEUE, transaction: SHORT });
    const held = new HeldChecks();
    const { producer, asked } = await startProducer(broker, {}, { a: () => held.hold() });
    await Promise.all(Array.from({ length: 2_100 }, () => producer.sendInTransaction({ topic: TOPIC, body: "a" })));
    await broker.clock.advance(20 * SECOND);
    const first = [held.count, asked.length];

    while (held.count > 0) {
      held.end("commit");
      await broker.clock.advance(0);
    }

    expect(first).toEqual([16, 16]);
    expect(asked).toHaveLength(2_016);
    expect(await halves(broker.mq)).toHaveLength(84);
    await producer.close();
  });

  it("end with a late commit of the client, whose half message has moved in its queue since", async () => {
    await using broker = await openRecordedBroker({ ...ONE_QUEUE, transaction: SHORT });
    const { producer, asked } = await startProducer(broker);
    const transaction = producer.beginTransaction();
    await transaction.send({ topic: TOPIC, body: "a" });
    await broker.clock.advance(30 * SECOND);

    await transaction.commit();
    await broker.clock.advance(100 * SECOND);

    expect(at(asked)).toEqual(["a 20"]);
    expect(await storedIn(broker.mq, TOPIC)).toEqual(["0 a"]);
  });

  it("give up in the next round, so that the last answer counts, also of more messages than one transaction takes", async () => {
    await using broker = await openRecordedBroker({ ...ONE_QUEUE, transaction: { ...SHORT, checkMax: 1 } });
    const held = new HeldChecks();
    const { producer } = await startProducer(broker, {}, { a: () => held.hold() });
    await Promise.all(Array.from({ length: 250 }, () => producer.sendInTransaction({ topic: TOPIC, body: "a" })));

    await broker.clock.advance(20 * SECOND);
    while (held.count > 0) {
      held.end("commit");
      await broker.clock.advance(0);
    }

    expect(await storedIn(broker.mq, TOPIC)).toHaveLength(250);
    expect(await storedIn(broker.mq, "TRANS_CHECK_MAX_TIME_TOPIC").catch(() => [])).toEqual([]);
  });

  it("look at more messages than one transaction takes", async () => {
    await using broker = await openRecordedBroker({ ...ONE_QUEUE, transaction: { ...SHORT, checkMax: 1 } });
    const { producer, asked } = await startProducer(broker);
    await Promise.all(Array.from({ length: 250 }, () => producer.sendInTransaction({ topic: TOPIC, body: "a" })));

    await broker.clock.advance(20 * SECOND);
    const first = asked.length;
    await broker.clock.advance(20 * SECOND);

    expect([first, asked.length]).toEqual([250, 250]);
    expect(await storedIn(broker.mq, "TRANS_CHECK_MAX_TIME_TOPIC")).toHaveLength(250);
  });
});

/** Checks that end when the spec says so. */
class HeldChecks {
  #ends: ((resolution: TransactionResolution) => void)[] = [];

  /** Those that have not ended. */
  get count(): number {
    return this.#ends.length;
  }

  hold(): Promise<TransactionResolution> {
    return new Promise((resolve) => this.#ends.push(resolve));
  }

  end(resolution: TransactionResolution): void {
    const ends = this.#ends;
    this.#ends = [];
    for (const end of ends) end(resolution);
  }
}

function fail(): never {
  throw new Error("nobody knows");
}
