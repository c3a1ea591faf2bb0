import type Database from "better-sqlite3";
import { openBroker } from "../../lib/index.js";
import { type RecordContent, recordSize, writeRecord } from "../../lib/message/record.js";
import type { TestPort } from "../support/local-broker.js";
import { VirtualClock } from "../support/virtual-clock.js";

/** When virtual time begins. */
export const START = 1_700_000_000_000;

/** A message that becomes visible in a queue of "orders" at a time after {@link START}. */
export interface PutOff {
  readonly afterMs: number;
  readonly body: string;
  readonly queueId?: number;
}

export function recordOf(body: string): RecordContent {
  return {
    tagsCode: 0,
    flag: 0,
    sysFlag: 0,
    bornTimestamp: START,
    reconsumeTimes: 1,
    uniqueId: "7F00000100",
    properties: "",
    propertiesSize: 0,
    body,
    bodySize: Buffer.byteLength(body),
  };
}

/** Puts messages off in one commit of this broker. */
export function putOff({ port }: TestPort, ...messages: readonly PutOff[]): Promise<void> {
  return port.engine.write(() => {
    for (const { afterMs, body, queueId = 0 } of messages)
      port.engine.due.add("orders", queueId, START + afterMs, recordOf(body));
  });
}

/** Puts messages off as another process does, each in a block of its own; the store exists. */
export function insertDue(database: Database.Database, messages: Iterable<PutOff>): void {
  const insert = database.prepare(
    `INSERT INTO mq_due (due_at, due_key, topic, queue_id, message_count, records)
     VALUES (?, (SELECT coalesce(max(due_key), 0) + 1 FROM mq_due WHERE due_at = ?), 'orders', ?, 1, ?)`,
  );
  database.transaction(() => {
    for (const { afterMs, body, queueId = 0 } of messages) {
      const content = recordOf(body);
      const records = Buffer.alloc(recordSize(content.uniqueId, 0, content.bodySize));
      writeRecord(records, 0, content);
      insert.run(START + afterMs, START + afterMs, queueId, records);
    }
  })();
}

/** Makes a store with the topic "orders" of two queues and these messages. */
export async function makeDueStore(database: Database.Database, messages: Iterable<PutOff>): Promise<void> {
  const mq = await openBroker({ database, clock: new VirtualClock(), seed: 1, defaultQueueCount: 2 });
  await mq.admin.createTopic("orders");
  await mq.close();
  insertDue(database, messages);
}
