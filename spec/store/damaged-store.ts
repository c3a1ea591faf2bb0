import Database from "better-sqlite3";
import { openBroker } from "../../lib/index.js";
import { checkStore } from "../../lib/store/check-store.js";
import type { SqliteConnection } from "../../lib/store/sqlite.js";
import { Store } from "../../lib/store/store.js";
import { VirtualClock } from "../support/virtual-clock.js";

/** Where the first and the last block of the log begin. */
export const FIRST_BLOCK = "(SELECT min(commit_log_offset) FROM mq_log)";
export const LAST_BLOCK = "(SELECT max(commit_log_offset) FROM mq_log)";

/**
 * Three blocks: two messages with and without tag, one message, both in queue 0 of `orders`; one in queue 1. A group with progress, which has sent the
 * third message back, and whose instance has progress of its own.
 */
export async function storeWithMessages(): Promise<Database.Database> {
  const database = new Database(":memory:");
  const mq = await openBroker({ database, clock: new VirtualClock(), seed: 1, defaultQueueCount: 2 });
  const producer = mq.producer({ group: "shop" });
  producer.sendBatchSync(
    [
      { topic: "orders", tag: "paid", body: "a" },
      { topic: "orders", body: "b" },
    ],
    { queue: 0 },
  );
  producer.sendSync({ topic: "orders", body: "c" }, { queue: 0 });
  producer.sendSync({ topic: "orders", body: "d" }, { queue: 1 });
  await mq.admin.createGroup("billing");
  await mq.close();
  database.exec(`
    INSERT INTO mq_consume_offset VALUES ('billing', 'orders', 0, 1);
    INSERT INTO mq_topic VALUES ('%RETRY%billing', 1, 1, 6, 0, 'NORMAL');
    INSERT INTO mq_due (due_at, due_key, topic, queue_id, message_count, records)
      SELECT 1700000010000, 1, '%RETRY%billing', 0, message_count, records FROM mq_log WHERE commit_log_offset = ${FIRST_BLOCK};
    INSERT INTO mq_sent_back SELECT 'billing', queue_key, 2 FROM mq_queue WHERE topic = 'orders' AND queue_id = 0;
    INSERT INTO mq_broadcast_instance VALUES ('billing', 'DEFAULT', 1700000000000);
    INSERT INTO mq_broadcast_offset VALUES ('billing', 'DEFAULT', 'orders', 0, 3)`);
  return database;
}

export function problemsOf(database: Database.Database): readonly string[] {
  const steps = checkStore(new Store(database as unknown as SqliteConnection));
  for (;;) {
    const step = steps.next();
    if (step.done === true) return step.value;
  }
}

/** Lets SQL write what the schema forbids. */
export function withoutConstraints(database: Database.Database, table: string, sql: string): void {
  database.unsafeMode();
  database.pragma("writable_schema = ON");
  const schema = database.prepare("SELECT sql FROM sqlite_schema WHERE name = ?").pluck().get(table) as string;
  const setSchema = database.prepare("UPDATE sqlite_schema SET sql = ? WHERE name = ?");
  setSchema.run(
    schema
      .replaceAll(" NOT NULL", "")
      .replace(/\) STRICT/, ")")
      .replace(/^(?=.*\)$)/, ""),
    table,
  );
  database.pragma("writable_schema = RESET");
  database.exec(sql);
  database.pragma("writable_schema = ON");
  setSchema.run(schema, table);
  database.pragma("writable_schema = RESET");
}
