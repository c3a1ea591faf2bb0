import Database from "better-sqlite3";
import { describe, expect, it } from "vitest";
import { openTestBroker } from "../support/test-broker.js";

/** The plan of each statement that reads or writes the tables, collected while the store prepares them. */
async function plans(): Promise<ReadonlyMap<string, string>> {
  const database = new Database(":memory:");
  const statements = new Set<string>();
  const prepare = database.prepare.bind(database);
  database.prepare = ((source: string) => {
    statements.add(source);
    return prepare(source);
  }) as typeof database.prepare;
  const broker = await openTestBroker({ database });
  const found = new Map<string, string>();
  for (const source of statements) {
    if (!/^(SELECT|INSERT|UPDATE|DELETE)\b.* mq_[a-z_]+/s.test(source) || source.includes("sqlite_schema")) continue;
    const statement = prepare(`EXPLAIN QUERY PLAN ${source}`);
    const values = Array.from({ length: source.split("?").length - 1 }, () => 0);
    const rows = statement.all(...values) as { readonly detail: string }[];
    found.set(source.replace(/\s+/g, " "), rows.map(({ detail }) => detail).join("; "));
  }
  await broker[Symbol.asyncDispose]();
  database.close();
  return found;
}

/**
 * What may look at every row: lists of names for operators, the few brokers on the store, the few groups that have keys, those that are pending, of which so many are counted, the one row of the log that is first or last and those that are due first, and
 * the broadcasting instances, of which those that are gone are forgotten once a day; the newest hundred rows, or the next thousand, of those that wait, when the clock was
 * set back.
 */
const SCANS = [
  "SELECT count(*) FROM (SELECT 1 FROM mq_due LIMIT ?)",
  "SELECT count(*) FROM (SELECT 1 FROM mq_half LIMIT ?)",
  "FROM mq_topic ORDER BY topic",
  "FROM mq_group ORDER BY consumer_group",
  "FROM mq_engine ORDER BY engine_key",
  "FROM mq_dedup_group ORDER BY group_number",
  "SELECT commit_log_offset + length(records) FROM mq_log ORDER BY commit_log_offset DESC LIMIT 1",
  "SELECT due_at FROM mq_due ORDER BY due_at LIMIT 1",
  "SELECT sum(length(records)) FROM (SELECT records FROM mq_due WHERE due_at <= ? ORDER BY due_at, due_key LIMIT ?)",
  "SELECT visible_at FROM mq_pop ORDER BY visible_at LIMIT 1",
  "SELECT commit_log_offset, store_timestamp FROM mq_log ORDER BY commit_log_offset DESC LIMIT 1",
  "UNION ALL SELECT * FROM (SELECT due_at - delay_ms FROM mq_due ORDER BY due_at DESC LIMIT ?))",
  "SELECT max(pop_time) FROM (SELECT pop_time FROM mq_pop ORDER BY pop_key DESC LIMIT ?)",
  "SELECT max(pop_key) FROM (SELECT pop_key FROM mq_pop WHERE pop_key > ? ORDER BY pop_key LIMIT ?)",
  "FROM mq_pop_order WHERE pop_time > ? LIMIT ?",
  "AS put_off_at FROM mq_half ORDER BY half_offset DESC LIMIT ?)",
  "SELECT last_seen_at FROM mq_broadcast_instance WHERE last_seen_at < ? LIMIT 1",
  "present.instance_name = gone.instance_name) LIMIT ?",
];

