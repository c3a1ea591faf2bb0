import { describe, expect, it } from "vitest";
import { MalformedFrame } from "../../lib/wire/malformed-frame.js";
import {
  decodeCommand,
  encodeCommand,
  isOneWay,
  isResponse,
  LANGUAGES,
  MAX_HEADER_SIZE,
  PROTOCOL_VERSION,
  type RemotingCommand,
  toRequest,
  toResponse,
} from "../../lib/wire/remoting-command.js";
import { describeRequestCode, REQUEST_CODES } from "../../lib/wire/request-codes.js";
import { RESPONSE_CODES } from "../../lib/wire/response-codes.js";
import { loadFacts } from "../support/facts.js";
import { loadFrames, type RecordedFrame, SCENARIOS } from "../support/frames.js";

const encodings = loadFacts("encodings");

interface RecordedCommand {
  readonly serialize: "JSON" | "ROCKETMQ";
  readonly what?: string;
  readonly hex: string;
  readonly decodedCode?: number;
  readonly decodedExt?: Readonly<Record<string, string>>;
}

const commands = encodings.observed<readonly RecordedCommand[]>("remoting-command");

/** The recorded frames of which all bytes are known. */
const whole: readonly RecordedFrame[] = SCENARIOS.flatMap(loadFrames).filter(({ rawHex }) => rawHex !== undefined);

const bytesOf = (hex: string | undefined): Buffer => Buffer.from(hex as string, "hex");
const isVarying = (text: string): boolean => text.includes("<");

describe("a command of the remoting protocol", () => {
  it.each(commands.map((command) => [`${command.what ?? "a request"}, ${command.serialize}`, command] as const))(
    "is read and written as RocketMQ does: %s",
    (_name, { hex, serialize, decodedCode = 17, decodedExt = {} }) => {
      const command = decodeCommand(bytesOf(hex));

      expect(command).toMatchObject({
        code: decodedCode,
        opaque: 77,
        language: "JAVA",
        version: 479,
        serialization: serialize,
      });
      expect(Object.fromEntries(command.fields ?? [])).toEqual(decodedExt);
      expect(command.body.toString()).toBe(decodedCode === 310 ? "body" : "");
      expect(command.remark).toBe(decodedCode === 310 ? undefined : "no route");
      expect(encodeCommand(command).toString("hex")).toBe(hex);
    },
  );

  it("is read as it was recorded, and written again byte by byte", () => {
    expect(whole.length).toBeGreaterThan(100);
    for (const { rawHex, header, kind, bodyLength = 0 } of whole) {
      const command = decodeCommand(bytesOf(rawHex));

      const { code, flag, language, version, opaque, serializeType } = header;
      expect(command).toMatchObject({ code, flag, language, version, opaque, serialization: serializeType });
      expect([isResponse(command), isOneWay(command)]).toEqual([kind === "response", kind === "oneway"]);
      expect(command.body).toHaveLength(bodyLength);
      const fields = Object.entries(header.extFields ?? {});
      expect([...(command.fields?.keys() ?? [])].sort()).toEqual(fields.map(([name]) => name).sort());
      for (const [name, value] of fields) if (!isVarying(value)) expect(command.fields?.get(name)).toBe(value);
      expect(encodeCommand(command).toString("hex")).toBe(rawHex);
    }
  });

  it("loses the upper bits of a code in a binary header", () => {
    const truncated = encodings.observed<readonly { readonly code: number; readonly decoded: number }[]>(
      "binary-header-code-truncation",
    );
    for (const { code, decoded } of truncated) {
      const binary: RemotingCommand = { ...toRequest({ code }, 1, false), serialization: "ROCKETMQ" };
      expect(decodeCommand(encodeCommand(binary)).code).toBe(decoded);
    }
  });

  it("names languages by their numbers in binary headers, and OTHER what has none", () => {
    const languages = encodings.observed<readonly { readonly name: string; readonly code: number }[]>("language-codes");
    expect(languages).toEqual(LANGUAGES.map((name, code) => ({ name, code })));

    const through = (language: string): string =>
      decodeCommand(encodeCommand({ ...toRequest({ code: 1 }, 1, false), language, serialization: "ROCKETMQ" }))
        .language;
    expect([...LANGUAGES, "COBOL"].map(through)).toEqual([...LANGUAGES, "OTHER"]);
  });

  it("is answered in JSON with its own opaque and the version of RocketMQ 5.3.3", () => {
    const { ordinal } = encodings.observed<{ readonly ordinal: number }>("current-version");
    const request: RemotingCommand = { ...toRequest({ code: 34 }, -7, false), serialization: "ROCKETMQ" };

    const response = toResponse(request, { code: 0, remark: "fine" });

    expect(PROTOCOL_VERSION).toBe(ordinal);
    expect(response).toMatchObject({ code: 0, opaque: -7, version: ordinal, remark: "fine", serialization: "JSON" });
    expect(isResponse(response)).toBe(true);
  });

  it("fits into a frame, whatever of a request its remark repeats", () => {
    const remark = `no topic ${"\u0001".repeat(3_000_000)}`;

    const response = decodeCommand(encodeCommand(toResponse({ opaque: 7 }, { code: 17, remark })));

    expect(response).toMatchObject({ code: 17, opaque: 7, remark: remark.slice(0, 4_096) });
  });
});

