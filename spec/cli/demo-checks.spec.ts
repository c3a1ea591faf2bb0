import { describe, expect, it } from "vitest";
import { deadLetterReport } from "../../lib/cli/dead-letter-report.js";
import { DeadLetters } from "../../lib/cli/dead-letters.js";
import { areAttemptsRight, areDisplaysRight, type DemoResult, isAllRight } from "../../lib/cli/demo-result.js";
import { displayReport } from "../../lib/cli/display-report.js";
import { LateRecords } from "../../lib/cli/late-records.js";
import { lateReport } from "../../lib/cli/late-report.js";
import { QueueReads } from "../../lib/cli/queue-reads.js";
import {
  type BoardRecord,
  board,
  type Delivery,
  deadLetters,
  displaysResult,
  groupResult,
  lateResult,
  letter,
  RIGHT_DELIVERIES,
} from "./demo-results.js";

describe("LiveBoard", () => {
  it("shows the same in whatever order the records come", () => {
    const records: readonly BoardRecord[] = [["a", 3], ["a"], ["a", -1], ["b", -2], ["b", -3], [undefined, 0.1]];

    expect(board(...records.toReversed()).differences(board(...records))).toEqual([]);
    expect(board(...records).ranked()).toEqual([
      { tag: "a", count: 3, largest: 3 },
      { tag: "b", count: 2, largest: -2 },
      { tag: undefined, count: 1, largest: 0.1 },
    ]);
  });

  it("finds each entry with another count or number, on either side", () => {
    const differences = board(["a", 1], ["b", 1], ["c", 1]).differences(board(["a", 2], ["b", 1], ["b"], ["d"]));

    expect(differences.map(({ tag }) => tag).sort()).toEqual(["a", "b", "c", "d"]);
  });
});

describe("the check of the boards", () => {
  it("finds nothing where both show what the input has", () => {
    expect(areDisplaysRight(displaysResult())).toBe(true);
  });

  it.each([
    ["a record less", [["DFW", 301], ["ORD"], ["ORD"]], {}, "! two: DFW: 1 shown, 2 in the input, -1"],
    ["another number", [["DFW", 5], ["DFW", 30], ["ORD"], ["ORD"]], {}, "! two: DFW: largest delay 30 instead of 301"],
    [
      "a number too many",
      [["DFW", 5], ["DFW", 301], ["ORD", 1], ["ORD"]],
      {},
      "! two: ORD: largest delay 1 instead of -",
    ],
    [
      "a tag too many",
      [["DFW", 5], ["DFW", 301], ["ORD"], ["ORD"], ["X"]],
      {},
      "! two: X: 1 shown, 0 in the input, +1",
    ],
    ["one for another", undefined, { missing: 1 }, "! 1 message never came to two"],
    ["one twice", undefined, { repeated: 1 }, "! 1 delivery to two more than once"],
  ] as readonly (readonly [string, readonly BoardRecord[] | undefined, object, string])[])(
    "notices %s on one of them",
    (_, records, counts, line) => {
      const result = displaysResult(records, counts);

      expect(areDisplaysRight(result)).toBe(false);
      expect(displayReport(result, "origin", 80)).toContain("  the boards do NOT agree with the input\n");
      expect(displayReport(result, "origin", 80)).toContain(`  ${line}\n`);
    },
  );
});

describe("the check of the attempts", () => {
  const without = (row: number, times: number): readonly Delivery[] =>
    RIGHT_DELIVERIES.filter((delivery) => delivery[0] !== row || delivery[1] !== times);

  it("finds nothing where each came as often as it should", () => {
    expect(areAttemptsRight(lateResult(RIGHT_DELIVERIES, deadLetters()))).toBe(true);
  });

  it.each([
    ["a record that never came", without(3, 0), "! first: 3 delivered, 4 in the input, -1"],
    ["a late one that was not retried", without(2, 1), "! retry 1: 0 delivered, 1 in the input, -1"],
    ["a late one that was retried once only", without(2, 2), "! retry 2: 0 delivered, 1 in the input, -1"],
    ["a first delivery too many", [...RIGHT_DELIVERIES, [3, 0]], "! 1 delivery more than once"],
    ["a retry too many", [...RIGHT_DELIVERIES, [2, 1]], "! 1 delivery more than once"],
    ["a retry beyond the last one", [...RIGHT_DELIVERIES, [2, 3]], "! 1 delivery of what should not have been retried"],
    ["a retry of what is not late", [...RIGHT_DELIVERIES, [4, 1]], "! 1 delivery of what should not have been retried"],
    ["one for another", [...without(3, 0), [4, 0]], "! 1 delivery more than once"],
    ["another body", [...without(3, 0), [3, 0, 9]], "! ORD: bodies of 19 bytes instead of 20"],
  ] as readonly (readonly [string, readonly Delivery[], string])[])("notices %s", (_, deliveries, line) => {
    const result = lateResult(deliveries, deadLetters());

    expect(areAttemptsRight(result)).toBe(false);
    expect(lateReport(result, "origin")).toContain("  NOT as in the input\n");
    expect(lateReport(result, "origin")).toContain(`  ${line}\n`);
  });
});

