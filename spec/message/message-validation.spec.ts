import { runInNewContext } from "node:vm";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { Message } from "../../lib/message/message.js";
import { prepareMessage } from "../../lib/message/message-validation.js";
import { decodeProperties, hasSeparator } from "../../lib/message/properties.js";
import { loadFacts, type RecordedError } from "../support/facts.js";
import { refusal, thrown } from "../support/thrown.js";

const MIB_4 = 4_194_304;
const limits = { maxMessageSize: MIB_4 };
const message = { topic: "Val", body: "x" };
const names = loadFacts("names");
const validation = loadFacts("validation");

/** What the typed interface forbids and a caller may pass all the same. */
const untyped = (value: unknown): Message => value as Message;
const propertiesOf = (value: Message): Record<string, string> =>
  Object.fromEntries(decodeProperties(prepareMessage(value, limits).properties));
const many = Object.fromEntries(
  Array.from({ length: 3_000 }, (_, index) => [`k${String(index).padStart(6, "0")}`, "v".repeat(7)]),
);

describe("prepareMessage", () => {
  it.each<[fact: string, Message]>([
    ["send-null-body", untyped({ topic: "Val", body: null })],
    ["send-empty-body", { topic: "Val", body: new Uint8Array(0) }],
    ["send-body-4mb-plus-1", { topic: "Val", body: new Uint8Array(MIB_4 + 1) }],
    ["send-topic-null", untyped({ topic: null, body: "x" })],
    ["send-topic-empty", { topic: "", body: "x" }],
    ["send-topic-dot", { topic: "a.b", body: "x" }],
    ["send-topic-space", { topic: "a b", body: "x" }],
    ["send-topic-unicode", { topic: "été", body: "x" }],
    ["send-topic-127", { topic: "t".repeat(127), body: "x" }],
    ["send-topic-128", { topic: "t".repeat(128), body: "x" }],
    ["user-properties-20000", { ...message, properties: { k: "v".repeat(20_000) } }],
    ["user-properties-33000", { ...message, properties: { k: "v".repeat(33_000) } }],
    ["many-user-properties", { ...message, properties: many }],
    ["inner-multi-dispatch-separator", { ...message, properties: { INNER_MULTI_DISPATCH: "a/b" } }],
  ])("ends as recorded in %s", (fact, sent) => {
    expect(refusal(() => prepareMessage(sent, limits))).toBe(validation.error(fact)?.responseCode);
  });

  it("refuses what is no message with -1, where RocketMQ's client fails with a NullPointerException", () => {
    expect(validation.error("send-null-message")?.exception).toBe("NullPointerException");

    expect([null, undefined, "text", 7].map((value) => refusal(() => prepareMessage(untyped(value), limits)))).toEqual([
      -1, -1, -1, -1,
    ]);
  });

  it.each(["raw-send-body-4mb", "raw-send-body-too-large"])("counts the body as the broker does in %s", (fact) => {
    const body = new Uint8Array(MIB_4 + (fact === "raw-send-body-4mb" ? 0 : 1));
    const { code } = validation.observed<{ readonly code: number }>(fact);

    expect(refusal(() => prepareMessage({ topic: "Val", body }, limits)) ?? 0).toBe(code);
  });

  it("allows the properties 32,767 bytes with what RocketMQ adds", () => {
    const recorded = validation.observed<{
      readonly longestAcceptedPlusAdded: number;
      readonly "addedBytes, UNIQ_KEY of 32 digits": number;
    }>("raw-send-properties-limit");
    const added = recorded["addedBytes, UNIQ_KEY of 32 digits"];
    const room = recorded.longestAcceptedPlusAdded - added - "WAIT=true;k=;".length;

    const longest = prepareMessage({ ...message, properties: { k: "v".repeat(room) } }, limits);

    expect(longest.propertiesSize + added).toBe(32_767);
    const tooLong = { ...message, properties: { k: "v".repeat(room + 1) } };
    expect(refusal(() => prepareMessage(tooLong, limits))).toBe(13);
  });

  it.each(["raw-send-properties-32767", "raw-send-properties-32768"])("refuses the properties of %s", (fact) => {
    const size = Number(fact.slice(-5)) - "WAIT=true;k=;".length;
    const { code } = validation.observed<{ readonly code: number }>(fact);

    expect(refusal(() => prepareMessage({ ...message, properties: { k: "v".repeat(size) } }, limits))).toBe(code);
  });

  it("counts the name of the cluster, which the broker adds", () => {
    const sized = { ...message, properties: { k: "v".repeat(32_767 - 104 - "WAIT=true;k=;".length) } };

    expect(refusal(() => prepareMessage(sized, { ...limits, clusterName: "DefaultClusters" }))).toBe(13);
    expect(refusal(() => prepareMessage(sized, { ...limits, clusterName: "c" }))).toBeUndefined();
  });
});

