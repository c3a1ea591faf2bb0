/**
 * The least that a send costs on PocketMQ's own tables: a bare loop.
 *
 * It does what PocketMQ does to the file, with PocketMQ's own code: the file is opened, laid out and migrated by `openOwned` and `prepareStore`
 * (same pragmas, same tables); each commit is BEGIN IMMEDIATE, PRAGMA data_version, one INSERT a block, COMMIT; a block is one blob of records
 * for each queue that the commit touches, written by `writeRecord`; 4 queues take turns (single sends and batches: one queue a commit; 64
 * concurrent: 16 records to each of 4 queues). A record has the same size and the same properties (`WAIT`).
 *
 * It leaves out what makes a library of it: promises, the event loop (it never yields), validation, options, routes, queue choice, time-outs,
 * limits, receipts, caches for readers, waking consumers. An id is looked up in a ring of 1,024 instead of being made. The clock is read
 * once a commit. The size of a body is known.
 */
import { prepareStore } from "../../dist/cjs/broker/prepare-store.js";
import { prepareMessage } from "../../dist/cjs/message/message-validation.js";
import { recordSize, writeRecord } from "../../dist/cjs/message/record.js";
import { LogTable } from "../../dist/cjs/store/log-table.js";
import { openOwned } from "../../dist/cjs/store/open-database.js";
import { QueueTable } from "../../dist/cjs/store/queue-table.js";
import { BODY_SIZE, BodyRing } from "./bodies.mjs";
import { TOPIC } from "./pocketmq.mjs";

export { storedBodies } from "./pocketmq.mjs";

const QUEUES = 4;
const IDS = Array.from(
  { length: 1_024 },
  (_, id) => `7F0000010001AABBCCDD0011223344${String(id).padStart(4, "0").slice(2)}`,
);

export const isBareLoop = true;

export async function open(path, synchronous) {
  const opened = await openOwned({ path, synchronous, busyTimeoutMs: 50 });
  prepareStore(opened);
  return new OwnTables(opened);
}

class OwnTables {
  bodies = new BodyRing();
  #opened;
  #begin;
  #dataVersion;
  #commit;
  #log;
  #queues;
  #turn = 0;
  #logEnd = 0;
  #ids = 0;
  #properties;
  #propertiesSize;
  #recordSize;

  constructor(opened) {
    const { connection } = opened;
    this.#opened = opened;
    this.#begin = connection.prepare("BEGIN IMMEDIATE");
    this.#dataVersion = connection.prepare("PRAGMA data_version").pluck();
    this.#commit = connection.prepare("COMMIT");
    this.#log = new LogTable(connection);
    const table = new QueueTable(connection);
    this.#queues = Array.from({ length: QUEUES }, (_, id) => ({ key: table.insert(TOPIC, id).queueKey, end: 0 }));
    const prepared = prepareMessage({ topic: TOPIC, body: this.bodies.next() }, { maxMessageSize: 2 ** 22 });
    this.bodies.taken = 0;
    this.#properties = prepared.properties;
    this.#propertiesSize = prepared.propertiesSize;
    this.#recordSize = recordSize(IDS[0], prepared.propertiesSize, BODY_SIZE);
  }

  single(count, onSent) {
    for (let sent = 0; sent < count; sent += 1) {
      this.#store(1, 1);
      onSent?.();
    }
  }

  concurrent(count, width) {
    for (let sent = 0; sent < count; sent += width) this.#store(QUEUES, width / QUEUES);
  }

  batches(count, size) {
    for (let sent = 0; sent < count; sent += size) this.#store(1, size);
  }

  #store(blocks, messageCount) {
    const now = Date.now();
    this.#begin.run();
    this.#dataVersion.get();
    for (let block = 0; block < blocks; block += 1) {
      const queue = this.#queues[this.#turn];
      this.#turn = (this.#turn + 1) % QUEUES;
      const records = Buffer.allocUnsafe(messageCount * this.#recordSize);
      let at = 0;
      for (let index = 0; index < messageCount; index += 1) at = writeRecord(records, at, this.#content(now));
      this.#log.insert({
        commitLogOffset: this.#logEnd,
        queueKey: queue.key,
        firstOffset: queue.end,
        messageCount,
        storeTimestamp: now,
        records,
      });
      this.#logEnd += records.length;
      queue.end += messageCount;
    }
    this.#commit.run();
  }

  #content(now) {
    this.#ids = (this.#ids + 1) % IDS.length;
    return {
      tagsCode: 0,
      flag: 0,
      sysFlag: 0,
      bornTimestamp: now,
      reconsumeTimes: 0,
      uniqueId: IDS[this.#ids],
      properties: this.#properties,
      propertiesSize: this.#propertiesSize,
      body: this.bodies.next(),
      bodySize: BODY_SIZE,
    };
  }

  close() {
    this.#opened.close();
  }
}
