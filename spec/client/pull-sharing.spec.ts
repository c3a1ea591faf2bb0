import Database from "better-sqlite3";
import { describe, expect, it } from "vitest";
import { allocateAveragely, type MessageQueue, type PullConsumer, type PullConsumerOptions } from "../../lib/index.js";
import { type Engine, openEngines } from "../broker/engines.js";
import { openFaultDriver } from "../support/fault-driver.js";
import { tempFolder } from "../support/temp-folder.js";
import { openTestBroker, type TestBroker } from "../support/test-broker.js";
import {
  drain,
  GROUP,
  numbered,
  openReading,
  pollNow,
  queueOf,
  type Reading,
  storedOffsets,
  TOPIC,
  texts,
} from "./readers.js";

const ids = ({ assignment }: PullConsumer): number[] => assignment.map(({ queueId }) => queueId);

/** Members "w0", "w1", …, in order of their client ids. */
function member(reading: Reading, index: number, options: Partial<PullConsumerOptions> = {}): Promise<PullConsumer> {
  return reading.reader({ instanceName: `w${index}`, ...options });
}

/** What came to a consumer and what went, call by call. */
function noteChanges(): { readonly changes: string[]; readonly onAssignmentChange: (...sides: Sides) => void } {
  const changes: string[] = [];
  const text = (queues: readonly MessageQueue[]): string => queues.map(({ queueId }) => queueId).join();
  return { changes, onAssignmentChange: (added, removed) => void changes.push(`+${text(added)} -${text(removed)}`) };
}
type Sides = [added: readonly MessageQueue[], removed: readonly MessageQueue[]];

