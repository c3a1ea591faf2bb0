import type { MemberShare } from "./counting-group.js";
import type { DeadLetters } from "./dead-letters.js";
import type { LateRule } from "./late-rule.js";
import type { LiveBoard } from "./live-board.js";
import type { TagCounts } from "./tag-counts.js";

/** What a run sent, what its groups got, and what they should have got. */
export interface DemoResult {
  readonly input: string;
  readonly tagField: string;
  readonly synchronous: string;
  readonly sent: number;
  readonly sendMs: number;
  /** First deliveries to all groups, and when the last of them was. */
  readonly consumed: number;
  readonly consumeMs: number;
  readonly groups: readonly GroupResult[];
  readonly displays: DisplaysResult;
  readonly late: LateResult;
  /** What `checkStore` found. */
  readonly problems: readonly string[];
}

/** A group whose members share what it takes. */
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

/** The broadcasting group. */
export interface DisplaysResult {
  readonly group: string;
  /** Whose largest number the boards show. */
  readonly field: string;
  /** Made of the input. */
  readonly expected: LiveBoard;
  readonly displays: readonly DisplayResult[];
}

/** One instance; counted as in {@link GroupResult}. */
export interface DisplayResult {
  readonly name: string;
  readonly board: LiveBoard;
  readonly messages: number;
  readonly missing: number;
  readonly repeated: number;
  readonly fromEarlierRuns: number;
}

/** The group that fails on what is late. */
export interface LateResult {
  readonly group: string;
  readonly rule: LateRule;
  /** Records of the input with a number to be late by. */
  readonly measured: number;
  /** Of different messages: first all, then for each retry those that failed. */
  readonly attempts: readonly AttemptResult[];
  readonly expected: TagCounts;
  /** First deliveries. */
  readonly counted: TagCounts;
  /** Deliveries of a message for an attempt that it had before, and for one that it should not have. */
  readonly repeated: number;
  readonly unexpected: number;
  readonly fromEarlierRuns: number;
  readonly deadLetters: DeadLetters;
}

export interface AttemptResult {
  readonly reconsumeTimes: number;
  readonly expected: number;
  readonly delivered: number;
}

/** Whether a group got what the input has, each message once. */
export function isRight({ counted, expected, missing, repeated }: GroupResult): boolean {
  return missing === 0 && repeated === 0 && counted.differences(expected).length === 0;
}

/** Whether an instance got every message once, and shows what the input has. */
export function isDisplayRight({ board, missing, repeated }: DisplayResult, expected: LiveBoard): boolean {
  return missing === 0 && repeated === 0 && board.differences(expected).length === 0;
}

/** Whether every instance shows what the input has, and so all of them the same. */
export function areDisplaysRight({ displays, expected }: DisplaysResult): boolean {
  return displays.every((display) => isDisplayRight(display, expected));
}

/** Whether each late message had all its attempts, and everything else one. */
export function areAttemptsRight({ attempts, expected, counted, repeated, unexpected }: LateResult): boolean {
  const isEachAttemptRight = attempts.every((attempt) => attempt.delivered === attempt.expected);
  return isEachAttemptRight && repeated === 0 && unexpected === 0 && counted.differences(expected).length === 0;
}

/** Whether each group got what it should. */
export function areCountsRight({ groups, displays, late }: Pick<DemoResult, "groups" | "displays" | "late">): boolean {
  return groups.every(isRight) && areDisplaysRight(displays) && areAttemptsRight(late) && late.deadLetters.isRight;
}

/** Whether every count is as in the input and the store is whole. */
export function isAllRight(result: DemoResult): boolean {
  return result.problems.length === 0 && areCountsRight(result);
}
