import { describe, expect, it } from "vitest";
import { parseProperties } from "../../lib/cli/properties.js";

describe("a property file", () => {
  it.each([
    ["a=1", [["a", "1"]]],
    ["a = 1", [["a", "1"]]],
    ["a:1", [["a", "1"]]],
    ["a 1", [["a", "1"]]],
    ["  a\t=\t1 ", [["a", "1 "]]],
    ["a==1", [["a", "=1"]]],
    ["a=", [["a", ""]]],
    ["a", [["a", ""]]],
    ["# a=1\n! b=2\n\n   \nc=3", [["c", "3"]]],
    ["a=1#2", [["a", "1#2"]]],
    [
      "a=1\r\nb=2\rc=3",
      [
        ["a", "1"],
        ["b", "2"],
        ["c", "3"],
      ],
    ],
    ["a=1\na=2", [["a", "2"]]],
    ["a=1,\\\n    2", [["a", "1,2"]]],
    [
      "a=1\\\\\nb=2",
      [
        ["a", "1\\"],
        ["b", "2"],
      ],
    ],
    ["a=1\\\n# 2", [["a", "1# 2"]]],
    ["a=1\\", [["a", "1"]]],
    ["a\\=b\\:c\\ d=1", [["a=b:c d", "1"]]],
    ["a=\\t\\n\\u00e4\\x", [["a", "\t\n\u00e4x"]]],
    ["\uFEFFa=1", [["a", "1"]]],
    ["", []],
  ])("says with %j what Java reads", (text, entries) => {
    expect([...parseProperties(text)]).toEqual(entries);
  });
});
