// What is in a store, in the words of the rules.

import { createHash } from "node:crypto";
import { deadLetterTopic, popRetryTopic, retryTopic } from "../../../dist/cjs/message/derived-names.js";
import { bodyTextAt, sizeAt } from "../../../dist/cjs/message/record.js";
import { bodyOf, keyOf } from "./bodies.mjs";
import { GROUP, TOPIC } from "./workload-run.mjs";

const DONE = `SELECT consumer_group || ' ' || dedup_key FROM mq_dedup JOIN mq_dedup_group USING (group_number) WHERE owner IS NULL`;

/** The same for two stores that hold the same rows in the same tables, wherever these are in the files. */
export function digestOf(database) {
  const hash = createHash("sha1");
  const tables = database.prepare("SELECT name, sql FROM sqlite_schema WHERE type = 'table' ORDER BY name").all();
  for (const { name, sql } of tables) {
    hash.update(`${name} ${sql}\n`);
    for (const row of database.prepare(`SELECT * FROM "${name}"`).raw().iterate()) {
      for (const value of row) hash.update(Buffer.isBuffer(value) ? value : `${typeof value} ${value};`);
    }
  }
  return hash.digest("latin1");
}

/**
 * - `messages`: of the topic, as a broker lists them: key, size, queue, offset, and whether the body is what was sent
 * - `copies`: by key, where the group finds the message: "queue", "due", "retry", "popped", "dead"; `undefined` while there is no group
 * - `rows`: keys of the workload's own rows
 * - `halves`: keys of the half messages
 * - `done`: the keys of each group that are done, as "group key"
 */
export async function readContent(mq, workload) {
  const topics = (await mq.admin.listTopics()).map(({ topic }) => topic);
  const groups = (await mq.admin.listGroups()).map(({ group }) => group);
  return {
    messages: topics.includes(TOPIC) ? await listMessages(mq) : [],
    copies: groups.includes(GROUP) ? liveCopies(mq.database) : undefined,
    rows: workload.rows?.(mq.database) ?? [],
    done: mq.database.prepare(DONE).pluck().all(),
    halves: mq.database.prepare("SELECT record FROM mq_half").pluck().all().flatMap(keysOf),
  };
}

async function listMessages(mq) {
  const messages = [];
  for (const { queue, maxOffset } of await mq.admin.topicStats(TOPIC)) {
    const page = await mq.admin.browse(queue, 0, 1_024);
    if (page.length !== maxOffset)
      throw new Error(`queue ${queue.queueId} ends at ${maxOffset} and lists ${page.length}`);
    for (const message of page) {
      const body = message.text();
      const key = keyOf(body);
      const { queueId, queueOffset } = message;
      messages.push({ key, size: body.length, isWhole: body === bodyOf(key, body.length), queueId, queueOffset });
    }
  }
  return messages;
}

/** Read from the tables alone, as spec/support/live-copies.ts does it. */
function liveCopies(database) {
  const [retry, popRetry, dead] = [retryTopic(GROUP), popRetryTopic(GROUP, TOPIC), deadLetterTopic(GROUP)];
  const copies = new Map();
  const add = (key, ...places) => copies.set(key, [...(copies.get(key) ?? []), ...places]);
  const blocks = database.prepare(`
    SELECT topic, first_offset, records,
      (SELECT next_offset FROM mq_consume_offset AS progress WHERE consumer_group = @group AND progress.topic = queue.topic
         AND progress.queue_id = queue.queue_id) AS next_offset,
      (SELECT json_group_array(queue_offset) FROM mq_sent_back AS back WHERE consumer_group = @group
         AND back.queue_key = queue.queue_key) AS sent_back,
      (WITH RECURSIVE bit(place) AS (SELECT 0 UNION ALL SELECT place + 1 FROM bit WHERE place < 31)
       SELECT json_group_array(start_offset + coalesce(json_extract(distances, '$[' || place || ']'), place)) FROM mq_pop AS pop, bit
         WHERE consumer_group = @group AND pop.queue_key = queue.queue_key AND place < pop.message_count
         AND (acknowledged >> place) & 1 = 0) AS popped
    FROM mq_log JOIN mq_queue AS queue USING (queue_key) WHERE topic IN (@topic, @retry, @popRetry, @dead)
    ORDER BY commit_log_offset`);
  for (const row of blocks.all({ topic: TOPIC, retry, popRetry, dead, group: GROUP })) {
    const sentBack = new Set(JSON.parse(row.sent_back));
    const popped = new Set(JSON.parse(row.popped));
    for (const [index, key] of keysOf(row.records).entries()) {
      const offset = row.first_offset + index;
      if (row.topic === dead) add(key, "dead");
      else if (popped.has(offset)) add(key, "popped");
      else if (offset < (row.next_offset ?? 0) || sentBack.has(offset)) add(key);
      else add(key, row.topic === TOPIC ? "queue" : "retry");
    }
  }
  const due = database.prepare("SELECT records FROM mq_due WHERE topic = ?").pluck();
  for (const records of due.all(retry)) for (const key of keysOf(records)) add(key, "due");
  return copies;
}

function keysOf(records) {
  const keys = [];
  for (let at = 0; at < records.length; at += sizeAt(records, at)) keys.push(keyOf(bodyTextAt(records, at)));
  return keys;
}
