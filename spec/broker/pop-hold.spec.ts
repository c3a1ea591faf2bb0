import { describe, expect, it } from "vitest";
import type { PopRequest } from "../../lib/broker/pop-message.js";
import type { StoredMessageView } from "../../lib/message/message-view.js";
import { openFaultDriver } from "../support/fault-driver.js";
import type { TestPort } from "../support/local-broker.js";
import { tempFolder } from "../support/temp-folder.js";
import { openTestBroker } from "../support/test-broker.js";
import {
  acknowledge,
  GROUP,
  INVISIBLE_MS,
  openPopPort,
  type Popping,
  pop,
  popPort,
  popping,
  RETRY_TOPIC,
  rowsOf,
  send,
  TOPIC,
  texts,
} from "./pop-port.js";

const AWAIT_MS = 20_000;
const waiting = { awaitMs: AWAIT_MS } as const;

/** What pops have come to so far, by their places. */
function watch(...pops: readonly Popping[]): (readonly string[] | { readonly code: unknown } | undefined)[] {
  const ends: (readonly string[] | { readonly code: unknown } | undefined)[] = pops.map(() => undefined);
  for (const [index, { popped }] of pops.entries())
    popped.then(
      (messages) => {
        ends[index] = texts(messages);
      },
      ({ code }) => {
        ends[index] = { code };
      },
    );
  return ends;
}

const topicsOf = (...topics: readonly string[]): PopRequest["topics"] =>
  topics.map((topic) => ({ topic, expression: "*" }));

describe("a pop that found nothing", () => {
  it("gets the message that is stored next", async () => {
    await using broker = await popPort();
    const { popped } = popping(broker, waiting);
    await broker.clock.advance(5_000);

    await send(broker, ["a"]);

    expect(texts(await popped)).toEqual(["a"]);
    expect(broker.clock.pendingTimers).toBe(1);
  });

  it("gets nothing when nothing comes until its time is up, and not before", async () => {
    await using broker = await popPort();
    const ends = watch(popping(broker, waiting));

    await broker.clock.advance(AWAIT_MS - 1);
    const before = [...ends];
    await broker.clock.advance(1);

    expect([before, ends]).toEqual([[undefined], [[]]]);
    expect(broker.clock.pendingTimers).toBe(0);
  });

  it("gets a message that was popped before and is visible again", async () => {
    await using broker = await popPort(["a"]);
    await pop(broker, { invisibleMs: 10_000 });
    const { popped } = popping(broker, waiting);

    await broker.clock.advance(10_000);

    expect(await popped).toMatchObject([{ storedTopic: RETRY_TOPIC, deliveryAttempt: 2 }]);
  });

  it("waits on when what comes is for others: of another tag, topic or group's retries", async () => {
    await using broker = await popPort(["a"]);
    await pop(broker, { group: "shipping", invisibleMs: 10_000 });
    await broker.port.engine.write(() => broker.port.engine.offsets.store(GROUP, TOPIC, 0, 1));
    const ends = watch(popping(broker, { ...waiting, topics: [{ topic: TOPIC, expression: "paid" }] }));

    await send(broker, [{ body: "b", tag: "created" }]);
    await broker.mq.producer({ group: "shop" }).send({ topic: "refunds", body: "r" });
    await broker.clock.advance(10_000);
    const before = [...ends];
    await send(broker, [{ body: "c", tag: "paid" }]);
    await broker.clock.settle();

    expect([before, ends]).toEqual([[undefined], [["c"]]]);
  });

  it("gets a message of any of its topics, also of one that did not exist", async () => {
    await using broker = await popPort();
    const topics = [TOPIC, "refunds"].map((topic) => ({ topic, expression: "*" }));
    const { popped } = popping(broker, { ...waiting, topics });
    await broker.clock.settle();

    await broker.mq.producer({ group: "shop" }).send({ topic: "refunds", body: "r" });

    expect(texts(await popped)).toEqual(["r"]);
  });

  it("gets what was in a topic that can be read from then on", async () => {
    await using broker = await popPort(["a"]);
    await broker.mq.admin.updateTopic(TOPIC, { perm: "W" });
    const { popped } = popping(broker, waiting);
    await broker.clock.settle();

    await broker.mq.admin.updateTopic(TOPIC, { perm: "RW" });

    expect(texts(await popped)).toEqual(["a"]);
  });

  it("fails when its group may not consume any more, with what comes next", async () => {
    await using broker = await popPort();
    const ends = watch(popping(broker, waiting));
    await broker.clock.settle();

    await broker.mq.admin.updateGroup(GROUP, { consumeEnable: false });
    await send(broker, ["a"]);
    await broker.clock.settle();

    expect(ends).toEqual([{ code: "ERR_MQ_NO_PERMISSION" }]);
  });

  it("fails when its broker closes", async () => {
    await using broker = await popPort();
    const ends = watch(popping(broker, waiting));
    await broker.clock.settle();

    await broker.mq.close();

    expect(ends).toEqual([{ code: "ERR_MQ_CLOSED" }]);
  });

  it("fails when its broker closes before it has looked", async () => {
    await using broker = await popPort();
    const ends = watch(popping(broker, waiting));

    await broker.mq.close();

    expect([ends, broker.clock.pendingTimers]).toEqual([[{ code: "ERR_MQ_CLOSED" }], 0]);
  });

  it("writes nothing while it waits", async () => {
    const driver = openFaultDriver();
    await using broker = await openPopPort({ database: driver.database });
    const ends = watch(popping(broker, waiting));
    await broker.clock.settle();
    const begun: string[] = [];
    driver.onRun = (source) => void (source.startsWith("BEGIN") && begun.push(source));

    await broker.clock.advance(AWAIT_MS);
    driver.onRun = undefined;

    expect([begun, ends]).toEqual([[], [[]]]);
  });
});

