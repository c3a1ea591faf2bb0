/** Layouts that store one blob of records for each queue a commit touched: G, H, I and what G costs without its index. */
import { decodeRecord, encodedLength, encodeRecord, encodeRecords, recordLength, recordQueueKey } from "./record.mjs";

/** The messages of one commit by queue, in the order the queues first appear. */
function byQueue(messages) {
  if (messages.length === 1) return [messages];
  const groups = new Map();
  for (const message of messages) {
    const group = groups.get(message.queueKey);
    if (group === undefined) groups.set(message.queueKey, [message]);
    else group.push(message);
  }
  return groups.values();
}

/** G: rowid table that only grows at its end, and one small index. */
export class Blocks {
  static schema = `
    CREATE TABLE mq_log (commit_log_offset INTEGER PRIMARY KEY, queue_key INTEGER NOT NULL, first_offset INTEGER NOT NULL,
      message_count INTEGER NOT NULL, store_timestamp INTEGER NOT NULL, records BLOB NOT NULL) STRICT;
    CREATE UNIQUE INDEX mq_log_queue ON mq_log (queue_key, first_offset);`;
  static maxBlockBytes = 256 * 1024;
  /** Where a queue's blocks are found, and where its first offsets are. */
  static from = "mq_log";
  static offsets = "mq_log";

  constructor(db, counters) {
    const { from, offsets } = this.constructor;
    this.counters = counters;
    this.insert = db.prepare(`INSERT INTO mq_log
      (commit_log_offset, queue_key, first_offset, message_count, store_timestamp, records) VALUES (?, ?, ?, ?, ?, ?)`);
    this.page = db
      .prepare(`SELECT first_offset, records FROM ${from} WHERE queue_key = ? AND first_offset < ?
      AND first_offset >= (SELECT first_offset FROM ${offsets} WHERE queue_key = ? AND first_offset <= ?
        ORDER BY first_offset DESC LIMIT 1) ORDER BY first_offset`)
      .raw();
    this.one = db
      .prepare(`SELECT first_offset, records FROM ${from} WHERE queue_key = ? AND first_offset <= ?
      ORDER BY first_offset DESC LIMIT 1`)
      .raw();
    this.byLogOffset = db
      .prepare(`SELECT commit_log_offset, first_offset, records FROM mq_log WHERE commit_log_offset <= ?
      ORDER BY commit_log_offset DESC LIMIT 1`)
      .raw();
    this.time = db
      .prepare(`SELECT first_offset, message_count, store_timestamp FROM ${from}
      WHERE queue_key = ? AND first_offset <= ? ORDER BY first_offset DESC LIMIT 1`)
      .raw();
    this.oldest = db
      .prepare("SELECT commit_log_offset, message_count FROM mq_log ORDER BY commit_log_offset LIMIT ?")
      .raw();
    this.cut = db.prepare("DELETE FROM mq_log WHERE commit_log_offset <= ?");
    this.all = db
      .prepare(`SELECT first_offset, records FROM mq_log WHERE commit_log_offset >= ? ORDER BY commit_log_offset`)
      .raw();
    this.counted = db.prepare("SELECT total(message_count) FROM mq_log").pluck();
  }
  append(messages, storeTimestamp) {
    for (const group of byQueue(messages)) {
      let from = 0;
      while (from < group.length) from = this.#appendBlock(group, from, storeTimestamp);
    }
  }
  #appendBlock(group, from, storeTimestamp) {
    const { counters } = this;
    const { maxBlockBytes } = this.constructor;
    let to = from + 1;
    let bytes = encodedLength(group[from]);
    while (to < group.length && bytes + encodedLength(group[to]) <= maxBlockBytes) bytes += encodedLength(group[to++]);
    const { queueKey } = group[0];
    this.insert.run(
      counters.logOffset,
      queueKey,
      counters.next[queueKey],
      to - from,
      storeTimestamp,
      encodeRecords(group, from, to),
    );
    this.addedBlock?.(queueKey, counters.next[queueKey], counters.logOffset);
    counters.next[queueKey] += to - from;
    counters.logOffset += bytes;
    return to;
  }
  readPage(queueKey, offset, max) {
    return this.#read(queueKey, offset, max, offset + max);
  }
  /** As a reader does that keeps what a touched block holds beyond the page. */
  readBlocks(queueKey, offset, max) {
    return this.#read(queueKey, offset, max, Number.POSITIVE_INFINITY);
  }
  #read(queueKey, offset, max, end) {
    const found = [];
    for (const [firstOffset, records] of this.page.all(queueKey, offset + max, queueKey, offset)) {
      let queueOffset = firstOffset;
      for (let at = 0; at < records.length && queueOffset < end; at += recordLength(records, at), queueOffset++) {
        if (queueOffset >= offset) found.push(decodeRecord(records, at, queueOffset));
      }
    }
    return found;
  }
  readOne(queueKey, offset) {
    const [firstOffset, records] = this.one.get(queueKey, offset);
    let at = 0;
    for (let queueOffset = firstOffset; queueOffset < offset; queueOffset++) at += recordLength(records, at);
    return decodeRecord(records, at, offset);
  }
  readByLogOffset(logOffset) {
    const [blockAt, firstOffset, records] = this.byLogOffset.get(logOffset);
    let queueOffset = firstOffset;
    let at = 0;
    for (; at < logOffset - blockAt; at += recordLength(records, at)) queueOffset++;
    return decodeRecord(records, at, queueOffset);
  }
  searchByTime(queueKey, timestamp, min, max) {
    let low = min;
    let high = max;
    while (low < high) {
      const [firstOffset, messageCount, storeTimestamp] = this.time.get(queueKey, Math.floor((low + high) / 2));
      if (storeTimestamp >= timestamp) high = Math.max(low, firstOffset);
      else low = firstOffset + messageCount;
    }
    return low;
  }
  cutStep(limit) {
    let messages = 0;
    let last;
    for (const [logOffset, messageCount] of this.oldest.all(limit)) {
      if (messages > 0 && messages + messageCount > limit) break;
      messages += messageCount;
      last = logOffset;
    }
    this.removing?.(last);
    this.cut.run(last);
    return messages;
  }
  count() {
    return this.counted.get();
  }
  *readBack(logOffset) {
    for (const [firstOffset, records] of this.all.iterate(logOffset)) {
      let queueOffset = firstOffset;
      for (let at = 0; at < records.length; at += recordLength(records, at))
        yield decodeRecord(records, at, queueOffset++);
    }
  }
}

