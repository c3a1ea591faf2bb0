/** Layouts that store one row a message: A to F. Rows get the byte position they would have in one long log as their commit log offset. */
import { decodeRecord, encodedLength, encodeHead } from "./record.mjs";

const headScratch = Buffer.alloc(64 * 1024);

/** The five-column family: packed head and properties, body apart. */
export class FiveColumnRows {
  static schema = `
    CREATE TABLE mq_log (commit_log_offset INTEGER PRIMARY KEY, queue_key INTEGER NOT NULL, queue_offset INTEGER NOT NULL,
      store_timestamp INTEGER NOT NULL, head BLOB NOT NULL, body BLOB NOT NULL) STRICT;
    CREATE UNIQUE INDEX mq_log_queue ON mq_log (queue_key, queue_offset);`;
  static columns = "head, body";
  static insertColumns = "commit_log_offset, queue_key, queue_offset, store_timestamp, head, body";

  constructor(db, counters) {
    const type = this.constructor;
    this.counters = counters;
    const marks = type.insertColumns
      .split(",")
      .map(() => "?")
      .join(", ");
    this.values = `(${marks})`;
    this.insert = db.prepare(`INSERT INTO mq_log (${type.insertColumns}) VALUES ${this.values}`);
    const select = `SELECT queue_offset, ${type.columns} FROM mq_log`;
    this.page = db.prepare(`${select} WHERE queue_key = ? AND queue_offset >= ? ORDER BY queue_offset LIMIT ?`).raw();
    this.one = db.prepare(`${select} WHERE queue_key = ? AND queue_offset = ?`).raw();
    this.byLogOffset = db.prepare(`${select} WHERE commit_log_offset = ?`).raw();
    this.time = db.prepare("SELECT store_timestamp FROM mq_log WHERE queue_key = ? AND queue_offset = ?").pluck();
    this.boundary = db
      .prepare("SELECT commit_log_offset FROM mq_log ORDER BY commit_log_offset LIMIT 1 OFFSET ?")
      .pluck();
    this.cut = db.prepare("DELETE FROM mq_log WHERE commit_log_offset < ?");
    this.all = db.prepare(`${select} WHERE commit_log_offset >= ? ORDER BY commit_log_offset`).raw();
    this.counted = db.prepare("SELECT count(*) FROM mq_log").pluck();
  }
  append(messages, storeTimestamp) {
    for (const message of messages) this.#appendOne(message, storeTimestamp);
  }
  #appendOne(message, storeTimestamp) {
    const { counters } = this;
    const end = encodeHead(headScratch, 0, message);
    const head = headScratch.subarray(0, end);
    this.insert.run(
      counters.logOffset,
      message.queueKey,
      counters.next[message.queueKey]++,
      storeTimestamp,
      head,
      message.body,
    );
    counters.logOffset += encodedLength(message);
  }
  decode(row) {
    return decodeRecord(row[1], 0, row[0], row[2]);
  }
  readPage(queueKey, offset, max) {
    const rows = this.page.all(queueKey, offset, max);
    for (let i = 0; i < rows.length; i++) rows[i] = this.decode(rows[i]);
    return rows;
  }
  readBlocks(queueKey, offset, max) {
    return this.readPage(queueKey, offset, max);
  }
  readOne(queueKey, offset) {
    return this.decode(this.one.get(queueKey, offset));
  }
  readByLogOffset(logOffset) {
    return this.decode(this.byLogOffset.get(logOffset));
  }
  /** The lowest offset in [min, max) stored at `timestamp` or later, else max. */
  searchByTime(queueKey, timestamp, min, max) {
    let low = min;
    let high = max;
    while (low < high) {
      const middle = Math.floor((low + high) / 2);
      if (this.time.get(queueKey, middle) >= timestamp) high = middle;
      else low = middle + 1;
    }
    return low;
  }
  /** Deletes the oldest messages, `limit` at most; returns how many. */
  cutStep(limit) {
    const boundary = this.boundary.get(limit) ?? this.counters.logOffset;
    return this.cut.run(boundary).changes;
  }
  count() {
    return this.counted.get();
  }
  *readBack(logOffset) {
    for (const row of this.all.iterate(logOffset)) yield this.decode(row);
  }
}

/** A: what SQLite needs to append a time and a body; nothing can be found by queue. */
export class BareAppend extends FiveColumnRows {
  static schema =
    "CREATE TABLE mq_log (commit_log_offset INTEGER PRIMARY KEY, store_timestamp INTEGER NOT NULL, body BLOB NOT NULL) STRICT;";
  static writeOnly = true;

  constructor(db, counters) {
    super(shimFor(db), counters);
    this.insert = db.prepare("INSERT INTO mq_log (commit_log_offset, store_timestamp, body) VALUES (?, ?, ?)");
    this.boundary = db
      .prepare("SELECT commit_log_offset FROM mq_log ORDER BY commit_log_offset LIMIT 1 OFFSET ?")
      .pluck();
    this.cut = db.prepare("DELETE FROM mq_log WHERE commit_log_offset < ?");
    this.all = db.prepare("SELECT body FROM mq_log WHERE commit_log_offset >= ? ORDER BY commit_log_offset").pluck();
    this.counted = db.prepare("SELECT count(*) FROM mq_log").pluck();
  }
  append(messages, storeTimestamp) {
    const { counters } = this;
    for (const message of messages) {
      this.insert.run(counters.logOffset, storeTimestamp, message.body);
      counters.logOffset += encodedLength(message);
    }
  }
  *readBack(logOffset) {
    for (const body of this.all.iterate(logOffset)) yield { body };
  }
}

