import { randomUUID } from "node:crypto";
import type { Readable } from "node:stream";
import type { Broker, Message } from "../index.js";
import { Stopwatch } from "../time/stopwatch.js";
import { CommandError } from "./command-error.js";
import { CountingGroup, type MemberShare, ROW_PROPERTY, RUN_PROPERTY } from "./counting-group.js";
import { BOARD, BUSIEST, FLIGHTS, PRODUCER } from "./demo-names.js";
import { count } from "./number-format.js";
import type { Progress } from "./progress.js";
import { whenQuiet } from "./quiet-groups.js";
import { type InputRecord, type RecordPage, readRecords } from "./record-input.js";
import { logFinished, logStarted } from "./run-log.js";
import { SendWindow } from "./send-window.js";
import { TagCounts } from "./tag-counts.js";
import { recordKey, Tagging } from "./tagging.js";

export interface DemoJob {
  /** A file, or `-` for `stdin`. */
  readonly input: string;
  readonly stdin: Readable;
  /** Called once the input has shown its first records; the job closes what it gets. */
  readonly openStore: () => Promise<Broker>;
  /** Which field of a record becomes its tag. */
  readonly tagField: string;
  readonly progress: Progress;
  readonly signal: AbortSignal;
}

export interface DemoResult {
  readonly input: string;
  readonly tagField: string;
  readonly synchronous: string;
  readonly sent: number;
  readonly sendMs: number;
  readonly consumed: number;
  readonly consumeMs: number;
  readonly groups: readonly GroupResult[];
  /** What `checkStore` found. */
  readonly problems: readonly string[];
}

export interface GroupResult {
  readonly group: string;
  readonly expression: string;
  readonly members: readonly MemberShare[];
  /** Counted when the input was read, before anything was sent. */
  readonly expected: TagCounts;
  /** Counted by the listeners. */
  readonly counted: TagCounts;
  /** Messages of this run that were not delivered, and deliveries beyond the first. */
  readonly missing: number;
  readonly repeated: number;
  /** Of what an interrupted run had left in the store; no part of the counts. */
  readonly fromEarlierRuns: number;
}

/** Of so many records, or so many characters, the most frequent tags are found: an input may have no end. */
const READ_AHEAD_RECORDS = 10_000;
const READ_AHEAD_CHARS = 8 * 1024 * 1024;

interface TaggedRecord extends InputRecord {
  readonly tag: string | undefined;
}

interface TaggedPage extends Omit<RecordPage, "records"> {
  readonly records: readonly TaggedRecord[];
}

/**
 * Sends every record of an input while two groups consume them, and counts on both sides. The broker is closed when it
 * settles, the store stays.
 *
 * Each run marks its messages, so that a store with messages of earlier runs can be given: what those left unconsumed is
 * delivered as well, and counted apart.
 */
export async function runDemo(job: DemoJob): Promise<DemoResult> {
  const expected = new TagCounts();
  const pages = countedPages(job, expected);
  try {
    // Read before the store is made: an input that is missing or malformed from its start leaves none behind.
    const ahead = await readAhead(pages);
    if (expected.total === 0)
      throw new CommandError(`${job.input === "-" ? "standard input" : job.input} has no records`);
    const tags = expected
      .ranked()
      .flatMap(({ tag }) => tag ?? [])
      .slice(0, BUSIEST.tags);
    const mq = await job.openStore();
    try {
      return await sendAndConsume(mq, job, chain(ahead, pages), tags, expected);
    } finally {
      await mq.close({ graceMs: 2_000 });
    }
  } finally {
    await pages.return();
  }
}

