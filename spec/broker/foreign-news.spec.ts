import Database from "better-sqlite3";
import { describe, expect, it } from "vitest";
import type { AllocateMessageQueueStrategy, Broker } from "../../lib/index.js";
import { type FaultDriver, openFaultDriver } from "../support/fault-driver.js";
import { tempFolder } from "../support/temp-folder.js";
import { openTestBroker, type TestBroker } from "../support/test-broker.js";

interface Setup extends AsyncDisposable {
  /** Watches the statements of {@link Setup.test}. */
  readonly driver: FaultDriver;
  readonly test: TestBroker;
  /** A broker on a connection of its own, as another process has it. */
  readonly peer: TestBroker;
  /** Texts that the consumer of `test` got, which subscribes to "topic-0", "topic-1" and so on. */
  readonly got: readonly string[];
  /** Topics of which a share was asked for. */
  readonly shared: string[];
}

/** The topics exist, have one queue and a message or two, which were delivered, and nothing is left to be noticed. */
async function setup(topicCount: number, subscriptionCount = topicCount): Promise<Setup> {
  const folder = tempFolder();
  const path = folder.file("a.db");
  const driver = openFaultDriver(path);
  driver.database.pragma("journal_mode = WAL");
  const test = await openTestBroker({ database: driver.database, defaultQueueCount: 1 });
  const peer = await openTestBroker({ path, defaultQueueCount: 1 });
  const topics = Array.from({ length: subscriptionCount }, (_, index) => `topic-${index}`);
  const [got, shared]: [string[], string[]] = [[], []];
  const strategy: AllocateMessageQueueStrategy = (_group, _clientId, queues) => {
    shared.push(queues[0]?.topic ?? "none");
    return queues;
  };
  for (const topic of topics.slice(0, topicCount)) await send(peer.mq, topic, "first");
  const consumer = test.mq.pushConsumer({
    group: "billing",
    subscriptions: Object.fromEntries(topics.map((topic) => [topic, "*"])),
    allocateMessageQueueStrategy: strategy,
    listener: (message) => void got.push(`${message.topic} ${message.text()}`),
  });
  await consumer.start();
  // The topics that the consumer made for itself are looked at with the next news.
  await send(peer.mq, "topic-0", "second");
  await test.clock.advance(1_000);
  for (const list of [got, shared]) list.length = 0;
  return {
    driver,
    test,
    peer,
    got,
    shared,
    [Symbol.asyncDispose]: async () => {
      driver.onRead = undefined;
      await peer[Symbol.asyncDispose]();
      await test[Symbol.asyncDispose]();
      driver.database.close();
      folder[Symbol.dispose]();
    },
  };
}

async function send(mq: Broker, topic: string, body: string): Promise<void> {
  await mq.producer({ group: "shop" }).send({ topic, body });
}

/** To a topic that is new. */
async function sendInTransaction(mq: Broker, end: "COMMIT" | "ROLLBACK"): Promise<void> {
  mq.database.exec("BEGIN");
  mq.producer({ group: "shop" }).sendSync({ topic: "unknown", body: "ours" });
  mq.database.exec(end);
}

/** How many reads it takes until a message that the peer sends to the first topic was delivered. */
async function readsOfOneNews(topicCount: number): Promise<number> {
  await using both = await setup(topicCount);
  let reads = 0;
  both.driver.onRead = (source) => {
    // How often it is looked whether there is news depends on the machine.
    if (source !== "PRAGMA data_version") reads += 1;
  };

  await send(both.peer.mq, "topic-0", "news");
  await both.test.clock.settle();

  expect(both.got).toEqual(["topic-0 news"]);
  return reads;
}

