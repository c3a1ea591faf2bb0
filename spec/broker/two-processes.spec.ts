import { describe, expect, it } from "vitest";
import { type Broker, openBroker } from "../../lib/index.js";
import { startChild } from "../support/child-process.js";
import { openFaultDriver } from "../support/fault-driver.js";
import { tempFolder } from "../support/temp-folder.js";
import { openTestBroker } from "../support/test-broker.js";
import { VirtualClock } from "../support/virtual-clock.js";

/** Starts a consumer of the topic and collects what it gets. */
async function consume(mq: Broker, topic: string): Promise<readonly string[]> {
  const got: string[] = [];
  const listener = (message: { text(): string }): void => void got.push(message.text());
  await mq.pushConsumer({ group: "readers", subscriptions: { [topic]: "*" }, listener }).start();
  return got;
}

describe("two processes on one file", () => {
  it("each get all that both send, in the order of each queue, nothing twice, also from topics that the other creates", async () => {
    using folder = tempFolder();
    const path = folder.file("a.db");
    const topics = ["orders", "from-a", "from-b"];
    await using a = startChild("peer.mjs", path, "a", ...topics);
    await using b = startChild("peer.mjs", path, "b", ...topics);
    const peers = [a, b];
    const [shared, own] = [300, 200];

    await Promise.all(peers.map((peer) => peer.tells("started")));
    for (const peer of peers) peer.say(`send ${shared} orders`);
    a.say(`send ${own} from-a`);
    b.say(`send ${own} from-b`);
    await Promise.all(peers.map((peer) => peer.tells("sent", 2)));
    await Promise.all(peers.map((peer) => peer.tells("got", 2 * (shared + own))));
    for (const peer of peers) peer.say("close");
    const ends = await Promise.all(peers.map((peer) => peer.ends()));

    const resolved = [...a.told("resolved"), ...b.told("resolved")].sort();
    expect(ends.map(({ code }) => code)).toEqual([0, 0]);
    expect(resolved).toHaveLength(2 * (shared + own));
    for (const peer of peers) {
      expect([...peer.told("got")].sort()).toEqual(resolved);
      for (const offsets of offsetsByQueue(peer.told("got")).values())
        expect(offsets).toEqual(offsets.map((_, i) => i));
    }
    await using test = await openTestBroker({ path });
    for (const group of ["a", "b"]) expect((await test.mq.admin.consumeStats(group)).lag).toBe(0);
  });

  it("do not lose a message of the other that is seen first by a commit of one's own", async () => {
    using folder = tempFolder();
    await using test = await openTestBroker({ path: folder.file("a.db") });
    await test.mq.admin.createTopic("orders");
    const got = await consume(test.mq, "orders");
    await test.clock.settle();
    await using peer = startChild("peer.mjs", folder.file("a.db"), "peer");

    peer.say("send 1 orders 0");
    await peer.tells("resolved");
    await test.mq.producer({ group: "p" }).send({ topic: "orders", body: "mine" }, { queue: 1 });
    await test.clock.settle();

    expect([...got].sort()).toEqual(["mine", "peer-1"]);
  });

  it("find what the other stores in a topic that it creates, though nothing else happens and no time passes", async () => {
    using folder = tempFolder();
    await using test = await openTestBroker({ path: folder.file("a.db") });
    let hasAll: () => void = () => undefined;
    const got: string[] = [];
    const listener = (message: { text(): string }): void => {
      if (got.push(message.text()) === 3) hasAll();
    };
    await test.mq.pushConsumer({ group: "readers", subscriptions: { late: "*" }, listener }).start();
    await using peer = startChild("peer.mjs", folder.file("a.db"), "peer");
    const all = new Promise<void>((resolve) => {
      hasAll = resolve;
    });

    peer.say("send 3 late 0");
    await all;

    expect(got.sort()).toEqual(["peer-1", "peer-2", "peer-3"]);
  });

  it("wait while the other holds the lock, and store what was sent meanwhile in order", async () => {
    using folder = tempFolder();
    await using test = await openTestBroker({ path: folder.file("a.db") });
    const producer = test.mq.producer({ group: "p" });
    await producer.send({ topic: "orders", body: "first" }, { queue: 0 });
    await using peer = startChild("peer.mjs", folder.file("a.db"), "peer");
    peer.say("lock");
    await peer.tells("locked");

    let settled = 0;
    const sends = ["a", "b", "c"].map(async (body) => {
      const { queueOffset } = await producer.send({ topic: "orders", body }, { queue: 0 });
      settled += 1;
      return queueOffset;
    });
    await test.clock.advance(100);
    const settledWhileLocked = settled;
    peer.say("unlock");
    await peer.tells("unlocked");
    await test.clock.advance(33);

    expect(settledWhileLocked).toBe(0);
    expect(await Promise.all(sends)).toEqual([1, 2, 3]);
  });

  it("answer a send with 2 when the other holds the lock until its time-out, and nothing of it is stored", async () => {
    using folder = tempFolder();
    await using test = await openTestBroker({ path: folder.file("a.db") });
    const producer = test.mq.producer({ group: "p", sendTimeoutMs: 500 });
    await producer.send({ topic: "orders", body: "first" }, { queue: 0 });
    await using peer = startChild("peer.mjs", folder.file("a.db"), "peer");
    peer.say("lock");
    await peer.tells("locked");

    const refusal = producer.send({ topic: "orders", body: "late" }, { queue: 0 }).catch((error: unknown) => error);
    await test.clock.advance(533);
    peer.say("unlock");
    await peer.tells("unlocked");
    const next = await producer.send({ topic: "orders", body: "next" }, { queue: 0 });

    expect(await refusal).toMatchObject({ code: "ERR_MQ_SYSTEM_BUSY", responseCode: 2 });
    expect(next.queueOffset).toBe(1);
  });
});

