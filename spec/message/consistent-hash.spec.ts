import { describe, expect, it } from "vitest";
import { consistentHash } from "../../lib/message/consistent-hash.js";
import { javaStringHash } from "../../lib/message/java-hash.js";

/**
 * What Guava 32.0.1, RocketMQ 5.3.3's, gives for 1 to 64 buckets: the answer for so many is the highest number below. (Each change is to the newest
 * bucket, so that the list tells everything.)
 */
const OF_STRINGS: readonly (readonly [key: string, buckets: readonly number[]])[] = [
  ["a", [0, 18, 29]],
  ["b", [0, 4, 5, 57]],
  ["s1", [0, 1, 3, 4, 8, 9, 13, 17, 23]],
  ["polygenelubricants", [0, 1, 2, 52, 58]],
  ["f5a5a608", [0]],
  ["订单", [0, 1, 7, 50]],
  ["😀", [0, 1, 4, 17, 31]],
  ["été", [0, 1, 6, 7, 22, 25, 43, 46]],
  ["The quick brown fox jumps over the lazy dog", [0, 1]],
  ["user:42", [0, 1, 6, 7, 46]],
  ["AaAa", [0, 1, 3, 23, 58]],
  ["x".repeat(63), [0, 2, 26, 27, 35]],
  ["order-1", [0, 3]],
  ["order-2", [0, 2, 11, 22, 28, 46]],
  ["order-3", [0, 1, 3, 7, 21, 35]],
  ["order-4", [0, 1, 2, 5, 6, 11, 12, 13, 31]],
  ["order-5", [0, 1]],
  ["order-6", [0, 21]],
  ["order-7", [0, 4, 9, 16, 28, 47]],
  ["order-8", [0, 2, 3, 6, 49]],
  ["order-9", [0, 1, 55]],
  ["order-10", [0, 1]],
  ["order-11", [0, 1, 7, 9, 12, 13]],
  ["order-12", [0, 1, 3, 4, 14, 15]],
  ["order-13", [0, 16, 22, 26, 30, 31, 37]],
  ["order-14", [0, 4]],
  ["order-15", [0, 2, 10, 12, 13, 14, 26, 29, 45]],
  ["order-16", [0, 1, 3, 4, 9, 10, 25]],
  ["order-17", [0, 1, 2, 3, 37, 39]],
  ["order-18", [0, 1, 61]],
  ["order-19", [0, 1, 7, 8, 41, 43]],
  ["order-20", [0, 2, 3, 11, 29, 33, 40, 48]],
  ["order-21", [0, 1, 21, 62]],
  ["order-22", [0, 1, 5, 16, 33, 38]],
  ["order-23", [0, 1, 3, 10]],
  ["order-24", [0, 38, 45]],
  ["order-25", [0, 5, 58]],
  ["order-26", [0, 2, 8, 20, 28, 33, 34, 58, 59]],
  ["order-27", [0, 2, 4, 10, 39, 46, 55]],
  ["order-28", [0, 1, 2, 6, 8, 10, 15, 31, 36]],
  ["order-29", [0, 1, 17, 36]],
  ["order-30", [0, 4, 7, 9, 17, 22, 57]],
  ["order-31", [0, 2, 3, 4, 37, 48]],
  ["order-32", [0, 1, 11, 13, 20, 26]],
  ["order-33", [0, 1, 4, 5, 25, 33, 34]],
  ["order-34", [0, 1, 2, 3, 5, 7, 9, 11, 12, 23, 33, 37]],
  ["order-35", [0, 1, 2, 3, 11, 15, 23]],
  ["order-36", [0, 6, 38, 39, 44, 58]],
  ["order-37", [0, 3, 9, 10, 24, 32]],
  ["order-38", [0, 2, 4]],
  ["order-39", [0, 1, 2]],
  ["order-40", [0, 36]],
  ["28d61f7b-1f07-388c-98f1-068410d140b5", [0, 1, 3, 12, 19]],
  ["b637b17a-f08a-3ed8-850c-18cccde915da", [0, 1, 2, 4, 6, 7]],
  ["61620957-a144-3c94-aa14-3cf99a7d24fa", [0, 2, 7]],
  ["f7ab469d-1dc7-3166-bc87-4dadcc0dd854", [0, 1, 18, 23, 31]],
  ["c90b440e-841a-3b82-a1f9-b3299164296b", [0, 5, 60]],
  ["97b2f1ed-f640-380f-a605-6cc4bfcf6335", [0, 3]],
  ["4d693a86-1996-3f77-9046-2b678770e604", [0, 1, 2, 6, 12, 43]],
  ["0219e2f7-0fd9-3271-8097-b6a19a33046c", [0, 2, 3]],
  ["0304e802-6876-3562-9d0b-89268dbd0d33", [0, 4, 5, 7]],
  ["533f4c9b-5413-39ec-bf62-84f110a9789a", [0, 8, 51]],
  ["e2586f3a-4757-34f9-959f-74986e64ee13", [0, 2, 53]],
  ["ff5e2c3e-7cff-38f4-9962-d00130315149", [0, 1, 4, 7, 9, 34]],
];
/** The same for integers; the last two overflow its `int`. */
const OF_INTEGERS: readonly (readonly [input: number, buckets: readonly number[]])[] = [
  [0, [0]],
  [1, [0, 6, 17, 42, 43, 45, 55]],
  [-1, [0, 1, 2, 7, 9, 10]],
  [7, [0, 11, 13, 26]],
  [-7, [0, 1, 5, 20, 38]],
  [31, [0, 1, 2, 3, 6, 7, 15]],
  [65535, [0, 35, 52]],
  [65536, [0, 5, 6, 10]],
  [2147483647, [0, 9, 41, 56]],
  [-2147483648, [0, 1, 2, 52, 58]],
  [-2147483647, [0, 1, 28]],
  [305419896, [0, 4, 6, 12]],
  [-2023406815, [0, 1, 2, 18]],
  [975_451_704, [0]],
  [1_950_903_408, [0]],
];
/** What it gives for many. */
const OF_MANY: readonly (readonly [input: number, buckets: number, bucket: number])[] = [
  [0, 100, 0],
  [0, 1_000, 0],
  [0, 65_535, 0],
  [0, 1_048_576, 0],
  [0, 2_147_483_647, 0],
  [1, 100, 55],
  [1, 1_000, 549],
  [1, 65_535, 21_134],
  [1, 1_048_576, 985_611],
  [1, 2_147_483_647, 262_355_607],
  [-1, 100, 92],
  [-1, 1_000, 313],
  [-1, 65_535, 18_311],
  [-1, 1_048_576, 589_430],
  [-1, 2_147_483_647, 699_554_662],
  [-2_147_483_648, 100, 58],
  [-2_147_483_648, 1_000, 185],
  [-2_147_483_648, 65_535, 39_408],
  [-2_147_483_648, 1_048_576, 754_570],
  [-2_147_483_648, 2_147_483_647, 665_541_240],
  [2_147_483_647, 100, 56],
  [2_147_483_647, 1_000, 231],
  [2_147_483_647, 65_535, 51_833],
  [2_147_483_647, 1_048_576, 757_561],
  [2_147_483_647, 2_147_483_647, 1_876_666_846],
  [12_345, 100, 29],
  [12_345, 1_000, 938],
  [12_345, 65_535, 10_170],
  [12_345, 1_048_576, 546_052],
  [12_345, 2_147_483_647, 407_473_385],
];

