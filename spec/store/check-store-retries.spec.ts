import { describe, expect, it } from "vitest";
import { checkStore } from "../../lib/store/check-store.js";
import type { SqliteConnection } from "../../lib/store/sqlite.js";
import { Store } from "../../lib/store/store.js";
import { FIRST_BLOCK, LAST_BLOCK, problemsOf, storeWithMessages, withoutConstraints } from "./damaged-store.js";

type Damage = readonly [damage: string, sql: string, problem: RegExp];

const RECORDS = "SELECT records FROM mq_due";

const OF_WHAT_IS_PUT_OFF: readonly Damage[] = [
  ["that is due before 1970", "UPDATE mq_due SET due_at = -1", /^mq_due: illegal values: 1$/],
  ["for a negative queue", "UPDATE mq_due SET queue_id = -1", /^mq_due: illegal values: 1$/],
  ["that waits for less than nothing", "UPDATE mq_due SET delay_ms = -1", /^mq_due: illegal values: 1$/],
  ["that says it holds no message", "UPDATE mq_due SET message_count = 0", /^mq_due: illegal values: 1$/],
  [
    "for a topic that is gone",
    "DELETE FROM mq_topic WHERE topic = '%RETRY%billing'",
    /^mq_due: a topic that does not exist: %RETRY%billing$/,
  ],
  [
    "with more messages than records",
    "UPDATE mq_due SET message_count = 3",
    /^due block 1 of 1700000010000: holds 2 records and says 3$/,
  ],
  [
    "with fewer messages than records",
    "UPDATE mq_due SET message_count = 1",
    /^due block 1 of 1700000010000: holds 2 records and says 1$/,
  ],
  ["without records", "UPDATE mq_due SET records = x''", /^due block 1 of 1700000010000: holds 0 records and says 2$/],
  [
    "whose last record was cut off",
    `UPDATE mq_due SET records = (${RECORDS.replace("records", "substr(records, 1, length(records) - 1)")})`,
    /^due block 1 of 1700000010000, record 1: a record of \d+ bytes has only \d+$/,
  ],
  [
    "with bytes behind the last record",
    "UPDATE mq_due SET records = CAST(records || x'0102' AS BLOB)",
    /^due block 1 of 1700000010000, record 2: 2 bytes are too few for a record$/,
  ],
  [
    "with a tags code that is not the tag's",
    "UPDATE mq_due SET records = CAST(substr(records, 1, 4) || x'07' || substr(records, 6) AS BLOB)",
    /^due block 1 of 1700000010000, record 0: has the code -?\d+, which is not that of its tag$/,
  ],
];

const OF_WHAT_WAS_SENT_BACK: readonly Damage[] = [
  ["by no group", "DELETE FROM mq_group", /^mq_sent_back: a group that does not exist: billing$/],
  [
    "behind the end of its queue",
    "UPDATE mq_sent_back SET queue_offset = 3",
    /^mq_sent_back: no message of the queue: billing 1 3$/,
  ],
  [
    "in front of its queue",
    "UPDATE mq_sent_back SET queue_offset = -1",
    /^mq_sent_back: no message of the queue: billing 1 -1$/,
  ],
  ["in no queue", "UPDATE mq_sent_back SET queue_key = 99", /^mq_sent_back: no message of the queue: billing 99 2$/],
  [
    "although the group's offset has passed it",
    "UPDATE mq_consume_offset SET next_offset = 3",
    /^mq_sent_back: the consume offset has passed it: billing 1 2$/,
  ],
];

const OF_BROADCASTING_INSTANCES: readonly Damage[] = [
  [
    "a negative offset",
    "UPDATE mq_broadcast_offset SET next_offset = -1",
    /^mq_broadcast_offset: a negative offset or queue: billing DEFAULT orders 0$/,
  ],
  [
    "a negative queue",
    "UPDATE mq_broadcast_offset SET queue_id = -1",
    /^mq_broadcast_offset: a negative offset or queue: billing DEFAULT orders -1$/,
  ],
  [
    "an offset of no instance",
    "DELETE FROM mq_broadcast_instance",
    /^mq_broadcast_offset: an instance that does not exist: billing DEFAULT$/,
  ],
  [
    "an offset of another group's instance",
    "UPDATE mq_broadcast_offset SET consumer_group = 'shipping'",
    /^mq_broadcast_offset: an instance that does not exist: shipping DEFAULT$/,
  ],
  ["an instance of no group", "DELETE FROM mq_group", /^mq_broadcast_instance: a group that does not exist: billing$/],
];

async function expectProblem([, sql, problem]: Damage): Promise<void> {
  const database = await storeWithMessages();
  database.exec(sql);

  const problems = problemsOf(database);

  expect(problems).toContainEqual(expect.stringMatching(problem));
  database.close();
}

