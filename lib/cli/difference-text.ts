import { count, counted } from "./number-format.js";
import type { TagCounts, TagDifference } from "./tag-counts.js";

/** What stands for the lack of a tag. */
export const NO_TAG = "(none)";

/** A line for each tag whose count or bytes differ. */
export function tagDifferenceLines(got: TagCounts, expected: TagCounts, verb: string): readonly string[] {
  return got.differences(expected).map((difference) => `  ! ${differenceText(difference, verb)}`);
}

/** A line if there are any. */
export function anomalyLine(amount: number, noun: string, plural: string, what: string): readonly string[] {
  return amount === 0 ? [] : [`  ! ${counted(amount, noun, plural)} ${what}`];
}

/** A line if there are any; they are no part of what is compared. */
export function earlierLine(amount: number, noun: string, plural: string): readonly string[] {
  return amount === 0 ? [] : [`  besides ${counted(amount, noun, plural)} of earlier runs`];
}

/** `5 flown, 7 in the input, -2` */
export function countsText(got: number, expected: number, verb: string): string {
  return `${count(got)} ${verb}, ${count(expected)} in the input, ${signed(got - expected)}`;
}

function differenceText({ tag, expected, counted: got }: TagDifference, verb: string): string {
  const name = tag ?? NO_TAG;
  if (expected.count === got.count)
    return `${name}: bodies of ${count(got.bytes)} bytes instead of ${count(expected.bytes)}`;
  return `${name}: ${countsText(got.count, expected.count, verb)}`;
}

function signed(difference: number): string {
  return difference > 0 ? `+${count(difference)}` : `-${count(-difference)}`;
}
