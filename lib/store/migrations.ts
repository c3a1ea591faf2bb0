import { MqError } from "../errors.js";
import { prepare, type SqliteConnection } from "./sqlite.js";

/** One step from a format version to the next. Steps are appended, never edited. */
interface Migration {
  readonly version: number;
  readonly sql: string;
}

/**
 * The tables, all `STRICT`.
 *
 * `mq_log` has one row for each queue that a commit touches, with its records in one blob of at most 32 KiB; a single larger message has a row of
 * its own. Its key is the byte position of the first record in the whole log, which only grows. `records` is last, so that the columns before it are
 * read without it. Measured in benchmarks/micro/log-layout (250-byte records, synchronous = normal, µs of CPU a message) against one row a message
 * with the same index: batches of 100 1.0–1.5 / 2.6–2.9, bulk of 1,000 to one queue 0.9 / 2.1, pages of 32 1.2–2.4 / 2.5–3.1, single sends
 * 18–21 / 17–22, file 257–310 / 309 bytes. Clustered by queue: 25 with 64 concurrent sends over 1,024 queues. A random key index: 7–10 on top of a
 * row. Out of 256-KiB blobs a page of 32 costs 3 times, a single message 2–7 times as much; writing costs the same. Dear: 64 concurrent sends over 64
 * queues or more (one record a block): 7–8 as with rows, up to 5.5 KB of WAL; two thirds of the CPU are the index. Flat to 9.6 million messages
 * with 64 queues, not with 1,024 (7 → 15). An index table written 8,192 blocks late: 4.0–4.5 (→ 8.6) on the same mq_log; it can follow.
 *
 * `mq_queue.floor_offset` and `log_floor` in `mq_meta` say where numbering goes on when rows were cut off; while a queue or the log has rows, their
 * end counts. So a commit that only appends writes one row a queue and nothing else.
 *
 * `mq_due` holds blocks of records as the log does, one for all that a commit puts off to one time for one queue: when they are due they move to the
 * log without being read. Its rows lie in the order of their times, so that what is due together goes with its pages. Measured against rows in the order of the
 * sends with an index of times (blocks of one message of 280 bytes, 100,000 over one second, 64 a commit, synchronous = normal, µs of CPU a block): times
 * in the order of the sends, put off 6.1 / 3.6, moved 3.6 / 5.1; in any order, put off 36 / 11, moved 3.7 / 18. So it is the sender who waits, and
 * not what is due. Of those that wait for some time, and not for a moment, `delay_ms` says for how long; it is only read when the clock was set back.
 * `mq_sent_back` has a row for each message that a group acknowledged by sending it back, until its consume offset passes it.
 *
 * `mq_pop` has a row for each pop and queue, with a bit for each of its at most 32 messages: RocketMQ's check point. Its key is the generation that receipt
 * handles name. Measured in benchmarks/micro/pop-checkpoints.mjs (synchronous = normal, µs of CPU a message with both commits and the offset) against a
 * row for each message: pops of 32, acknowledged in one commit 1.5–1.7 / 3.5–5.6, each in a commit of its own 14–17 / 20–24; pops of 1: 39–47 / 38–48.
 * `mq_pop_place` answers within a step of deleting what of a queue is in hand: reading all rows took 120 ms for 100,000 of them, once, and missed what was popped after
 * that. It costs, in the same loop, 0.5–0.7 µs a message in pops of 32, 0–4 where each is acknowledged in a commit of its own, 13 in pops of 1 (busy machine).
 * `mq_consume_offset_topic` and `mq_broadcast_offset_topic` say who consumes a topic; neither changes when an offset does.
 * `mq_pop_order` has a row for each queue of which an orderly group has messages in hand.
 *
 * `mq_half` has a row for each half message, with one record, until its transaction ends: then it is deleted and, where that is a commit, appended to the log, in one transaction.
 * It is found by its place and by who is asked for it when; once it was checked, which may give it another place, by its transaction too.
 *
 * `mq_dedup` has a row for each key that a group has used, until it expires: with its `owner` while somebody works on it, without one once that is done. It is one tree without another
 * index: what has expired counts as absent, and is found by walking through it. A group has a number here, and message ids, the usual keys, are 16 bytes instead of 32 digits.
 * Measured with 200,000 ids in their order, bytes of file a key: 44; group and id as text 67, the same as a rowid table with its index 126. An insert takes 1.5 to 1.9 µs in all.
 *
 * `mq_subscription` has a row for each topic that a clustering group has subscribed to: what it has not consumed there is kept though it has no progress yet. Format 4 knew
 * no more of that than the members of brokers that had not been closed, and which groups have a retry topic.
 *
 * `mq_engine` has a row for each broker that has consumers, `mq_member` one for each of these, `mq_claim` one for each message queue that a broker
 * delivers to a group from. Rows of brokers that are gone are deleted by the others.
 */
