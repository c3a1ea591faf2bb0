import Database from "better-sqlite3";
import { describe, expect, it } from "vitest";
import type { AllocateMessageQueueStrategy, Broker, PushConsumer, PushConsumerOptions } from "../../lib/index.js";
import { openTestBroker } from "../support/test-broker.js";
import { queueIdsOf, TOPIC } from "./engines.js";

const ROUND_MS = 20_000;

async function start(mq: Broker, settings: Partial<PushConsumerOptions> = {}): Promise<PushConsumer> {
  const consumer = mq.pushConsumer({
    group: "billing",
    subscriptions: { [TOPIC]: "*" },
    listener: () => "success",
    ...settings,
  } as PushConsumerOptions);
  await consumer.start();
  return consumer;
}

/** Gives everybody the queues from `first` on. */
function movingStrategy(): { first: number; readonly strategy: AllocateMessageQueueStrategy } {
  const moving = {
    first: 0,
    strategy: ((_group, _clientId, queues) => queues.slice(moving.first)) as AllocateMessageQueueStrategy,
  };
  return moving;
}

describe("the queues of a group are shared anew every 20 s", () => {
  it("so that a strategy may answer differently with time", async () => {
    await using broker = await openTestBroker();
    await broker.mq.admin.createTopic(TOPIC);
    const moving = movingStrategy();
    const consumer = await start(broker.mq, { allocateMessageQueueStrategy: moving.strategy });
    const shares = [queueIdsOf(consumer)];

    for (const first of [2, 1]) {
      moving.first = first;
      await broker.clock.advance(ROUND_MS - 1);
      shares.push(queueIdsOf(consumer));
      await broker.clock.advance(1);
      shares.push(queueIdsOf(consumer));
    }

    expect(shares).toEqual([
      [0, 1, 2, 3],
      [0, 1, 2, 3],
      [2, 3],
      [2, 3],
      [1, 2, 3],
    ]);
  });

  it("also for a consumer that subscribes later than it starts", async () => {
    await using broker = await openTestBroker();
    await broker.mq.admin.createTopic(TOPIC);
    const moving = movingStrategy();
    const consumer = broker.mq.pullConsumer({ group: "billing", allocateMessageQueueStrategy: moving.strategy });
    await consumer.start();
    consumer.subscribe(TOPIC);
    const before = consumer.assignment.length;

    moving.first = 3;
    await broker.clock.advance(ROUND_MS);
    const after = consumer.assignment.length;
    await consumer.close();

    expect([before, after]).toEqual([4, 1]);
  });

  it("with one timer for all groups of a broker that share queues, until the last member leaves", async () => {
    await using broker = await openTestBroker();
    const { mq, clock } = broker;
    const timers: number[] = [];
    const note = async (): Promise<void> => {
      await clock.advance(1_000);
      timers.push(clock.pendingTimers);
    };

    const boards = await start(mq, { group: "boards", messageModel: "broadcasting" });
    await note();
    const members = [await start(mq), await start(mq), await start(mq, { group: "auditing" })];
    await note();
    await clock.advance(2 * ROUND_MS);
    await note();
    for (const consumer of members) await consumer.close();
    await note();
    await boards.close();
    await note();

    // That of a broadcasting one notes each day that it is there.
    expect(timers).toEqual([1, 2, 2, 1, 0]);
  });

  it("without a statement where nothing has changed", async () => {
    const statements: unknown[] = [];
    const database = new Database(":memory:", { verbose: (sql) => void statements.push(sql) });
    await using broker = await openTestBroker({ database });
    const { mq, clock } = broker;
    await mq.admin.createTopic(TOPIC);
    /** How many statements there were at each call of the strategy. */
    const seen: number[] = [];
    const strategy: AllocateMessageQueueStrategy = (_group, _clientId, queues) => {
      seen.push(statements.length);
      return queues;
    };
    await start(mq, { allocateMessageQueueStrategy: strategy });
    await clock.advance(1_000);
    statements.length = 0;
    seen.length = 0;

    await clock.advance(3 * ROUND_MS);

    // It is called for the topic and the retry topic; between rounds it is looked for commits of others.
    expect([seen[0], seen[2], seen[4]]).toEqual([seen[1], seen[3], seen[5]]);
    expect(seen).toHaveLength(6);
    expect(statements.filter((sql) => !String(sql).includes("PRAGMA"))).toEqual([]);
  });

  it("also after the clock was set back, from the next change of members on", async () => {
    await using broker = await openTestBroker();
    const { mq, clock } = broker;
    await mq.admin.createTopic(TOPIC);
    const moving = movingStrategy();
    const consumer = await start(mq, { allocateMessageQueueStrategy: moving.strategy });

    clock.setTime(clock.now() - 3_600_000);
    await start(mq, { group: "auditing" });
    moving.first = 3;
    await clock.advance(ROUND_MS);

    expect(queueIdsOf(consumer)).toEqual([3]);
  });

  it("until the store is gone: nobody is told again and again", async () => {
    const database = new Database(":memory:");
    await using broker = await openTestBroker({ database });
    await start(broker.mq);
    await broker.clock.advance(100);

    database.close();
    await broker.clock.advance(3 * ROUND_MS);

    expect(broker.logged.filter(({ level }) => level === "error")).toHaveLength(1);
    expect(broker.clock.pendingTimers).toBe(0);
  });
});