describe("a commit of another process", () => {
  it("costs the queues that got nothing nothing, however many there are", async () => {
    const few = await readsOfOneNews(2);

    const many = await readsOfOneNews(60);

    expect(many).toBe(few);
  });

  it("shares no topic anew when it brought messages only", async () => {
    await using both = await setup(3);

    for (const topic of ["topic-0", "topic-2"]) await send(both.peer.mq, topic, "news");
    await both.test.clock.advance(1_000);

    expect(both.shared).toEqual([]);
    expect(both.got.toSorted()).toEqual(["topic-0 news", "topic-2 news"]);
  });

  it("shares the topics anew when one of them was made or changed", async () => {
    await using both = await setup(1, 2);
    const { test, peer, shared } = both;

    await peer.mq.admin.createTopic("topic-1");
    await test.clock.settle();
    const made = shared.splice(0);
    await peer.mq.admin.updateTopic("topic-0", { readQueueNums: 2, writeQueueNums: 2 });
    await test.clock.settle();

    expect([made, shared]).toEqual([
      ["topic-0", "topic-1", "%RETRY%billing"],
      ["topic-0", "topic-1", "%RETRY%billing"],
    ]);
  });

  it("is no news in what is not ours", async () => {
    await using both = await setup(3);
    const { test, driver, shared } = both;
    using other = closing(new Database(driver.database.name));
    let queueReads = 0;
    driver.onRead = (source) => {
      if (source.includes("WHERE queue_key") || source.includes("FROM mq_queue")) queueReads += 1;
    };

    other.database.exec("CREATE TABLE invoice (id INTEGER); INSERT INTO invoice VALUES (1)");
    await test.clock.advance(1_000);

    expect([queueReads, shared]).toEqual([0, []]);
  });

  it("shares nothing anew for a topic that was made here", async () => {
    await using both = await setup(1, 2);
    const { test, peer, shared } = both;
    await send(test.mq, "topic-1", "ours");
    await test.clock.settle();
    shared.length = 0;

    await send(peer.mq, "topic-0", "news");
    await test.clock.advance(1_000);

    expect(shared).toEqual([]);
  });

  it.each<[how: string, run: (both: Setup) => Promise<unknown>]>([
    ["was stored with a transaction of the owner's", async ({ test }) => sendInTransaction(test.mq, "COMMIT")],
    ["was rolled back with a transaction of the owner's", async ({ test }) => sendInTransaction(test.mq, "ROLLBACK")],
    [
      "was undone with a write that SQLite refused",
      async ({ test, driver }) => {
        driver.database.exec(`CREATE TRIGGER refuse BEFORE INSERT ON mq_log
          WHEN instr(NEW.records, CAST('poison' AS BLOB)) > 0 BEGIN SELECT RAISE(ABORT, 'poison'); END`);
        const poisoned = expect(send(test.mq, "unborn", "poison")).rejects.toMatchObject({ code: "ERR_MQ_STORE" });
        await Promise.all([send(test.mq, "topic-0", "good"), poisoned]);
      },
    ],
  ])("shares the topics anew when one was made there after one of ours %s", async (_how, run) => {
    await using both = await setup(1, 2);
    const { test, peer, shared } = both;
    await run(both);
    await test.clock.settle();
    await send(test.mq, "topic-0", "ours");
    await test.clock.settle();
    shared.length = 0;

    await peer.mq.admin.createTopic("topic-1");
    await test.clock.advance(1_000);

    expect(shared).toContain("topic-1");
  });

  it("is noticed with everything that came between two looks, commits of one's own among it", async () => {
    await using both = await setup(3);
    const { test, peer, got } = both;

    await send(peer.mq, "topic-1", "theirs");
    await Promise.all([send(test.mq, "topic-0", "ours"), send(peer.mq, "topic-2", "theirs"), peer.clock.settle()]);
    await test.clock.advance(1_000);

    expect(got.toSorted()).toEqual(["topic-0 ours", "topic-1 theirs", "topic-2 theirs"]);
  });
});

function closing(database: Database.Database): Disposable & { readonly database: Database.Database } {
  return { database, [Symbol.dispose]: () => void database.close() };
}