describe("the codes of RocketMQ", () => {
  it("are those that were recorded", () => {
    expect(REQUEST_CODES).toEqual(encodings.observed("request-codes"));
    expect(RESPONSE_CODES).toEqual(encodings.observed("response-codes"));
  });

  it("are named for people, known or not", () => {
    expect([describeRequestCode(11), describeRequestCode(9_999)]).toEqual(["PULL_MESSAGE (11)", "unknown (9999)"]);
  });
});

describe("a header in JSON", () => {
  const read = (header: string | Buffer): RemotingCommand => {
    const bytes = Buffer.from(header as string);
    const prefix = Buffer.alloc(8);
    prefix.writeInt32BE(4 + bytes.length, 0);
    prefix.writeUIntBE(bytes.length, 5, 3);
    return decodeCommand(Buffer.concat([prefix, bytes]));
  };

  it("may leave members out, have null for them and have others", () => {
    const bare = { code: 0, flag: 0, opaque: 0, version: 0, language: "JAVA", remark: undefined, fields: undefined };

    expect(read("{}")).toMatchObject(bare);
    expect(read('{"code":null,"extFields":null,"remark":null,"language":null,"flag":null,"news":[1]}')).toMatchObject(
      bare,
    );
  });

  it("may have fields that are no strings, as clients that are not written in Java send them", () => {
    const { fields } = read('{"code":1,"extFields":{"n":12,"b":true,"none":null,"o":{"a":1},"__proto__":"x"}}');

    expect([...(fields ?? [])]).toEqual([
      ["n", "12"],
      ["b", "true"],
      ["o", '{"a":1}'],
      ["__proto__", "x"],
    ]);
  });

  it.each([
    "",
    "[]",
    "null",
    "7",
    '{"code":1.5}',
    '{"code":"10"}',
    '{"opaque":4294967296}',
    '{"extFields":[]}',
    '{"extFields":"a"}',
    "{code:1}",
  ])("is malformed otherwise: %s", (header) => {
    expect(() => read(header)).toThrow(MalformedFrame);
  });

  it("is malformed where it is no UTF-8 outside of a text, and takes what is none in one", () => {
    expect(() => read(Buffer.from([0x7b, 0xff, 0x7d]))).toThrow(MalformedFrame);
    expect(read(Buffer.from('{"remark":"\xff"}', "latin1")).remark).toBe("\ufffd");
  });
});

describe("a binary header", () => {
  const valid = bytesOf(commands.find(({ serialize, what }) => serialize === "ROCKETMQ" && what === undefined)?.hex);
  const headerSize = valid.readUIntBE(5, 3);

  it("is malformed wherever it is cut off", () => {
    for (let size = 0; size < headerSize; size += 1) {
      const cut = Buffer.from(valid.subarray(0, 8 + size));
      cut.writeInt32BE(cut.length - 4, 0);
      cut.writeUIntBE(size, 5, 3);
      expect(() => decodeCommand(cut), `${size} bytes`).toThrow(MalformedFrame);
    }
  });

  it.each([
    ["remark", 13],
    ["fields", 17],
    ["value of the first field", 24],
  ] as const)("is malformed where the length of its %s lies", (_name, at) => {
    for (const length of [-1, -(2 ** 31), 2 ** 31 - 1, headerSize]) {
      const lying = Buffer.from(valid);
      lying.writeInt32BE(length, 8 + at);
      expect(() => decodeCommand(lying), `${length}`).toThrow(MalformedFrame);
    }
  });
});

describe("a frame", () => {
  it.each(["", "00000000", "0000000400000001", "000000040000ffff", "0000000402000000", "00000004ff000000"])(
    "is malformed when its header does not fit into it or is of an unknown form: %s",
    (hex) => {
      expect(() => decodeCommand(bytesOf(hex))).toThrow(MalformedFrame);
    },
  );

  it.each(["JSON", "ROCKETMQ"] as const)("is malformed when its header has more than 1 MiB: %s", (serialization) => {
    const withField = (size: number): Buffer => {
      const fields = new Map([["a", "x".repeat(size)]]);
      return encodeCommand({ ...toRequest({ code: 105, fields }, 1, false), serialization });
    };
    const rest = withField(0).length - 8;

    expect(decodeCommand(withField(MAX_HEADER_SIZE - rest)).fields?.get("a")).toHaveLength(MAX_HEADER_SIZE - rest);
    expect(() => decodeCommand(withField(MAX_HEADER_SIZE - rest + 1))).toThrow(MalformedFrame);
  });
});
