import Database from "better-sqlite3";
import { describe, expect, it } from "vitest";
import { openBroker } from "../../lib/index.js";
import { checkStore } from "../../lib/store/check-store.js";
import { FORMAT_VERSION } from "../../lib/store/migrations.js";
import type { SqliteConnection } from "../../lib/store/sqlite.js";
import { Store } from "../../lib/store/store.js";
import { FIRST_BLOCK, LAST_BLOCK, problemsOf, storeWithMessages, withoutConstraints } from "./damaged-store.js";

describe("checkStore", () => {
  it("finds nothing wrong with a store of this version, new or used", async () => {
    const empty = new Database(":memory:");
    await (await openBroker({ database: empty })).close();

    expect(problemsOf(empty)).toEqual([]);
    expect(problemsOf(await storeWithMessages())).toEqual([]);
  });

  it.each<[damage: string, sql: string, problem: RegExp]>([
    [
      "another format version",
      "UPDATE mq_meta SET value = 7 WHERE name = 'format_version'",
      new RegExp(`^mq_meta: format version 7 instead of ${FORMAT_VERSION}$`),
    ],
    [
      "no format version",
      "DELETE FROM mq_meta",
      new RegExp(`^mq_meta: format version undefined instead of ${FORMAT_VERSION}$`),
    ],
    [
      "a floor of the log that is no number",
      "INSERT INTO mq_meta VALUES ('log_floor', 'x')",
      /^mq_meta: an illegal value: log_floor$/,
    ],
    [
      "a negative number of read queues",
      "UPDATE mq_topic SET read_queue_nums = -1",
      /^mq_topic: illegal values: orders$/,
    ],
    [
      "a negative number of write queues",
      "UPDATE mq_topic SET write_queue_nums = -1",
      /^mq_topic: illegal values: orders$/,
    ],
    ["permissions that do not exist", "UPDATE mq_topic SET perm = 8", /^mq_topic: illegal values: orders$/],
    ["an order mark that is no boolean", "UPDATE mq_topic SET ordered = 2", /^mq_topic: illegal values: orders$/],
    [
      "a switch of a group that is no boolean",
      "UPDATE mq_group SET consume_enable = 2",
      /^mq_group: illegal values: billing$/,
    ],
    [
      "a negative number of retry queues",
      "UPDATE mq_group SET retry_queue_nums = -1",
      /^mq_group: illegal values: billing$/,
    ],
    [
      "a retry policy that cannot be read",
      "UPDATE mq_group SET retry_policy = '{\"type\":'",
      /^mq_group: illegal values: billing$/,
    ],
    [
      "a retry policy of no known kind",
      'UPDATE mq_group SET retry_policy = \'{"type":"random"}\'',
      /^mq_group: illegal values: billing$/,
    ],
    [
      "fewer retries than none and unlimited",
      "UPDATE mq_group SET retry_max_times = -2",
      /^mq_group: illegal values: billing$/,
    ],
    [
      "a negative queue id",
      "UPDATE mq_queue SET queue_id = -1 WHERE queue_id = 1",
      /^mq_queue: illegal values: orders -1$/,
    ],
    [
      "a negative floor of a queue",
      "UPDATE mq_queue SET floor_offset = -1 WHERE queue_id = 1",
      /^mq_queue: illegal values: orders 1$/,
    ],
    [
      "a floor of a queue above its messages",
      "UPDATE mq_queue SET floor_offset = 1 WHERE queue_id = 0",
      /^block 0: begins at offset 0 of queue orders 0, whose floor is 1$/,
    ],
    [
      "a negative consume offset",
      "UPDATE mq_consume_offset SET next_offset = -1",
      /^mq_consume_offset: a negative offset or queue: billing orders 0$/,
    ],
    [
      "a consume offset of a negative queue",
      "UPDATE mq_consume_offset SET queue_id = -1",
      /^mq_consume_offset: a negative offset or queue: billing orders -1$/,
    ],
    [
      "a consume offset of no group",
      "DELETE FROM mq_group",
      /^mq_consume_offset: a group that does not exist: billing$/,
    ],
    ["a block of no queue", "DELETE FROM mq_queue WHERE queue_id = 1", /^block \d+: its queue \d+ does not exist$/],
    [
      "a hole in the offsets of a queue",
      "UPDATE mq_log SET first_offset = 5 WHERE first_offset = 2",
      /^block \d+: begins at offset 5 of queue orders 0, which went on at 2$/,
    ],
    [
      "an offset given twice",
      "UPDATE mq_log SET first_offset = 1 WHERE first_offset = 2",
      /^block \d+: begins at offset 1 of queue orders 0, which went on at 2$/,
    ],
    [
      "a negative offset",
      `UPDATE mq_log SET first_offset = -1 WHERE commit_log_offset = ${LAST_BLOCK}`,
      /^block \d+: begins at offset -1 of queue orders 1, whose floor is 0$/,
    ],
    [
      "a block in the place of another",
      `UPDATE mq_log SET commit_log_offset = 1 WHERE commit_log_offset = ${LAST_BLOCK}`,
      /^block 1: lies in front of \d+/,
    ],
    [
      "a block in front of the log",
      `UPDATE mq_log SET commit_log_offset = -9 WHERE commit_log_offset = ${LAST_BLOCK}`,
      /^block -9: lies in front of 0/,
    ],
    [
      "a store time before 1970",
      `UPDATE mq_log SET store_timestamp = -1 WHERE commit_log_offset = ${FIRST_BLOCK}`,
      /^block 0: has the store time -1$/,
    ],
    [
      "more messages than records",
      `UPDATE mq_log SET message_count = 2 WHERE commit_log_offset = ${LAST_BLOCK}`,
      /^block \d+: holds 1 records and says 2$/,
    ],
    [
      "a block without records",
      `UPDATE mq_log SET records = x'', message_count = 0 WHERE commit_log_offset = ${LAST_BLOCK}`,
      /^block \d+: holds 0 records and says 0$/,
    ],
    [
      "a record that was cut off",
      `UPDATE mq_log SET records = substr(records, 1, length(records) - 1) WHERE commit_log_offset = ${LAST_BLOCK}`,
      /^block \d+, record 0: a record of \d+ bytes has only \d+$/,
    ],
    [
      "bytes behind the last record",
      `UPDATE mq_log SET records = CAST(records || x'0102' AS BLOB) WHERE commit_log_offset = ${LAST_BLOCK}`,
      /^block \d+, record 1: 2 bytes are too few for a record$/,
    ],
    [
      "a tags code that is not the tag's",
      `UPDATE mq_log SET records = CAST(substr(records, 1, 4) || x'07' || substr(records, 6) AS BLOB) WHERE commit_log_offset = ${FIRST_BLOCK}`,
      /^block 0, record 0: has the code -?\d+, which is not that of its tag$/,
    ],
    [
      "a tags code without a tag",
      `UPDATE mq_log SET records = CAST(substr(records, 1, 4) || x'07' || substr(records, 6) AS BLOB) WHERE commit_log_offset = ${LAST_BLOCK}`,
      /^block \d+, record 0: has the code 7, which is not that of its tag$/,
    ],
  ])("finds %s", async (_damage, sql, problem) => {
    const database = await storeWithMessages();
    database.exec(sql);

    const problems = problemsOf(database);

    expect(problems).toContainEqual(expect.stringMatching(problem));
    database.close();
  });

  it.each([
    ["mq_topic", "UPDATE mq_topic SET perm = NULL"],
    ["mq_group", "UPDATE mq_group SET retry_max_times = NULL"],
    ["mq_queue", "UPDATE mq_queue SET floor_offset = NULL"],
    ["mq_log", "UPDATE mq_log SET store_timestamp = NULL"],
    ["mq_consume_offset", "UPDATE mq_consume_offset SET next_offset = NULL"],
    ["mq_meta", "UPDATE mq_meta SET value = NULL"],
  ])("finds what SQLite itself finds wrong with %s, and looks no further", async (table, sql) => {
    const database = await storeWithMessages();
    withoutConstraints(database, table, sql);

    const problems = problemsOf(database);

    expect(problems.length).toBeGreaterThan(0);
    expect(problems.filter((text) => !text.startsWith(`${table}: NULL value in`))).toEqual([]);
    database.close();
  });

  it("finds every problem of several, not the first only", async () => {
    const database = await storeWithMessages();
    database.exec("UPDATE mq_topic SET perm = 99; UPDATE mq_log SET message_count = 9; DELETE FROM mq_group");

    expect(problemsOf(database)).toHaveLength(2 + 1 + 3 + 3);
    database.close();
  });

  it("lets a group of the system have progress, which has no row", async () => {
    const database = await storeWithMessages();
    database.exec("UPDATE mq_consume_offset SET consumer_group = 'TOOLS_CONSUMER'");

    expect(problemsOf(database)).toEqual([]);
    database.close();
  });

  it("lets a consume offset lie outside of its queue, where retention or an operator's reset leaves it", async () => {
    const database = await storeWithMessages();
    database.exec("DELETE FROM mq_sent_back; UPDATE mq_consume_offset SET next_offset = 999");

    expect(problemsOf(database)).toEqual([]);
    database.close();
  });

  it("lets the front of a queue and of the log be cut off", async () => {
    const database = await storeWithMessages();
    database.exec(
      `DELETE FROM mq_log WHERE commit_log_offset = ${FIRST_BLOCK}; UPDATE mq_queue SET floor_offset = 2 WHERE queue_id = 0`,
    );

    expect(problemsOf(database)).toEqual([]);
    database.close();
  });

  it("works in steps between which others have their turn, and changes nothing", async () => {
    const database = await storeWithMessages();
    const insert = database.prepare(
      "INSERT INTO mq_log SELECT commit_log_offset + ?, queue_key, first_offset + ?, 1, store_timestamp, records FROM mq_log WHERE first_offset = 2",
    );
    for (let count = 1; count <= 40; count += 1) insert.run(10_000 + count * 1_000, count);
    const changes = database.prepare("SELECT total_changes()").pluck();
    const before = changes.get();

    const steps = [...checkStore(new Store(database as unknown as SqliteConnection))];

    expect(steps.length).toBeGreaterThan(10 + 2);
    expect(changes.get()).toBe(before);
    database.close();
  });
});