describe("pull consumers of one group", () => {
  it("share the queues as push consumers do, and take over those of one that leaves", async () => {
    await using reading = await openReading(4);
    const [a, b, c] = [await member(reading, 0), await member(reading, 1), await member(reading, 2)];
    const shares = [a, b, c].map(ids);

    await b.close();

    expect([shares, [a, b, c].map(ids)]).toEqual([
      [[0, 1], [2], [3]],
      [[0, 1], [], [2, 3]],
    ]);
  });

  it("share with push consumers", async () => {
    await using reading = await openReading(2);
    const received: string[] = [];
    const push = reading.mq.pushConsumer({
      group: GROUP,
      instanceName: "~",
      subscriptions: { [TOPIC]: "*" },
      listener: (message) => void received.push(message.text()),
    });
    await push.start();
    const consumer = await reading.reader();

    for (let index = 0; index < 8; index += 1) await reading.send(index % 2, `${index}`);

    expect([ids(consumer), push.assignment.map(({ queueId }) => queueId)]).toEqual([[0], [1]]);
    expect([await drain(reading, consumer), received]).toEqual([
      ["0", "2", "4", "6"],
      ["1", "3", "5", "7"],
    ]);
  });

  it("hand a queue over where it was committed automatically: nothing is missed and nothing comes twice", async () => {
    await using reading = await openReading(2);
    await reading.send(0, ...numbered(15));
    await reading.send(1, ...numbered(15, 101));
    const a = await member(reading, 0);
    const first = [...(await pollNow(a)), ...(await pollNow(a))];

    const b = await member(reading, 1);
    const rest = [...(await drain(reading, a)), ...(await drain(reading, b))];

    expect([ids(a), ids(b)]).toEqual([[0], [1]]);
    expect([...first, ...rest].sort()).toEqual([...numbered(15), ...numbered(15, 101)].sort());
  });

  it("hand a queue over where it was committed by hand: what was handed out since comes again", async () => {
    await using reading = await openReading(1);
    await reading.send(0, ...numbered(20));
    const b = await member(reading, 1, { autoCommit: false });
    await pollNow(b, { maxMessages: 3 });
    await b.commit();
    await pollNow(b, { maxMessages: 4 });

    const a = await member(reading, 0, { autoCommit: false });

    expect(await pollNow(a)).toEqual(numbered(10, 4));
    expect(await pollNow(b)).toEqual([]);
  });

  it("refuse to commit a queue that was lost, and move nothing", async () => {
    await using reading = await openReading(1);
    await reading.send(0, ...numbered(20));
    const b = await member(reading, 1, { autoCommit: false });
    await pollNow(b);
    const a = await member(reading, 0, { autoCommit: false });
    await pollNow(a, { maxMessages: 1 });
    await a.commit();

    await expect(b.commit(new Map([[queueOf(0), 10]]))).rejects.toMatchObject({ code: "ERR_MQ_OFFSET" });
    await b.commit();
    await reading.settle();

    expect(await storedOffsets(reading.mq)).toEqual([1]);
  });

  it("store a commit that was begun before the queue was lost, and the new owner goes on there", async () => {
    await using reading = await openReading(1);
    await reading.send(0, ...numbered(20));
    const b = await member(reading, 1, { autoCommit: false });
    await pollNow(b);
    const a = reading.mq.pullConsumer({ group: GROUP, instanceName: "w0", subscriptions: { [TOPIC]: "*" } });

    const [committing] = [b.commit(), a.start()];
    await committing;
    await reading.clock.settle();

    expect([ids(a), ids(b)]).toEqual([[0], []]);
    expect(await pollNow(a)).toEqual(numbered(10, 11));
  });

  it("tell what came and what went, before anything of it is handed out, and at the end", async () => {
    await using reading = await openReading(4);
    const [ofA, ofB] = [noteChanges(), noteChanges()];
    const a = await member(reading, 0, { onAssignmentChange: ofA.onAssignmentChange });
    const b = await member(reading, 1, { onAssignmentChange: ofB.onAssignmentChange });

    a.subscribe("invoices");
    await reading.mq.admin.createTopic("invoices", { readQueueNums: 1, writeQueueNums: 1 });
    await reading.clock.settle();
    await b.close();
    await a.close();

    expect(ofA.changes).toEqual(["+0,1,2,3 -", "+ -2,3", "+0 -", "+2,3 -", "+ -0,0,1,2,3"]);
    expect(ofB.changes).toEqual(["+2,3 -", "+ -2,3"]);
  });

  it("may seek when they are told, and are handed nothing of the place where they were", async () => {
    await using reading = await openReading(1);
    await reading.send(0, ...numbered(20));
    const consumer = reading.mq.pullConsumer({
      group: GROUP,
      subscriptions: { [TOPIC]: "*" },
      onAssignmentChange: (added) => {
        for (const queue of added) void consumer.seek(queue, 17);
      },
    });
    await consumer.start();

    expect(texts(await consumer.poll())).toEqual(numbered(3, 18));
  });

  it("survive a listener of changes that throws, rejects, or closes them", async () => {
    await using reading = await openReading(1);
    const failing = await member(reading, 0, {
      onAssignmentChange: () => {
        throw new Error("broken");
      },
    });
    await failing.close();
    const rejecting = await member(reading, 1, {
      onAssignmentChange: () => Promise.reject(new Error("broken too")) as never,
    });
    await rejecting.close();
    const closing = reading.mq.pullConsumer({
      group: GROUP,
      subscriptions: { [TOPIC]: "*" },
      onAssignmentChange: () => void closing.close(),
    });
    await closing.start().catch(() => undefined);
    await closing.close();

    const said = reading.logged.filter(({ level }) => level === "error").map(({ text }) => text);
    expect(said).toEqual([
      ...Array.from({ length: 2 }, () => "onAssignmentChange failed: broken"),
      ...Array.from({ length: 2 }, () => "onAssignmentChange failed: broken too"),
    ]);
  });

  it("use the strategy that they are given", async () => {
    await using reading = await openReading(3);
    const consumer = await member(reading, 0, {
      allocateMessageQueueStrategy: (...given) => allocateAveragely(...given).filter(({ queueId }) => queueId !== 1),
    });

    expect(ids(consumer)).toEqual([0, 2]);
  });

  it("take another filter for what they have not handed out yet, and go on where they were", async () => {
    await using reading = await openReading(1);
    const producer = reading.mq.producer({ group: "shop" });
    for (const [index, tag] of ["x", "y", "x", "y", "x", "y"].entries())
      await producer.send({ topic: TOPIC, tag, body: `${index} ${tag}` });
    const consumer = await reading.reader({ autoCommit: false });
    const first = await pollNow(consumer, { maxMessages: 2 });

    consumer.subscribe(TOPIC, "y");
    await reading.clock.settle();
    const rest = await drain(reading, consumer);
    await consumer.commit();

    expect([first, rest]).toEqual([
      ["0 x", "1 y"],
      ["3 y", "5 y"],
    ]);
    expect(await storedOffsets(reading.mq)).toEqual([6]);
  });

  it("get no failed messages of the group, and no share of its retry topic is theirs", async () => {
    await using reading = await openReading(1);
    const consumer = await reading.reader();

    expect(await reading.mq.admin.getGroup(GROUP)).toMatchObject({ members: 1, subscriptions: { orders: "*" } });
    expect(consumer.assignment).toEqual([queueOf(0)]);
  });
});

