-- A store as PocketMQ 0.3.0 left it, whose format is 3, when its process was killed.
PRAGMA application_id = 1349209425;
BEGIN;
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
  , retry_policy TEXT) STRICT, WITHOUT ROWID;
CREATE TABLE mq_consume_offset (
  consumer_group TEXT NOT NULL, topic TEXT NOT NULL, queue_id INTEGER NOT NULL, next_offset INTEGER NOT NULL,
  PRIMARY KEY (consumer_group, topic, queue_id)
) STRICT, WITHOUT ROWID;
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
CREATE INDEX mq_claim_engine ON mq_claim (engine_key);
INSERT INTO mq_meta VALUES
  ('engine_keys', 1),
  ('format_version', 3),
  ('member_changes', 3),
  ('topic_changes', 3);
INSERT INTO mq_topic VALUES
  ('%RETRY%auditing', 1, 1, 6, 0, 'NORMAL'),
  ('%RETRY%billing', 1, 1, 6, 0, 'NORMAL'),
  ('orders', 2, 2, 6, 0, 'NORMAL');
INSERT INTO mq_queue VALUES
  (1, 'orders', 0, 0),
  (2, 'orders', 1, 0);
INSERT INTO mq_log VALUES
  (0, 1, 0, 2, 1700000000000, X'59000000CC6234000000000000001C000068E5CF8B012000000000003746303030303031454146333030423334394341343742373630303030303030544147530170616964024B455953016B3102574149540174727565026147000000000000000000000000000A000068E5CF8B0120000000000037463030303030314541463330304233343943413437423736303030303030315741495401747275650262'),
  (160, 1, 2, 1, 1700000000000, X'47000000000000000000000000000A000068E5CF8B0120000000000037463030303030314541463330304233343943413437423736303030303030325741495401747275650263'),
  (231, 2, 0, 1, 1700000000000, X'47000000000000000000000000000A000068E5CF8B0120000000000037463030303030314541463330304233343943413437423736303030303030335741495401747275650264');
INSERT INTO mq_group VALUES
  ('auditing', 1, 1, 0, 1, 16, NULL),
  ('billing', 1, 1, 0, 1, 16, '{"type":"exponential","initialMs":1000,"maxMs":60000,"multiplier":2}');
INSERT INTO mq_consume_offset VALUES
  ('billing', 'orders', 0, 1),
  ('billing', 'orders', 1, 1);
INSERT INTO mq_due VALUES
  (1, 1700000001000, '%RETRY%billing', 0, 1, X'8E0000000000000000000000000051000068E5CF8B012000010000003746303030303031454146333030423334394341343742373630303030303032574149540166616C73650252455452595F544F504943016F7264657273024F524947494E5F4D4553534147455F49440137463030303030313030303032413946303030303030303030303030303041300263');
INSERT INTO mq_sent_back VALUES
  ('billing', 1, 2);
INSERT INTO mq_broadcast_instance VALUES
  ('auditing', 'node-0', 1700000000000);
INSERT INTO mq_broadcast_offset VALUES
  ('auditing', 'node-0', 'orders', 0, 3),
  ('auditing', 'node-0', 'orders', 1, 1);
INSERT INTO mq_engine VALUES
  (1, 'linux of a machine that is gone', 31774, 31774, '1380073', 1154691390343278, 10000, 0);
INSERT INTO mq_member VALUES
  ('auditing', '127.0.0.1@node-0', 1, 3, 'broadcasting', 'node-0', '[["orders","*"]]'),
  ('billing', '127.0.0.1@7F000001EAF300B349CA47B760000004', 1, 2, 'clustering', NULL, '[["orders","*"],["%RETRY%billing","*"]]');
INSERT INTO mq_claim VALUES
  ('billing', '%RETRY%billing', 0, 1),
  ('billing', 'orders', 0, 1),
  ('billing', 'orders', 1, 1);
COMMIT;