describe("of several pops of a group that wait", () => {
  it("one message wakes the one that has waited longest", async () => {
    const driver = openFaultDriver();
    await using broker = await openPopPort({ database: driver.database });
    const ends = watch(...[1, 2, 3].map(() => popping(broker, waiting)));
    await broker.clock.settle();
    let looks = 0;
    driver.onRun = (source) => {
      if (source.startsWith("BEGIN")) looks += 1;
    };

    await send(broker, ["a"]);
    await broker.clock.settle();
    driver.onRun = undefined;

    expect(ends).toEqual([["a"], undefined, undefined]);
    // That of the send, and one more.
    expect(looks).toBe(2);
  });

  it("so many are woken as messages come", async () => {
    await using broker = await popPort();
    const ends = watch(...[1, 2, 3].map(() => popping(broker, { ...waiting, maxMessages: 1 })));
    await broker.clock.settle();

    await send(broker, ["a", "b"]);
    await broker.clock.settle();

    expect(ends).toEqual([["a"], ["b"], undefined]);
  });

  it("one that comes too late for a message waits on in its place", async () => {
    await using broker = await popPort();
    const ends = watch(popping(broker, { ...waiting, maxMessages: 2 }), ...[2, 3].map(() => popping(broker, waiting)));
    await broker.clock.settle();

    await send(broker, ["a", "b"]);
    await broker.clock.settle();
    await send(broker, ["c"]);
    await broker.clock.settle();

    expect(ends).toEqual([["a", "b"], ["c"], undefined]);
  });

  it("the next one is woken when the first leaves something", async () => {
    await using broker = await popPort();
    const ends = watch(...[1, 2].map(() => popping(broker, { ...waiting, maxMessages: 1 })));
    await broker.clock.settle();

    // Two messages that come as one piece of news, as from another process.
    broker.mq.transaction(() => {
      const producer = broker.mq.producer({ group: "shop" });
      for (const body of ["a", "b"]) producer.sendSync({ topic: TOPIC, body });
    });
    await broker.clock.settle();

    expect(ends).toEqual([["a"], ["b"]]);
  });

  it("one that waits for this topic only is woken when the first leaves something, not one that waits for another", async () => {
    await using broker = await popPort();
    const both = popping(broker, { ...waiting, maxMessages: 1, topics: topicsOf(TOPIC, "refunds") });
    const others = [TOPIC, "refunds"].map((topic) => popping(broker, { ...waiting, topics: topicsOf(topic) }));
    const ends = watch(both, ...others);
    await broker.mq.admin.createTopic("refunds");
    await broker.clock.settle();

    broker.mq.transaction(() => {
      const producer = broker.mq.producer({ group: "shop" });
      for (const body of ["a", "b"]) producer.sendSync({ topic: "refunds", body }, { queue: 0 });
    });
    await broker.clock.settle();

    expect(ends).toEqual([["a"], undefined, ["b"]]);
  });

  it("the next one is woken when the first finds something in another of its topics", async () => {
    await using broker = await popPort();
    const ends = watch(
      popping(broker, { ...waiting, topics: topicsOf(TOPIC, "refunds") }),
      popping(broker, { ...waiting, topics: topicsOf("refunds") }),
    );
    await broker.mq.admin.createTopic("refunds");
    await broker.clock.settle();

    const producer = broker.mq.producer({ group: "shop" });
    await Promise.all(["refunds", TOPIC].map((topic) => producer.send({ topic, body: topic })));
    await broker.clock.settle();

    expect(ends).toEqual([[TOPIC], ["refunds"]]);
  });

  it("each of another group is woken as well", async () => {
    await using broker = await popPort();
    const ends = watch(popping(broker, waiting), popping(broker, { ...waiting, group: "shipping" }));
    await broker.clock.settle();

    await send(broker, ["a"]);
    await broker.clock.settle();

    expect(ends).toEqual([["a"], ["a"]]);
  });

  it("the next one is woken when the first is withdrawn before it could look", async () => {
    await using broker = await popPort();
    const [first, second] = [popping(broker, waiting), popping(broker, waiting)];
    const ends = watch(first, second);
    await broker.clock.settle();

    const sent = send(broker, ["a"]);
    const looked = new Promise<void>((resolve) => broker.mq.once("message:stored", () => resolve()));
    await looked;
    const isWithdrawn = first.withdraw();
    await sent;
    await broker.clock.settle();

    expect(isWithdrawn).toBe(true);
    expect(ends).toEqual([undefined, ["a"]]);
  });

  it("the next one is woken when the first fails", async () => {
    const driver = openFaultDriver();
    await using broker = await openPopPort({ database: driver.database });
    const ends = watch(popping(broker, waiting), popping(broker, waiting));
    await broker.clock.settle();
    let failures = 0;
    driver.onRun = (source) => {
      if (!source.startsWith("INSERT INTO mq_pop")) return;
      failures += 1;
      if (failures > 1) driver.heal();
    };

    driver.fail("INSERT INTO mq_pop", "SQLITE_IOERR_WRITE", "before");
    await send(broker, ["a"]);
    await broker.clock.settle();
    driver.onRun = undefined;

    expect(ends).toEqual([{ code: "ERR_MQ_STORE" }, ["a"]]);
  });

  it("the 1,025th is refused with RocketMQ's code, and no other", async () => {
    await using broker = await popPort();
    const pops = Array.from({ length: 1_024 }, () => popping(broker, waiting));
    const ends = watch(...pops);
    await broker.clock.settle();

    await expect(pop(broker, waiting)).rejects.toMatchObject({ code: "ERR_MQ_TOO_MANY_REQUESTS", responseCode: 209 });
    const other = watch(popping(broker, { ...waiting, group: "shipping" }));
    await broker.clock.advance(AWAIT_MS);

    expect([new Set(ends.map((end) => JSON.stringify(end))), other]).toEqual([new Set(["[]"]), [[]]]);
  });
});