/** G with blocks of 32 KiB at most: a page of 32 then never reads a blob much larger than itself. */
export class SmallBlocks extends Blocks {
  static maxBlockBytes = 32 * 1024;
}

/** G without its index: what is left is an append, and no way to find a queue. Shows what the index costs. */
export class UnindexedBlocks extends Blocks {
  static schema = Blocks.schema.slice(0, Blocks.schema.indexOf("CREATE UNIQUE INDEX"));
  static writeOnly = true;
}

/** H: the blocks lie in queue order; the way by commit log offset is the second index. */
export class ClusteredBlocks extends Blocks {
  static schema = `
    CREATE TABLE mq_log (queue_key INTEGER NOT NULL, first_offset INTEGER NOT NULL, commit_log_offset INTEGER NOT NULL,
      message_count INTEGER NOT NULL, store_timestamp INTEGER NOT NULL, records BLOB NOT NULL,
      PRIMARY KEY (queue_key, first_offset)) STRICT, WITHOUT ROWID;
    CREATE UNIQUE INDEX mq_log_position ON mq_log (commit_log_offset);`;
}

/**
 * I: commit log and consume queue apart, as RocketMQ's files are: one blob a commit with the records of all queues (those of one queue
 * side by side), and a clustered table that says where the records of a queue begin.
 */
export class CommitBlobs {
  static schema = `
    CREATE TABLE mq_log (commit_log_offset INTEGER PRIMARY KEY, store_timestamp INTEGER NOT NULL, message_count INTEGER NOT NULL,
      records BLOB NOT NULL) STRICT;
    CREATE TABLE mq_consume_queue (queue_key INTEGER NOT NULL, first_offset INTEGER NOT NULL, commit_log_offset INTEGER NOT NULL,
      position INTEGER NOT NULL, message_count INTEGER NOT NULL, PRIMARY KEY (queue_key, first_offset)) STRICT, WITHOUT ROWID;`;