/** Of lines `TOPIC QUEUE OFFSET BODY`, in their order. */
function offsetsByQueue(lines: readonly string[]): ReadonlyMap<string, readonly number[]> {
  const byQueue = new Map<string, number[]>();
  for (const line of lines) {
    const [topic, queueId, offset] = line.split(" ");
    const queue = `${topic} ${queueId}`;
    byQueue.set(queue, [...(byQueue.get(queue) ?? []), Number(offset)]);
  }
  return byQueue;
}

describe("two brokers of one process on one file", () => {
  it("deliver what the other stores at once, without waiting for a timer", async () => {
    using folder = tempFolder();
    await using a = await openTestBroker({ path: folder.file("a.db") });
    await using b = await openTestBroker({ path: folder.file("a.db") });
    await a.mq.admin.createTopic("orders");
    const got = await consume(a.mq, "orders");
    await a.clock.settle();

    await b.mq.producer({ group: "p" }).send({ topic: "orders", body: "1" }, { queue: 0 });
    await a.clock.settle();

    expect(got).toEqual(["1"]);
  });

  it("find each other's new topics at once", async () => {
    using folder = tempFolder();
    await using a = await openTestBroker({ path: folder.file("a.db") });
    await using b = await openTestBroker({ path: folder.file("a.db") });
    const got = await consume(a.mq, "late");

    await b.mq.producer({ group: "p" }).send({ topic: "late", body: "1" });
    await a.clock.settle();

    expect(got).toEqual(["1"]);
  });

  it("deliver everything when both commit in the same turn", async () => {
    using folder = tempFolder();
    await using a = await openTestBroker({ path: folder.file("a.db") });
    await using b = await openTestBroker({ path: folder.file("a.db") });
    await a.mq.admin.createTopic("orders");
    const got = await consume(a.mq, "orders");
    await a.clock.settle();
    const [ofA, ofB] = [a.mq.producer({ group: "p" }), b.mq.producer({ group: "p" })];

    await Promise.all([
      ofB.send({ topic: "orders", body: "from b" }, { queue: 0 }),
      ofA.send({ topic: "orders", body: "from a" }, { queue: 1 }),
    ]);
    await a.clock.settle();

    expect([...got].sort()).toEqual(["from a", "from b"]);
  });

  it("miss nothing that the other stores while a new group starts on an empty queue", async () => {
    using folder = tempFolder();
    await using a = await openTestBroker({ path: folder.file("a.db"), defaultQueueCount: 1 });
    await using b = await openTestBroker({ path: folder.file("a.db"), defaultQueueCount: 1 });
    const producer = b.mq.producer({ group: "p" });
    const missed: number[] = [];

    for (let step = 0; step < 40; step += 1) {
      const [topic, group] = [`topic-${step}`, `readers-${step}`];
      await a.mq.admin.createTopic(topic);
      await a.mq.admin.createGroup(group);
      await a.clock.settle();
      const got: string[] = [];
      const listener = (message: { text(): string }): void => void got.push(message.text());
      const consumer = a.mq.pushConsumer({ group, subscriptions: { [topic]: "*" }, listener });
      const starting = consumer.start();
      // The other process commits after so many steps of ours.
      for (let passed = 0; passed < step; passed += 1) await Promise.resolve();
      producer.sendSync({ topic, body: "first" });
      await starting;
      await a.clock.settle();
      if (got.length !== 1) missed.push(step);
    }

    expect(missed).toEqual([]);
  });

  it("number messages of one queue densely, whoever sends and however", async () => {
    using folder = tempFolder();
    await using a = await openTestBroker({ path: folder.file("a.db") });
    await using b = await openTestBroker({ path: folder.file("a.db") });
    const producers = [a.mq.producer({ group: "p" }), b.mq.producer({ group: "p" })] as const;
    const offsets: number[] = [];

    for (let round = 0; round < 10; round += 1) {
      const [one, other] = round % 2 === 0 ? producers : ([producers[1], producers[0]] as const);
      const sends = [one, other, one].map((producer) => producer.send({ topic: "orders", body: "x" }, { queue: 0 }));
      offsets.push(other.sendSync({ topic: "orders", body: "x" }, { queue: 0 }).queueOffset);
      for (const { queueOffset } of await Promise.all(sends)) offsets.push(queueOffset);
    }

    expect(offsets.sort((x, y) => x - y)).toEqual(Array.from({ length: 40 }, (_, i) => i));
  });

  it("go on when the other had to stop, which then tells its consumers", async () => {
    using folder = tempFolder();
    await using a = await openTestBroker({ path: folder.file("a.db") });
    const producer = a.mq.producer({ group: "p" });
    await producer.send({ topic: "orders", body: "first" }, { queue: 0 });
    const driver = openFaultDriver(folder.file("a.db"));
    const b = await openBroker({ database: driver.database, clock: new VirtualClock(), seed: 1 });
    driver.fail("COMMIT", "SQLITE_IOERR_FSYNC", "before");
    const stop = await b
      .producer({ group: "p" })
      .send({ topic: "orders", body: "x" })
      .catch((error: unknown) => error);

    const { queueOffset } = await producer.send({ topic: "orders", body: "second" }, { queue: 0 });
    await a.clock.settle();
    await b.close();
    driver.database.close();

    expect(stop).toMatchObject({ code: "ERR_MQ_OUTCOME_UNKNOWN" });
    expect(queueOffset).toBe(1);
  });
});

describe("worker threads with a broker each on one file", () => {
  it("lose nothing, and each keeps its order", async () => {
    using folder = tempFolder();
    await using child = startChild("send-from-threads.mjs", folder.file("a.db"));

    const { bodies, problems } = JSON.parse(await child.tells("stored")) as { bodies: string[]; problems: string[] };

    for (const name of ["main", "one", "two"]) {
      const own = bodies.filter((body) => body.startsWith(`${name} `));
      expect(own).toEqual(Array.from({ length: 300 }, (_, number) => `${name} ${number}`));
    }
    expect([bodies.length, problems]).toEqual([900, []]);
  });
});
