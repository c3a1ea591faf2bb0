import { describe, expect, it } from "vitest";
import type { Message } from "../../lib/message/message.js";
import { checkBatch, prepareMessage } from "../../lib/message/message-validation.js";
import { loadFacts } from "../support/facts.js";
import { refusal, thrown } from "../support/thrown.js";

const limits = { maxMessageSize: 4_194_304 };
const validation = loadFacts("validation");
const untyped = (value: unknown): readonly Message[] => value as readonly Message[];

describe("checkBatch", () => {
  it.each<[fact: string, readonly Message[]]>([
    ["batch-empty", []],
    ["batch-null", untyped(null)],
    [
      "batch-two-topics",
      [
        { topic: "A", body: "x" },
        { topic: "B", body: "x" },
      ],
    ],
    ["batch-retry-topic", [{ topic: "%RETRY%g", body: "x" }]],
    [
      "batch-wait-mixed",
      [
        { topic: "A", body: "x" },
        { topic: "A", body: "x", waitStoreMsgOk: false },
      ],
    ],
    [
      "batch-empty-body",
      [
        { topic: "A", body: "x" },
        { topic: "A", body: "" },
      ],
    ],
    ["batch-too-large", Array.from({ length: 5 }, () => ({ topic: "A", body: new Uint8Array(1_048_576) }))],
  ])("ends as recorded in %s", (fact, messages) => {
    expect(refusal(() => checkBatch(messages, limits))).toBe(validation.error(fact)?.responseCode);
  });

  it("says which message is wrong and keeps its code", () => {
    const error = thrown(() =>
      checkBatch(
        [
          { topic: "A", body: "x" },
          { topic: "A", body: "" },
        ],
        limits,
      ),
    );

    expect(error).toMatchObject({
      code: "ERR_MQ_MESSAGE_ILLEGAL",
      message: "message 1 of the batch: body must not be empty, got 0 bytes",
      cause: { responseCode: 13 },
    });
  });

  it.each<[first: string | undefined, second: string | undefined]>([
    ["g", "h"],
    ["g", undefined],
    [undefined, "g"],
  ])("refuses the message groups %j and %j beside each other, as RocketMQ's clients 5 do", (first, second) => {
    const messages = [first, first, second].map((messageGroup) => ({ topic: "A", body: "x", messageGroup }));

    const error = thrown(() => checkBatch(messages, limits));

    expect(error).toMatchObject({
      code: "ERR_MQ_INVALID_ARGUMENT",
      responseCode: -1,
      message: "the messages of a batch must have one messageGroup or none, got another one at 2",
    });
  });

  it("takes messages of one group, and counts the group of each", () => {
    const messages = ["x", "y"].map((body) => ({ topic: "A", body, messageGroup: "g" }));
    const size = 2 * (22 + 1 + "WAIT=true;__SHARDINGKEY=g;UNIQ_KEY=;".length + 32);

    expect(checkBatch(messages, { maxMessageSize: size })).toMatchObject([
      { messageGroup: "g" },
      { messageGroup: "g" },
    ]);
    expect(refusal(() => checkBatch(messages, { maxMessageSize: size - 1 }))).toBe(13);
  });

  it("refuses a hole in the array", () => {
    const messages: Message[] = [{ topic: "A", body: "x" }];
    messages[2] = { topic: "A", body: "x" };

    expect(thrown(() => checkBatch(messages, limits)).message).toContain("message 1 of the batch");
  });

  it("prepares each message as if it were alone, in order", () => {
    const messages = [
      { topic: "A", body: "x", tag: "a" },
      { topic: "A", body: "y", keys: ["k"] },
    ];

    expect(checkBatch(messages, limits)).toEqual(messages.map((message) => prepareMessage(message, limits)));
  });

  it("counts each message as RocketMQ encodes it, with the unique id that its client adds first", () => {
    const { encodeBoth } = loadFacts("encodings").observed<{ readonly encodeBoth: string }>("batch-body");
    const uniqueKey = `UNIQ_KEY=${"0".repeat(32)};`.length;
    const size = encodeBoth.length / 2 + 2 * uniqueKey;
    const messages = [
      { topic: "T", body: "one", flag: 7, properties: { k: "v" } },
      { topic: "T", body: "two" },
    ];

    expect(checkBatch(messages, { maxMessageSize: size })).toHaveLength(2);
    expect(refusal(() => checkBatch(messages, { maxMessageSize: size - 1 }))).toBe(13);
  });
});
