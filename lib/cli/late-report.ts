import { delayOfLevel } from "../time/delay-levels.js";
import { deadLetterReport } from "./dead-letter-report.js";
import { LATE } from "./demo-names.js";
import { type AttemptResult, areAttemptsRight, type LateResult } from "./demo-result.js";
import { anomalyLine, countsText, earlierLine, tagDifferenceLines } from "./difference-text.js";
import { count, counted, figure } from "./number-format.js";
import { type Column, table } from "./table.js";

const ATTEMPT_COLUMNS: readonly Column[] = [
  { title: "delivery", align: "left" },
  { title: "input", align: "right" },
  { title: "delivered", align: "right" },
];

/** The group that fails on what is late, and where that ended. */
export function lateReport(result: LateResult, tagField: string): string {
  const { attempts, expected, counted: got, repeated, unexpected, fromEarlierRuns, deadLetters } = result;
  const rows = attempts.map((attempt) => [attemptName(attempt), count(attempt.expected), count(attempt.delivered)]);
  const lines = [
    `${result.group}: every message; ${whatFails(result)}`,
    table(ATTEMPT_COLUMNS, deadLetters.expected.total === 0 ? rows.slice(0, 1) : rows).trimEnd(),
    areAttemptsRight(result) ? "  each delivery as in the input" : "  NOT as in the input",
    ...tagDifferenceLines(got, expected, "consumed"),
    ...attempts
      .filter((attempt) => attempt.delivered !== attempt.expected)
      .map((attempt) => `  ! ${attemptName(attempt)}: ${countsText(attempt.delivered, attempt.expected, "delivered")}`),
    ...anomalyLine(repeated, "delivery", "deliveries", "more than once"),
    ...anomalyLine(unexpected, "delivery", "deliveries", "of what should not have been retried"),
    ...earlierLine(fromEarlierRuns, "delivery", "deliveries"),
    "",
    deadLetterReport(deadLetters, tagField),
  ];
  return lines.join("\n");
}

function whatFails({ rule: { field, over }, measured, deadLetters }: LateResult): string {
  if (measured === 0) return `none has a number in "${field}", so nothing fails`;
  if (deadLetters.expected.total === 0) return `no ${field} is over ${figure(over)}, so nothing fails`;
  const { maxReconsumeTimes, delayLevel } = LATE;
  const pause = `${delayOfLevel(delayLevel) / 1_000} s`;
  return `${field} over ${figure(over)} fails, ${counted(maxReconsumeTimes, "retry", "retries")} after ${pause} each`;
}

function attemptName({ reconsumeTimes }: AttemptResult): string {
  return reconsumeTimes === 0 ? "first" : `retry ${reconsumeTimes}`;
}