describe("the properties of a prepared message", () => {
  const recorded =
    names.observed<Readonly<Record<string, Readonly<Record<string, string>> | string>>>("message-constructors");

  it("are those that RocketMQ's constructors set", () => {
    const full = { topic: "T", tag: "TagA", keys: "k1 k2", flag: 5, body: "x", waitStoreMsgOk: true };

    expect(propertiesOf(full)).toEqual(recorded["newMessage(T,TagA,'k1 k2',flag 5,body,wait true).properties"]);
    expect(propertiesOf({ topic: "T", body: "x" })).toEqual(recorded["newMessage(T,body).properties"]);
    expect(propertiesOf({ topic: "T", tag: "", keys: "", body: "x" })).toEqual(
      recorded["newMessage(T,'','',body).properties"],
    );
    expect(propertiesOf({ topic: "T", body: "x", keys: ["a", "b"] })).toEqual({
      KEYS: recorded["setKeys([a,b])"],
      WAIT: "true",
    });
    expect(propertiesOf({ topic: "T", body: "x", waitStoreMsgOk: false })).toEqual({ WAIT: "false" });
  });

  const put = names.observed<Readonly<Record<string, { readonly error?: RecordedError }>>>("put-user-property");
  it.each(Object.entries(put))("take or refuse the user's %s as putUserProperty does", (given, { error }) => {
    const [, name = given, value = "v"] = /^name=(.*) value=(.*)$/.exec(given) ?? [];
    const properties = { [name === "null" ? "" : name]: value === "null" ? null : value } as Record<string, string>;

    const code = refusal(() => prepareMessage({ ...message, properties }, limits));

    expect(code).toBe(error === undefined ? undefined : -1);
  });

  it.each(["a\u0001", "\u0002b"])("cannot hold %j anywhere", (text) => {
    const messages: Message[] = [
      { ...message, tag: text },
      { ...message, keys: text },
      { ...message, keys: [text] },
      { ...message, messageGroup: text },
      { ...message, properties: { k: text } },
      { ...message, properties: { [text]: "v" } },
    ];

    expect(messages.map((sent) => refusal(() => prepareMessage(sent, limits)))).toEqual(Array(6).fill(-1));
  });

  it.each<[where: string, Partial<Message>]>([
    ["tag", { tag: "a\ud800" }],
    ["tag", { tag: "\udc00\ud800" }],
    ["keys", { keys: "\udfff" }],
    ["keys", { keys: ["k", "\ud83d"] }],
    ["messageGroup", { messageGroup: "g\ud800" }],
    ["name", { properties: { "\ud800": "v" } }],
    ["value", { properties: { k: "v\udbff" } }],
  ])("hold no half of a character, which would be stored as another one: in %s %j", (_where, fields) => {
    const error = thrown(() => prepareMessage({ ...message, ...fields }, limits));

    expect([error.code, error.responseCode]).toEqual(["ERR_MQ_INVALID_ARGUMENT", -1]);
  });

  it("hold characters beyond 65,536 whole", () => {
    const whole = { tag: "😀", keys: "𝒌", properties: { "🗝": "𝒗" } };

    expect(propertiesOf({ ...message, ...whole })).toMatchObject({ TAGS: "😀", KEYS: "𝒌", "🗝": "𝒗" });
  });

  it.each([[["a b"]], [[""]], [["a", " "]], [[7]], [7], [{}]])("refuse the keys %j", (keys) => {
    expect(refusal(() => prepareMessage(untyped({ ...message, keys }), limits))).toBe(-1);
  });

  it.each([[null], [["a"]], [new Map([["a", "b"]])], ["text"]])("refuse %s for an object", (properties) => {
    expect(refusal(() => prepareMessage(untyped({ ...message, properties }), limits))).toBe(-1);
  });

  it("hold nothing for an empty tag, empty keys and an empty array of keys", () => {
    const empty: Message[] = [
      { ...message, tag: "" },
      { ...message, keys: "" },
      { ...message, keys: [] },
    ];

    expect(empty.map((sent) => prepareMessage(sent, limits))).toEqual(Array(3).fill(prepareMessage(message, limits)));
    expect(prepareMessage(message, limits).properties).toBe("WAIT\u0001true\u0002");
  });

  it("come in a fixed order: tag, keys, WAIT, message group, the user's as they were given", () => {
    const prepared = prepareMessage(
      { ...message, properties: { b: "1", a: "2" }, messageGroup: "g", keys: ["k", "l"], tag: "t" },
      limits,
    );

    expect(prepared.tag).toBe("t");
    expect(prepared.properties).toBe(
      "TAGS\u0001t\u0002KEYS\u0001k l\u0002WAIT\u0001true\u0002__SHARDINGKEY\u0001g\u0002b\u00011\u0002a\u00012\u0002",
    );
  });
});

