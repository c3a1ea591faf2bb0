import { AttemptLog } from "../../lib/cli/attempt-log.js";
import { type DeadLetter, DeadLetters } from "../../lib/cli/dead-letters.js";
import type { DisplaysResult, GroupResult, LateResult } from "../../lib/cli/demo-result.js";
import { LateRecords } from "../../lib/cli/late-records.js";
import { LiveBoard } from "../../lib/cli/live-board.js";
import { TagCounts } from "../../lib/cli/tag-counts.js";

/** What a run of four records might have found, the second of which is late; `RIGHT` or damaged. */

export type BoardRecord = readonly [tag: string | undefined, value?: number];

export function board(...records: readonly BoardRecord[]): LiveBoard {
  const made = new LiveBoard();
  for (const [tag, value] of records) made.add(tag, value);
  return made;
}

const RECORDS: readonly BoardRecord[] = [["DFW", 5], ["DFW", 301], ["ORD"], ["ORD"]];
const BYTES = 10;

function tagCounts(records: readonly BoardRecord[], bytes: number = BYTES): TagCounts {
  const counts = new TagCounts();
  for (const [tag] of records) counts.add(tag, bytes);
  return counts;
}

export function groupResult(damage: Partial<GroupResult> = {}): GroupResult {
  const expected = tagCounts(RECORDS);
  const members = [{ name: "one", messages: RECORDS.length, queueIds: [0] }];
  return {
    ...{ group: "group", expression: "*", members, expected, counted: expected },
    ...{ missing: 0, repeated: 0, fromEarlierRuns: 0 },
    ...damage,
  };
}

/** Two instances; the first one is right. */
export function displaysResult(
  second: readonly BoardRecord[] = RECORDS,
  counts: { readonly missing?: number; readonly repeated?: number } = {},
): DisplaysResult {
  const right = { messages: RECORDS.length, missing: 0, repeated: 0, fromEarlierRuns: 0 };
  const displays = [
    { ...right, name: "one", board: board(...RECORDS.toReversed()) },
    { ...right, name: "two", board: board(...second), ...counts },
  ];
  return { group: "pair", field: "delay", expected: board(...RECORDS), displays };
}

export type Delivery = readonly [row: number, reconsumeTimes: number, bytes?: number];

/** Each record once, the late one twice more. */
export const RIGHT_DELIVERIES: readonly Delivery[] = [
  [1, 0],
  [2, 0],
  [2, 1],
  [3, 0],
  [4, 0],
  [2, 2],
];

export function lateResult(deliveries: readonly Delivery[], letters: DeadLetters): LateResult {
  const log = new AttemptLog(lateRecords().rows, 2);
  for (const [row, reconsumeTimes, bytes = BYTES] of deliveries)
    log.add({ row, tag: RECORDS[row - 1]?.[0], bytes, reconsumeTimes });
  return {
    group: "late",
    rule: { field: "delay", over: 300 },
    measured: 2,
    attempts: log.delivered.map((delivered, reconsumeTimes) => ({
      reconsumeTimes,
      expected: reconsumeTimes === 0 ? RECORDS.length : 1,
      delivered,
    })),
    expected: tagCounts(RECORDS),
    counted: log.first,
    ...{ repeated: log.repeated, unexpected: log.unexpected },
    fromEarlierRuns: 0,
    deadLetters: letters,
  };
}

export function lateRecords(): LateRecords {
  const late = new LateRecords();
  late.add(2, "DFW", BYTES);
  return late;
}

export type FoundLetter = readonly [letter: DeadLetter, row: number | undefined, bytes?: number];

export function deadLetters(...found: readonly FoundLetter[]): DeadLetters {
  const made = new DeadLetters("delay", lateRecords());
  for (const [letter, row, bytes = BYTES] of found) made.add(letter, row, bytes);
  return made;
}

export function letter(reconsumeTimes: number = 3): DeadLetter {
  return { messageId: "id", key: "key", tag: "DFW", value: 301, reconsumeTimes };
}
