import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { isSameTagExpression, parseTagExpression } from "../../lib/filter/tag-expression.js";
import { javaStringHash } from "../../lib/message/java-hash.js";
import { loadFacts, type RecordedError } from "../support/facts.js";
import { thrown } from "../support/thrown.js";

const facts = loadFacts("tag-filter");
const parsed =
  facts.observed<
    readonly {
      readonly expr: string | null;
      readonly error?: RecordedError;
      readonly result?: {
        readonly subString: string;
        readonly tagsSet: readonly string[];
        readonly codeSet: readonly number[];
      };
    }[]
  >("parse");
const matches =
  facts.observed<
    readonly {
      readonly expr: string;
      readonly tag: string | null;
      readonly brokerMatches: boolean;
      readonly delivered: boolean;
    }[]
  >("match");

describe("parseTagExpression", () => {
  it.each(parsed.filter(({ result }) => result !== undefined))("reads $expr as RocketMQ does", ({ expr, result }) => {
    const filter = parseTagExpression(expr ?? undefined);

    expect({
      subString: filter.expression,
      tagsSet: [...filter.tags].sort(),
      codeSet: [...filter.codes].sort((a, b) => a - b),
    }).toEqual({
      subString: result?.subString,
      tagsSet: [...(result?.tagsSet ?? [])].sort(),
      codeSet: [...(result?.codeSet ?? [])].sort((a, b) => a - b),
    });
  });

  it.each(parsed.filter(({ error }) => error !== undefined))("refuses $expr as RocketMQ does", ({ expr }) => {
    const error = thrown(() => parseTagExpression(expr ?? undefined));

    expect([error.code, error.responseCode]).toEqual(["ERR_MQ_FILTER_SYNTAX", 23]);
  });

  it("refuses any number of separators with nothing around them", () => {
    expect(thrown(() => parseTagExpression("||||")).code).toBe("ERR_MQ_FILTER_SYNTAX");
  });

  it.each([null, 7, ["a"], {}])("refuses %j, which is no text", (value) => {
    expect(thrown(() => parseTagExpression(value as unknown as string)).code).toBe("ERR_MQ_INVALID_ARGUMENT");
  });

  it("keeps white space that Java's trim keeps", () => {
    expect([...parseTagExpression("\t\u00a0a\u00a0\n || b").tags]).toEqual(["\u00a0a\u00a0", "b"]);
  });

  it("matches exactly the tags that were joined", () => {
    const tag = fc.stringMatching(/^[a-z]{1,3}$/);
    fc.assert(
      fc.property(fc.uniqueArray(tag, { minLength: 1 }), tag, (tags, other) => {
        const filter = parseTagExpression(tags.join(" || "));

        expect(tags.every((name) => filter.matchesTag(name) && filter.matchesCode(javaStringHash(name)))).toBe(true);
        expect(filter.matchesTag(other)).toBe(tags.includes(other));
      }),
    );
  });
});

describe("a tag expression", () => {
  it.each(matches)("$expr with a message tagged $tag: broker $brokerMatches, delivered $delivered", (row) => {
    const tag = row.tag ?? undefined;
    const filter = parseTagExpression(row.expr);

    const brokerMatches = filter.matchesCode(javaStringHash(tag ?? ""));

    expect(brokerMatches).toBe(row.brokerMatches);
    expect(brokerMatches && filter.matchesTag(tag)).toBe(row.delivered);
  });

  it.each([undefined, "", "*", " ", " || ", "|| "])("%j lets every message through", (expression) => {
    const filter = parseTagExpression(expression);

    expect([0, 97, -1].every((code) => filter.matchesCode(code))).toBe(true);
    expect([undefined, "", "a", "*"].every((tag) => filter.matchesTag(tag))).toBe(true);
  });

  it("keeps a message without a tag from a tag whose hash code is 0", () => {
    const filter = parseTagExpression("f5a5a608");

    expect([filter.matchesCode(0), filter.matchesTag(undefined), filter.matchesTag("")]).toEqual([true, false, false]);
  });
});

describe("isSameTagExpression", () => {
  it.each([
    ["a || b", "b||a"],
    ["a||a", "a"],
    ["*", " "],
    ["a ||", "a"],
    ["||", "||"],
  ])("takes %j and %j for the same", (a, b) => {
    expect([isSameTagExpression(a, b), isSameTagExpression(b, a)]).toEqual([true, true]);
  });

  it.each([
    ["a", "b"],
    ["a", "a || b"],
    ["a", "*"],
    ["a", "A"],
    ["a||*", "*"],
    ["||", "*"],
    ["||", "|| ||"],
  ])("tells %j from %j", (a, b) => {
    expect([isSameTagExpression(a, b), isSameTagExpression(b, a)]).toEqual([false, false]);
  });
});
