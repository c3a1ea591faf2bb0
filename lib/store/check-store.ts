import { findRecordProblem, sizeAt } from "../message/record.js";
import type { LogBlock } from "./log-table.js";
import { FORMAT_VERSION } from "./migrations.js";
import { prepare, type SqliteConnection } from "./sqlite.js";
import type { Store } from "./store.js";

const TABLES = ["mq_meta", "mq_topic", "mq_queue", "mq_log", "mq_group", "mq_consume_offset"] as const;
/** Blocks looked at in one step. */
const BLOCKS_A_STEP = 64;

interface QueueProgress {
  readonly name: string;
  readonly floorOffset: number;
  nextOffset: number | undefined;
}

/**
 * Finds everything in the store that breaks a rule, in steps between which the caller may let others run; nothing is changed.
 *
 * The rules: SQLite finds the tables sound · the format is ours · each block belongs to a known queue, holds as many whole records as it says and
 * lies behind the block before it · offsets of a queue are dense and not below its floor · topics, groups and offsets have legal values.
 */
export function* checkStore(store: Store): Generator<void, readonly string[]> {
  const { connection } = store;
  const problems: string[] = [];
  for (const table of TABLES) {
    const found = prepare<string>(connection, `PRAGMA integrity_check('${table}')`).pluck().all();
    for (const text of found) if (text !== "ok") problems.push(`${table}: ${text}`);
    yield;
  }
  if (problems.length > 0) return problems;
  problems.push(...findMetaProblems(connection), ...findRowProblems(connection));
  yield* checkLog(store, problems);
  return problems;
}

function findMetaProblems(connection: SqliteConnection): readonly string[] {
  const version = prepare<unknown>(connection, "SELECT value FROM mq_meta WHERE name = 'format_version'").pluck().get();
  return version === FORMAT_VERSION ? [] : [`mq_meta: format version ${String(version)} instead of ${FORMAT_VERSION}`];
}

/** Each query lists rows that must not exist. */
const FORBIDDEN_ROWS = [
  [
    "mq_topic: illegal values",
    "SELECT topic FROM mq_topic WHERE read_queue_nums < 0 OR write_queue_nums < 0 OR perm NOT BETWEEN 0 AND 7 OR ordered NOT IN (0, 1)",
  ],
  [
    "mq_group: illegal values",
    "SELECT consumer_group FROM mq_group WHERE retry_queue_nums < 0 OR retry_max_times < -1",
  ],
  ["mq_queue: illegal values", "SELECT topic || ' ' || queue_id FROM mq_queue WHERE queue_id < 0 OR floor_offset < 0"],
  [
    "mq_consume_offset: a negative offset or queue",
    "SELECT consumer_group || ' ' || topic || ' ' || queue_id FROM mq_consume_offset WHERE next_offset < 0 OR queue_id < 0",
  ],
  [
    "mq_consume_offset: a group that does not exist",
    "SELECT DISTINCT consumer_group FROM mq_consume_offset WHERE consumer_group NOT IN (SELECT consumer_group FROM mq_group)",
  ],
] as const;

function findRowProblems(connection: SqliteConnection): readonly string[] {
  return FORBIDDEN_ROWS.flatMap(([rule, sql]) =>
    prepare<string>(connection, sql)
      .pluck()
      .all()
      .map((row) => `${rule}: ${row}`),
  );
}

function* checkLog(store: Store, problems: string[]): Generator<void, void> {
  const queues = new Map<number, QueueProgress>();
  let logEnd = 0;
  let after = -1;
  for (;;) {
    const blocks = store.log.listFromPosition(after + 1, BLOCKS_A_STEP);
    for (const block of blocks) {
      if (block.commitLogOffset < logEnd)
        problems.push(`block ${block.commitLogOffset}: overlaps the one before it, which ends at ${logEnd}`);
      logEnd = block.commitLogOffset + block.records.length;
      problems.push(...findBlockProblems(store, block, queues));
    }
    const last = blocks.at(-1);
    if (last === undefined) return;
    after = last.commitLogOffset;
    yield;
  }
}

function findBlockProblems(store: Store, block: LogBlock, queues: Map<number, QueueProgress>): readonly string[] {
  const where = `block ${block.commitLogOffset}`;
  let queue = queues.get(block.queueKey);
  if (queue === undefined) {
    const row = store.queues.findByKey(block.queueKey);
    if (row === undefined) return [`${where}: its queue ${block.queueKey} does not exist`];
    queue = { name: `${row.topic} ${row.queueId}`, floorOffset: row.floorOffset, nextOffset: undefined };
    queues.set(block.queueKey, queue);
  }
  const problems = findRecordProblems(where, block);
  if (queue.nextOffset !== undefined && block.firstOffset !== queue.nextOffset) {
    problems.push(
      `${where}: begins at offset ${block.firstOffset} of queue ${queue.name}, which went on at ${queue.nextOffset}`,
    );
  }
  if (block.firstOffset < 0) problems.push(`${where}: begins at offset ${block.firstOffset} of queue ${queue.name}`);
  queue.nextOffset = block.firstOffset + block.messageCount;
  return problems;
}

function findRecordProblems(where: string, { records, messageCount }: LogBlock): string[] {
  let at = 0;
  let count = 0;
  while (at < records.length) {
    const problem = findRecordProblem(records, at);
    if (problem !== undefined) return [`${where}, record ${count}: ${problem}`];
    at += sizeAt(records, at);
    count += 1;
  }
  return count === messageCount && count > 0 ? [] : [`${where}: holds ${count} records and says ${messageCount}`];
}
