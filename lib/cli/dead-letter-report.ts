import { DEAD_LETTERS, type DeadLetter, type DeadLetters, FAILURES } from "./dead-letters.js";
import { anomalyLine, NO_TAG, tagDifferenceLines } from "./difference-text.js";
import { count, counted, figure } from "./number-format.js";
import { type Column, table } from "./table.js";

const MAX_ROWS = 20;

/** The dead-letter queue: what it has of the run, and apart from that what it has of others. Without an end of line. */
export function deadLetterReport(letters: DeadLetters, tagField: string): string {
  const { expected, counted: got, listed, listedOfEarlierRuns, ofEarlierRuns } = letters;
  const columns: readonly Column[] = [
    { title: "flight", align: "left" },
    { title: tagField, align: "left" },
    { title: letters.field, align: "right" },
    { title: "reconsumeTimes", align: "right" },
  ];
  const rows = listed.slice(0, MAX_ROWS).map(letterRow);
  const lines = [
    `${DEAD_LETTERS}: ${expected.total === 0 && got.total === 0 ? "nothing of this run" : "what failed to the end"}`,
    ...(rows.length === 0 ? [] : [table(columns, rows).trimEnd()]),
    ...(got.total > rows.length ? [`  … and ${count(got.total - rows.length)} more`] : []),
    ...(expected.total === 0 && letters.isRight ? [] : [verdict(letters)]),
    ...tagDifferenceLines(got, expected, "dead letters"),
    ...anomalyLine(letters.missing, "late record", "late records", "without a dead letter"),
    ...anomalyLine(letters.repeated, "dead letter", "dead letters", "more than once"),
    ...anomalyLine(letters.unexpected, "dead letter", "dead letters", "of records that are not late"),
    ...anomalyLine(letters.miscounted, "dead letter", "dead letters", `with another reconsumeTimes than ${FAILURES}`),
    ...(ofEarlierRuns === 0
      ? []
      : [earlierTitle(letters), table(columns, listedOfEarlierRuns.map(letterRow)).trimEnd()]),
  ];
  return `${lines.join("\n")}\n`;
}

/** For machines. */
export function deadLetterJson(letters: DeadLetters): object {
  const { expected, counted: got, missing, repeated, unexpected, miscounted } = letters;
  return {
    topic: DEAD_LETTERS,
    isRight: letters.isRight,
    expected: expected.total,
    found: got.total,
    missing,
    repeated,
    unexpected,
    miscounted,
    differences: got.differences(expected),
    letters: letters.listed,
    ofEarlierRuns: letters.ofEarlierRuns,
    lettersOfEarlierRuns: letters.listedOfEarlierRuns,
  };
}

function letterRow({ key, tag, value, reconsumeTimes }: DeadLetter): readonly string[] {
  return [key, tag ?? NO_TAG, value === undefined ? "-" : figure(value), String(reconsumeTimes)];
}

function verdict({ isRight, counted: got, expected }: DeadLetters): string {
  const what = isRight ? "each late record of the input once" : "NOT as in the input";
  return `  ${count(got.total)} of ${count(expected.total)}, ${what}`;
}

function earlierTitle({ ofEarlierRuns, listedOfEarlierRuns }: DeadLetters): string {
  const title = `  besides ${counted(ofEarlierRuns, "dead letter")} of earlier runs`;
  return ofEarlierRuns > listedOfEarlierRuns.length ? `${title}, the last ${listedOfEarlierRuns.length}:` : `${title}:`;
}
