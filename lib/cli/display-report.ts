import { areDisplaysRight, type DisplayResult, type DisplaysResult } from "./demo-result.js";
import { anomalyLine, countsText, earlierLine, NO_TAG } from "./difference-text.js";
import type { BoardDifference, LiveBoard } from "./live-board.js";
import { count, counted, figure } from "./number-format.js";
import { type Column, tableInBlocks } from "./table.js";

/** The boards are those of the input, which has been shown; those entries that differ are always shown. */
const MAX_ROWS = 12;
const NO_NUMBER = "-";

/** The broadcasting group: the board on which its instances agree, or where they do not. */
export function displayReport(result: DisplaysResult, tagField: string, width: number): string {
  const { group, field, expected, displays } = result;
  const names = displays.map(({ name }) => name).join(" and ");
  const lines = [
    `${group}: every message to ${names} each (broadcasting)`,
    boardTable(expected, tagField, field, width),
    ...(expected.size > MAX_ROWS ? [`  … and ${counted(expected.size - MAX_ROWS, "entry", "entries")} more`] : []),
    areDisplaysRight(result)
      ? `  ${names} agree, and with the input: ${counted(expected.size, "entry", "entries")} each`
      : "  the boards do NOT agree with the input",
    ...displays.flatMap((display) => displayLines(display, expected, field)),
    "",
  ];
  return lines.join("\n");
}

function boardTable(board: LiveBoard, tagField: string, field: string, width: number): string {
  const ranked = board.ranked();
  const rows = ranked
    .slice(0, MAX_ROWS)
    .map(({ tag, count: messages, largest }) => [tag ?? NO_TAG, count(messages), largestText(largest)]);
  const columns: readonly Column[] = [
    { title: tagField, align: "left" },
    { title: "count", align: "right" },
    { title: `max ${field}`, align: "right" },
  ];
  const hasNumbers = ranked.some(({ largest }) => largest !== undefined);
  return tableInBlocks(hasNumbers ? columns : columns.slice(0, 2), rows, width).trimEnd();
}

function displayLines(
  { name, board, missing, repeated, fromEarlierRuns }: DisplayResult,
  expected: LiveBoard,
  field: string,
): readonly string[] {
  return [
    ...board.differences(expected).map((difference) => `  ! ${name}: ${entryText(difference, field)}`),
    ...anomalyLine(missing, "message", "messages", `never came to ${name}`),
    ...anomalyLine(repeated, "delivery", "deliveries", `to ${name} more than once`),
    ...earlierLine(fromEarlierRuns, "message", "messages").map((line) => `${line} on ${name}`),
  ];
}

function entryText({ tag, expected, shown }: BoardDifference, field: string): string {
  const texts = [
    ...(shown.count === expected.count ? [] : [countsText(shown.count, expected.count, "shown")]),
    ...(shown.largest === expected.largest
      ? []
      : [`largest ${field} ${largestText(shown.largest)} instead of ${largestText(expected.largest)}`]),
  ];
  return `${tag ?? NO_TAG}: ${texts.join("; ")}`;
}

function largestText(largest: number | undefined): string {
  return largest === undefined ? NO_NUMBER : figure(largest);
}
