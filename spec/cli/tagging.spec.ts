import { describe, expect, it } from "vitest";
import { recordKey, Tagging } from "../../lib/cli/tagging.js";

function record(fields: Readonly<Record<string, unknown>>): Parameters<typeof recordKey>[0] {
  return { row: 7, line: 9, json: JSON.stringify(fields), fields };
}

describe("Tagging", () => {
  it.each([
    ["DFW", "DFW"],
    ["  DFW ", "DFW"],
    [42, "42"],
    [false, "false"],
    ["São Paulo", "São Paulo"],
    ["a|b", "a|b"],
    ["x".repeat(127), "x".repeat(127)],
  ])("makes %j a tag", (value, tag) => {
    expect(new Tagging("origin").tagOf(record({ origin: value }))).toBe(tag);
  });

  it.each([undefined, null, "", "  ", "*", "a || b", "a\u0001b", "a\nb", "x".repeat(128), [1], { a: 1 }])(
    "makes %j none",
    (value) => {
      expect(new Tagging("origin").tagOf(record({ origin: value }))).toBeUndefined();
    },
  );

  it("takes a field of the record only, nothing that every object has", () => {
    expect(new Tagging("constructor").tagOf(record({}))).toBeUndefined();
  });

  it("makes no tag of a value that turns up after 10,000 others, and keeps those it made", () => {
    const tagging = new Tagging("id");
    for (let id = 0; id < 10_000; id += 1) tagging.tagOf(record({ id }));

    expect(tagging.tagOf(record({ id: 10_000 }))).toBeUndefined();
    expect(tagging.tagOf(record({ id: 9_999 }))).toBe("9999");
  });
});

describe("recordKey", () => {
  it.each([
    [{ date: "2001/01/01 00:47", origin: "DTW", destination: "LAS" }, "DTW-LAS-200101010047-7"],
    [{ origin: "DTW" }, "DTW-7"],
    [{ origin: "two words", destination: 5, date: "never" }, "row-7"],
    [{}, "row-7"],
  ])("of %j is %s", (fields, key) => {
    expect(recordKey(record(fields))).toBe(key);
  });
});
