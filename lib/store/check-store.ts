import { javaStringHash } from "../message/java-hash.js";
import { decodeProperties, PROPERTY } from "../message/properties.js";
import { findRecordProblem, propertiesAt, sizeAt, tagsCodeAt } from "../message/record.js";
import { SYSTEM_GROUPS } from "../message/system-topics.js";
import type { DuePlace } from "./due-table.js";
import { FORBIDDEN_ROWS } from "./forbidden-rows.js";
import type { LogBlock } from "./log-table.js";
import { FORMAT_VERSION } from "./migrations.js";
import { prepare, type SqliteConnection } from "./sqlite.js";
import type { Store } from "./store.js";

const TABLES = [
  "mq_meta",
  "mq_topic",
  "mq_queue",
  "mq_log",
  "mq_group",
  "mq_subscription",
  "mq_consume_offset",
  "mq_due",
  "mq_half",
  "mq_dedup_group",
  "mq_dedup",
  "mq_sent_back",
  "mq_pop",
  "mq_pop_order",
  "mq_broadcast_instance",
  "mq_broadcast_offset",
  "mq_engine",
  "mq_member",
  "mq_claim",
] as const;
/** Blocks looked at in one step: at most 512 KiB of small messages, about 10 ms. */
const BLOCKS_A_STEP = 16;

interface QueueProgress {
  readonly name: string;
  readonly floorOffset: number;
  nextOffset: number | undefined;
}

/**
 * Finds everything in the store that breaks a rule, in steps between which the caller may let others run; nothing is changed.
 *
 * The rules: SQLite finds the tables sound · the format is ours · each block belongs to a known queue, holds as many whole records as it says,
 * each with the code of its tag, and lies behind the block before it · offsets of a queue are dense and not below its floor ·
 * topics, groups and offsets have legal values, and each offset an existing group · what is put off holds whole records as well, for a queue of
 * a topic that exists · what was sent back lies in its queue, and the group's offset has not passed it · what was popped lies in its queue, in the order of
 * its offsets, is not acknowledged as a whole, and has a key that was given out · dedup keys have a legal form and a group · a broadcasting instance has a group, and its offsets have the instance ·
 * subscriptions have a group, members and claims a group and an engine.
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
  yield* checkDue(store, problems);
  return problems;
}

function findMetaProblems(connection: SqliteConnection): readonly string[] {
  const version = prepare<unknown>(connection, "SELECT value FROM mq_meta WHERE name = 'format_version'").pluck().get();
  return version === FORMAT_VERSION ? [] : [`mq_meta: format version ${String(version)} instead of ${FORMAT_VERSION}`];
}

/** Tables whose rows belong to a consumer group. */
const OF_GROUPS = [
  "mq_dedup_group",
  "mq_subscription",
  "mq_consume_offset",
  "mq_sent_back",
  "mq_pop",
  "mq_pop_order",
  "mq_broadcast_instance",
  "mq_member",
  "mq_claim",
] as const;

function findRowProblems(connection: SqliteConnection): readonly string[] {
  const list = (sql: string): readonly string[] => prepare<string>(connection, sql).pluck().all();
  const withoutGroup = (table: string): readonly string[] =>
    list(
      `SELECT DISTINCT consumer_group FROM ${table} WHERE consumer_group NOT IN (SELECT consumer_group FROM mq_group)`,
    ).filter((group) => !SYSTEM_GROUPS.has(group));
  return [
    ...FORBIDDEN_ROWS.flatMap(([rule, sql]) => list(sql).map((row) => `${rule}: ${row}`)),
    ...OF_GROUPS.flatMap((table) =>
      withoutGroup(table).map((group) => `${table}: a group that does not exist: ${group}`),
    ),
  ];
}

function* checkDue(store: Store, problems: string[]): Generator<void, void> {
  for (let after: DuePlace = { dueAt: Number.MIN_SAFE_INTEGER, dueKey: 0 }; ; ) {
    const blocks = store.due.listAfter(after, BLOCKS_A_STEP);
    for (const block of blocks)
      problems.push(...findRecordProblems(`due block ${block.dueKey} of ${block.dueAt}`, block));
    const last = blocks.at(-1);
    if (last === undefined) return;
    after = last;
    yield;
  }
}

function* checkLog(store: Store, problems: string[]): Generator<void, void> {
  const queues = new Map<number, QueueProgress>();
  let logEnd = 0;
  let after = Number.MIN_SAFE_INTEGER;
  for (;;) {
    const blocks = store.log.listFromPosition(after + 1, BLOCKS_A_STEP);
    for (const block of blocks) {
      if (block.commitLogOffset < logEnd)
        problems.push(`block ${block.commitLogOffset}: lies in front of ${logEnd}, where the one before it ends`);
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
  const begins = `${where}: begins at offset ${block.firstOffset} of queue ${queue.name}`;
  if (queue.nextOffset === undefined) {
    if (block.firstOffset < queue.floorOffset) problems.push(`${begins}, whose floor is ${queue.floorOffset}`);
  } else if (block.firstOffset !== queue.nextOffset) {
    problems.push(`${begins}, which went on at ${queue.nextOffset}`);
  }
  if (block.storeTimestamp < 0) problems.push(`${where}: has the store time ${block.storeTimestamp}`);
  queue.nextOffset = block.firstOffset + block.messageCount;
  return problems;
}

/** What is wrong with the records of a block of the log or of what is put off. */
function findRecordProblems(
  where: string,
  { records, messageCount }: Pick<LogBlock, "records" | "messageCount">,
): string[] {
  let at = 0;
  let count = 0;
  while (at < records.length) {
    const problem = findRecordProblem(records, at);
    if (problem !== undefined) return [`${where}, record ${count}: ${problem}`];
    if (tagsCodeAt(records, at) !== tagsCodeOf(propertiesAt(records, at)))
      return [`${where}, record ${count}: has the code ${tagsCodeAt(records, at)}, which is not that of its tag`];
    at += sizeAt(records, at);
    count += 1;
  }
  return count === messageCount && count > 0 ? [] : [`${where}: holds ${count} records and says ${messageCount}`];
}

/** What the tag filter compares. */
function tagsCodeOf(properties: string): number {
  const tag = decodeProperties(properties).get(PROPERTY.TAGS);
  return tag === undefined ? 0 : javaStringHash(tag);
}