const COUNTS = Array.from({ length: 64 }, (_, index) => index + 1);
const recorded = (buckets: readonly number[]): readonly number[] =>
  COUNTS.map((count) => buckets.findLast((bucket) => bucket < count) ?? 0);

describe("consistentHash", () => {
  it.each(OF_STRINGS)("puts %j where Guava does, into 1 to 64 buckets", (key, buckets) => {
    expect(COUNTS.map((count) => consistentHash(javaStringHash(key), count))).toEqual(recorded(buckets));
  });

  it.each(OF_INTEGERS)("puts %d where Guava does, into 1 to 64 buckets", (input, buckets) => {
    expect(COUNTS.map((count) => consistentHash(input, count))).toEqual(recorded(buckets));
  });

  it.each(OF_MANY)("puts %d, into %d buckets, into %d as Guava does", (input, buckets, bucket) => {
    expect(consistentHash(input, buckets)).toBe(bucket);
  });

  it("moves a tenth of the inputs, and to the new bucket alone, when the tenth is added", () => {
    const inputs = Array.from({ length: 5_000 }, (_, index) => javaStringHash(`customer ${index}`));

    const moved = inputs.filter((input) => consistentHash(input, 10) !== consistentHash(input, 9));

    expect(new Set(moved.map((input) => consistentHash(input, 10)))).toEqual(new Set([9]));
    expect(moved.length).toBeGreaterThan(400);
    expect(moved.length).toBeLessThan(600);
  });
});
