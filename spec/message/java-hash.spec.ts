import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { javaHashCode, javaStringHash } from "../../lib/message/java-hash.js";
import { loadFacts } from "../support/facts.js";
import { thrown } from "../support/thrown.js";

const facts = loadFacts("hash");
const strings = facts.observed<readonly { readonly string: string; readonly hashCode: number }[]>("string-hash-code");
const objects =
  facts.observed<readonly { readonly type: string; readonly value: string; readonly hashCode: number }[]>(
    "object-hash-codes",
  );

const ARGUMENTS: Record<string, (value: string) => string | number | bigint | boolean> = {
  String: (value) => value,
  Character: (value) => value,
  Boolean: (value) => value === "true",
  Byte: Number,
  Short: Number,
  Integer: Number,
  Long: BigInt,
  Double: Number,
};

describe("javaStringHash", () => {
  it.each(strings)("of $string is $hashCode", ({ string, hashCode }) => {
    expect(javaStringHash(string)).toBe(hashCode);
  });

  it("is the polynomial in 31 over UTF-16 units, cut to 32 bits", () => {
    fc.assert(
      fc.property(fc.string({ unit: "binary", maxLength: 200 }), (text) => {
        const sum = text.split("").reduce((hash, unit) => hash * 31n + BigInt(unit.charCodeAt(0)), 0n);

        expect(javaStringHash(text)).toBe(Number(BigInt.asIntN(32, sum)));
      }),
    );
  });
});

describe("javaHashCode", () => {
  it.each(objects.filter(({ type }) => type in ARGUMENTS))(
    "of the $type $value is $hashCode",
    ({ type, value, hashCode }) => {
      expect(javaHashCode(ARGUMENTS[type]?.(value) ?? "")).toBe(hashCode);
    },
  );

  it("has no argument for the recorded types that JavaScript lacks", () => {
    const types = new Set(objects.map(({ type }) => type).filter((type) => !(type in ARGUMENTS)));

    expect([...types].sort()).toEqual(["Float", "List", "MessageQueue", "UUID"]);
  });

  it("takes an integer beyond 32 bits for a Long", () => {
    fc.assert(
      fc.property(fc.maxSafeInteger(), (value) => {
        fc.pre((value | 0) !== value);

        expect(javaHashCode(value)).toBe(javaHashCode(BigInt(value)));
      }),
    );
  });

  it("takes a bigint for a Long even where an Integer would do", () => {
    expect([javaHashCode(-7), javaHashCode(-7n)]).toEqual([-7, 6]);
  });

  it("takes every other number for a Double", () => {
    const values = [Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY, 1e300];

    expect(values.map(javaHashCode)).toEqual([2146959360, 2146435072, -1048576, -164130400]);
  });

  it("treats both zeros as the Integer 0", () => {
    expect(Object.is(javaHashCode(-0), 0)).toBe(true);
  });

  it.each([2n ** 63n, -(2n ** 63n) - 1n])("refuses %s, which no Long holds", (value) => {
    expect(thrown(() => javaHashCode(value)).code).toBe("ERR_MQ_INVALID_ARGUMENT");
  });

  it.each([null, undefined, {}, Symbol("a")])("refuses %s", (value) => {
    expect(thrown(() => javaHashCode(value as unknown as string)).code).toBe("ERR_MQ_INVALID_ARGUMENT");
  });
});
