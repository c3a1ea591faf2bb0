import { createHash } from "node:crypto";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { ringPosition } from "../../lib/client/allocate-consistent-hash.js";
import { allocateConsistentHash, type MessageQueue } from "../../lib/index.js";
import { loadFacts } from "../support/facts.js";
import { thrown } from "../support/thrown.js";
import { clientIdsOf, queuesOf, sharesOf } from "./allocation-inputs.js";

const positions =
  loadFacts("hash").observed<readonly { readonly key: string; readonly position: number }[]>(
    "consistent-hash-position",
  );

/** First four bytes as hex digits, which order as the numbers do. */
const md5 = (text: string): string => createHash("md5").update(text, "utf8").digest("hex").slice(0, 8);

/** The ring as a sorted list of all points and the queue: its owner is who stands behind it. */
function ownerOf({ topic, brokerName, queueId }: MessageQueue, clientIds: readonly string[], points: number): string {
  const ring = clientIds.flatMap((id) => Array.from({ length: points }, (_, point) => [md5(`${id}-${point}`), id]));
  const at = md5(`MessageQueue [topic=${topic}, brokerName=${brokerName}, queueId=${queueId}]`);
  const sorted = ring.sort(([a = ""], [b = ""]) => (a < b ? -1 : 1));
  return (sorted.find(([point = ""]) => point >= at) ?? sorted[0])?.[1] ?? "";
}

const queueCounts = fc.integer({ min: 1, max: 64 });
const memberCounts = fc.integer({ min: 1, max: 16 });
const pointCounts = fc.integer({ min: 1, max: 20 });

describe("ringPosition", () => {
  it.each(positions)("of $key is $position", ({ key, position }) => {
    expect(ringPosition(key)).toBe(position);
  });
});

describe("allocateConsistentHash", () => {
  it("gives each queue to the member at the next point of the ring, and to nobody else", () => {
    fc.assert(
      fc.property(queueCounts, memberCounts, pointCounts, (count, members, points) => {
        const clientIds = clientIdsOf(members);
        const queues = queuesOf(count);

        const shares = sharesOf(allocateConsistentHash(points), queues, clientIds);

        const expected = new Map(queues.map((queue) => [queue, ownerOf(queue, clientIds, points)]));
        const given = clientIds.flatMap((id, member) => (shares[member] ?? []).map((queue) => [queue, id] as const));
        expect(given).toHaveLength(count);
        expect(new Map(given)).toEqual(expected);
      }),
      { numRuns: 20 },
    );
  });

  it("gives a queue that lies at the very point of a member to that member", () => {
    const queue = { topic: "T", brokerName: "broker-a", queueId: 1_284 };
    const others = clientIdsOf(50);

    const share = allocateConsistentHash(1)("g", "c2161", [queue], [...others, "c2161"]);

    expect(share).toEqual([queue]);
  });

  it("takes a queue from no member that stays but for one that joins", () => {
    fc.assert(
      fc.property(queueCounts, memberCounts, (count, members) => {
        const queues = queuesOf(count);
        const strategy = allocateConsistentHash();

        const before = sharesOf(strategy, queues, clientIdsOf(members));
        const after = sharesOf(strategy, queues, clientIdsOf(members + 1));

        const joined = new Set(after.at(-1));
        expect(after.slice(0, -1)).toEqual(before.map((share) => share.filter((queue) => !joined.has(queue))));
      }),
      { numRuns: 20 },
    );
  });

  it("shares more evenly with more points", () => {
    const largest = [1, 10, 100].map((points) => {
      const shares = sharesOf(allocateConsistentHash(points), queuesOf(400), clientIdsOf(4));
      return Math.max(...shares.map(({ length }) => length));
    });

    expect(largest).toEqual([...largest].sort((a, b) => b - a));
    expect(largest[2]).toBeLessThan(140);
  });

  it("has 10 points for each member unless told otherwise", () => {
    const inputs = [queuesOf(64), clientIdsOf(5)] as const;

    const shares = [undefined, 10, 11].map((points) => sharesOf(allocateConsistentHash(points), ...inputs));

    expect(shares[0]).toEqual(shares[1]);
    expect(shares[0]).not.toEqual(shares[2]);
  });

  it("gives a member that is listed twice, as RocketMQ does, the points of two", () => {
    const queues = queuesOf(64);

    const twice = allocateConsistentHash(10)("g", "a", queues, ["a", "a", "b"]);

    const ring = [...Array.from({ length: 20 }, (_, point) => [md5(`a-${point}`), "a"])];
    ring.push(...Array.from({ length: 10 }, (_, point) => [md5(`b-${point}`), "b"]));
    const sorted = ring.sort(([a = ""], [b = ""]) => (a < b ? -1 : 1));
    const expected = queues.filter(({ queueId }) => {
      const at = md5(`MessageQueue [topic=T, brokerName=broker-a, queueId=${queueId}]`);
      return (sorted.find(([point = ""]) => point >= at) ?? sorted[0])?.[1] === "a";
    });
    expect(twice).toEqual(expected);
  });

  it.each([0, -1, 1.5, 10_001, Number.NaN, "10", null])("refuses %j virtual nodes", (virtualNodes) => {
    const error = thrown(() => allocateConsistentHash(virtualNodes as number));

    expect(error).toMatchObject({ code: "ERR_MQ_INVALID_ARGUMENT", responseCode: -1 });
    const got = typeof virtualNodes === "string" ? `"${virtualNodes}"` : virtualNodes;
    expect(error.message).toBe(`virtualNodes must be an integer from 1 to 10000, got ${got}`);
  });
});
