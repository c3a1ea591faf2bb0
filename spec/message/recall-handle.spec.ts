import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { formatRecallHandle, parseRecallHandle } from "../../lib/message/recall-handle.js";
import { loadFacts } from "../support/facts.js";

const facts = loadFacts("message-ids");

describe("a recall handle", () => {
  it("is written and read as recorded in recall-handle", () => {
    const { handle, base64urlDecoded } = facts.observed<{ readonly handle: string; readonly base64urlDecoded: string }>(
      "recall-handle",
    );
    const [, topic, brokerName, timestamp, messageId] = base64urlDecoded.split(" ") as string[];
    const fields = { topic, brokerName, timestamp: Number(timestamp), messageId } as Parameters<
      typeof formatRecallHandle
    >[0];

    expect(formatRecallHandle(fields)).toBe(handle);
    expect(parseRecallHandle(handle)).toEqual(fields);
  });

  const bad =
    facts.observed<readonly { readonly handle: string | null; readonly error: object }[]>("recall-handle-bad");
  it.each(bad.filter(({ handle }) => handle !== null))(
    "is none as recorded in recall-handle-bad: $handle",
    (recorded) => {
      expect(parseRecallHandle(recorded.handle as string)).toBeUndefined();
    },
  );

  it("is read back as it was written, and is none with one character changed to what it cannot be", () => {
    const word = fc.stringMatching(/^[A-Za-z0-9_%-]{1,40}$/);
    const fields = fc.record({ topic: word, brokerName: word, timestamp: fc.nat(), messageId: word });
    fc.assert(
      fc.property(fields, fc.nat(), (handle, at) => {
        const text = formatRecallHandle(handle);
        const index = at % text.length;
        expect(parseRecallHandle(text)).toEqual(handle);
        expect(parseRecallHandle(`${text.slice(0, index)}!${text.slice(index + 1)}`)).toBeUndefined();
      }),
    );
  });
});
