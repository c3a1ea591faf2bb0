import type Database from "better-sqlite3";
import { deadLetterTopic, popRetryTopic, retryTopic } from "../../lib/message/derived-names.js";
import { bodyTextAt, sizeAt } from "../../lib/message/record.js";
import { GIVEN_UP_TOPIC } from "../../lib/message/system-topics.js";

/**
 * Where a copy of a message lives: in its queue or in a retry topic and not acknowledged, popped and not acknowledged, put off, a dead letter, a half
 * message, or given up with its transaction. A message without a live copy was acknowledged, or is lost.
 */
export type Place = "queue" | "due" | "retry" | "popped" | "dead" | "half" | "given up";

/** By the bodies of the messages, which differ. */
export type LiveCopies = ReadonlyMap<string, readonly Place[]>;

interface BlockRow {
  readonly topic: string;
  readonly first_offset: number;
  readonly records: Buffer;
  /** `null`: none is stored. */
  readonly next_offset: number | null;
  /** Queue offsets as a JSON array. */
  readonly sent_back: string;
  /** The same, of what was popped. */
  readonly popped: string;
}

/** Where a group keeps its progress: one table for all members, or one row an instance, of which there is one here. */
export type ProgressTable = "mq_consume_offset" | "mq_broadcast_offset";

/** Where a group finds each message of a topic; read from the tables alone. */
export function liveCopies(
  database: Database.Database,
  topic: string,
  group: string,
  progress: ProgressTable = "mq_consume_offset",
): LiveCopies {
  const [retry, popRetry, dead] = [retryTopic(group), popRetryTopic(group, topic), deadLetterTopic(group)];
  const copies = new Map<string, Place[]>();
  const add = (body: string, ...places: readonly Place[]): void => {
    copies.set(body, [...(copies.get(body) ?? []), ...places]);
  };
  const blocks = database.prepare<object, BlockRow>(`
    SELECT topic, first_offset, records,
      (SELECT next_offset FROM ${progress} AS progress WHERE consumer_group = @group AND progress.topic = queue.topic
         AND progress.queue_id = queue.queue_id) AS next_offset,
      (SELECT json_group_array(queue_offset) FROM mq_sent_back AS back WHERE consumer_group = @group
         AND back.queue_key = queue.queue_key) AS sent_back,
      (WITH RECURSIVE bit(place) AS (SELECT 0 UNION ALL SELECT place + 1 FROM bit WHERE place < 31)
       SELECT json_group_array(start_offset + coalesce(json_extract(distances, '$[' || place || ']'), place)) FROM mq_pop AS pop, bit
         WHERE consumer_group = @group AND pop.queue_key = queue.queue_key AND place < pop.message_count
         AND (acknowledged >> place) & 1 = 0) AS popped
    FROM mq_log JOIN mq_queue AS queue USING (queue_key) WHERE topic IN (@topic, @retry, @popRetry, @dead) ORDER BY commit_log_offset`);
  for (const row of blocks.all({ topic, retry, popRetry, dead, group })) {
    const sentBack = new Set<number>(JSON.parse(row.sent_back));
    const popped = new Set<number>(JSON.parse(row.popped));
    for (const [index, body] of bodiesOf(row.records).entries()) {
      const offset = row.first_offset + index;
      if (row.topic === dead) add(body, "dead");
      else if (popped.has(offset)) add(body, "popped");
      else if (offset < (row.next_offset ?? 0) || sentBack.has(offset)) add(body);
      else add(body, row.topic === topic ? "queue" : "retry");
    }
  }
  const due = database.prepare<[string], Buffer>("SELECT records FROM mq_due WHERE topic = ?").pluck();
  for (const name of [topic, retry])
    for (const records of due.all(name)) for (const body of bodiesOf(records)) add(body, "due");
  for (const record of database
    .prepare<[string], Buffer>("SELECT record FROM mq_half WHERE topic = ?")
    .pluck()
    .all(topic))
    for (const body of bodiesOf(record)) add(body, "half");
  const givenUp = database
    .prepare<[string], Buffer>("SELECT records FROM mq_log JOIN mq_queue USING (queue_key) WHERE topic = ?")
    .pluck();
  // One that was sent on later stays there.
  for (const records of givenUp.all(GIVEN_UP_TOPIC))
    for (const body of bodiesOf(records)) if (!copies.has(body)) add(body, "given up");
  return copies;
}

function bodiesOf(records: Buffer): readonly string[] {
  const bodies: string[] = [];
  for (let at = 0; at < records.length; at += sizeAt(records, at)) bodies.push(bodyTextAt(records, at));
  return bodies;
}
