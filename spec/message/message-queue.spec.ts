import { describe, expect, it } from "vitest";
import { compareMessageQueues, formatMessageQueue } from "../../lib/message/message-queue.js";
import { loadFacts } from "../support/facts.js";

const objects =
  loadFacts("hash").observed<readonly { readonly type: string; readonly value: string }[]>("object-hash-codes");

describe("compareMessageQueues", () => {
  it("orders by topic, broker name and queue id", () => {
    const sorted = [
      { topic: "A", brokerName: "broker-a", queueId: 10 },
      { topic: "A", brokerName: "broker-b", queueId: 2 },
      { topic: "A", brokerName: "broker-b", queueId: 10 },
      { topic: "B", brokerName: "broker-a", queueId: 0 },
    ];

    expect([...sorted].reverse().sort(compareMessageQueues)).toEqual(sorted);
  });

  it("finds equal queues equal", () => {
    const queue = { topic: "A", brokerName: "broker-a", queueId: 1 };

    expect(compareMessageQueues(queue, { ...queue })).toBe(0);
  });

  it("puts upper-case letters before lower-case ones, whatever the locale", () => {
    const queues = ["a", "Z"].map((topic) => ({ topic, brokerName: "b", queueId: 0 }));

    expect(queues.sort(compareMessageQueues).map(({ topic }) => topic)).toEqual(["Z", "a"]);
  });
});

describe("formatMessageQueue", () => {
  it("has RocketMQ's text form", () => {
    const recorded = objects.find(({ type }) => type === "MessageQueue");

    expect(formatMessageQueue({ topic: "T", brokerName: "broker-a", queueId: 3 })).toBe(recorded?.value);
  });
});