  constructor(db, counters) {
    this.counters = counters;
    this.scratch = Buffer.alloc(512 * 1024);
    this.insert = db.prepare(
      "INSERT INTO mq_log (commit_log_offset, store_timestamp, message_count, records) VALUES (?, ?, ?, ?)",
    );
    this.point = db.prepare(`INSERT INTO mq_consume_queue
      (queue_key, first_offset, commit_log_offset, position, message_count) VALUES (?, ?, ?, ?, ?)`);
    this.page = db
      .prepare(`SELECT q.first_offset, q.position, q.message_count, l.records FROM mq_consume_queue q
      JOIN mq_log l ON l.commit_log_offset = q.commit_log_offset WHERE q.queue_key = ? AND q.first_offset < ?
      AND q.first_offset >= (SELECT first_offset FROM mq_consume_queue WHERE queue_key = ? AND first_offset <= ?
        ORDER BY first_offset DESC LIMIT 1) ORDER BY q.first_offset`)
      .raw();
    this.byLogOffset = db
      .prepare(`SELECT commit_log_offset, records FROM mq_log WHERE commit_log_offset <= ?
      ORDER BY commit_log_offset DESC LIMIT 1`)
      .raw();
    this.time = db
      .prepare(`SELECT q.first_offset, q.message_count, l.store_timestamp FROM mq_consume_queue q
      JOIN mq_log l ON l.commit_log_offset = q.commit_log_offset
      WHERE q.queue_key = ? AND q.first_offset <= ? ORDER BY q.first_offset DESC LIMIT 1`)
      .raw();
    this.oldest = db
      .prepare("SELECT commit_log_offset, message_count, records FROM mq_log ORDER BY commit_log_offset LIMIT ?")
      .raw();
    this.cut = db.prepare("DELETE FROM mq_log WHERE commit_log_offset <= ?");
    this.firstOf = db.prepare("SELECT min(first_offset) FROM mq_consume_queue WHERE queue_key = ?").pluck();
    this.unpoint = db.prepare("DELETE FROM mq_consume_queue WHERE queue_key = ? AND first_offset = ?");
    this.all = db.prepare("SELECT records FROM mq_log WHERE commit_log_offset >= ? ORDER BY commit_log_offset").pluck();
    this.counted = db.prepare("SELECT total(message_count) FROM mq_log").pluck();
  }
  append(messages, storeTimestamp) {
    const { counters } = this;
    let position = 0;
    for (const group of byQueue(messages)) {
      const { queueKey } = group[0];
      this.point.run(queueKey, counters.next[queueKey], counters.logOffset, position, group.length);
      counters.next[queueKey] += group.length;
      for (const message of group) position = encodeRecord(this.scratch, position, message);
    }
    this.insert.run(counters.logOffset, storeTimestamp, messages.length, this.scratch.subarray(0, position));
    counters.logOffset += position;
  }
  readPage(queueKey, offset, max) {
    return this.#read(queueKey, offset, max, offset + max);
  }
  readBlocks(queueKey, offset, max) {
    return this.#read(queueKey, offset, max, Number.POSITIVE_INFINITY);
  }
  #read(queueKey, offset, max, end) {
    const found = [];
    for (const [firstOffset, position, messageCount, records] of this.page.all(
      queueKey,
      offset + max,
      queueKey,
      offset,
    )) {
      let at = position;
      const stop = Math.min(end, firstOffset + messageCount);
      for (let queueOffset = firstOffset; queueOffset < stop; queueOffset++, at += recordLength(records, at)) {
        if (queueOffset >= offset) found.push(decodeRecord(records, at, queueOffset));
      }
    }
    return found;
  }
  readOne(queueKey, offset) {
    return this.#read(queueKey, offset, 1, offset + 1)[0];
  }
  /** The queue offset is not known here: a real one would carry it in the record. */
  readByLogOffset(logOffset) {
    const [blobAt, records] = this.byLogOffset.get(logOffset);
    return decodeRecord(records, logOffset - blobAt, 0);
  }
  searchByTime(...search) {
    return Blocks.prototype.searchByTime.apply(this, search);
  }
  cutStep(limit) {
    let messages = 0;
    let last;
    for (const [logOffset, messageCount, records] of this.oldest.all(Math.min(limit, 64))) {
      if (messages > 0 && messages + messageCount > limit) break;
      const queues = new Set();
      for (let at = 0; at < records.length; at += recordLength(records, at)) queues.add(recordQueueKey(records, at));
      for (const queueKey of queues) this.unpoint.run(queueKey, this.firstOf.get(queueKey));
      messages += messageCount;
      last = logOffset;
    }
    this.cut.run(last);
    return messages;
  }
  count() {
    return this.counted.get();
  }
  *readBack(logOffset) {
    for (const records of this.all.iterate(logOffset)) {
      for (let at = 0; at < records.length; at += recordLength(records, at)) yield decodeRecord(records, at, 0);
    }
  }
}
