import { describe, expect, it } from "vitest";
import { checkConsumerGroup, checkGroup, checkProducerGroup, checkTopic } from "../../lib/message/names.js";
import { loadFacts, type RecordedError } from "../support/facts.js";
import { writeOut } from "../support/recorded-text.js";
import { refusal, thrown } from "../support/thrown.js";

const facts = loadFacts("names");
const validation = loadFacts("validation");
const topics = facts.observed<readonly { readonly topic: string | null; readonly valid: boolean }[]>("topic-validator");
const clientTopics =
  facts.observed<readonly { readonly topic: string | null; readonly error?: RecordedError }[]>(
    "client-topic-validator",
  );
const groups =
  facts.observed<readonly { readonly group: string | null; readonly error?: RecordedError }[]>("group-validator");

describe("checkTopic", () => {
  it.each(topics)("answers valid=$valid for $topic, on the broker's side with 29", ({ topic, valid }) => {
    const name = topic === null ? null : writeOut(topic);

    expect(refusal(() => checkTopic(name, 29))).toBe(valid ? undefined : 29);
  });

  it.each(clientTopics)("throws for $topic what RocketMQ's client throws", ({ topic, error }) => {
    const name = topic === null ? null : writeOut(topic);

    expect(refusal(() => checkTopic(name))).toBe(error?.responseCode);
  });

  it.each([
    ["raw-send-a.b", "a.b"],
    ["raw-send-topic-128", "t".repeat(128)],
  ])("refuses the topic of %s with the broker's code", (fact, topic) => {
    expect(refusal(() => checkTopic(topic, 29))).toBe(validation.observed<{ readonly code: number }>(fact).code);
  });

  it("returns the name", () => {
    expect(checkTopic("orders")).toBe("orders");
  });

  it("says what is expected and what it got", () => {
    expect(thrown(() => checkTopic("my.topic")).message).toBe(
      'topic must be 1 to 127 characters out of % | a-z A-Z 0-9 _ -, got "my.topic"',
    );
    expect(thrown(() => checkTopic("t".repeat(128))).message).toContain("got a string of 128 characters");
    expect(thrown(() => checkTopic(7)).message).toContain("got 7");
  });
});

describe("checkGroup", () => {
  it.each(groups)("throws for $group what RocketMQ's client throws", ({ group, error }) => {
    const name = group === null ? null : writeOut(group);

    expect(refusal(() => checkGroup(name))).toBe(error?.responseCode);
  });
});

describe("checkProducerGroup and checkConsumerGroup", () => {
  it.each([
    ["producer-group-default", () => checkProducerGroup("DEFAULT_PRODUCER")],
    ["producer-group-illegal", () => checkProducerGroup("a.b")],
    ["producer-group-empty", () => checkProducerGroup("")],
    ["consumer-group-default", () => checkConsumerGroup("DEFAULT_CONSUMER")],
    ["consumer-group-illegal", () => checkConsumerGroup("a.b")],
    ["consumer-group-empty", () => checkConsumerGroup("")],
    ["consumer-group-121", () => checkConsumerGroup("g".repeat(121))],
  ])("end as recorded in %s", (fact, run) => {
    expect(refusal(run)).toBe(validation.error(fact)?.responseCode);
  });

  it("let each other's default name pass", () => {
    expect(checkProducerGroup("DEFAULT_CONSUMER")).toBe("DEFAULT_CONSUMER");
    expect(checkConsumerGroup("DEFAULT_PRODUCER")).toBe("DEFAULT_PRODUCER");
  });
});
