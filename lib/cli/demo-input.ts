import { LateRecords } from "./late-records.js";
import { isLate, type LateRule, numberIn } from "./late-rule.js";
import { LiveBoard } from "./live-board.js";
import { type InputRecord, type RecordInput, type RecordPage, readRecords } from "./record-input.js";
import { TagCounts } from "./tag-counts.js";
import { Tagging } from "./tagging.js";

/** What the groups are compared with, counted when the input was read, before anything was sent. */
export class InputCounts {
  readonly rule: LateRule;
  readonly tags: TagCounts = new TagCounts();
  readonly board: LiveBoard = new LiveBoard();
  readonly late: LateRecords = new LateRecords();
  #measured = 0;

  constructor(rule: LateRule) {
    this.rule = rule;
  }

  /** Records with a number in the field that decides about being late. */
  get measured(): number {
    return this.#measured;
  }

  add({ row, json, fields, tag }: TaggedRecord): void {
    const bytes = Buffer.byteLength(json);
    const value = numberIn(fields, this.rule.field);
    this.tags.add(tag, bytes);
    this.board.add(tag, value);
    if (value !== undefined) this.#measured += 1;
    if (isLate(value, this.rule)) this.late.add(row, tag, bytes);
  }
}

export interface TaggedRecord extends InputRecord {
  readonly tag: string | undefined;
}

export interface TaggedPage extends Omit<RecordPage, "records"> {
  readonly records: readonly TaggedRecord[];
}

/** Of so many records, or so many characters, the most frequent tags are found: an input may have no end. */
const READ_AHEAD_RECORDS = 10_000;
const READ_AHEAD_CHARS = 8 * 1024 * 1024;

/** The pages of an input, each record with its tag and counted. */
export async function* countedPages(
  input: RecordInput & { readonly tagField: string },
  counts: InputCounts,
): AsyncGenerator<TaggedPage, void, undefined> {
  const tagging = new Tagging(input.tagField);
  for await (const page of readRecords(input)) {
    const records = page.records.map((record) => ({ ...record, tag: tagging.tagOf(record) }));
    for (const record of records) counts.add(record);
    yield { ...page, records };
  }
}

export async function readAhead(pages: AsyncGenerator<TaggedPage, void, undefined>): Promise<readonly TaggedPage[]> {
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

export async function* chain(
  ahead: readonly TaggedPage[],
  pages: AsyncIterable<TaggedPage>,
): AsyncGenerator<TaggedPage> {
  yield* ahead;
  yield* pages;
}
