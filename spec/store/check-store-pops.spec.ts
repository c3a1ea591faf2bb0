import type Database from "better-sqlite3";
import { describe, expect, it } from "vitest";
import { GROUP, pop, popPort, send } from "../broker/pop-port.js";
import type { TestPort } from "../support/local-broker.js";
import { problemsOf } from "./damaged-store.js";

type Damage = readonly [damage: string, sql: string, problem: RegExp];

const OF_CHECKPOINTS: readonly Damage[] = [
  ["a key of none", "UPDATE mq_pop SET pop_key = 0 WHERE distances IS NULL", /^mq_pop: illegal values: 0$/],
  ["a key that nobody was given", "UPDATE mq_meta SET value = 7 WHERE name = 'pop_keys'", /^mq_pop: a key that nobody/],
  ["a start before its queue", "UPDATE mq_pop SET start_offset = -1", /^mq_pop: illegal values: \d+$/],
  ["a pop before 1970", "UPDATE mq_pop SET pop_time = -1", /^mq_pop: illegal values: \d+$/],
  ["an end before its beginning", "UPDATE mq_pop SET visible_at = pop_time - 1", /^mq_pop: illegal values: \d+$/],
  ["no message", "UPDATE mq_pop SET message_count = 0", /^mq_pop: illegal values: \d+$/],
  ["too many messages", "UPDATE mq_pop SET message_count = 33", /^mq_pop: illegal values: \d+$/],
  [
    "no message that is not acknowledged",
    "UPDATE mq_pop SET acknowledged = (1 << message_count) - 1",
    /^mq_pop: illegal values: \d+$/,
  ],
  ["a message acknowledged that it has not", "UPDATE mq_pop SET acknowledged = 4096", /^mq_pop: illegal values: \d+$/],
  ["distances that are no list", "UPDATE mq_pop SET distances = '{}'", /^mq_pop: illegal values: \d+$/],
  ["distances that are no JSON", "UPDATE mq_pop SET distances = '[0,'", /^mq_pop: illegal values: \d+$/],
  ["distances that are no numbers", `UPDATE mq_pop SET distances = '["0",2]'`, /^mq_pop: illegal values: \d+$/],
  ["a distance of the wrong order", "UPDATE mq_pop SET distances = '[2,1]'", /^mq_pop: illegal values: \d+$/],
  ["a negative distance", "UPDATE mq_pop SET distances = '[-1,2]'", /^mq_pop: illegal values: \d+$/],
  ["too few distances", "UPDATE mq_pop SET distances = '[1]'", /^mq_pop: illegal values: \d+$/],
  ["a message behind its queue", "UPDATE mq_pop SET start_offset = 8", /^mq_pop: no message of the queue: \d+$/],
  ["a far message behind its queue", "UPDATE mq_pop SET distances = '[0,9]'", /^mq_pop: no message of the queue/],
  ["a message of no queue", "UPDATE mq_pop SET queue_key = 99", /^mq_pop: no message of the queue: \d+$/],
  ["no group", "UPDATE mq_pop SET consumer_group = 'x'", /^mq_pop: a group that does not exist: x$/],
];

const ILLEGAL_ORDER = /^mq_pop_order: illegal values: billing 1$/;

const OF_ORDERS: readonly Damage[] = [
  ["a start before its queue", "UPDATE mq_pop_order SET start_offset = -1", ILLEGAL_ORDER],
  ["a pop before 1970", "UPDATE mq_pop_order SET pop_time = -1", ILLEGAL_ORDER],
  ["messages that are no JSON", "UPDATE mq_pop_order SET messages = '[['", ILLEGAL_ORDER],
  ["messages that are no list", "UPDATE mq_pop_order SET messages = '{}'", ILLEGAL_ORDER],
  ["no message", "UPDATE mq_pop_order SET messages = '[]'", ILLEGAL_ORDER],
  ["a message that is none", "UPDATE mq_pop_order SET messages = '[7]'", ILLEGAL_ORDER],
  ["a message of too little", "UPDATE mq_pop_order SET messages = '[[0,0,0,1]]'", ILLEGAL_ORDER],
  ["a message of texts", `UPDATE mq_pop_order SET messages = '[["0",0,0,1,1]]'`, ILLEGAL_ORDER],
  ["all messages acknowledged", "UPDATE mq_pop_order SET messages = '[[0,0,1,1,1]]'", ILLEGAL_ORDER],
  ["a message acknowledged twice", "UPDATE mq_pop_order SET messages = '[[0,0,0,1,1],[1,0,2,1,1]]'", ILLEGAL_ORDER],
  ["messages in disorder", "UPDATE mq_pop_order SET messages = '[[1,0,0,1,1],[0,0,0,1,1]]'", ILLEGAL_ORDER],
  ["a dead letter that is in hand", "UPDATE mq_pop_order SET messages = '[[0,0,0,1,0]]'", ILLEGAL_ORDER],
  ["a key that nobody was given", "UPDATE mq_meta SET value = 7 WHERE name = 'pop_keys'", ILLEGAL_ORDER],
  [
    "a message behind its queue",
    "UPDATE mq_pop_order SET start_offset = 8",
    /^mq_pop_order: no message of the queue: billing 1$/,
  ],
  [
    "a message of no queue",
    "UPDATE mq_pop_order SET queue_key = 99",
    /^mq_pop_order: no message of the queue: billing 99$/,
  ],
  ["no group", "DELETE FROM mq_group", /^mq_pop_order: a group that does not exist: billing$/],
];

const databaseOf = ({ mq }: TestPort): Database.Database => mq.database as unknown as Database.Database;

/** What is wrong before and after. */
async function damaged(broker: TestPort, sql: string): Promise<readonly [readonly string[], readonly string[]]> {
  const database = databaseOf(broker);
  const before = problemsOf(database);
  database.exec(sql);
  const after = problemsOf(database);
  // What is damaged is not looked at again.
  database.exec(
    "DELETE FROM mq_pop; DELETE FROM mq_pop_order; INSERT OR IGNORE INTO mq_group VALUES ('billing', 1, 1, 0, 1, 16, NULL)",
  );
  return [before, after];
}

describe("checkStore", () => {
  it.each(OF_CHECKPOINTS)("finds in what was popped %s", async (_damage, sql, problem) => {
    await using broker = await popPort([
      { body: "a", tag: "paid" },
      { body: "b", tag: "created" },
      { body: "c", tag: "paid" },
    ]);
    await pop(broker, { topics: [{ topic: "orders", expression: "paid" }] });
    await send(broker, ["d", "e"]);
    await pop(broker);

    const [before, after] = await damaged(broker, sql);

    expect(before).toEqual([]);
    expect(after).toContainEqual(expect.stringMatching(problem));
  });

  it.each(OF_ORDERS)("finds in what an orderly group has in hand %s", async (_damage, sql, problem) => {
    await using broker = await popPort(["a", "b", "c"], { group: { consumeMessageOrderly: true } });
    await pop(broker, { group: GROUP, maxMessages: 2 });

    const [before, after] = await damaged(broker, sql);

    expect(before).toEqual([]);
    expect(after).toContainEqual(expect.stringMatching(problem));
  });
});
