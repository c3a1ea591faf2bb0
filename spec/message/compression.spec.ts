import { deflateSync } from "node:zlib";
import { describe, expect, it } from "vitest";
import { bodyAt, bodyTextAt, encodeRecord } from "../../lib/message/record.js";
import { loadFacts } from "../support/facts.js";
import { thrown } from "../support/thrown.js";

const { zlibHex, zlib, lz4, zstd } = loadFacts("encodings").observed<{
  readonly zlibHex: string;
  readonly zlib: number;
  readonly lz4: number;
  readonly zstd: number;
}>("compression");
const COMPRESSED = 1;

function recordOf(body: Buffer, sysFlag: number): Buffer {
  const head = {
    tagsCode: 0,
    flag: 0,
    bornTimestamp: 1,
    reconsumeTimes: 0,
    uniqueId: "id",
    properties: "",
    propertiesSize: 0,
  };
  return encodeRecord({ ...head, sysFlag, body, bodySize: body.length });
}

describe("a body that its sender has compressed", () => {
  it.each([
    ["as RocketMQ's clients do", zlib | COMPRESSED],
    ["as those before 5.0 did", COMPRESSED],
  ])("is read as it was before: %s", (_name, sysFlag) => {
    const record = recordOf(Buffer.from(zlibHex, "hex"), sysFlag);

    expect(bodyTextAt(record, 0)).toBe("a".repeat(5_000));
    expect(bodyAt(record, 0)).toEqual(Buffer.alloc(5_000, "a"));
  });

  it("is read as it is where the flag says that it is not compressed, whatever its type", () => {
    for (const sysFlag of [0, zlib, lz4, 0xfffe])
      expect(bodyTextAt(recordOf(Buffer.from("plain"), sysFlag), 0)).toBe("plain");
  });

  it.each([
    ["LZ4", Buffer.from("04224d18", "hex"), lz4, "LZ4"],
    ["ZSTD", Buffer.from("28b52ffd", "hex"), zstd, "ZSTD"],
    ["what is damaged", Buffer.from(zlibHex, "hex").subarray(0, 10), zlib, "damaged"],
    ["what is none", Buffer.from("plain"), zlib, "damaged"],
    ["more than 64 MiB", deflateSync(Buffer.alloc(64 * 1024 * 1024 + 1)), zlib, "more than 67108864 bytes"],
  ])("is refused with the reason: %s", (_name, body, type, reason) => {
    const record = recordOf(body, type | COMPRESSED);

    for (const read of [bodyAt, bodyTextAt]) {
      const error = thrown(() => read(record, 0));
      expect(error).toMatchObject({ code: "ERR_MQ_MESSAGE_ILLEGAL" });
      expect(error.message).toContain(reason);
    }
  });
});