describe("the fields of a message", () => {
  it.each(["tags", "delay", "delayTimeLevel", "Topic"])("refuse the unknown %s by name", (name) => {
    const error = thrown(() => prepareMessage(untyped({ ...message, [name]: 1 }), limits));

    expect([error.code, error.message]).toEqual(["ERR_MQ_INVALID_ARGUMENT", `a message has no field "${name}"`]);
  });

  it("are absent when undefined, known or not", () => {
    const absent = untyped({
      ...message,
      tag: undefined,
      keys: undefined,
      properties: undefined,
      flag: undefined,
      delayMs: undefined,
    });

    expect(prepareMessage(absent, limits)).toEqual(prepareMessage(message, limits));
  });

  it.each([2 ** 31, -(2 ** 31) - 1, 0.5, Number.NaN, "1", null, 1n])("refuse the flag %s", (flag) => {
    expect(refusal(() => prepareMessage(untyped({ ...message, flag }), limits))).toBe(-1);
  });

  it.each([2 ** 31 - 1, -(2 ** 31), 0, 7])("take the flag %d", (flag) => {
    expect(prepareMessage({ ...message, flag }, limits).flag).toBe(flag);
  });

  it.each<[string, unknown]>([
    ["waitStoreMsgOk", "true"],
    ["waitStoreMsgOk", null],
    ["tag", 7],
    ["tag", null],
    ["body", 7],
    ["body", [1, 2]],
    ["body", new Uint16Array(2)],
    ["body", new ArrayBuffer(2)],
  ])("refuse a %s of another type", (name, value) => {
    expect(refusal(() => prepareMessage(untyped({ ...message, [name]: value }), limits))).toBe(-1);
  });

  it("take the bytes of another realm", () => {
    const body = runInNewContext("new Uint8Array([1, 2, 3])") as Uint8Array;

    expect(prepareMessage({ topic: "Val", body }, limits).bodySize).toBe(3);
  });

  it("leave the caller's body as it is", () => {
    const body = Buffer.from("hello");

    expect(prepareMessage({ topic: "Val", body }, limits).body).toBe(body);
  });
});

