import { describe, expect, it } from "vitest";
import { encodeStoredMessage, type StoredMessage } from "../../lib/wire/stored-message.js";
import { loadFacts } from "../support/facts.js";
import { loadFrames, SCENARIOS } from "../support/frames.js";
import { decodeStoredMessages } from "../support/stored-message.js";

const encodings = loadFacts("encodings");
const CRC_AT = 8;

const message: StoredMessage = {
  ...{ topic: "T", queueId: 2, flag: 3, queueOffset: 11, commitLogOffset: 4_096, sysFlag: 0, reconsumeTimes: 1 },
  ...{ bornTimestamp: 1_700_000_000_000, bornHost: { host: "127.0.0.1", port: 1_234 } },
  ...{ storeTimestamp: 1_700_000_000_100, storeHost: { host: "127.0.0.1", port: 10_911 } },
  ...{ preparedTransactionOffset: 0, body: Buffer.from("hello"), properties: "TAGS\u0001a\u0002" },
};

/** Bodies of recorded responses and checks that hold messages. */
const recorded: readonly string[] = SCENARIOS.flatMap(loadFrames).flatMap(({ dir, bodyHex, bodyLength }) =>
  dir === "s2c" && bodyHex?.length === 2 * (bodyLength ?? 0) ? [bodyHex] : [],
);

describe("a message on the wire", () => {
  it.each([
    ["stored-message", message.properties],
    ["stored-message-with-uniq-key", `UNIQ_KEY\u00017F0000010001AAAABBBB00000001000A\u0002${message.properties}`],
  ])("is encoded as RocketMQ does, with the checksum that its store adds: %s", (fact, properties) => {
    const { hex } = encodings.observed<{ readonly hex: string }>(fact);
    const { crc32OfBody } = encodings.observed<{ readonly crc32OfBody: number }>("stored-message");
    const expected = Buffer.from(hex, "hex");
    expected.writeInt32BE(crc32OfBody, CRC_AT);

    expect(encodeStoredMessage({ ...message, properties }).toString("hex")).toBe(expected.toString("hex"));
  });

  it("is written again byte by byte as it was recorded", () => {
    expect(recorded.length).toBeGreaterThan(15);
    for (const hex of recorded) {
      const messages = decodeStoredMessages(Buffer.from(hex, "hex"));
      expect(Buffer.concat(messages.map(encodeStoredMessage)).toString("hex")).toBe(hex);
    }
  });

  it("has the checksum of RocketMQ, without its sign", () => {
    const checksums =
      loadFacts("hash").observed<
        readonly { readonly utf8?: string | null; readonly bytes?: "00..ff"; readonly crc32: number }[]
      >("crc32");

    for (const { utf8, bytes, crc32 } of checksums) {
      const body =
        bytes === undefined ? Buffer.from(utf8 ?? "") : Buffer.from(Array.from({ length: 256 }, (_, byte) => byte));
      const [decoded] = decodeStoredMessages(encodeStoredMessage({ ...message, body }));
      expect(decoded?.bodyCrc, bytes ?? `${utf8}`).toBe(crc32);
    }
  });

  it.each([
    ["a topic of 127 bytes, in the first form", { topic: "t".repeat(127) }, "daa320a7"],
    ["a topic of 128 bytes, in the second", { topic: "é".repeat(64) }, "daa320ab"],
    ["IPv6 hosts", { bornHost: { host: "::1", port: 1 }, storeHost: { host: "fe80::2", port: 65_535 } }, "daa320a7"],
    ["an IPv6 host beside an IPv4 one", { bornHost: { host: "2001:db8::1", port: 1 } }, "daa320a7"],
    [
      "numbers beyond 32 bits",
      { queueOffset: 2 ** 53 - 1, commitLogOffset: 2 ** 40 + 2 ** 31, preparedTransactionOffset: 2 ** 32 - 1 },
      "daa320a7",
    ],
    ["negative numbers", { queueOffset: -1, queueId: -1, flag: -(2 ** 31) }, "daa320a7"],
    [
      "an empty body, and text beyond ASCII",
      { body: Buffer.alloc(0), topic: "T", properties: "KEYS\u0001标\u{1f600}\u0002" },
      "daa320a7",
    ],
  ] as const)("can be read again with %s", (_name, changes, magic) => {
    const encoded = encodeStoredMessage({ ...message, ...changes });

    expect(encoded.toString("hex", 4, 8)).toBe(magic);
    expect(decodeStoredMessages(encoded)).toEqual([{ ...message, ...changes, bodyCrc: expect.any(Number) as number }]);
  });
});
