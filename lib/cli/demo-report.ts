import { type DemoResult, type GroupResult, isRight } from "./demo-job.js";
import { count, counted, rate, seconds } from "./number-format.js";
import { type Column, table, tableInBlocks } from "./table.js";
import type { TagDifference } from "./tag-counts.js";

/** More rows would push everything else off the screen; those that differ are always shown. */
const MAX_ROWS = 300;
const NO_TAG = "(none)";

/** The result for people. */
export function demoReport(result: DemoResult, store: string, howToResume: string, width: number): string {
  const { groups, problems } = result;
  const lines = [
    `${counted(result.sent, "record")} of ${result.input === "-" ? "standard input" : result.input}; tag = ${result.tagField}`,
    "",
    ...groups.flatMap((group) => [groupReport(group, result.tagField, width)]),
    table(RATE_COLUMNS, [
      ["sent", count(result.sent), seconds(result.sendMs), count(rate(result.sent, result.sendMs))],
      ["consumed", count(result.consumed), seconds(result.consumeMs), count(rate(result.consumed, result.consumeMs))],
    ]),
    `${verdict(result)}`,
    ...problems.map((problem) => `  ${problem}`),
    `Store kept (synchronous ${result.synchronous}): ${store}`,
    `Look into it again: ${howToResume}`,
  ];
  return `${lines.join("\n")}\n`;
}

/** Whether every count is as in the input and the store is whole. */
export function isAllRight({ groups, problems }: DemoResult): boolean {
  return problems.length === 0 && groups.every(isRight);
}

/** The result for machines. */
export function demoJson(result: DemoResult, store: string): object {
  const { groups, ...rest } = result;
  return {
    ok: isAllRight(result),
    store,
    ...rest,
    sentPerSecond: rate(result.sent, result.sendMs),
    consumedPerSecond: rate(result.consumed, result.consumeMs),
    groups: groups.map(({ expected, counted: got, ...group }) => ({
      ...group,
      isRight: isRight({ ...group, expected, counted: got }),
      expected: expected.total,
      consumed: got.total,
      tags: expected
        .ranked()
        .map(({ tag, count: messages }) => ({ tag, expected: messages, consumed: got.of(tag).count })),
      differences: got.differences(expected),
    })),
  };
}

const RATE_COLUMNS: readonly Column[] = [
  { title: "", align: "left" },
  { title: "messages", align: "right" },
  { title: "time", align: "right" },
  { title: "per second", align: "right" },
];

function groupReport(group: GroupResult, tagField: string, width: number): string {
  const { expected, counted: got, members } = group;
  const ranked = expected.ranked();
  const rows = ranked
    .slice(0, MAX_ROWS)
    .map(({ tag, count: messages }) => [tag ?? NO_TAG, count(messages), count(got.of(tag).count)]);
  const columns: readonly Column[] = [
    { title: tagField, align: "left" },
    { title: "input", align: "right" },
    { title: "consumed", align: "right" },
  ];
  const shares = members.map(({ name, messages, queueIds }) => [name, count(messages), queueIds.join(" ")]);
  const lines = [
    `${group.group}: ${group.expression === "*" ? "every message" : group.expression}`,
    tableInBlocks(columns, rows, width).trimEnd(),
    ...(ranked.length > MAX_ROWS ? [`  … and ${counted(ranked.length - MAX_ROWS, "tag")} more`] : []),
    `  together ${count(got.total)} of ${count(expected.total)}, ${isRight(group) ? "each count as in the input" : "NOT as in the input"}`,
    ...differenceLines(group),
    "",
    table(MEMBER_COLUMNS, shares),
  ];
  return lines.join("\n");
}

const MEMBER_COLUMNS: readonly Column[] = [
  { title: "member", align: "left" },
  { title: "messages", align: "right" },
  { title: "of queues", align: "left" },
];

function differenceLines({
  expected,
  counted: got,
  missing,
  repeated,
  fromEarlierRuns,
}: GroupResult): readonly string[] {
  return [
    ...got.differences(expected).map((difference) => `  ! ${differenceText(difference)}`),
    ...(missing > 0 ? [`  ! ${counted(missing, "message")} never came`] : []),
    ...(repeated > 0 ? [`  ! ${counted(repeated, "delivery", "deliveries")} more than once`] : []),
    ...(fromEarlierRuns > 0 ? [`  besides ${counted(fromEarlierRuns, "message")} of earlier runs`] : []),
  ];
}

function differenceText({ tag, expected, counted: got }: TagDifference): string {
  const name = tag ?? NO_TAG;
  if (expected.count === got.count)
    return `${name}: bodies of ${count(got.bytes)} bytes instead of ${count(expected.bytes)}`;
  return `${name}: ${count(got.count)} consumed, ${count(expected.count)} in the input, ${signed(got.count - expected.count)}`;
}

function signed(difference: number): string {
  return difference > 0 ? `+${count(difference)}` : `-${count(-difference)}`;
}

function verdict(result: DemoResult): string {
  const counts = result.groups.every(isRight) ? "Every count is as in the input" : "THE COUNTS DIFFER FROM THE INPUT";
  return `${counts}; the store ${result.problems.length === 0 ? "is whole." : "HAS PROBLEMS:"}`;
}
