import { describe, expect, it } from "vitest";
import {
  checkInvisibleDuration,
  type ReceiveOptions,
  resolveReceiveOptions,
  resolveSimpleConsumerOptions,
  type SimpleConsumerOptions,
} from "../../lib/client/simple-consumer-options.js";
import { thrown } from "../support/thrown.js";

const REFUSED = { code: "ERR_MQ_INVALID_ARGUMENT", responseCode: -1 } as const;
const usual = { maxMessages: 32, invisibleDurationMs: 30_000 } as const;

const resolve = (options: object) => resolveSimpleConsumerOptions(options as SimpleConsumerOptions);
const receive = (options: object) => resolveReceiveOptions(options as ReceiveOptions, 7_000);

describe("the options of a simple consumer", () => {
  it("have RocketMQ's defaults", () => {
    expect(resolve({ group: "billing" })).toEqual({
      group: "billing",
      subscriptions: new Map(),
      startAt: "last-message",
      instanceName: undefined,
      strictSubscriptions: false,
      awaitMs: 20_000,
    });
  });

  it.each([
    ["last-offset", "last-offset"],
    ["first-offset", "first-offset"],
    [{ timestamp: new Date(5) }, { timestamp: 5 }],
  ])("begin where a push consumer would when told to: %j", (consumeFromWhere, startAt) => {
    expect(resolve({ group: "billing", consumeFromWhere }).startAt).toEqual(startAt);
  });

  it.each<[object]>([
    [{}],
    [{ group: "DEFAULT_CONSUMER" }],
    [{ group: "a.b" }],
    [{ group: "billing", subscriptions: { orders: "||" } }],
    [{ group: "billing", subscriptions: [["orders", "*"]] }],
    [{ group: "billing", consumeFromWhere: "now" }],
    [{ group: "billing", instanceName: " " }],
    [{ group: "billing", awaitMs: -1 }],
    [{ group: "billing", awaitMs: 2 ** 31 }],
    [{ group: "billing", awaitMs: "1" }],
    [{ group: "billing", allocateMessageQueueStrategy: () => [] }],
    [{ group: "billing", listener: () => undefined }],
  ])("are refused with RocketMQ's code: %j", (options) => {
    expect(thrown(() => resolve(options))).toMatchObject({ responseCode: -1 });
  });
});

describe("what is asked for in a receive", () => {
  it.each<[object, object]>([
    [usual, { ...usual, awaitMs: 7_000, signal: undefined }],
    [
      { ...usual, awaitMs: 0 },
      { ...usual, awaitMs: 0 },
    ],
    [
      { maxMessages: 1, invisibleDurationMs: 10_000 },
      { maxMessages: 1, invisibleDurationMs: 10_000 },
    ],
    [{ maxMessages: 32, invisibleDurationMs: 43_200_000 }, { invisibleDurationMs: 43_200_000 }],
  ])("is %j", (options, expected) => {
    expect(receive(options)).toMatchObject(expected);
  });

  it.each<[object]>([
    [{}],
    [{ maxMessages: 32 }],
    [{ invisibleDurationMs: 30_000 }],
    [{ ...usual, maxMessages: 0 }],
    [{ ...usual, maxMessages: 33 }],
    [{ ...usual, maxMessages: 1.5 }],
    [{ ...usual, maxMessages: "32" }],
    [{ ...usual, invisibleDurationMs: 9_999 }],
    [{ ...usual, invisibleDurationMs: 43_200_001 }],
    [{ ...usual, awaitMs: -1 }],
    [{ ...usual, signal: {} }],
    [{ ...usual, waitMs: 5 }],
  ])("is refused with RocketMQ's code: %j", (options) => {
    expect(thrown(() => receive(options))).toMatchObject(REFUSED);
  });
});

describe("an invisible duration", () => {
  it.each([0, 1, 43_200_000])("may be %i ms", (durationMs) => {
    expect(checkInvisibleDuration(durationMs)).toBe(durationMs);
  });

  it.each([-1, 43_200_001, 0.5, Number.NaN, "1", undefined, null])("may not be %j", (durationMs) => {
    expect(thrown(() => checkInvisibleDuration(durationMs))).toMatchObject(REFUSED);
  });
});
