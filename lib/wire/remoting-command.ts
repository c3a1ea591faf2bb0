/**
 * Requests and responses of RocketMQ's remoting protocol, and the two forms of their headers.
 *
 * ```
 * frame   i32 length of what follows · u8 form of the header (0 JSON, 1 binary) · u24 length of the header · header · body
 * binary  i16 code · u8 language · i16 version · i32 opaque · i32 flag · i32 size, remark · i32 size, fields
 *         each field: i16 size, name · i32 size, value
 * ```
 *
 * Source: RocketMQ 5.3.3, `remoting/.../protocol/RemotingCommand.java`, `RocketMQSerializable.java`, `RemotingSerializable.java`.
 */
import { MalformedFrame } from "./malformed-frame.js";

/** How a header is written. */
export type Serialization = "JSON" | "ROCKETMQ";

export interface RemotingCommand {
  /** Of the request, or of the outcome in a response. */
  readonly code: number;
  /** Bits: {@link FLAG}. */
  readonly flag: number;
  /** The same number in a request and its response; each side of a connection counts its own. */
  readonly opaque: number;
  /** What its sender is written in. */
  readonly language: string;
  /** Of its sender's protocol: {@link PROTOCOL_VERSION} is ours. */
  readonly version: number;
  /** What went wrong, for people. */
  readonly remark: string | undefined;
  /** What a request asks for, and a response says, besides the body. `undefined`: its kind has none. */
  readonly fields: ReadonlyMap<string, string> | undefined;
  /** A part of what was received. */
  readonly body: Buffer;
  readonly serialization: Serialization;
}

export const FLAG = {
  RESPONSE: 1,
  /** Nobody waits for a response. */
  ONE_WAY: 2,
} as const;

/** That of RocketMQ 5.3.3. Source: RocketMQ 5.3.3, `common/.../MQVersion.java`. */
export const PROTOCOL_VERSION = 479;

/** By their numbers in binary headers. Source: RocketMQ 5.3.3, `remoting/.../protocol/LanguageCode.java`. */
export const LANGUAGES: readonly string[] = [
  ...[
    "JAVA",
    "CPP",
    "DOTNET",
    "PYTHON",
    "DELPHI",
    "ERLANG",
    "RUBY",
    "OTHER",
    "HTTP",
    "GO",
    "PHP",
    "OMS",
    "RUST",
    "NODE_JS",
  ],
];
const DEFAULT_LANGUAGE = "JAVA";
const OTHER_LANGUAGE = "OTHER";

const NO_BODY: Buffer = Buffer.alloc(0);

/** Length, form and length of the header. */
const PREFIX_SIZE = 8;
const LENGTH_SIZE = 4;
/**
 * The largest that means something has properties of 32,767 bytes, each of which takes six as JSON. To read 16 MiB of fields takes seconds, in which nobody else is answered.
 */
export const MAX_HEADER_SIZE: number = 1024 * 1024;
const BINARY_FORM = 1;
/** Up to the remark. */
const BINARY_HEAD_SIZE = 13;

/** Characters. What RocketMQ says of the longest names is shorter. */
const MAX_REMARK_LENGTH = 4_096;

/** What is answered to a request; what is left out is none. */
export interface ResponseContent {
  readonly code: number;
  readonly remark?: string | undefined;
  readonly fields?: ReadonlyMap<string, string> | undefined;
  readonly body?: Buffer | undefined;
}

/** As RocketMQ's server answers: in JSON, whatever the form of the request. A remark may repeat what the client sent, and is cut where that was no name: the length of a header has three bytes. */
export function toResponse({ opaque }: Pick<RemotingCommand, "opaque">, content: ResponseContent): RemotingCommand {
  return toCommand({ ...content, remark: content.remark?.slice(0, MAX_REMARK_LENGTH) }, FLAG.RESPONSE, opaque);
}

/** What the server asks a client. */
export function toRequest(content: ResponseContent, opaque: number, isOneWay: boolean): RemotingCommand {
  return toCommand(content, isOneWay ? FLAG.ONE_WAY : 0, opaque);
}

