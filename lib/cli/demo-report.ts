import { countingReport } from "./counting-report.js";
import { deadLetterJson } from "./dead-letter-report.js";
import {
  areAttemptsRight,
  areCountsRight,
  areDisplaysRight,
  type DemoResult,
  isAllRight,
  isDisplayRight,
  isRight,
} from "./demo-result.js";
import { displayReport } from "./display-report.js";
import { lateReport } from "./late-report.js";
import { count, counted, rate, seconds } from "./number-format.js";
import { type Column, table } from "./table.js";

const RATE_COLUMNS: readonly Column[] = [
  { title: "", align: "left" },
  { title: "messages", align: "right" },
  { title: "time", align: "right" },
  { title: "per second", align: "right" },
];

/** The result for people. */
export function demoReport(result: DemoResult, store: string, howToResume: string, width: number): string {
  const { groups, displays, late, tagField, problems } = result;
  const lines = [
    `${counted(result.sent, "record")} of ${result.input === "-" ? "standard input" : result.input}; tag = ${tagField}`,
    "",
    ...groups.map((group) => countingReport(group, tagField, width)),
    displayReport(displays, tagField, width),
    lateReport(late, tagField),
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

/** The result for machines. */
export function demoJson(result: DemoResult, store: string): object {
  const { groups, displays, late, ...rest } = result;
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
    displays: displaysJson(displays),
    late: lateJson(late),
  };
}

function displaysJson(result: DemoResult["displays"]): object {
  const { group, field, expected, displays } = result;
  return {
    group,
    field,
    isRight: areDisplaysRight(result),
    expected: expected.ranked(),
    displays: displays.map(({ board, ...display }) => ({
      ...display,
      isRight: isDisplayRight({ ...display, board }, expected),
      board: board.ranked(),
      differences: board.differences(expected),
    })),
  };
}

function lateJson(result: DemoResult["late"]): object {
  const { expected, counted: got, deadLetters, ...rest } = result;
  return {
    ...rest,
    isRight: areAttemptsRight(result),
    differences: got.differences(expected),
    deadLetters: deadLetterJson(deadLetters),
  };
}

function verdict(result: DemoResult): string {
  const counts = areCountsRight(result) ? "Every count is as in the input" : "THE COUNTS DIFFER FROM THE INPUT";
  return `${counts}; the store ${result.problems.length === 0 ? "is whole." : "HAS PROBLEMS:"}`;
}
