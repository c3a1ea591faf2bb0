import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { utf8Size } from "../../lib/message/utf8-size.js";

describe("utf8Size", () => {
  it.each([
    ["", 0],
    ["\u007f", 1],
    ["\u0080", 2],
    ["\u00ff", 2],
    ["\u07ff", 2],
    ["\u0800", 3],
    ["😀", 4],
    ["\ud83d", 3],
  ])("of %j is %i", (text, size) => {
    expect(utf8Size(text)).toBe(size);
  });

  it("is what is written, for texts of every length", () => {
    const unit = fc.oneof(fc.constant("a"), fc.constant("é"), fc.constant("标"), fc.constant("😀"));
    fc.assert(
      fc.property(fc.string({ unit, maxLength: 100 }), (text) => {
        expect(utf8Size(text)).toBe(Buffer.from(text, "utf8").length);
      }),
    );
  });
});