function toCommand(
  { code, remark, fields, body = NO_BODY }: ResponseContent,
  flag: number,
  opaque: number,
): RemotingCommand {
  return {
    code,
    flag,
    opaque,
    language: "JAVA",
    version: PROTOCOL_VERSION,
    remark,
    fields,
    body,
    serialization: "JSON",
  };
}

export function isResponse({ flag }: Pick<RemotingCommand, "flag">): boolean {
  return (flag & FLAG.RESPONSE) !== 0;
}

export function isOneWay({ flag }: Pick<RemotingCommand, "flag">): boolean {
  return (flag & FLAG.ONE_WAY) !== 0;
}

/** A whole frame. */
export function encodeCommand(command: RemotingCommand): Buffer {
  const isBinary = command.serialization === "ROCKETMQ";
  const header = isBinary ? encodeBinaryHeader(command) : Buffer.from(toJsonHeader(command), "utf8");
  const prefix = Buffer.allocUnsafe(PREFIX_SIZE);
  prefix.writeInt32BE(LENGTH_SIZE + header.length + command.body.length, 0);
  prefix.writeUInt32BE(((isBinary ? BINARY_FORM : 0) << 24) | header.length, LENGTH_SIZE);
  return Buffer.concat([prefix, header, command.body]);
}

/**
 * @param frame - a whole one with its length, which the body remains a part of.
 * @throws {@link MalformedFrame}
 */
export function decodeCommand(frame: Buffer): RemotingCommand {
  if (frame.length < PREFIX_SIZE)
    throw new MalformedFrame(`a frame has at least ${PREFIX_SIZE} bytes, got ${frame.length}`);
  const form = frame[LENGTH_SIZE];
  const headerSize = frame.readUIntBE(LENGTH_SIZE + 1, 3);
  if (PREFIX_SIZE + headerSize > frame.length)
    throw new MalformedFrame(`a header of ${headerSize} bytes does not fit into a frame of ${frame.length}`);
  if (headerSize > MAX_HEADER_SIZE)
    throw new MalformedFrame(`a header has at most ${MAX_HEADER_SIZE} bytes, got ${headerSize}`);
  const header = frame.subarray(PREFIX_SIZE, PREFIX_SIZE + headerSize);
  const body = frame.subarray(PREFIX_SIZE + headerSize);
  if (form === 0) return decodeJsonHeader(header, body);
  if (form === BINARY_FORM) return decodeBinaryHeader(header, body);
  throw new MalformedFrame(`a header is JSON (0) or binary (1), got ${form}`);
}

/** The order of the members is that of RocketMQ. */
function toJsonHeader({ code, fields, flag, language, opaque, remark, version }: RemotingCommand): string {
  return JSON.stringify({
    code,
    extFields: fields && Object.fromEntries(fields),
    flag,
    language,
    opaque,
    remark,
    serializeTypeCurrentRPC: "JSON",
    version,
  });
}

/** Members that are absent or null have the values that they have in RocketMQ; clients that are not written in Java send fields that are no strings. */
function decodeJsonHeader(header: Buffer, body: Buffer): RemotingCommand {
  const text = header.toString("utf8");
  let parsed: unknown;
  try {
    parsed = JSON.parse(text);
  } catch (cause) {
    throw new MalformedFrame("a header is no JSON", { cause });
  }
  if (!isObject(parsed)) throw new MalformedFrame("a header in JSON is no object");
  const { code, flag, opaque, version, language, remark, extFields } = parsed;
  return {
    code: numberIn("code", code),
    flag: numberIn("flag", flag),
    opaque: numberIn("opaque", opaque),
    version: numberIn("version", version),
    language: typeof language === "string" ? language : DEFAULT_LANGUAGE,
    remark: typeof remark === "string" ? remark : undefined,
    fields: fieldsIn(extFields),
    body,
    serialization: "JSON",
  };
}

