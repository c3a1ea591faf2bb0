import { Blocks, UnindexedBlocks } from "./block-layouts.mjs";

/** Blocks that wait for their index entry. More: fewer page writes an entry, more rows to look at when a file is opened after a crash. */
const WAITING_BLOCKS = 8_192;
/** Entries of one queue that are written at once; without a bound, a store with one queue would write all 8,192 in one commit. */
const ENTRIES_AT_ONCE = 512;

/**
 * J: the table of G; the way to a queue is a table of its own, written late.
 *
 * A block waits in memory until 8,192 wait. From then on each commit writes as many entries as it adds blocks, those of one queue
 * together, the queue with the oldest waiting block first (a Map keeps that order). One page of the index then takes several entries a
 * write, and no block waits for more than about 8,192 later ones: after a crash those are found by reading the end of the log.
 * Not measured here: what a reader pays for looking into the waiting blocks too. The file is read after all have their entry.
 */
export class LateIndexBlocks extends Blocks {
  static schema = `${UnindexedBlocks.schema}
    CREATE TABLE mq_queue_index (queue_key INTEGER NOT NULL, first_offset INTEGER NOT NULL, commit_log_offset INTEGER NOT NULL,
      PRIMARY KEY (queue_key, first_offset)) STRICT, WITHOUT ROWID;`;
  static from = "mq_queue_index JOIN mq_log USING (commit_log_offset, queue_key, first_offset)";
  static offsets = "mq_queue_index";

  constructor(db, counters) {
    super(db, counters);
    this.waiting = new Map();
    this.waitingBlocks = 0;
    this.point = db.prepare("INSERT INTO mq_queue_index (queue_key, first_offset, commit_log_offset) VALUES (?, ?, ?)");
    this.unpoint = db.prepare(`DELETE FROM mq_queue_index WHERE (queue_key, first_offset) IN
      (SELECT queue_key, first_offset FROM mq_log WHERE commit_log_offset <= ?)`);
  }
  append(messages, storeTimestamp) {
    super.append(messages, storeTimestamp);
    this.#indexUntil(WAITING_BLOCKS);
  }
  addedBlock(queueKey, firstOffset, logOffset) {
    const waiting = this.waiting.get(queueKey);
    if (waiting === undefined) this.waiting.set(queueKey, [firstOffset, logOffset]);
    else waiting.push(firstOffset, logOffset);
    this.waitingBlocks++;
  }
  #indexUntil(blocks) {
    if (this.waitingBlocks <= blocks) return;
    for (const [queueKey, waiting] of this.waiting) {
      while (waiting.length > 0 && this.waitingBlocks > blocks) {
        const taken = waiting.splice(0, 2 * ENTRIES_AT_ONCE);
        for (let i = 0; i < taken.length; i += 2) this.point.run(queueKey, taken[i], taken[i + 1]);
        this.waitingBlocks -= taken.length / 2;
      }
      if (waiting.length === 0) this.waiting.delete(queueKey);
      if (this.waitingBlocks <= blocks) return;
    }
  }
  /** Before a file is closed: everything can then be read through the table. */
  finish() {
    this.#indexUntil(0);
  }
  removing(lastLogOffset) {
    this.unpoint.run(lastLogOffset);
  }
}