describe("a pop that is withdrawn", () => {
  it("before it could look pops nothing, and hears nothing", async () => {
    await using broker = await popPort(["a"]);
    const first = popping(broker);
    const ends = watch(first);

    const isWithdrawn = first.withdraw();
    await broker.clock.settle();

    expect([isWithdrawn, ends, rowsOf(broker, "mq_pop")]).toEqual([true, [undefined], []]);
    expect(texts(await pop(broker))).toEqual(["a"]);
  });

  it("while it waits gets nothing that comes, and leaves no timer", async () => {
    await using broker = await popPort();
    const first = popping(broker, waiting);
    const ends = watch(first);
    await broker.clock.settle();

    const isWithdrawn = first.withdraw();
    await send(broker, ["a"]);
    await broker.clock.settle();

    expect([isWithdrawn, ends, broker.clock.pendingTimers]).toEqual([true, [undefined], 0]);
    expect(rowsOf(broker, "mq_pop")).toEqual([]);
  });

  it("while another writer has the lock pops nothing", async () => {
    const driver = openFaultDriver();
    await using broker = await openPopPort({ database: driver.database });
    await send(broker, ["a"]);
    driver.fail("COMMIT", "SQLITE_BUSY", "before");
    const first = popping(broker, waiting);
    const ends = watch(first);
    await broker.clock.settle();

    const isWithdrawn = first.withdraw();
    driver.heal();
    await broker.clock.advance(1_000);

    expect([isWithdrawn, ends, rowsOf(broker, "mq_pop")]).toEqual([true, [undefined], []]);
  });

  it("after it was answered says that it was too late", async () => {
    await using broker = await popPort(["a"]);
    const first = popping(broker);
    const popped = await first.popped;

    expect(first.withdraw()).toBe(false);
    await acknowledge(broker, popped);
  });

  it("within the commit that pops for it says so, too", async () => {
    await using broker = await popPort(["a", "b"]);
    const { port } = broker;
    const taken: StoredMessageView[] = [];
    const request = { group: GROUP, topics: [{ topic: TOPIC, expression: "*" }], maxMessages: 1 } as const;
    const more = { invisibleMs: INVISIBLE_MS, awaitMs: 0, startAt: "last-message", attemptId: undefined } as const;
    const popped = (messages: readonly StoredMessageView[]): void => void taken.push(...messages);
    const failed = (error: unknown): never => {
      throw error;
    };

    let isWithdrawn: boolean | undefined;
    port.pop(
      { ...request, ...more },
      {
        popped: (messages) => {
          popped(messages);
          isWithdrawn = second.withdraw();
        },
        failed,
      },
    );
    const second = port.pop({ ...request, ...more }, { popped, failed });
    await broker.clock.settle();

    expect([isWithdrawn, texts(taken)]).toEqual([false, ["a", "b"]]);
  });
});