describe("PullConsumer.assign", () => {
  it("gives exactly these queues, to be changed at any time, and tells of it", async () => {
    await using reading = await openReading(4);
    const { changes, onAssignmentChange } = noteChanges();
    const consumer = reading.mq.pullConsumer({ group: GROUP, onAssignmentChange });
    for (const queue of [0, 1, 2, 3]) await reading.send(queue, `${queue}`);

    consumer.assign([queueOf(3), queueOf(1), { ...queueOf(1) }]);
    const before = ids(consumer);
    await consumer.start();
    await reading.clock.settle();
    const first = await drain(reading, consumer);
    consumer.assign([queueOf(1), queueOf(2)]);
    await reading.clock.settle();
    const second = await drain(reading, consumer);
    await consumer.close();

    expect([before, changes]).toEqual([[], ["+1,3 -", "+2 -3", "+ -1,2"]]);
    expect([[...first].sort(), second]).toEqual([["1", "3"], ["2"]]);
  });

  it("keeps no reference to what it is given", async () => {
    await using reading = await openReading(2);
    const queue = { ...queueOf(0) };
    const consumer = await reading.reader({ subscriptions: {} });
    consumer.assign([queue]);

    queue.queueId = 1;

    expect(ids(consumer)).toEqual([0]);
  });

  it("lets several have one queue; who commits last counts, and who was handed nothing changes nothing", async () => {
    await using reading = await openReading(1);
    await reading.send(0, ...numbered(20));
    const [a, b, idle] = [
      await member(reading, 0, { subscriptions: {} }),
      await member(reading, 1, { subscriptions: {} }),
      await member(reading, 2, { subscriptions: {} }),
    ];
    for (const consumer of [a, b, idle]) consumer.assign([queueOf(0)]);
    await reading.clock.settle();

    const seen = [await pollNow(a), await pollNow(b, { maxMessages: 4 })];
    await a.commit();
    const first = await storedOffsets(reading.mq);
    await b.commit();
    const second = await storedOffsets(reading.mq);
    await idle.commit();
    await idle.close();

    expect(seen).toEqual([numbered(10), numbered(4)]);
    expect([first, second, await storedOffsets(reading.mq)]).toEqual([[10], [4], [4]]);
  });

  it("takes no part in sharing, and does not change what the group subscribes to", async () => {
    await using reading = await openReading(4);
    const sharing = await member(reading, 0);
    const assigned = await member(reading, 1, { subscriptions: {} });
    assigned.assign([queueOf(2)]);
    await reading.send(2, "both get it");

    expect([ids(sharing), ids(assigned)]).toEqual([[0, 1, 2, 3], [2]]);
    expect([await pollNow(sharing), await pollNow(assigned)]).toEqual([["both get it"], ["both get it"]]);
    expect(await reading.mq.admin.getGroup(GROUP)).toMatchObject({ members: 2, subscriptions: { orders: "*" } });
    expect(reading.logged).toEqual([]);
  });

  it("reads every message, and a queue that does not exist as soon as it does", async () => {
    await using reading = await openReading(0, { defaultQueueCount: 1 });
    const consumer = await reading.reader({ subscriptions: {} });
    consumer.assign([queueOf(0)]);
    await reading.clock.settle();

    await reading.send(0, "a");
    await reading.clock.advance(1_000);

    expect(await pollNow(consumer)).toEqual(["a"]);
  });

  it("commits what it drops, with auto commit", async () => {
    await using reading = await openReading(2);
    await reading.send(0, ...numbered(3));
    const consumer = await reading.reader({ subscriptions: {} });
    consumer.assign([queueOf(0)]);
    await reading.clock.settle();
    await pollNow(consumer);

    consumer.assign([queueOf(1)]);
    await reading.settle();

    expect(await storedOffsets(reading.mq)).toEqual([3, 0]);
  });

  it.each<[string, (consumer: PullConsumer) => void, (consumer: PullConsumer) => void]>([
    ["subscribe", (consumer) => consumer.subscribe(TOPIC), (consumer) => consumer.assign([queueOf(0)])],
    ["assign", (consumer) => consumer.assign([queueOf(0)]), (consumer) => consumer.subscribe(TOPIC)],
  ])("excludes subscribe, whichever came first: %s, before and after start", async (_which, first, second) => {
    await using reading = await openReading(1);
    const refused = expect.objectContaining({ code: "ERR_MQ_SUBSCRIPTION", responseCode: -1 });
    const consumer = reading.mq.pullConsumer({ group: GROUP });

    first(consumer);
    expect(() => second(consumer)).toThrow(refused);
    await consumer.start();
    expect(() => second(consumer)).toThrow(refused);

    expect(ids(consumer)).toEqual([0]);
  });

  it("refuses queues of another broker, and has what it had", async () => {
    await using reading = await openReading(1);
    const consumer = await reading.reader({ subscriptions: {} });

    expect(() => consumer.assign([{ ...queueOf(0), brokerName: "broker-b" }])).toThrow(
      expect.objectContaining({ code: "ERR_MQ_OFFSET", responseCode: -1 }),
    );
    consumer.subscribe(TOPIC);

    expect(ids(consumer)).toEqual([0]);
  });
});