describe("the check of the dead letters", () => {
  it("finds nothing where each late record is there once, whatever earlier runs left", () => {
    expect(deadLetters([letter(1), undefined], [letter(), 2], [letter(), undefined]).isRight).toBe(true);
  });

  it.each([
    ["one that is missing", deadLetters(), "! 1 late record without a dead letter"],
    ["one of an earlier run in its place", deadLetters([letter(), undefined]), "! 1 late record without a dead letter"],
    ["one that is there twice", deadLetters([letter(), 2], [letter(), 2]), "! 1 dead letter more than once"],
    ["one that is not late", deadLetters([letter(), 2], [letter(), 3]), "! 1 dead letter of records that are not late"],
    ["one that failed less often", deadLetters([letter(2), 2]), "! 1 dead letter with another reconsumeTimes than 3"],
    ["another body", deadLetters([letter(), 2, 9]), "! DFW: bodies of 9 bytes instead of 10"],
    ["another tag", deadLetters([{ ...letter(), tag: "ORD" }, 2]), "! ORD: 1 dead letters, 0 in the input, +1"],
  ])("notices %s", (_, found, line) => {
    expect(found.isRight).toBe(false);
    expect(deadLetterReport(found, "origin")).toContain("NOT as in the input\n");
    expect(deadLetterReport(found, "origin")).toContain(`  ${line}\n`);
  });

  it("lists those of the run by their rows, and of earlier runs the last ten", () => {
    const late = new LateRecords();
    for (const row of [3, 1, 2]) late.add(row, "DFW", 10);
    const made = new DeadLetters("delay", late);
    for (const row of [3, 1, 2]) made.add({ ...letter(), key: `row-${row}` }, row, 10);
    for (let at = 1; at <= 12; at += 1) made.add({ ...letter(), key: `old-${at}` }, undefined, 10);

    const report = deadLetterReport(made, "origin");

    expect(report.match(/(?:row|old)-\d+/g)).toEqual(
      ["row-1", "row-2", "row-3"].concat(Array.from({ length: 10 }, (_, at) => `old-${at + 3}`)),
    );
    expect(report).toContain("  besides 12 dead letters of earlier runs, the last 10:\n");
  });
});

describe("the check of everything", () => {
  const RIGHT: DemoResult = {
    ...{ input: "-", tagField: "origin", synchronous: "full" },
    ...{ sent: 4, sendMs: 1, consumed: 16, consumeMs: 1 },
    groups: [groupResult(), groupResult()],
    displays: displaysResult(),
    late: lateResult(RIGHT_DELIVERIES, deadLetters([letter(), 2])),
    problems: [],
  };

  it("finds nothing where every part is right", () => {
    expect(isAllRight(RIGHT)).toBe(true);
  });

  it.each([
    ["a group", { groups: [groupResult(), groupResult({ repeated: 1 })] }],
    ["a display", { displays: displaysResult([]) }],
    ["the attempts", { late: lateResult([], deadLetters([letter(), 2])) }],
    ["the dead letters", { late: lateResult(RIGHT_DELIVERIES, deadLetters()) }],
    ["the store", { problems: ["a problem"] }],
  ])("notices when %s alone is not", (_, damage) => {
    expect(isAllRight({ ...RIGHT, ...damage })).toBe(false);
  });
});

describe("QueueReads", () => {
  function reads(...offsets: readonly number[]): QueueReads {
    const made = new QueueReads();
    for (const offset of offsets) made.add(offset);
    return made;
  }

  it("are the rest of a queue when they are its last messages, in whatever order", () => {
    expect(reads(3, 5, 4).isRest(6)).toBe(true);
    expect(reads(0).isRest(1)).toBe(true);
  });

  it.each([
    ["one before the end is missing", [3, 5]],
    ["the last one is missing", [3, 4]],
    ["one came twice", [3, 4, 5, 4]],
    ["one came twice in place of another", [3, 5, 5]],
  ])("are not when %s", (_, offsets) => {
    expect(reads(...offsets).isRest(6)).toBe(false);
  });
});