const MIGRATIONS: readonly Migration[] = [
  {
    version: 1,
    sql: `
      CREATE TABLE mq_meta (name TEXT PRIMARY KEY, value ANY NOT NULL) STRICT, WITHOUT ROWID;
      CREATE TABLE mq_topic (
        topic TEXT PRIMARY KEY, read_queue_nums INTEGER NOT NULL, write_queue_nums INTEGER NOT NULL, perm INTEGER NOT NULL,
        ordered INTEGER NOT NULL, message_type TEXT NOT NULL
      ) STRICT, WITHOUT ROWID;
      CREATE TABLE mq_queue (
        queue_key INTEGER PRIMARY KEY, topic TEXT NOT NULL, queue_id INTEGER NOT NULL, floor_offset INTEGER NOT NULL, UNIQUE (topic, queue_id)
      ) STRICT;
      CREATE TABLE mq_log (
        commit_log_offset INTEGER PRIMARY KEY, queue_key INTEGER NOT NULL, first_offset INTEGER NOT NULL, message_count INTEGER NOT NULL,
        store_timestamp INTEGER NOT NULL, records BLOB NOT NULL, UNIQUE (queue_key, first_offset)
      ) STRICT;
      CREATE TABLE mq_group (
        consumer_group TEXT PRIMARY KEY, consume_enable INTEGER NOT NULL, consume_broadcast_enable INTEGER NOT NULL,
        consume_message_orderly INTEGER NOT NULL, retry_queue_nums INTEGER NOT NULL, retry_max_times INTEGER NOT NULL
      ) STRICT, WITHOUT ROWID;
      CREATE TABLE mq_consume_offset (
        consumer_group TEXT NOT NULL, topic TEXT NOT NULL, queue_id INTEGER NOT NULL, next_offset INTEGER NOT NULL,
        PRIMARY KEY (consumer_group, topic, queue_id)
      ) STRICT, WITHOUT ROWID;`,
  },
  {
    version: 2,
    sql: `
      CREATE TABLE mq_due (
        due_key INTEGER PRIMARY KEY, due_at INTEGER NOT NULL, topic TEXT NOT NULL, queue_id INTEGER NOT NULL,
        message_count INTEGER NOT NULL, records BLOB NOT NULL
      ) STRICT;
      CREATE INDEX mq_due_at ON mq_due (due_at);
      CREATE TABLE mq_sent_back (
        consumer_group TEXT NOT NULL, queue_key INTEGER NOT NULL, queue_offset INTEGER NOT NULL,
        PRIMARY KEY (consumer_group, queue_key, queue_offset)
      ) STRICT, WITHOUT ROWID;
      CREATE TABLE mq_broadcast_instance (
        consumer_group TEXT NOT NULL, instance_name TEXT NOT NULL, last_seen_at INTEGER NOT NULL,
        PRIMARY KEY (consumer_group, instance_name)
      ) STRICT, WITHOUT ROWID;
      CREATE TABLE mq_broadcast_offset (
        consumer_group TEXT NOT NULL, instance_name TEXT NOT NULL, topic TEXT NOT NULL, queue_id INTEGER NOT NULL, next_offset INTEGER NOT NULL,
        PRIMARY KEY (consumer_group, instance_name, topic, queue_id)
      ) STRICT, WITHOUT ROWID;
      ALTER TABLE mq_group ADD COLUMN retry_policy TEXT;`,
  },
  {
    version: 3,
    sql: `
      CREATE TABLE mq_engine (
        engine_key INTEGER PRIMARY KEY, process_space TEXT NOT NULL, process_id INTEGER NOT NULL, thread_id INTEGER NOT NULL,
        started TEXT NOT NULL, token INTEGER NOT NULL, lease_ms INTEGER NOT NULL, beats INTEGER NOT NULL
      ) STRICT;
      CREATE TABLE mq_member (
        consumer_group TEXT NOT NULL, client_id TEXT NOT NULL, engine_key INTEGER NOT NULL, registration INTEGER NOT NULL,
        message_model TEXT NOT NULL, instance_name TEXT, subscriptions TEXT NOT NULL, PRIMARY KEY (consumer_group, client_id)
      ) STRICT, WITHOUT ROWID;
      CREATE INDEX mq_member_engine ON mq_member (engine_key);
      CREATE TABLE mq_claim (
        consumer_group TEXT NOT NULL, topic TEXT NOT NULL, queue_id INTEGER NOT NULL, engine_key INTEGER NOT NULL,
        PRIMARY KEY (consumer_group, topic, queue_id)
      ) STRICT, WITHOUT ROWID;
      CREATE INDEX mq_claim_engine ON mq_claim (engine_key);`,
  },
  {
    version: 4,
    sql: `
      CREATE TABLE mq_pop (
        pop_key INTEGER PRIMARY KEY, consumer_group TEXT NOT NULL, queue_key INTEGER NOT NULL, start_offset INTEGER NOT NULL,
        pop_time INTEGER NOT NULL, visible_at INTEGER NOT NULL, message_count INTEGER NOT NULL, acknowledged INTEGER NOT NULL, distances TEXT
      ) STRICT;
      CREATE INDEX mq_pop_visible ON mq_pop (visible_at);
      CREATE TABLE mq_pop_order (
        consumer_group TEXT NOT NULL, queue_key INTEGER NOT NULL, attempt_id TEXT, pop_time INTEGER NOT NULL, start_offset INTEGER NOT NULL,
        messages TEXT NOT NULL, PRIMARY KEY (consumer_group, queue_key)
      ) STRICT, WITHOUT ROWID;
      ALTER TABLE mq_member ADD COLUMN consume_type TEXT NOT NULL DEFAULT 'push';
      ALTER TABLE mq_member ADD COLUMN strict INTEGER NOT NULL DEFAULT 0;`,
  },
  {
    version: 5,
    // Renaming a table fails where the owner of the database has a view that does.
    sql: `
      CREATE TABLE mq_due_before AS SELECT * FROM mq_due;
      DROP TABLE mq_due;
      CREATE TABLE mq_due (
        due_at INTEGER NOT NULL, due_key INTEGER NOT NULL, topic TEXT NOT NULL, queue_id INTEGER NOT NULL, message_count INTEGER NOT NULL,
        delay_ms INTEGER, records BLOB NOT NULL, PRIMARY KEY (due_at, due_key)
      ) STRICT, WITHOUT ROWID;
      INSERT INTO mq_due (due_at, due_key, topic, queue_id, message_count, records)
        SELECT due_at, due_key, topic, queue_id, message_count, records FROM mq_due_before ORDER BY due_at, due_key;
      DROP TABLE mq_due_before;
      CREATE TABLE mq_subscription (
        topic TEXT NOT NULL, consumer_group TEXT NOT NULL, PRIMARY KEY (topic, consumer_group)
      ) STRICT, WITHOUT ROWID;
      INSERT INTO mq_subscription (topic, consumer_group)
        SELECT DISTINCT json_extract(tables.pairs, pair.fullkey || '[0]'), tables.consumer_group
        FROM (SELECT consumer_group, CASE WHEN json_valid(subscriptions) THEN subscriptions ELSE '[]' END AS pairs
              FROM mq_member WHERE message_model = 'clustering') AS tables, json_each(tables.pairs) AS pair
        WHERE json_type(tables.pairs, pair.fullkey || '[0]') = 'text';
      INSERT OR IGNORE INTO mq_subscription (topic, consumer_group)
        SELECT topic, consumer_group FROM mq_group JOIN mq_topic ON topic = '%RETRY%' || consumer_group;
      CREATE INDEX mq_pop_place ON mq_pop (consumer_group, queue_key, start_offset);
      CREATE INDEX mq_consume_offset_topic ON mq_consume_offset (topic, consumer_group);
      CREATE INDEX mq_broadcast_offset_topic ON mq_broadcast_offset (topic, consumer_group, instance_name);`,
  },
  {
    version: 6,
    sql: `
      CREATE TABLE mq_half (
        half_offset INTEGER PRIMARY KEY, transaction_id TEXT NOT NULL, producer_group TEXT NOT NULL, topic TEXT NOT NULL, queue_id INTEGER NOT NULL,
        checks INTEGER NOT NULL, check_at INTEGER NOT NULL, wait_ms INTEGER NOT NULL, born_timestamp INTEGER NOT NULL, stored_at INTEGER NOT NULL, record BLOB NOT NULL
      ) STRICT;
      CREATE INDEX mq_half_check ON mq_half (producer_group, check_at);
      CREATE INDEX mq_half_checked ON mq_half (transaction_id) WHERE checks > 0;
      CREATE TABLE mq_dedup_group (group_number INTEGER PRIMARY KEY, consumer_group TEXT NOT NULL UNIQUE) STRICT;
      CREATE TABLE mq_dedup (
        group_number INTEGER NOT NULL, dedup_key ANY NOT NULL, owner INTEGER, expires_at INTEGER NOT NULL, PRIMARY KEY (group_number, dedup_key)
      ) STRICT, WITHOUT ROWID;`,
  },
];

