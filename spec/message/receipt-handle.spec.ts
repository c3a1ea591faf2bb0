import { describe, expect, it } from "vitest";
import { formatReceiptHandle, parseReceiptHandle, type ReceiptHandle } from "../../lib/message/receipt-handle.js";
import { loadFacts } from "../support/facts.js";

const facts = loadFacts("message-ids");

const HANDLE: ReceiptHandle = {
  startOffset: 5,
  popTime: 1_700_000_000_000,
  invisibleMs: 60_000,
  reviveQueueId: 3,
  poppedFrom: "normal",
  brokerName: "broker-a",
  queueId: 2,
  queueOffset: 7,
  popKey: 0,
};

describe("formatReceiptHandle", () => {
  it("writes RocketMQ's eight fields where the pop is not known", () => {
    const recorded = facts.observed<Readonly<Record<string, string>>>("pop-extra-info");

    const written = {
      normalTopic: formatReceiptHandle(HANDLE),
      retryV1: formatReceiptHandle({ ...HANDLE, poppedFrom: "retry" }),
      retryV2: formatReceiptHandle({ ...HANDLE, poppedFrom: "retry v2" }),
    };

    expect(written).toEqual(recorded);
  });

  it("writes which pop it was behind them", () => {
    expect(formatReceiptHandle({ ...HANDLE, popKey: 4_711 })).toBe("5 1700000000000 60000 3 0 broker-a 2 7 4711");
  });
});

describe("parseReceiptHandle", () => {
  it.each<Partial<ReceiptHandle>>([
    {},
    { popKey: 4_711 },
    { poppedFrom: "retry" },
    { poppedFrom: "retry v2", popKey: 1 },
  ])("reads what was written: %j", (part) => {
    const handle = { ...HANDLE, ...part };

    expect(parseReceiptHandle(formatReceiptHandle(handle))).toEqual(handle);
  });

  it.each([
    [""],
    ["5"],
    ["5 1700000000000 60000 3 0 broker-a 2"],
    ["5 1700000000000 60000 3 3 broker-a 2 7"],
    ["5 1700000000000 60000 3 0  2 7"],
    ["x 1700000000000 60000 3 0 broker-a 2 7"],
    ["5 1700000000000 -1 3 0 broker-a 2 7"],
    ["5 1700000000000 60000 3 0 broker-a 2 7 1.5"],
    ["5 1700000000000 60000 3 0 broker-a 2 7 1 2"],
    ["99999999999999999999 1700000000000 60000 3 0 broker-a 2 7"],
  ])("takes %j for no handle", (text) => {
    expect(parseReceiptHandle(text)).toBeUndefined();
  });
});