describe("a pop while the owner of the connection has a transaction open", () => {
  it("waits for its end, for as long as it would wait for a message", async () => {
    const driver = openFaultDriver();
    await using broker = await openPopPort({ database: driver.database });
    await send(broker, ["a"]);

    driver.database.exec("BEGIN");
    const ends = watch(popping(broker, waiting), popping(broker));
    await broker.clock.advance(10_000);
    const within = [...ends];
    driver.database.exec("COMMIT");
    await broker.clock.advance(1_000);

    expect(within).toEqual([undefined, { code: "ERR_MQ_TIMEOUT" }]);
    expect(ends[0]).toEqual(["a"]);
  });
});

describe("pops that wait for blocked queues while another process commits", () => {
  const QUEUES = 100;

  interface Blocked extends AsyncDisposable {
    readonly broker: TestPort;
    readonly pops: readonly Popping[];
    readonly counted: { reads: number };
  }

  /** Every queue is blocked, and so many pops wait for them; `reads` counts looks at what blocks a queue. */
  async function blockAll(path: string, waiters: number): Promise<Blocked> {
    const driver = openFaultDriver(path);
    driver.database.pragma("journal_mode = WAL");
    const broker = await openPopPort({
      database: driver.database,
      queues: QUEUES,
      group: { consumeMessageOrderly: true },
    });
    for (let queue = 0; queue < QUEUES; queue += 1) await send(broker, ["a", "b"], queue);
    for (let queue = 0; queue < QUEUES; queue += 1) await pop(broker, { maxMessages: 1, invisibleMs: 600_000 });
    const pops = Array.from({ length: waiters }, () => popping(broker, { awaitMs: 500_000 }));
    await broker.clock.settle();
    const counted = { reads: 0 };
    driver.onRead = (source) => {
      if (source.includes("FROM mq_pop_order")) counted.reads += 1;
    };
    return { broker, pops, counted, [Symbol.asyncDispose]: () => broker[Symbol.asyncDispose]() };
  }

  it("look once for all of them, and not again for a while after many queues", async () => {
    using folder = tempFolder();
    await using blocked = await blockAll(folder.file("app.db"), 5);
    const { broker, counted } = blocked;
    await using other = await openTestBroker({ path: folder.file("app.db"), seed: 2 });
    const producer = other.mq.producer({ group: "shop" });
    producer.sendSync({ topic: "other", body: "x" });
    await broker.clock.advance(1_000);
    counted.reads = 0;

    const reads: number[] = [];
    for (let commit = 0; commit < 3; commit += 1) {
      producer.sendSync({ topic: "other", body: "x" });
      broker.port.engine.reads.lookForForeignCommits();
      await broker.clock.advance(3);
      reads.push(counted.reads);
    }
    await broker.clock.advance(10);
    reads.push(counted.reads);
    for (const { withdraw } of blocked.pops) withdraw();

    expect(reads).toEqual([QUEUES, QUEUES, QUEUES, 2 * QUEUES]);
  });
});
