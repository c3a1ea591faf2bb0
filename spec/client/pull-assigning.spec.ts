import { describe, expect, it } from "vitest";
import type { PullConsumer } from "../../lib/index.js";
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
} from "./readers.js";

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

  it("changes nothing for others where it was handed nothing, also where it began below the oldest message", async () => {
    const database = await cutQueue();
    database.exec("INSERT INTO mq_consume_offset VALUES ('reading', 'orders', 0, 1)");
    await using reading = await openReading(0, { database });
    const [reader, idle] = [
      await member(reading, 0, { subscriptions: {} }),
      await member(reading, 1, { subscriptions: {} }),
    ];
    for (const consumer of [reader, idle]) consumer.assign([queueOf(0)]);
    await reading.clock.settle();

    const seen = await pollNow(reader);
    await reader.commit();
    await idle.commit();
    await idle.close();

    expect([seen, await storedOffsets(reading.mq)]).toEqual([["c", "d", "e"], [5]]);
  });
});
