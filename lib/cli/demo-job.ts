import { randomUUID } from "node:crypto";
import type { Readable } from "node:stream";
import { type Broker, openBroker } from "../index.js";
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
  /** The file of the store. */
  readonly store: string;
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
  const tagging = new Tagging(job.tagField);
  const expected = new TagCounts();
  const pages = countedPages(job, tagging, expected);
  try {
    // Read before the store is made: an input that is missing or malformed from its start leaves none behind.
    const ahead = await readAhead(pages);
    if (expected.total === 0) throw new CommandError(`${job.input === "-" ? "standard input" : job.input} has no records`);
    const tags = expected
      .ranked()
      .flatMap(({ tag }) => tag ?? [])
      .slice(0, BUSIEST.tags);
    const mq = await openBroker({ path: job.store });
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

  let share = 0;
  let isRead = false;
  const window = new SendWindow(producer);
  const show = (): void => {
    const consumed = groups.map(({ group, delivered }) => `${group} ${count(delivered)}`).join("  ");
    const done = board.delivered / Math.max(expected.total, 1);
    progress.show(isRead ? Math.min(done, 1) : known(share, done), () => `sent ${count(window.sent)}  ${consumed}`);
  };
  const join = (group: string, memberNames: readonly string[], filter: string): CountingGroup =>
    new CountingGroup(mq, { group, topic: FLIGHTS, expression: filter, memberNames, run, onDelivered: show });
  const board = join(BOARD.group, BOARD.members, "*");
  const busiest = expression === undefined ? [] : [join(BUSIEST.group, BUSIEST.members, expression)];
  const groups = [board, ...busiest];
  for (const group of groups) await group.start();

  const stopwatch = new Stopwatch();
  for await (const page of pages) {
    share = page.totalBytes === undefined ? Number.NaN : page.bytes / page.totalBytes;
    for (const record of page.records) {
      signal.throwIfAborted();
      await window.send(toMessage(record, run));
    }
  }
  isRead = true;
  await window.drained();
  const sendMs = stopwatch.elapsedMs;
}