async function sendAndConsume(
  mq: Broker,
  { input, tagField, progress, signal }: DemoJob,
  pages: AsyncIterable<TaggedPage>,
  tags: readonly string[],
  expected: TagCounts,
): Promise<DemoResult> {
  const run = randomUUID().slice(0, 8);
  const expression = tags.length === 0 ? undefined : tags.join(" || ");
  const producer = mq.producer({ group: PRODUCER, sendTimeoutMs: 30_000 });
  await logStarted(mq, producer, { run, input, tagField, expression });

  // Records in the whole input, guessed from the bytes read so far; unknown where it comes through a pipe.
  let total: number | undefined;
  const window = new SendWindow(producer);
  const stopwatch = new Stopwatch();
  const onDelivered = (): void => {
    const done = total === undefined ? undefined : Math.min(board.delivered / total, 1);
    progress.show(done, () => {
      const consumed = groups.map(({ delivered }) => count(delivered)).join(" + ");
      return `sent ${count(window.sent)}  consumed ${consumed}`;
    });
  };
  const common = { topic: FLIGHTS, run, stopwatch, onDelivered } as const;
  const board = new CountingGroup(mq, { ...common, group: BOARD.group, memberNames: BOARD.members, expression: "*" });
  const groups = [board];
  if (expression !== undefined) {
    groups.push(new CountingGroup(mq, { ...common, group: BUSIEST.group, memberNames: BUSIEST.members, expression }));
  }
  for (const group of groups) await group.start();

  for await (const { records, bytes, totalBytes } of pages) {
    total = totalBytes === undefined ? undefined : ((records.at(-1)?.row ?? 0) * totalBytes) / bytes;
    for (const record of records) {
      signal.throwIfAborted();
      await window.send(toMessage(record, run));
    }
  }
  await window.drained();
  const sendMs = stopwatch.elapsedMs;
  total = expected.total;

  const parts = new Map([
    [BOARD.group as string, expected],
    [BUSIEST.group as string, expected.restrictedTo(new Set(tags))],
  ]);
  const wanted = (group: CountingGroup): TagCounts => parts.get(group.group) as TagCounts;
  await whenQuiet(mq, groups, () => groups.every((group) => group.distinct === wanted(group).total), signal);
  progress.clear();
  const results = groups.map((group) => resultOf(group, wanted(group)));
  await logFinished(producer, { run, records: expected.total, isRight: results.every(isRight) });
  return {
    input,
    tagField,
    synchronous: mq.synchronous,
    sent: window.sent,
    sendMs,
    consumed: groups.reduce((sum, { counts }) => sum + counts.total, 0),
    consumeMs: Math.max(...groups.map(({ lastDeliveryMs }) => lastDeliveryMs)),
    groups: results,
    problems: (await mq.admin.checkStore()).problems,
  };
}

/** Whether a group got what the input has, each message once. */
export function isRight({ counted, expected, missing, repeated }: GroupResult): boolean {
  return missing === 0 && repeated === 0 && counted.differences(expected).length === 0;
}

function resultOf(group: CountingGroup, expected: TagCounts): GroupResult {
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

function toMessage(record: TaggedRecord, run: string): Message & { readonly body: string } {
  return {
    topic: FLIGHTS,
    tag: record.tag,
    keys: [recordKey(record)],
    properties: { [RUN_PROPERTY]: run, [ROW_PROPERTY]: String(record.row) },
    body: record.json,
  };
}

/** The pages of the input, each record with its tag and counted. */
async function* countedPages(job: DemoJob, expected: TagCounts): AsyncGenerator<TaggedPage, void, undefined> {
  const tagging = new Tagging(job.tagField);
  for await (const page of readRecords(job)) {
    const records = page.records.map((record) => ({ ...record, tag: tagging.tagOf(record) }));
    for (const { tag, json } of records) expected.add(tag, Buffer.byteLength(json));
    yield { ...page, records };
  }
}

async function readAhead(pages: AsyncGenerator<TaggedPage, void, undefined>): Promise<readonly TaggedPage[]> {
  const ahead: TaggedPage[] = [];
  let records = 0;
  let chars = 0;
  while (records < READ_AHEAD_RECORDS && chars < READ_AHEAD_CHARS) {
    const next = await pages.next();
    if (next.done === true) break;
    ahead.push(next.value);
    records += next.value.records.length;
    for (const { json } of next.value.records) chars += json.length;
  }
  return ahead;
}

async function* chain(ahead: readonly TaggedPage[], pages: AsyncIterable<TaggedPage>): AsyncGenerator<TaggedPage> {
  yield* ahead;
  yield* pages;
}