/** The format this library writes. A store with a higher one is refused. */
export const FORMAT_VERSION = 6;

/** What our tables are called, in any format. */
export function tableNames(): ReadonlySet<string> {
  const created = MIGRATIONS.flatMap(({ sql }) => [...sql.matchAll(/CREATE TABLE (\w+)/g)]);
  return new Set(created.map(([, name]) => name as string));
}

/** The version of the store in this database, 0 when there is none. Throws `ERR_MQ_STORE_FORMAT` for what this library cannot read. */
export function readFormatVersion(connection: SqliteConnection): number {
  const exists =
    prepare(connection, "SELECT 1 FROM main.sqlite_schema WHERE type = 'table' AND name = 'mq_meta'").get() !==
    undefined;
  if (!exists) return 0;
  const version = isMetaTable(connection)
    ? prepare<unknown>(connection, "SELECT value FROM mq_meta WHERE name = 'format_version'").pluck().get()
    : undefined;
  if (typeof version !== "number" || !Number.isInteger(version) || version < 1) {
    throw new MqError(
      "ERR_MQ_STORE_FORMAT",
      `mq_meta of ${connection.name} has no format version that PocketMQ could have written`,
    );
  }
  if (version > FORMAT_VERSION) {
    throw new MqError(
      "ERR_MQ_STORE_FORMAT",
      `the store in ${connection.name} has format ${version}, this version of PocketMQ knows formats up to ${FORMAT_VERSION}: open it with a newer one`,
    );
  }
  return version;
}

/** False for an application's own table of this name. */
function isMetaTable(connection: SqliteConnection): boolean {
  const columns = prepare<string>(connection, "SELECT name FROM pragma_table_info('mq_meta', 'main')").pluck().all();
  return columns.includes("name") && columns.includes("value");
}

/** Brings the store to {@link FORMAT_VERSION}. Runs inside a write transaction of the caller, so that a crash leaves the old format. */
export function migrate(connection: SqliteConnection, from: number): void {
  for (const { version, sql } of MIGRATIONS) {
    if (version <= from) continue;
    connection.exec(sql);
    prepare(
      connection,
      "INSERT INTO mq_meta (name, value) VALUES ('format_version', ?) ON CONFLICT DO UPDATE SET value = excluded.value",
    ).run(version);
  }
}

/** Throws `ERR_MQ_STORE_FORMAT` when another process has migrated the store since it was opened here. */
export function assertSameFormat(version: number): void {
  if (version === FORMAT_VERSION) return;
  throw new MqError(
    "ERR_MQ_STORE_FORMAT",
    `another process has changed the format of the store from ${FORMAT_VERSION} to ${version} while it was open here: close the broker, and open it with a version of PocketMQ that knows this format`,
  );
}
