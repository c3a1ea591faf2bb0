import { describe, expect, it } from "vitest";
import { decodeBatchBody } from "../../lib/wire/batch-body.js";
import { loadFacts } from "../support/facts.js";
import { thrown } from "../support/thrown.js";

const { encodeBoth } = loadFacts("encodings").observed<{ readonly encodeBoth: string }>("batch-body");
const both = Buffer.from(encodeBoth, "hex");
const textsOf = (batch: Buffer): readonly string[] =>
  decodeBatchBody(batch).map(({ flag, body, properties }) => `${flag} ${body} ${properties}`);

describe("the body of a batch", () => {
  it("has its messages one behind the other, as RocketMQ encodes them", () => {
    expect(textsOf(both)).toEqual(["7 one k\u0001v\u0002WAIT\u0001true\u0002", "0 two WAIT\u0001true\u0002"]);
    expect(textsOf(Buffer.alloc(0))).toEqual([]);
  });

  it("is refused with 13 wherever it is cut off", () => {
    const first = both.readInt32BE(0);
    for (let size = 1; size < both.length; size += 1) {
      if (size === first) continue;
      expect(
        thrown(() => decodeBatchBody(both.subarray(0, size))),
        `${size} bytes`,
      ).toMatchObject({
        code: "ERR_MQ_MESSAGE_ILLEGAL",
        responseCode: 13,
      });
    }
  });

  it.each([
    ["message", 0],
    ["body", 16],
  ])("is refused with 13 when the size of a %s lies", (_name, at) => {
    for (const size of [-1, 0, 1, 22, both.length + 1, 2 ** 31 - 1, -(2 ** 31)]) {
      const lying = Buffer.from(both);
      lying.writeInt32BE(size, at);
      expect(
        thrown(() => decodeBatchBody(lying)),
        `${size}`,
      ).toMatchObject({ responseCode: 13 });
    }
  });

  it("is refused with 13 when the size of properties lies", () => {
    for (const size of [-1, 0, 13, 15, 32_767]) {
      const lying = Buffer.from(both);
      lying.writeInt16BE(size, 23);
      expect(
        thrown(() => decodeBatchBody(lying)),
        `${size}`,
      ).toMatchObject({ responseCode: 13 });
    }
  });
});