describe("a message group", () => {
  // RocketMQ's proxy answers 40006, ILLEGAL_MESSAGE_GROUP; its clients refuse a blank one by themselves.
  it.each<[messageGroup: unknown, text: string]>([
    ["", "messageGroup must not be blank"],
    [" \u3000", "messageGroup must not be blank"],
    ["a\tb", "messageGroup must not hold control characters"],
    ["a\u007f", "messageGroup must not hold control characters"],
    ["\u0085a", "messageGroup must not hold control characters"],
    ["g".repeat(64), "messageGroup must take at most 63 bytes of UTF-8, got 64"],
    ["é".repeat(32), "messageGroup must take at most 63 bytes of UTF-8, got 64"],
    [7, "messageGroup must be a string, got a number"],
    [null, "messageGroup must be a string, got null"],
    [["g"], "messageGroup must be a string, got an array"],
  ])("is refused where it is %j", (messageGroup, text) => {
    const error = thrown(() => prepareMessage(untyped({ ...message, messageGroup }), limits));

    expect([error.code, error.responseCode, error.message]).toEqual(["ERR_MQ_INVALID_ARGUMENT", -1, text]);
  });

  it.each(["g", "g".repeat(63), `${"é".repeat(31)}g`, " g ", "😀", "\u00a0g", "a|b*"])(
    "is stored as it is: %j",
    (group) => {
      const prepared = prepareMessage({ ...message, messageGroup: group }, limits);

      expect(prepared.messageGroup).toBe(group);
      expect(propertiesOf({ ...message, messageGroup: group })).toEqual({ WAIT: "true", __SHARDINGKEY: group });
    },
  );

  it("counts among the properties", () => {
    const room = 32_767 - 104 - "WAIT=true;k=;__SHARDINGKEY=ggg;".length;
    const sized = (length: number): Message => ({
      ...message,
      messageGroup: "ggg",
      properties: { k: "v".repeat(length) },
    });

    expect(refusal(() => prepareMessage(sized(room), limits))).toBeUndefined();
    expect(refusal(() => prepareMessage(sized(room + 1), limits))).toBe(13);
  });
});

describe("the tags code", () => {
  const recorded =
    loadFacts("tag-filter").observed<readonly { readonly tag: string | null; readonly tagsCode: number }[]>(
      "tags-code",
    );

  it.each(recorded)("of the tag $tag is $tagsCode", ({ tag, tagsCode }) => {
    expect(prepareMessage({ ...message, tag: tag ?? undefined }, limits).tagsCode).toBe(tagsCode);
  });
});

describe("sizes", () => {
  const text = fc.string({ unit: "binary", minLength: 1, maxLength: 200 });
  const label = text.filter((value) => !hasSeparator(value) && value.trim() !== "");

  it("count UTF-8 bytes of body and properties", () => {
    fc.assert(
      fc.property(
        text,
        label,
        fc.dictionary(
          label.map((name) => `u${name}`),
          label,
        ),
        (body, tag, properties) => {
          const prepared = prepareMessage({ topic: "Val", body, tag, properties }, limits);

          expect(prepared.bodySize).toBe(Buffer.from(body, "utf8").length);
          expect(prepared.propertiesSize).toBe(Buffer.from(prepared.properties, "utf8").length);
          expect(Object.fromEntries(decodeProperties(prepared.properties))).toEqual({
            TAGS: tag,
            WAIT: "true",
            ...properties,
          });
        },
      ),
    );
  });

  it("refuse a string whose UTF-8 bytes exceed the limit though its characters do not", () => {
    const tight = { maxMessageSize: 100 };

    expect(prepareMessage({ topic: "Val", body: "é".repeat(50) }, tight).bodySize).toBe(100);
    expect(refusal(() => prepareMessage({ topic: "Val", body: "é".repeat(51) }, tight))).toBe(13);
  });
});
