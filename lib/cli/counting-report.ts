import { type GroupResult, isRight } from "./demo-result.js";
import { anomalyLine, earlierLine, NO_TAG, tagDifferenceLines } from "./difference-text.js";
import { count, counted } from "./number-format.js";
import { type Column, table, tableInBlocks } from "./table.js";

/** More rows would push everything else off the screen; those that differ are always shown. */
const MAX_ROWS = 300;

const MEMBER_COLUMNS: readonly Column[] = [
  { title: "member", align: "left" },
  { title: "messages", align: "right" },
  { title: "of queues", align: "left" },
];

/** A group whose members share what it takes. */
export function countingReport(group: GroupResult, tagField: string, width: number): string {
  const { expected, counted: got, members, missing, repeated, fromEarlierRuns } = group;
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
    ...tagDifferenceLines(got, expected, "consumed"),
    ...anomalyLine(missing, "message", "messages", "never came"),
    ...anomalyLine(repeated, "delivery", "deliveries", "more than once"),
    ...earlierLine(fromEarlierRuns, "message", "messages"),
    "",
    table(MEMBER_COLUMNS, shares),
  ];
  return lines.join("\n");
}
