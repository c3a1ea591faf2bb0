import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { allocateAveragely } from "../../lib/client/allocate-message-queue.js";
import type { MessageQueue } from "../../lib/message/message-queue.js";
import { loadFacts, type RecordedError } from "../support/facts.js";
import { thrown } from "../support/thrown.js";

const facts = loadFacts("allocation");
const averagely =
  facts.observed<
    readonly {
      readonly queues: number;
      readonly consumers: number;
      readonly assigned: readonly (readonly number[])[];
    }[]
  >("avg");
const twoBrokers =
  facts.observed<readonly { readonly strategy: string; readonly assigned: readonly (readonly string[])[] }[]>(
    "two-brokers",
  );
const badInput = new Map(
  facts
    .observed<
      readonly { readonly case: string; readonly then: { readonly error?: RecordedError; readonly result?: unknown } }[]
    >("bad-input")
    .map((row) => [row.case, row.then]),
);

const queuesOf = (count: number, brokerName = "broker-a"): readonly MessageQueue[] =>
  Array.from({ length: count }, (_, queueId) => ({ topic: "T", brokerName, queueId }));
const clientIds = (count: number): readonly string[] =>
  Array.from({ length: count }, (_, index) => `10.0.0.${index + 1}@${index + 1}`);

describe("allocateAveragely", () => {
  it.each(averagely)(
    "gives $consumers members of $queues queues the recorded ones",
    ({ queues, consumers, assigned }) => {
      const members = clientIds(consumers);

      const shares = members.map((member) => allocateAveragely("g", member, queuesOf(queues), members));

      expect(shares.map((share) => share.map(({ queueId }) => queueId))).toEqual(assigned);
    },
  );

  it("gives queues of two brokers as recorded", () => {
    const members = ["c1", "c2", "c3", "c4"];
    const queues = [...queuesOf(3, "broker-a"), ...queuesOf(3, "broker-b")];

    const shares = members.map((member) => allocateAveragely("g", member, queues, members));

    const recorded = twoBrokers.find(({ strategy }) => strategy === "AVG");
    expect(shares.map((share) => share.map((queue) => `${queue.brokerName}:${queue.queueId}`))).toEqual(
      recorded?.assigned,
    );
  });

  it.each<[string, string, readonly MessageQueue[], readonly string[]]>([
    ["blank cid", "", queuesOf(1), ["c1"]],
    ["null mqAll", "c1", null as unknown as readonly MessageQueue[], ["c1"]],
    ["empty mqAll", "c1", [], ["c1"]],
    ["empty cidAll", "c1", queuesOf(1), []],
  ])("refuses bad input as recorded: %s", (recorded, clientId, queues, members) => {
    expect(badInput.get(recorded)?.error?.exception).toBe("IllegalArgumentException");

    expect(thrown(() => allocateAveragely("g", clientId, queues, members)).code).toBe("ERR_MQ_INVALID_ARGUMENT");
  });

  it("gives nothing to a client that is no member", () => {
    const shares = [1, 2, 3].map((count) => allocateAveragely("g", "stranger", queuesOf(4), clientIds(count)));

    expect(shares.map((share) => `[${share.join()}]`)).toEqual(
      Array(3).fill(badInput.get("cid not in cidAll")?.result),
    );
  });

  it("gives a client that is listed twice the first of its shares", () => {
    const share = allocateAveragely("g", "c1", queuesOf(4), ["c1", "c1"]);

    expect(share).toHaveLength(Number(badInput.get("cid twice in cidAll, 4 queues")?.result));
    expect(share.map(({ queueId }) => queueId)).toEqual([0, 1]);
  });

  it("gives each queue to one member, neighbouring ones, at most one more to some than to others", () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 200 }), fc.integer({ min: 1, max: 40 }), (count, consumers) => {
        const members = clientIds(consumers);
        const queues = queuesOf(count);

        const shares = members.map((member) => allocateAveragely("g", member, queues, members));

        expect(shares.flat()).toEqual(queues);
        const sizes = shares.map(({ length }) => length);
        expect(Math.max(...sizes) - Math.min(...sizes)).toBeLessThanOrEqual(1);
      }),
    );
  });
});
