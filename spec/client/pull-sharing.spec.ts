import { describe, expect, it } from "vitest";
import { allocateAveragely } from "../../lib/index.js";
import {
  cutQueue,
  drain,
  GROUP,
  ids,
  member,
  noteChanges,
  numbered,
  openReading,
  pollNow,
  queueOf,
  storedOffsets,
  TOPIC,
  texts,
} from "./readers.js";

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

  it("change nothing that is stored by taking another filter, before they are handed anything", async () => {
    await using reading = await openReading(1);
    await reading.send(0, ...numbered(3));
    const consumer = await reading.reader();

    consumer.subscribe(TOPIC, "paid");
    await consumer.commit();
    await reading.settle();

    expect(await consumer.committed(queueOf(0))).toBeUndefined();
  });

  it("commit what was handed out of a queue that they lose in the step in which they take another filter", async () => {
    await using reading = await openReading(1);
    await reading.send(0, ...numbered(3));
    let isLost = false;
    const consumer = await reading.reader({
      allocateMessageQueueStrategy: (_group, _id, queues) => (isLost ? [] : queues),
    });
    await pollNow(consumer, { maxMessages: 2 });

    isLost = true;
    consumer.subscribe(TOPIC, "paid");
    await reading.settle();

    expect([ids(consumer), await storedOffsets(reading.mq)]).toEqual([[], [2]]);
  });

  it("keep a queue paused through another filter, also where they have not begun it yet", async () => {
    await using reading = await openReading(1);
    await reading.send(0, "a");
    const consumer = await reading.reader({ subscriptions: {} });

    consumer.subscribe(TOPIC);
    consumer.pause([queueOf(0)]);
    consumer.subscribe(TOPIC, "none || *");
    consumer.subscribe(TOPIC, "*");
    await reading.clock.settle();
    const paused = await pollNow(consumer);
    consumer.resume([queueOf(0)]);
    await reading.clock.settle();

    expect([paused, await pollNow(consumer)]).toEqual([[], ["a"]]);
  });

  it("hand over a queue that they began at its end with what came since, though nothing of it was handed out", async () => {
    await using reading = await openReading(0, { database: await cutQueue() });
    const first = await member(reading, 1, { autoCommit: false });
    const begun = await first.committed(queueOf(0));
    await reading.send(0, "f");
    const second = await member(reading, 0, { autoCommit: false });

    expect([ids(first), ids(second), begun]).toEqual([[], [0], 5]);
    expect(await drain(reading, second)).toEqual(["f"]);
  });

  it("get no failed messages of the group, and no share of its retry topic is theirs", async () => {
    await using reading = await openReading(1);
    const consumer = await reading.reader();

    expect(await reading.mq.admin.getGroup(GROUP)).toMatchObject({ members: 1, subscriptions: { orders: "*" } });
    expect(consumer.assignment).toEqual([queueOf(0)]);
  });
});