function numberIn(name: string, value: unknown): number {
  if (value === undefined || value === null) return 0;
  if (typeof value === "number" && (value | 0) === value) return value;
  throw new MalformedFrame(`${name} of a header is an integer of 32 bits, got ${typeof value}`);
}

function fieldsIn(value: unknown): ReadonlyMap<string, string> | undefined {
  if (value === undefined || value === null) return undefined;
  if (!isObject(value)) throw new MalformedFrame("extFields of a header is no object");
  const fields = new Map<string, string>();
  for (const [name, field] of Object.entries(value)) {
    if (field === undefined || field === null) continue;
    fields.set(name, typeof field === "object" ? JSON.stringify(field) : String(field));
  }
  return fields;
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function encodeBinaryHeader({ code, language, version, opaque, flag, remark = "", fields }: RemotingCommand): Buffer {
  const head = Buffer.allocUnsafe(BINARY_HEAD_SIZE);
  // Codes that do not fit lose their upper bits, in RocketMQ too.
  head.writeInt16BE((code << 16) >> 16, 0);
  head[2] = numberOf(language);
  head.writeInt16BE((version << 16) >> 16, 3);
  head.writeInt32BE(opaque, 5);
  head.writeInt32BE(flag, 9);
  const encoded: Buffer[] = [];
  for (const [name, value] of fields ?? []) encoded.push(...sized(name, 2), ...sized(value, 4));
  const all = Buffer.concat(encoded);
  return Buffer.concat([head, ...sized(remark, 4), size(all.length, 4), all]);
}

function numberOf(language: string): number {
  const number = LANGUAGES.indexOf(language);
  return number === -1 ? LANGUAGES.indexOf(OTHER_LANGUAGE) : number;
}

function sized(text: string, sizeOfSize: 2 | 4): readonly [Buffer, Buffer] {
  const bytes = Buffer.from(text, "utf8");
  return [size(bytes.length, sizeOfSize), bytes];
}

function size(value: number, sizeOfSize: 2 | 4): Buffer {
  const bytes = Buffer.allocUnsafe(sizeOfSize);
  bytes.writeUIntBE(value, 0, sizeOfSize);
  return bytes;
}

function decodeBinaryHeader(header: Buffer, body: Buffer): RemotingCommand {
  const reader = new HeaderReader(header);
  const code = reader.int(2);
  const language = LANGUAGES[reader.int(1) & 0xff] ?? OTHER_LANGUAGE;
  const version = reader.int(2);
  const opaque = reader.int(4);
  const flag = reader.int(4);
  const remark = reader.text(4);
  const fields = reader.fields();
  return {
    ...{ code, language, version, opaque, flag, body },
    fields: fields.size === 0 ? undefined : fields,
    remark: remark === "" ? undefined : remark,
    serialization: "ROCKETMQ",
  };
}

/** Reads on in a binary header, and never beyond it. */
class HeaderReader {
  readonly #header: Buffer;
  #at = 0;

  constructor(header: Buffer) {
    this.#header = header;
  }

  int(bytes: 1 | 2 | 4): number {
    this.#require(bytes);
    const value = this.#header.readIntBE(this.#at, bytes);
    this.#at += bytes;
    return value;
  }

  text(sizeOfSize: 2 | 4): string {
    const length = this.int(sizeOfSize);
    this.#require(length);
    const text = this.#header.toString("utf8", this.#at, this.#at + length);
    this.#at += length;
    return text;
  }

  fields(): ReadonlyMap<string, string> {
    const length = this.int(4);
    this.#require(length);
    const end = this.#at + length;
    const fields = new Map<string, string>();
    while (this.#at < end) {
      const name = this.text(2);
      fields.set(name, this.text(4));
    }
    return fields;
  }

  #require(bytes: number): void {
    if (bytes >= 0 && this.#at + bytes <= this.#header.length) return;
    throw new MalformedFrame(`a binary header of ${this.#header.length} bytes has no ${bytes} more at ${this.#at}`);
  }
}
