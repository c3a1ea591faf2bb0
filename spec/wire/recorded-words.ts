import { decodeProperties } from "../../lib/message/properties.js";
import type { RemotingCommand } from "../../lib/wire/remoting-command.js";
import type { RecordedFrame } from "../support/frames.js";
import { decodeStoredMessages } from "../support/stored-message.js";
import type { RecordedNames } from "./recorded-names.js";

/** Where a message lies is told by the server, and differs. */
const PLACES: readonly string[] = ["commitLogOffset", "tranStateTableOffset", "offset"];
/** Of the requests that give such a place back. */
const GIVING_BACK: readonly string[] = ["END_TRANSACTION", "CONSUMER_SEND_MSG_BACK"];
/** Properties of messages that hold an id. */
const IDS: readonly string[] = [
  "UNIQ_KEY",
  "ORIGIN_MESSAGE_ID",
  "__transactionId__",
  "CORRELATION_ID",
  "REPLY_TO_CLIENT",
];

/** What both sides say, with what varies from run to run in the words of the recording. */
export class RecordedWords {
  readonly #names: RecordedNames;

  constructor(names: RecordedNames) {
    this.#names = names;
  }

  /** A recorded request as it has to be sent here. */
  toRequest(frame: RecordedFrame): RemotingCommand {
    const { serializeType, extFields, remark: _none, ...header } = frame.header;
    const fields = Object.entries(extFields ?? {}).map(
      ([name, value]) => [name, this.#fill(frame, name, value)] as const,
    );
    return {
      ...header,
      remark: undefined,
      fields: extFields === null ? undefined : new Map(fields),
      body: this.#bodyOf(frame),
      serialization: serializeType,
    };
  }

  /** A response, or a request of the server. */
  compared(
    frame: RecordedFrame,
    ours: RemotingCommand | undefined,
  ): { readonly recorded: unknown; readonly ours: unknown } {
    const { code, flag, language, version, remark, extFields } = frame.header;
    const recorded = {
      code,
      flag,
      language,
      version,
      remark,
      fields: masked(frame, extFields),
      ...recordedBody(frame),
    };
    if (ours === undefined) return { recorded, ours };
    const fields = ours.fields === undefined ? null : Object.fromEntries(ours.fields);
    this.#learn(frame, fields, ours.body);
    const said = {
      ...{ code: ours.code, flag: ours.flag, language: ours.language, version: ours.version },
      remark: ours.remark ?? null,
      fields: masked(frame, fields),
      ...bodyAs(frame, ours.body),
    };
    return { recorded, ours: this.#like(recorded, said) };
  }

  /** A client gives back where the half message of a transaction lies: it reads it in the message id. */
  learnPlace(answer: RemotingCommand | undefined): void {
    const [id, messageId] = [answer?.fields?.get("transactionId"), answer?.fields?.get("msgId")];
    if (id !== undefined && /^[0-9A-F]{32}$/.test(messageId ?? ""))
      this.#names.learn(`place of ${id}`, `${BigInt(`0x${messageId?.slice(16)}`)}`);
  }

  #fill({ name: request, header: { extFields } }: RecordedFrame, name: string, value: string): string {
    if (!GIVING_BACK.includes(request) || !PLACES.includes(name)) return this.#names.fill(value);
    const transaction = this.#names.fill(extFields?.["transactionId"] ?? "");
    const told = this.#names.ours(`${name} ${value}`);
    return told ?? (name === "commitLogOffset" ? this.#names.ours(`place of ${transaction}`) : undefined) ?? value;
  }

  #bodyOf({ bodyJson, bodyText, bodyHex }: RecordedFrame): Buffer {
    if (bodyHex !== undefined) return Buffer.from(bodyHex, "hex");
    // Times are numbers.
    if (bodyJson !== undefined)
      return Buffer.from(this.#names.fill(JSON.stringify(bodyJson).replaceAll('"<ts>"', "<ts>")));
    return Buffer.from(this.#names.fill(bodyText ?? ""));
  }

  #learn(frame: RecordedFrame, ours: Readonly<Record<string, string>> | null, body: Buffer): void {
    for (const name of PLACES) {
      const [recorded, here] = [frame.header.extFields?.[name], ours?.[name]];
      if (recorded !== undefined && here !== undefined) this.#names.learn(`${name} ${recorded}`, here);
    }
    const messages = messagesOf(frame);
    if (messages === undefined || body.length === 0) return;
    for (const [index, { commitLogOffset }] of decodeStoredMessages(body).entries())
      this.#names.learn(`offset ${messages[index]?.commitLogOffset}`, `${commitLogOffset}`);
  }

  #like(recorded: unknown, ours: unknown): unknown {
    if (typeof recorded === "string") return this.#names.like(recorded, String(ours));
    if (typeof recorded !== "object" || recorded === null || typeof ours !== "object" || ours === null) return ours;
    if (Array.isArray(ours)) return ours.map((one, index) => this.#like((recorded as unknown[])[index], one));
    const parts = recorded as Readonly<Record<string, unknown>>;
    return Object.fromEntries(Object.entries(ours).map(([name, value]) => [name, this.#like(parts[name], value)]));
  }
}

/** Places that a server tells, where they are not positions of a queue. */
function masked(
  { name }: RecordedFrame,
  fields: Readonly<Record<string, string>> | null,
): Readonly<Record<string, string>> | null {
  if (fields === null || name !== "CHECK_TRANSACTION_STATE") return fields;
  const entries = Object.entries(fields);
  return Object.fromEntries(entries.map(([key, value]) => [key, PLACES.includes(key) ? "a place" : value]));
}

function recordedBody(frame: RecordedFrame): object {
  const { bodyJson, bodyText } = frame;
  const messages = messagesOf(frame);
  if (messages !== undefined) return { messages: messages.map(readable) };
  if (bodyJson !== undefined) return { json: comparable(bodyJson) };
  // RocketMQ's own dialect of JSON does not quote numbers that are names; every reader of it takes them quoted.
  if (bodyText !== undefined) return { text: bodyText.replace(/(?<=[{,])(\d+):/g, '"$1":') };
  return { text: "" };
}

/** Read as the recorded body is. */
function bodyAs(frame: RecordedFrame, body: Buffer): object {
  const messages = messagesOf(frame);
  if (messages !== undefined) return { messages: decodeStoredMessages(body).slice(0, messages.length).map(readable) };
  if (frame.bodyJson !== undefined) return { json: comparable(JSON.parse(body.toString())) };
  return { text: body.toString() };
}

/** The order of members is that of a hash table; which topics there are depends on what was recorded before. */
function comparable(json: unknown): unknown {
  const { consumerIdList, topicList } = json as Readonly<Record<string, readonly string[] | undefined>>;
  if (consumerIdList !== undefined) return { consumerIdList: [...consumerIdList].sort() };
  return topicList === undefined ? json : { topicList: topicList.includes("TBW102") };
}

type Message = ReturnType<typeof decodeStoredMessages>[number];

/** Those of a pull or a check; of long bodies the recording has the beginning. */
function messagesOf({ dir, bodyHex, bodyLength = 0 }: RecordedFrame): readonly Message[] | undefined {
  if (dir !== "s2c" || bodyHex === undefined) return undefined;
  const bytes = Buffer.from(bodyHex, "hex");
  let end = 0;
  while (end + 4 <= bytes.length && end + bytes.readInt32BE(end) <= bytes.length) end += bytes.readInt32BE(end);
  return decodeStoredMessages(bytes.subarray(0, bodyLength > bytes.length ? end : bytes.length));
}

function readable({ commitLogOffset: _at, bornHost: _from, storeHost: _to, ...message }: Message): object {
  const properties = [...decodeProperties(message.properties)];
  return {
    ...message,
    bornTimestamp: "a time",
    storeTimestamp: "a time",
    body: message.body.toString(),
    properties: Object.fromEntries(properties.map(([name, value]) => [name, IDS.includes(name) ? "an id" : value])),
  };
}