/** A has none of the columns the shared statements name: it prepares its own afterwards. */
function shimFor() {
  const nothing = { raw: () => nothing, pluck: () => nothing };
  return { prepare: () => nothing };
}

/** B: every field its own column. */
export class ElevenColumnRows extends FiveColumnRows {
  static schema = `
    CREATE TABLE mq_log (commit_log_offset INTEGER PRIMARY KEY, queue_key INTEGER NOT NULL, queue_offset INTEGER NOT NULL,
      store_timestamp INTEGER NOT NULL, born_timestamp INTEGER NOT NULL, tags_code INTEGER NOT NULL, flag INTEGER NOT NULL,
      sys_flag INTEGER NOT NULL, reconsume_times INTEGER NOT NULL, unique_id TEXT NOT NULL, properties TEXT NOT NULL,
      body BLOB NOT NULL) STRICT;
    CREATE UNIQUE INDEX mq_log_queue ON mq_log (queue_key, queue_offset);`;
  static columns = "tags_code, born_timestamp, unique_id, properties, body";
  static insertColumns =
    "commit_log_offset, queue_key, queue_offset, store_timestamp, born_timestamp, tags_code, flag, sys_flag, reconsume_times, unique_id, properties, body";

  append(messages, storeTimestamp) {
    const { counters } = this;
    for (const message of messages) {
      this.insert.run(
        counters.logOffset,
        message.queueKey,
        counters.next[message.queueKey]++,
        storeTimestamp,
        message.bornTimestamp,
        message.tagsCode,
        message.flag,
        message.sysFlag,
        message.reconsumeTimes,
        message.uniqueId,
        message.properties,
        message.body,
      );
      counters.logOffset += encodedLength(message);
    }
  }
  decode([queueOffset, tagsCode, bornTimestamp, uniqueId, properties, body]) {
    return { queueOffset, tagsCode, bornTimestamp, uniqueId, properties, body };
  }
}

const ROWS_A_STATEMENT = 64;

/** D: C, but 64 rows a statement; what is left over goes row by row. */
export class ManyRowsAStatement extends FiveColumnRows {
  constructor(db, counters) {
    super(db, counters);
    const values = Array.from({ length: ROWS_A_STATEMENT }, () => this.values).join(", ");
    this.insertMany = db.prepare(`INSERT INTO mq_log (${FiveColumnRows.insertColumns}) VALUES ${values}`);
    this.parameters = new Array(ROWS_A_STATEMENT * 6);
  }
  append(messages, storeTimestamp) {
    let from = 0;
    for (; from + ROWS_A_STATEMENT <= messages.length; from += ROWS_A_STATEMENT)
      this.#appendMany(messages, from, storeTimestamp);
    if (from < messages.length) super.append(messages.slice(from), storeTimestamp);
  }
  #appendMany(messages, from, storeTimestamp) {
    const { counters, parameters } = this;
    let position = 0;
    let slot = 0;
    for (let i = from; i < from + ROWS_A_STATEMENT; i++) {
      const message = messages[i];
      const end = encodeHead(headScratch, position, message);
      parameters[slot++] = counters.logOffset;
      parameters[slot++] = message.queueKey;
      parameters[slot++] = counters.next[message.queueKey]++;
      parameters[slot++] = storeTimestamp;
      parameters[slot++] = headScratch.subarray(position, end);
      parameters[slot++] = message.body;
      counters.logOffset += encodedLength(message);
      position = end;
    }
    this.insertMany.run(parameters);
  }
}

/** E: C with one user key for each message, as a hash that falls anywhere in its index. */
export class RandomKeyRows extends FiveColumnRows {
  static schema = `
    CREATE TABLE mq_log (commit_log_offset INTEGER PRIMARY KEY, queue_key INTEGER NOT NULL, queue_offset INTEGER NOT NULL,
      store_timestamp INTEGER NOT NULL, key_hash INTEGER NOT NULL, head BLOB NOT NULL, body BLOB NOT NULL) STRICT;
    CREATE UNIQUE INDEX mq_log_queue ON mq_log (queue_key, queue_offset);
    CREATE INDEX mq_log_key ON mq_log (key_hash);`;
  static insertColumns = "commit_log_offset, queue_key, queue_offset, store_timestamp, key_hash, head, body";

  append(messages, storeTimestamp) {
    const { counters } = this;
    for (const message of messages) {
      const head = headScratch.subarray(0, encodeHead(headScratch, 0, message));
      const mixed = Math.imul(message.sequence ^ (message.sequence >>> 7), 0x85ebca6b);
      const keyHash = Math.imul(mixed ^ (mixed >>> 13), 0xc2b2ae35);
      this.insert.run(
        counters.logOffset,
        message.queueKey,
        counters.next[message.queueKey]++,
        storeTimestamp,
        keyHash,
        head,
        message.body,
      );
      counters.logOffset += encodedLength(message);
    }
  }
}

/** F: the rows themselves lie in queue order; the way by commit log offset is the second index. */
export class ClusteredRows extends FiveColumnRows {
  static schema = `
    CREATE TABLE mq_log (queue_key INTEGER NOT NULL, queue_offset INTEGER NOT NULL, commit_log_offset INTEGER NOT NULL,
      store_timestamp INTEGER NOT NULL, head BLOB NOT NULL, body BLOB NOT NULL,
      PRIMARY KEY (queue_key, queue_offset)) STRICT, WITHOUT ROWID;
    CREATE UNIQUE INDEX mq_log_position ON mq_log (commit_log_offset);`;
}