describe("the statements of the store", () => {
  it("find their rows by an index, but for those that look at all of them or at the first only", async () => {
    const found = await plans();

    const scanning = [...found].filter(
      ([source, plan]) =>
        plan.includes("SCAN") && !plan.endsWith("-ROW VALUES CLAUSE") && !SCANS.some((end) => source.endsWith(end)),
    );
    expect(found.size).toBeGreaterThan(30);
    expect(scanning).toEqual([]);
  });

  it("never sort", async () => {
    const found = await plans();

    expect([...found].filter(([, plan]) => plan.includes("TEMP B-TREE"))).toEqual([]);
  });

  it.each([
    [
      "FROM mq_log WHERE queue_key = ? AND first_offset <= ? ORDER BY first_offset DESC LIMIT 1",
      "(queue_key=? AND first_offset<?)",
    ],
    [
      "FROM mq_log WHERE queue_key = ? AND first_offset > ? ORDER BY first_offset LIMIT ?",
      "(queue_key=? AND first_offset>?)",
    ],
    ["FROM mq_log WHERE queue_key = ? ORDER BY first_offset LIMIT 1", "(queue_key=?)"],
    ["FROM mq_log WHERE queue_key = ? ORDER BY first_offset DESC LIMIT 1", "(queue_key=?)"],
    [
      "FROM mq_log WHERE commit_log_offset >= ? ORDER BY commit_log_offset LIMIT 1",
      "USING INTEGER PRIMARY KEY (rowid>?)",
    ],
    [
      "FROM mq_log WHERE commit_log_offset >= ? ORDER BY commit_log_offset LIMIT ?",
      "USING INTEGER PRIMARY KEY (rowid>?)",
    ],
    ["FROM mq_queue WHERE topic = ? AND queue_id = ?", "(topic=? AND queue_id=?)"],
    ["FROM mq_queue WHERE queue_key = ?", "USING INTEGER PRIMARY KEY (rowid=?)"],
    ["FROM mq_topic WHERE topic = ?", "USING PRIMARY KEY (topic=?)"],
    ["FROM mq_group WHERE consumer_group = ?", "USING PRIMARY KEY (consumer_group=?)"],
    [
      "FROM mq_consume_offset WHERE consumer_group = ? AND topic = ? AND queue_id = ?",
      "USING PRIMARY KEY (consumer_group=? AND topic=? AND queue_id=?)",
    ],
    [
      "FROM mq_consume_offset WHERE consumer_group = ? ORDER BY topic, queue_id",
      "USING PRIMARY KEY (consumer_group=?)",
    ],
    ["FROM mq_engine WHERE engine_key = ?", "USING INTEGER PRIMARY KEY (rowid=?)"],
    ["FROM mq_member WHERE consumer_group = ? ORDER BY client_id", "USING PRIMARY KEY (consumer_group=?)"],
    ["DELETE FROM mq_member WHERE engine_key = ?", "mq_member_engine (engine_key=?)"],
    [
      "FROM mq_claim WHERE consumer_group = ? AND topic = ? AND queue_id = ?",
      "USING PRIMARY KEY (consumer_group=? AND topic=? AND queue_id=?)",
    ],
    ["FROM mq_claim WHERE engine_key = ?", "mq_claim_engine (engine_key=?)"],
    ["FROM mq_meta WHERE name = ?", "USING PRIMARY KEY (name=?)"],
    ["FROM mq_due WHERE due_at <= ? ORDER BY due_at, due_key LIMIT ?", "USING PRIMARY KEY (due_at<?)"],
    [
      "FROM mq_due WHERE due_at = ? AND topic = ? AND instr(records, ?) > 0 ORDER BY due_key",
      "USING PRIMARY KEY (due_at=?)",
    ],
    ["max(due_key), 0) + 1 FROM mq_due WHERE due_at = ?), ?, ?, ?, ?, ?)", "USING PRIMARY KEY (due_at=?)"],
    [
      "FROM mq_due WHERE (due_at, due_key) > (?, ?) ORDER BY due_at, due_key LIMIT ?",
      "USING PRIMARY KEY ((due_at,due_key)>(?,?))",
    ],
    ["DELETE FROM mq_due WHERE (due_at, due_key) <= (?, ?)", "USING PRIMARY KEY ((due_at,due_key)<(?,?))"],
    ["DELETE FROM mq_due WHERE due_at = ? AND due_key = ?", "USING PRIMARY KEY (due_at=? AND due_key=?)"],
    ["AND pop_key <= ? AND pop_time > ?", "USING INTEGER PRIMARY KEY (rowid>? AND rowid<?)"],
    [
      "SELECT queue_offset FROM mq_sent_back WHERE consumer_group = ? AND queue_key = ?",
      "USING PRIMARY KEY (consumer_group=? AND queue_key=?)",
    ],
    [
      "DELETE FROM mq_sent_back WHERE consumer_group = ? AND queue_key = ? AND queue_offset < ?",
      "USING PRIMARY KEY (consumer_group=? AND queue_key=? AND queue_offset<?)",
    ],
    ["FROM mq_pop WHERE pop_key = ?", "USING INTEGER PRIMARY KEY (rowid=?)"],
    ["UPDATE mq_pop SET acknowledged = ? WHERE pop_key = ?", "USING INTEGER PRIMARY KEY (rowid=?)"],
    ["DELETE FROM mq_pop WHERE pop_key = ?", "USING INTEGER PRIMARY KEY (rowid=?)"],
    [
      "FROM mq_pop WHERE visible_at <= ? ORDER BY visible_at, pop_key LIMIT ?",
      "USING INDEX mq_pop_visible (visible_at<?)",
    ],
    ["FROM mq_subscription WHERE topic = ? AND consumer_group = ?", "USING PRIMARY KEY (topic=? AND consumer_group=?)"],
    ["FROM mq_subscription WHERE topic = ? ORDER BY consumer_group", "USING PRIMARY KEY (topic=?)"],
    ["FROM mq_pop WHERE consumer_group = ?", "USING INDEX mq_pop_place (consumer_group=?)"],
    [
      "FROM mq_pop WHERE consumer_group = ? AND queue_key = ? ORDER BY start_offset LIMIT 1",
      "USING COVERING INDEX mq_pop_place (consumer_group=? AND queue_key=?)",
    ],
    [
      "FROM mq_consume_offset WHERE topic = ? AND consumer_group > ? ORDER BY consumer_group LIMIT 1",
      "USING COVERING INDEX mq_consume_offset_topic (topic=? AND consumer_group>?)",
    ],
    [
      "FROM mq_broadcast_offset WHERE topic = ? AND (consumer_group, instance_name) > (?, ?) ORDER BY consumer_group, instance_name LIMIT 1",
      "USING COVERING INDEX mq_broadcast_offset_topic (topic=? AND (consumer_group,instance_name)>(?,?))",
    ],
    ["FROM mq_dedup_group WHERE consumer_group = ?", "(consumer_group=?)"],
    ["FROM mq_dedup WHERE group_number = ? AND dedup_key = ?", "USING PRIMARY KEY (group_number=? AND dedup_key=?)"],
    [
      "DELETE FROM mq_dedup WHERE group_number = ? AND dedup_key = ? AND owner = ?",
      "USING PRIMARY KEY (group_number=? AND dedup_key=?)",
    ],
    [
      "FROM mq_dedup WHERE group_number = ? AND dedup_key > ? ORDER BY dedup_key LIMIT ?",
      "USING PRIMARY KEY (group_number=? AND dedup_key>?)",
    ],
    [
      "DELETE FROM mq_dedup WHERE group_number = ? AND dedup_key > ? AND dedup_key <= ? AND expires_at <= ?",
      "USING PRIMARY KEY (group_number=? AND dedup_key>? AND dedup_key<?)",
    ],
    [
      "FROM mq_pop_order WHERE consumer_group = ? AND queue_key = ?",
      "USING PRIMARY KEY (consumer_group=? AND queue_key=?)",
    ],
    ["FROM mq_pop_order WHERE consumer_group = ? ORDER BY queue_key", "USING PRIMARY KEY (consumer_group=?)"],
    [
      "FROM mq_broadcast_offset WHERE consumer_group = ? AND instance_name = ? AND topic = ? AND queue_id = ?",
      "USING PRIMARY KEY (consumer_group=? AND instance_name=? AND topic=? AND queue_id=?)",
    ],
  ])("find the rows of … %s by %s", async (ending, index) => {
    const matching = [...(await plans())].filter(([source]) => source.endsWith(ending));

    expect(matching.length).toBeGreaterThan(0);
    for (const [, plan] of matching) expect(plan).toContain(index);
  });

  it("finds the end of the log without looking at more than its last row", async () => {
    const [plan] = [...(await plans())].filter(([source]) => source.startsWith("SELECT commit_log_offset + length"));

    // In the order of the integer primary key, of which LIMIT takes one.
    expect(plan?.[1]).toBe("SCAN mq_log");
  });

  it("finds what is due first in the order of the table, of which LIMIT takes one", async () => {
    const [plan] = [...(await plans())].filter(([source]) => source.endsWith("FROM mq_due ORDER BY due_at LIMIT 1"));

    expect(plan?.[1]).toBe("SCAN mq_due");
  });

  it("finds what is visible first in the order of its index, without the rest of the row", async () => {
    const [plan] = [...(await plans())].filter(([source]) =>
      source.endsWith("FROM mq_pop ORDER BY visible_at LIMIT 1"),
    );

    expect(plan?.[1]).toBe("SCAN mq_pop USING COVERING INDEX mq_pop_visible");
  });
});
