/** The highest key of a pop that was given out. */
const POP_KEYS = "coalesce((SELECT value FROM mq_meta WHERE name = 'pop_keys'), 0)";

/** Where the queue of a row ends; 0 where there is no such queue. */
function queueEnd(row: string): string {
  return `coalesce((SELECT first_offset + message_count FROM mq_log WHERE mq_log.queue_key = ${row}.queue_key ORDER BY first_offset DESC LIMIT 1),
    (SELECT floor_offset FROM mq_queue WHERE mq_queue.queue_key = ${row}.queue_key), 0)`;
}

/** Each query lists rows that must not exist. */
export const FORBIDDEN_ROWS: readonly (readonly [rule: string, sql: string])[] = [
  [
    "mq_meta: an illegal value",
    "SELECT name FROM mq_meta WHERE name = 'log_floor' AND (typeof(value) <> 'integer' OR value < 0)",
  ],
  [
    "mq_topic: illegal values",
    "SELECT topic FROM mq_topic WHERE read_queue_nums < 0 OR write_queue_nums < 0 OR perm NOT BETWEEN 0 AND 7 OR ordered NOT IN (0, 1)",
  ],
  [
    "mq_group: illegal values",
    `SELECT consumer_group FROM mq_group WHERE retry_queue_nums < 0 OR retry_max_times < -1 OR consume_enable NOT IN (0, 1)
     OR consume_broadcast_enable NOT IN (0, 1) OR consume_message_orderly NOT IN (0, 1)
     OR CASE WHEN retry_policy IS NULL THEN 0 WHEN NOT json_valid(retry_policy) THEN 1
       ELSE coalesce(json_extract(retry_policy, '$.type'), '') NOT IN ('customized', 'exponential') END`,
  ],
  ["mq_queue: illegal values", "SELECT topic || ' ' || queue_id FROM mq_queue WHERE queue_id < 0 OR floor_offset < 0"],
  [
    "mq_consume_offset: a negative offset or queue",
    "SELECT consumer_group || ' ' || topic || ' ' || queue_id FROM mq_consume_offset WHERE next_offset < 0 OR queue_id < 0",
  ],
  [
    "mq_broadcast_offset: a negative offset or queue",
    `SELECT consumer_group || ' ' || instance_name || ' ' || topic || ' ' || queue_id FROM mq_broadcast_offset
     WHERE next_offset < 0 OR queue_id < 0`,
  ],
  [
    "mq_broadcast_offset: an instance that does not exist",
    `SELECT DISTINCT consumer_group || ' ' || instance_name FROM mq_broadcast_offset
     WHERE (consumer_group, instance_name) NOT IN (SELECT consumer_group, instance_name FROM mq_broadcast_instance)`,
  ],
  [
    "mq_engine: illegal values",
    "SELECT engine_key FROM mq_engine WHERE engine_key < 1 OR lease_ms < 1 OR beats < 0 OR process_id < 1 OR thread_id < 0",
  ],
  [
    "mq_engine: a key that nobody was given",
    `SELECT engine_key FROM mq_engine WHERE engine_key > coalesce((SELECT value FROM mq_meta WHERE name = 'engine_keys'), 0)`,
  ],
  [
    "mq_member: illegal values",
    `SELECT consumer_group || ' ' || client_id FROM mq_member WHERE message_model NOT IN ('clustering', 'broadcasting') OR coalesce(json_type(CASE WHEN json_valid(subscriptions) THEN subscriptions END), '') <> 'array'
     OR (message_model = 'broadcasting') <> (instance_name IS NOT NULL) OR strict NOT IN (0, 1)
     OR consume_type NOT IN ('push', 'pull', 'pop') OR (consume_type = 'pop' AND message_model <> 'clustering')
     OR registration NOT BETWEEN 1 AND coalesce((SELECT value FROM mq_meta WHERE name = 'member_changes'), 0)`,
  ],
  [
    "mq_member: an engine that does not exist",
    "SELECT consumer_group || ' ' || client_id FROM mq_member WHERE engine_key NOT IN (SELECT engine_key FROM mq_engine)",
  ],
  [
    "mq_claim: an engine that does not exist",
    `SELECT consumer_group || ' ' || topic || ' ' || queue_id FROM mq_claim WHERE engine_key NOT IN (SELECT engine_key FROM mq_engine)`,
  ],
  [
    "mq_claim: a negative queue",
    "SELECT consumer_group || ' ' || topic || ' ' || queue_id FROM mq_claim WHERE queue_id < 0",
  ],
  [
    "mq_due: illegal values",
    "SELECT due_key FROM mq_due WHERE due_at < 0 OR queue_id < 0 OR message_count < 1 OR delay_ms < 0",
  ],
  [
    "mq_due: a topic that does not exist",
    "SELECT DISTINCT topic FROM mq_due WHERE topic NOT IN (SELECT topic FROM mq_topic)",
  ],
  [
    "mq_half: illegal values",
    `SELECT half_offset FROM mq_half WHERE half_offset NOT BETWEEN 0 AND coalesce((SELECT value FROM mq_meta WHERE name = 'half_offsets'), 0) - 1
     OR transaction_id = '' OR producer_group = '' OR queue_id < 0 OR checks < 0 OR check_at < 0 OR wait_ms < 0 OR stored_at < 0`,
  ],
  [
    "mq_half: a topic that does not exist",
    "SELECT DISTINCT topic FROM mq_half WHERE topic NOT IN (SELECT topic FROM mq_topic)",
  ],
  [
    "mq_sent_back: no message of the queue",
    `SELECT consumer_group || ' ' || queue_key || ' ' || queue_offset FROM mq_sent_back AS back
     WHERE queue_offset < 0 OR queue_offset >= ${queueEnd("back")}`,
  ],
  [
    "mq_sent_back: the consume offset has passed it",
    `SELECT back.consumer_group || ' ' || queue_key || ' ' || queue_offset FROM mq_sent_back AS back
     JOIN mq_queue USING (queue_key) JOIN mq_consume_offset AS progress USING (topic, queue_id)
     WHERE progress.consumer_group = back.consumer_group AND queue_offset < next_offset`,
  ],
  [
    "mq_pop: illegal values",
    `SELECT pop_key FROM mq_pop WHERE pop_key < 1 OR start_offset < 0 OR pop_time < 0 OR visible_at < pop_time OR message_count NOT BETWEEN 1 AND 32
     OR acknowledged NOT BETWEEN 0 AND (1 << message_count) - 2
     OR CASE WHEN distances IS NULL THEN 0 WHEN NOT json_valid(distances) THEN 1
       ELSE json_type(distances) <> 'array' OR json_array_length(distances) <> message_count OR EXISTS (
         SELECT 1 FROM json_each(distances) AS each WHERE type <> 'integer'
         OR atom <= coalesce((SELECT atom FROM json_each(distances) AS other WHERE other.key = each.key - 1), -1)) END`,
  ],
  [
    "mq_dedup: illegal values",
    `SELECT group_number || ' ' || quote(dedup_key) FROM mq_dedup WHERE expires_at < 0 OR owner < 1
     OR CASE typeof(dedup_key) WHEN 'blob' THEN length(dedup_key) <> 16
       WHEN 'text' THEN length(CAST(dedup_key AS BLOB)) NOT BETWEEN 1 AND 255 OR (length(dedup_key) = 32 AND dedup_key NOT GLOB '*[^0-9A-F]*')
       ELSE 1 END`,
  ],
  [
    "mq_dedup: a group that does not exist",
    "SELECT DISTINCT group_number FROM mq_dedup WHERE group_number NOT IN (SELECT group_number FROM mq_dedup_group)",
  ],
  ["mq_pop: a key that nobody was given", `SELECT pop_key FROM mq_pop WHERE pop_key > ${POP_KEYS}`],
  [
    "mq_pop: no message of the queue",
    `SELECT pop_key FROM mq_pop AS pop WHERE start_offset + CASE WHEN json_valid(distances) THEN coalesce(json_extract(distances, '$[#-1]'), 0)
       ELSE message_count - 1 END >= ${queueEnd("pop")}`,
  ],
  [
    "mq_pop_order: illegal values",
    `SELECT consumer_group || ' ' || queue_key FROM mq_pop_order WHERE start_offset < 0 OR pop_time < 0
     OR CASE WHEN NOT json_valid(messages) THEN 1
       ELSE json_type(messages) <> 'array' OR json_array_length(messages) NOT BETWEEN 1 AND 32
         OR NOT EXISTS (SELECT 1 FROM json_each(messages) WHERE json_extract(value, '$[2]') = 0)
         OR EXISTS (SELECT 1 FROM json_each(messages) AS each WHERE type <> 'array' OR json_array_length(value) <> 5
           OR EXISTS (SELECT 1 FROM json_each(each.value) WHERE type <> 'integer' OR atom < 0)
           OR json_extract(value, '$[2]') > 1 OR json_extract(value, '$[4]') > ${POP_KEYS}
           OR (json_extract(value, '$[4]') = 0 AND json_extract(value, '$[2]') = 0)
           OR json_extract(value, '$[0]') <= coalesce(
             (SELECT json_extract(value, '$[0]') FROM json_each(messages) AS other WHERE other.key = each.key - 1), -1)) END`,
  ],
  [
    "mq_pop_order: no message of the queue",
    `SELECT consumer_group || ' ' || queue_key FROM mq_pop_order AS pop
     WHERE json_valid(messages) AND start_offset + coalesce(json_extract(messages, '$[#-1][0]'), 0) >= ${queueEnd("pop")}`,
  ],
];
