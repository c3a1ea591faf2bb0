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

type Ring = readonly (readonly [point: string, clientId: string])[];

/** All points, sorted. */
function ringOf(clientIds: readonly string[], points: number): Ring {
  const ring = clientIds.flatMap((id) =>
    Array.from({ length: points }, (_, point) => [md5(`${id}-${point}`), id] as const),
  );
  return ring.sort(([a], [b]) => (a < b ? -1 : 1));
}

/** Who stands behind the queue in the ring. */
function behind(ring: Ring, { topic, brokerName, queueId }: MessageQueue): string {
  const at = md5(`MessageQueue [topic=${topic}, brokerName=${brokerName}, queueId=${queueId}]`);
  return (ring.find(([point]) => point >= at) ?? ring[0])?.[1] ?? "";
}

function ownerOf(queue: MessageQueue, clientIds: readonly string[], points: number): string {
  return behind(ringOf(clientIds, points), queue);
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

  it("does so for 64 queues and every number of members up to 64", () => {
    const queues = queuesOf(64);
    for (let members = 1; members <= 64; members += 1) {
      const clientIds = clientIdsOf(members);
      const ring = ringOf(clientIds, 10);

      const shares = sharesOf(allocateConsistentHash(), queues, clientIds);

      expect(shares).toEqual(clientIds.map((id) => queues.filter((queue) => behind(ring, queue) === id)));
    }
  });

  it("has the same owner for a queue however many others there are, up to 64", () => {
    for (const members of [1, 2, 3, 7, 16]) {
      const clientIds = clientIdsOf(members);
      const strategy = allocateConsistentHash();
      const all = sharesOf(strategy, queuesOf(64), clientIds);
      for (let count = 1; count < 64; count += 1) {
        const shares = sharesOf(strategy, queuesOf(count), clientIds);
        expect(shares).toEqual(all.map((share) => share.filter(({ queueId }) => queueId < count)));
      }
    }
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
