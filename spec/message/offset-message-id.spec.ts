import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { decodeOffsetMessageId, encodeOffsetMessageId } from "../../lib/message/offset-message-id.js";
import { loadFacts, type RecordedError } from "../support/facts.js";
import { thrown } from "../support/thrown.js";

const facts = loadFacts("message-ids");
const recorded =
  facts.observed<
    readonly {
      readonly ip: string;
      readonly port: number;
      readonly commitLogOffset: string;
      readonly offsetMsgId: string;
      readonly decodedOffset: string;
      readonly decodedPort: number;
    }[]
  >("offset-msg-id");
const odd = facts.observed<
  readonly {
    readonly id: string;
    readonly error?: RecordedError;
    readonly result?: { readonly address: string; readonly offset: number };
  }[]
>("offset-msg-id-decoding-odd-input");
const isSafe = ({ commitLogOffset }: { readonly commitLogOffset: string }): boolean =>
  Number.isSafeInteger(Number(commitLogOffset));

/** RocketMQ reads "Z" as the digit -1; we take no id with it. */
const NOT_HEX = "ZZ00000100002A9F000000000001E240";

describe("encodeOffsetMessageId", () => {
  it.each(recorded.filter(isSafe))(
    "of $ip:$port at $commitLogOffset is $offsetMsgId",
    ({ ip, port, commitLogOffset, offsetMsgId }) => {
      expect(encodeOffsetMessageId(ip, port, Number(commitLogOffset))).toBe(offsetMsgId);
    },
  );

  it("is the id that RocketMQ gives a stored record", () => {
    const { decodedMsgId } = loadFacts("encodings").observed<{ readonly decodedMsgId: string }>("stored-message");

    expect(encodeOffsetMessageId("127.0.0.1", 10911, 4096)).toBe(decodedMsgId);
  });

  it.each([-1, 0.5, 2 ** 53, Number.NaN])("refuses the offset %d", (offset) => {
    expect(thrown(() => encodeOffsetMessageId("127.0.0.1", 10911, offset)).code).toBe("ERR_MQ_INVALID_ARGUMENT");
  });

  it.each(["localhost", "", "127.0.0", "127.0.0.256", "::1%eth0"])(
    "refuses the host %j, which is no address",
    (host) => {
      expect(thrown(() => encodeOffsetMessageId(host, 10911, 0)).code).toBe("ERR_MQ_INVALID_ARGUMENT");
    },
  );
});

describe("decodeOffsetMessageId", () => {
  it.each(recorded.filter(isSafe))("of $offsetMsgId gives back address, port and offset", (row) => {
    expect(decodeOffsetMessageId(row.offsetMsgId)).toEqual({
      host: row.ip,
      port: row.decodedPort,
      commitLogOffset: Number(row.decodedOffset),
    });
  });

  it("finds nothing in an id whose offset is no safe integer", () => {
    const ids = recorded.filter((row) => !isSafe(row)).map(({ offsetMsgId }) => offsetMsgId);

    expect(ids).toEqual(["0A0000FF0000FFFF7FFFFFFFFFFFFFFF"]);
    expect(ids.map(decodeOffsetMessageId)).toEqual([undefined]);
  });

  it.each(odd)("finds in the odd id $id what RocketMQ finds, nothing where it throws", ({ id, result }) => {
    const found = decodeOffsetMessageId(id);

    const expected = id === NOT_HEX ? undefined : result;
    expect(found && { address: `${found.host}:${found.port}`, offset: found.commitLogOffset }).toEqual(expected);
  });

  it("gives back whatever was encoded", () => {
    const port = fc.integer({ min: 0, max: 65_535 });
    fc.assert(
      fc.property(fc.ipV4(), port, fc.maxSafeNat(), (host, portNumber, commitLogOffset) => {
        const id = encodeOffsetMessageId(host, portNumber, commitLogOffset);

        expect(id).toMatch(/^[0-9A-F]{32}$/);
        expect(decodeOffsetMessageId(id)).toEqual({ host, port: portNumber, commitLogOffset });
      }),
    );
  });

  it("gives back IPv6 addresses in their canonical form", () => {
    fc.assert(
      fc.property(fc.ipV6(), fc.maxSafeNat(), (host, commitLogOffset) => {
        const id = encodeOffsetMessageId(host, 10911, commitLogOffset);

        expect(id).toMatch(/^[0-9A-F]{56}$/);
        const canonical = new URL(`http://[${host}]`).hostname.slice(1, -1);
        expect(decodeOffsetMessageId(id)).toEqual({ host: canonical, port: 10911, commitLogOffset });
      }),
    );
  });
});
