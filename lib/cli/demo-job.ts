import { randomUUID } from "node:crypto";
import type { Readable } from "node:stream";
import type { Broker, Message } from "../index.js";
import { Stopwatch } from "../time/stopwatch.js";
import { CommandError } from "./command-error.js";
import type { CountingGroup } from "./counting-group.js";
import { readDeadLetters } from "./dead-letters.js";
import { type DemoGroups, makeGroups } from "./demo-groups.js";
import { chain, countedPages, InputCounts, readAhead, type TaggedPage, type TaggedRecord } from "./demo-input.js";
import { BUSIEST, FLIGHTS, PRODUCER } from "./demo-names.js";
import {
  areCountsRight,
  type DemoResult,
  type DisplaysResult,
  type GroupResult,
  type LateResult,
} from "./demo-result.js";
import type { DisplayGroup } from "./display-group.js";
import type { LateGroup } from "./late-group.js";
import type { LateRule } from "./late-rule.js";
import { count } from "./number-format.js";
import type { Progress } from "./progress.js";
import { whenQuiet } from "./quiet-groups.js";
import { logFinished, logStarted } from "./run-log.js";
import { runMark } from "./run-mark.js";
import { SendWindow } from "./send-window.js";
import type { TagCounts } from "./tag-counts.js";
import { recordKey } from "./tagging.js";

export interface DemoJob {
  /** A file, or `-` for `stdin`. */
  readonly input: string;
  readonly stdin: Readable;
  /** Called once the input has shown its first records; the job closes what it gets. */
  readonly openStore: () => Promise<Broker>;
  /** Which field of a record becomes its tag. */
  readonly tagField: string;
  /** Which records one of the groups fails on. */
  readonly lateRule: LateRule;
  readonly progress: Progress;
  readonly signal: AbortSignal;
}

/**
 * Sends every record of an input while the groups consume them, and counts on both sides. The broker is closed when it settles, the store stays.
 *
 * Each run marks its messages, so that a store with messages of earlier runs can be given: what those left unconsumed is
 * delivered as well, and counted apart.
 */
export async function runDemo(job: DemoJob): Promise<DemoResult> {
  const counts = new InputCounts(job.lateRule);
  const pages = countedPages(job, counts);
  try {
    // Read before the store is made: an input that is missing or malformed from its start leaves none behind.
    const ahead = await readAhead(pages);
    if (counts.tags.total === 0)
      throw new CommandError(`${job.input === "-" ? "standard input" : job.input} has no records`);
    const tags = counts.tags
      .ranked()
      .flatMap(({ tag }) => tag ?? [])
      .slice(0, BUSIEST.tags);
    const mq = await job.openStore();
    try {
      return await sendAndConsume(mq, job, chain(ahead, pages), tags, counts);
    } finally {
      await mq.close({ graceMs: 2_000 });
    }
  } finally {
    await pages.return();
  }
}

async function sendAndConsume(
  mq: Broker,
  { input, tagField, lateRule: rule, progress, signal }: DemoJob,
  pages: AsyncIterable<TaggedPage>,
  tags: readonly string[],
  counts: InputCounts,
): Promise<DemoResult> {
  const run = randomUUID().slice(0, 8);
  const expression = tags.length === 0 ? undefined : tags.join(" || ");
  const producer = mq.producer({ group: PRODUCER, sendTimeoutMs: 30_000 });
  await logStarted(mq, producer, { run, input, tagField, expression, late: rule });

  // Records in the whole input, guessed from the bytes read so far; unknown where it comes through a pipe.
  let total: number | undefined;
  const window = new SendWindow(producer);
  const stopwatch = new Stopwatch();
  const onDelivered = (): void => progress.show(partDone(groups, total), () => progressText(groups, window.sent));
  const groups = makeGroups(mq, { run, expression, rule, lateRows: counts.late.rows, stopwatch, onDelivered });
  for (const group of groups.all) await group.start();

  for await (const { records, bytes, totalBytes } of pages) {
    total = totalBytes === undefined ? undefined : ((records.at(-1)?.row ?? 0) * totalBytes) / bytes;
    for (const record of records) {
      signal.throwIfAborted();
      await window.send(toMessage(record, run));
    }
  }
  await window.drained();
  const sendMs = stopwatch.elapsedMs;
  total = counts.tags.total;
  await whenQuiet(groups.all, signal);
  progress.clear();

  const part = counts.tags.restrictedTo(new Set(tags));
  const letters = await readDeadLetters(mq, rule, run, counts.late);
  const compared = {
    groups: groups.counting.map((group) => groupResult(group, group.expression === "*" ? counts.tags : part)),
    displays: displaysResult(groups.displays, counts),
    late: lateResult(groups.late, counts, letters),
  };
  await logFinished(producer, { run, records: counts.tags.total, isRight: areCountsRight(compared) });
  return {
    input,
    tagField,
    synchronous: mq.synchronous,
    sent: window.sent,
    sendMs,
    consumed: consumedBy(groups),
    consumeMs: Math.max(...groups.all.map(({ lastDeliveryMs }) => lastDeliveryMs)),
    ...compared,
    problems: (await mq.admin.checkStore()).problems,
  };
}

function groupResult(group: CountingGroup, expected: TagCounts): GroupResult {
  return {
    group: group.group,
    expression: group.expression,
    members: group.shares,
    expected,
    counted: group.counts,
    missing: expected.total - group.distinct,
    repeated: group.counts.total - group.distinct,
    fromEarlierRuns: group.fromEarlierRuns,
  };
}

function displaysResult(
  { group, displays }: DisplayGroup,
  { tags, board: expected, rule }: InputCounts,
): DisplaysResult {
  return {
    group,
    field: rule.field,
    expected,
    displays: displays.map(({ name, board, delivered, consumed, distinct }) => ({
      name,
      board,
      messages: consumed,
      missing: tags.total - distinct,
      repeated: consumed - distinct,
      fromEarlierRuns: delivered - consumed,
    })),
  };
}

function lateResult(
  { group, attempts, fromEarlierRuns }: LateGroup,
  { rule, measured, tags, late }: InputCounts,
  deadLetters: LateResult["deadLetters"],
): LateResult {
  return {
    group,
    rule,
    measured,
    attempts: attempts.delivered.map((delivered, reconsumeTimes) => ({
      reconsumeTimes,
      expected: reconsumeTimes === 0 ? tags.total : late.rows.size,
      delivered,
    })),
    expected: tags,
    counted: attempts.first,
    repeated: attempts.repeated,
    unexpected: attempts.unexpected,
    fromEarlierRuns,
    deadLetters,
  };
}

function consumedBy({ all }: DemoGroups): number {
  return all.reduce((sum, { consumed }) => sum + consumed, 0);
}

/** Of what goes to those that take everything; `undefined` while nobody knows how much that is. */
function partDone({ counting, displays, late }: DemoGroups, total: number | undefined): number | undefined {
  if (total === undefined) return undefined;
  const consumed = (counting[0]?.consumed ?? 0) + displays.consumed + late.consumed;
  return Math.min(consumed / (total * (displays.displays.length + 2)), 1);
}

function progressText(groups: DemoGroups, sent: number): string {
  const { waiting } = groups.late;
  const retries = waiting === 0 ? "" : `  to retry ${count(waiting)}`;
  return `sent ${count(sent)}  consumed ${count(consumedBy(groups))}${retries}`;
}

function toMessage(record: TaggedRecord, run: string): Message & { readonly body: string } {
  return {
    topic: FLIGHTS,
    tag: record.tag,
    keys: [recordKey(record)],
    properties: runMark(run, record.row),
    body: record.json,
  };
}