/** As in {@link openReading}, in one of several processes on a file. */
async function read(engine: Engine, options: Partial<PullConsumerOptions> = {}): Promise<PullConsumer> {
  const consumer = engine.test.mq.pullConsumer({ group: GROUP, subscriptions: { [TOPIC]: "*" }, ...options });
  await consumer.start();
  return consumer;
}

describe("pull consumers of several processes", () => {
  it("share the queues, and hand one over with its progress", async () => {
    await using engines = await openEngines();
    const [a, b] = [await engines.open(), await engines.open()];
    await a.test.mq.admin.createTopic(TOPIC, { readQueueNums: 2, writeQueueNums: 2 });
    for (let index = 0; index < 10; index += 1) await a.send(`${index}`, index % 2);
    const ofA = await read(a);
    await engines.settle();
    const first = [...(await pollNow(ofA, { maxMessages: 2 })), ...(await pollNow(ofA, { maxMessages: 2 }))];

    const ofB = await read(b);
    await engines.settle();
    const rest = [...(await drain(a.test, ofA)), ...(await drain(b.test, ofB))];

    expect([ids(ofA).length, ids(ofB).length]).toEqual([1, 1]);
    expect([...first, ...rest].sort()).toEqual(numbered(10, 0));
  });

  it("wake a poll that waits in another process", async () => {
    await using engines = await openEngines();
    const [a, b] = [await engines.open(), await engines.open()];
    await a.test.mq.admin.createTopic(TOPIC, { readQueueNums: 1, writeQueueNums: 1 });
    const consumer = await read(b);
    await engines.settle();

    const polling = consumer.poll();
    await a.send("x", 0);
    await engines.settle();

    expect(texts(await polling)).toEqual(["x"]);
  });

  /** Another process has found all others to be gone. */
  const TAKEN = `
    DELETE FROM mq_claim; DELETE FROM mq_member; DELETE FROM mq_engine;
    UPDATE mq_meta SET value = value + 1 WHERE name = 'member_changes'`;

  /** Five messages, of which two were handed out, in a broker whose driver can be watched; and another connection. */
  async function openWatched(): Promise<{
    readonly test: TestBroker;
    readonly driver: ReturnType<typeof openFaultDriver>;
    readonly other: Database.Database;
    readonly consumer: PullConsumer;
    readonly [Symbol.asyncDispose]: () => Promise<void>;
  }> {
    const folder = tempFolder();
    const driver = openFaultDriver(folder.file("app.db"));
    const test = await openTestBroker({ database: driver.database, defaultQueueCount: 1 });
    const producer = test.mq.producer({ group: "shop" });
    for (const body of numbered(5)) await producer.send({ topic: TOPIC, body });
    const consumer = test.mq.pullConsumer({ group: GROUP, subscriptions: { [TOPIC]: "*" }, autoCommit: false });
    await consumer.start();
    await test.clock.advance(50);
    expect(await pollNow(consumer, { maxMessages: 2 })).toEqual(["1", "2"]);
    const other = new Database(folder.file("app.db"));
    const dispose = async (): Promise<void> => {
      driver.onRead = undefined;
      await test[Symbol.asyncDispose]();
      other.close();
      driver.database.close();
      folder[Symbol.dispose]();
    };
    return { test, driver, other, consumer, [Symbol.asyncDispose]: dispose };
  }

  it("cannot commit a queue that was taken from their process while it hung: nothing is moved", async () => {
    await using watched = await openWatched();
    const { other, consumer, test } = watched;

    other.exec(TAKEN);
    await expect(consumer.commit()).rejects.toMatchObject({ code: "ERR_MQ_OFFSET", responseCode: -1 });

    await test.clock.advance(2_000);
    expect(other.prepare("SELECT count(*) FROM mq_consume_offset").pluck().get()).toBe(0);
  });

  it("are handed nothing of such a queue, though more of it was pulled, whatever their process does first", async () => {
    await using watched = await openWatched();
    const { other, consumer, test } = watched;

    other.exec(TAKEN);
    test.clock.setTime(test.clock.now() + 10_000);

    expect(await pollNow(consumer)).toEqual([]);
  });

  it("are handed nothing of it either where their process was stopped right after it had looked", async () => {
    await using watched = await openWatched();
    const { driver, other, consumer, test } = watched;

    driver.onRead = (source) => {
      if (source !== "PRAGMA data_version") return;
      driver.onRead = undefined;
      other.exec(TAKEN);
      test.clock.setTime(test.clock.now() + 10_000);
    };
    await test.clock.advance(250);

    expect(driver.onRead).toBeUndefined();
    expect(await pollNow(consumer)).toEqual([]);
  });

  it("may all assign one queue and commit it: the last one counts", async () => {
    await using engines = await openEngines();
    const [a, b] = [await engines.open(), await engines.open()];
    await a.test.mq.admin.createTopic(TOPIC, { readQueueNums: 1, writeQueueNums: 1 });
    for (let index = 0; index < 5; index += 1) await a.send(`${index}`, 0);
    const [ofA, ofB] = [await read(a, { subscriptions: {} }), await read(b, { subscriptions: {} })];
    for (const consumer of [ofA, ofB]) consumer.assign([queueOf(0)]);
    await engines.settle();

    await pollNow(ofA, { maxMessages: 4 });
    await pollNow(ofB, { maxMessages: 2 });
    await ofA.commit();
    const first = await ofB.committed(queueOf(0));
    await ofB.commit();
    const second = await ofA.committed(queueOf(0));
    await ofA.close();
    await ofB.close();

    expect([first, second]).toEqual([4, 2]);
    expect(await storedOffsets(a.test.mq)).toEqual([2]);
  });
});