describe("checkStore", () => {
  it.each(OF_WHAT_IS_PUT_OFF)("finds a block of messages that are put off %s", (...damage) => expectProblem(damage));

  it.each(OF_WHAT_WAS_SENT_BACK)("finds a message that was sent back %s", (...damage) => expectProblem(damage));

  it.each(OF_BROADCASTING_INSTANCES)("finds in the progress of broadcasting consumers %s", (...damage) =>
    expectProblem(damage),
  );

  it.each([
    ["mq_due", "UPDATE mq_due SET topic = NULL", "NULL value in mq_due.topic"],
    ["mq_sent_back", "UPDATE mq_sent_back SET queue_offset = 'two'", "non-INTEGER value in mq_sent_back.queue_offset"],
    [
      "mq_broadcast_instance",
      "UPDATE mq_broadcast_instance SET last_seen_at = NULL",
      "NULL value in mq_broadcast_instance.last_seen_at",
    ],
    [
      "mq_broadcast_offset",
      "UPDATE mq_broadcast_offset SET next_offset = NULL",
      "NULL value in mq_broadcast_offset.next_offset",
    ],
  ])("finds what SQLite itself finds wrong with %s, and looks no further", async (table, sql, problem) => {
    const database = await storeWithMessages();
    withoutConstraints(database, table, sql);

    expect(problemsOf(database)).toEqual([`${table}: ${problem}`]);
    database.close();
  });

  it("lets a message that was sent back lie at the group's offset, and in a queue in which the group has none", async () => {
    const database = await storeWithMessages();

    database.exec("UPDATE mq_consume_offset SET next_offset = 2");
    const atTheOffset = problemsOf(database);
    database.exec("DELETE FROM mq_consume_offset");

    expect([atTheOffset, problemsOf(database)]).toEqual([[], []]);
    database.close();
  });

  it("lets the offset of another group, and that of another queue, pass what a group sent back", async () => {
    const database = await storeWithMessages();

    database.exec(`
      INSERT INTO mq_group SELECT 'shipping', 1, 1, 0, 1, 16, NULL;
      INSERT INTO mq_consume_offset VALUES ('shipping', 'orders', 0, 9), ('billing', 'orders', 1, 9)`);

    expect(problemsOf(database)).toEqual([]);
    database.close();
  });

  it("lets a group of the system send back and broadcast, which has no row", async () => {
    const database = await storeWithMessages();

    for (const table of ["mq_consume_offset", "mq_sent_back", "mq_broadcast_instance", "mq_broadcast_offset"])
      database.exec(`UPDATE ${table} SET consumer_group = 'TOOLS_CONSUMER'`);

    expect(problemsOf(database)).toEqual([]);
    database.close();
  });

  it("lets a message be put off for a queue that its topic has no more, as one that lies in such a queue", async () => {
    const database = await storeWithMessages();

    database.exec("UPDATE mq_due SET queue_id = 7");

    expect(problemsOf(database)).toEqual([]);
    database.close();
  });

  it("goes straight to the message of each that was sent back, however long its queue is", async () => {
    const database = await storeWithMessages();
    // Going through the queue for each would take minutes, and the spec with it.
    database.exec(`
      WITH RECURSIVE n(value) AS (SELECT 1 UNION ALL SELECT value + 1 FROM n WHERE value < 50000)
        INSERT INTO mq_log SELECT 10000 + value * 1000, queue_key, first_offset + value, 1, 1, records
        FROM mq_log, n WHERE commit_log_offset = ${LAST_BLOCK};
      WITH RECURSIVE n(value) AS (SELECT 1 UNION ALL SELECT value + 1 FROM n WHERE value < 2000)
        INSERT INTO mq_sent_back SELECT 'billing', queue_key, 48000 + value FROM mq_queue, n WHERE queue_id = 1`);

    const whole = problemsOf(database);
    database.exec("UPDATE mq_sent_back SET queue_offset = 50001 WHERE queue_offset = 50000");

    expect(whole).toEqual([]);
    expect(problemsOf(database)).toEqual(["mq_sent_back: no message of the queue: billing 2 50001"]);
    database.close();
  });

  it("looks at thousands of blocks that are put off in steps, and finds the one that is damaged", async () => {
    const database = await storeWithMessages();
    const insert = database.prepare(
      `INSERT INTO mq_due (due_at, due_key, topic, queue_id, message_count, records)
       SELECT ?, ?, '%RETRY%billing', 0, 2, records FROM mq_log WHERE commit_log_offset = ${FIRST_BLOCK}`,
    );
    for (let key = 1; key <= 2_000; key += 1) insert.run(key % 7, key);
    database.exec("UPDATE mq_due SET message_count = 5 WHERE due_key = 1500");

    const steps = [...checkStore(new Store(database as unknown as SqliteConnection))];

    expect(problemsOf(database)).toEqual(["due block 1500 of 2: holds 2 records and says 5"]);
    expect(steps.length).toBeGreaterThan(2_001 / 16);
    database.close();
  });
});
