import { describe, expect, it } from "vitest";
import { type CachedMessage, ProcessQueue } from "../../lib/client/process-queue.js";
import { type MessageOrigin, StoredMessageView } from "../../lib/message/message-view.js";
import { openTestPort } from "../support/local-broker.js";

const ORIGIN: MessageOrigin = {
  topic: "orders",
  queueId: 0,
  brokerName: "broker-a",
  clusterName: "DefaultCluster",
  storeHost: { host: "127.0.0.1", port: 10911 },
};

/** Views of nothing: only their offsets count. */
function at(...queueOffsets: number[]): StoredMessageView[] {
  const records = Buffer.alloc(64);
  return queueOffsets.map(
    (queueOffset) => new StoredMessageView(ORIGIN, { records, commitLogOffset: 0, storeTimestamp: 0 }, 0, queueOffset),
  );
}

function queueWith(...queueOffsets: number[]): { queue: ProcessQueue; cached: readonly CachedMessage[] } {
  const queue = new ProcessQueue({ topic: "orders", brokerName: "broker-a", queueId: 0 });
  const cached = queue.put(at(...queueOffsets));
  queue.pulledUpTo((queueOffsets.at(-1) ?? -1) + 1);
  return { queue, cached };
}

describe("ProcessQueue", () => {
  it("commits the lowest offset that is not acknowledged", () => {
    const { queue, cached } = queueWith(0, 1, 2);
    const commits: (number | undefined)[] = [queue.commitOffset];

    for (const index of [0, 2, 1]) {
      queue.acknowledge(cached[index] as CachedMessage);
      commits.push(queue.commitOffset);
    }

    expect(commits).toEqual([0, 1, 1, 3]);
  });

  it("says what it will commit once some are acknowledged, and changes nothing by that", () => {
    const { queue, cached } = queueWith(3, 4, 6, 7);
    queue.reported(3);
    const places = (...indexes: number[]) => new Set(indexes.map((index) => (cached[index] as CachedMessage).place));
    queue.acknowledge(cached[1] as CachedMessage);

    const offsets = [[], [2], [0], [0, 2], [0, 2, 3]].map((indexes) => queue.commitOffsetWith(places(...indexes)));

    // Where it is no other than what is known there is nothing to say.
    expect(offsets).toEqual([undefined, undefined, 6, 7, 8]);
    expect([queue.commitOffset, queue.count]).toEqual([3, 3]);
    queue.drop();
    expect(queue.commitOffsetWith(places(0, 2, 3))).toBeUndefined();
  });

  it("tells no offset that is known already, nor any before it knows where it starts", () => {
    const queue = new ProcessQueue({ topic: "orders", brokerName: "broker-a", queueId: 0 });

    queue.reported(5);
    const before = queue.takeChangedOffset();
    queue.pulledUpTo(5);
    const start = queue.takeChangedOffset();
    queue.pulledUpTo(6);

    expect([before, start, queue.takeChangedOffset(), queue.takeChangedOffset()]).toEqual([
      undefined,
      undefined,
      6,
      undefined,
    ]);
  });

  it("goes on at what comes after it was emptied", () => {
    const { queue, cached } = queueWith(0, 1);
    for (const message of cached) queue.acknowledge(message);

    queue.put(at(2, 3));
    queue.pulledUpTo(4);

    expect([queue.commitOffset, queue.count, queue.span]).toEqual([2, 2, 1]);
  });

  it("has nothing to commit before the first pull", () => {
    const queue = new ProcessQueue({ topic: "orders", brokerName: "broker-a", queueId: 0 });

    expect(queue.commitOffset).toBeUndefined();
  });

  it("passes offsets that were filtered out once everything before them is acknowledged", () => {
    const { queue, cached } = queueWith(3);

    queue.pulledUpTo(20);
    const before = queue.commitOffset;
    queue.acknowledge(cached[0] as CachedMessage);

    expect([before, queue.commitOffset]).toEqual([3, 20]);
  });

  it("counts messages and bytes that are not acknowledged", async () => {
    await using broker = await openTestPort();
    await broker.mq.admin.createTopic("orders", { readQueueNums: 1, writeQueueNums: 1 });
    await broker.mq.producer({ group: "shop" }).sendBatch([
      { topic: "orders", body: "a" },
      { topic: "orders", body: "b".repeat(1_000) },
    ]);
    const views = broker.port.messages.browse("orders", 0, 0, 2);
    const queue = new ProcessQueue({ topic: "orders", brokerName: "broker-a", queueId: 0 });

    const [first, second] = queue.put(views);
    const both = queue.bytes;
    queue.acknowledge(second as CachedMessage);
    queue.acknowledge(second as CachedMessage);

    expect(both).toBe(views.reduce((sum, { storeSize }) => sum + storeSize, 0));
    expect([queue.count, queue.bytes]).toEqual([1, views[0]?.storeSize]);
    expect(first?.place.isAcknowledged).toBe(false);
  });

  it("spans from the lowest to the highest offset that is not acknowledged", () => {
    const { queue, cached } = queueWith(10, 11, 500, 900);
    const spans = [queue.span];

    for (const index of [3, 0, 2, 1]) {
      queue.acknowledge(cached[index] as CachedMessage);
      spans.push(queue.span);
    }

    expect(spans).toEqual([890, 490, 489, 0, 0]);
  });

  it("goes on with the same figures through thousands of acknowledgements in any order", () => {
    const queue = new ProcessQueue({ topic: "orders", brokerName: "broker-a", queueId: 0 });
    const open = new Map<number, CachedMessage>();
    let state = 1;

    for (let offset = 0; offset < 5_000; offset += 1) {
      const [cached] = queue.put(at(offset));
      queue.pulledUpTo(offset + 1);
      open.set(offset, cached as CachedMessage);
      state = (state * 48_271) % 2_147_483_647;
      const acknowledged = [...open.keys()][state % open.size] as number;
      if (state % 16 !== 0) queue.acknowledge(open.get(acknowledged) as CachedMessage);
      if (state % 16 !== 0) open.delete(acknowledged);
      const left = [...open.keys()];
      expect(queue.count).toBe(open.size);
      expect(queue.commitOffset).toBe(left[0] ?? offset + 1);
      expect(queue.span).toBe(left.length === 0 ? 0 : (left.at(-1) as number) - (left[0] as number));
    }
  });

  it("holds nothing once it is dropped", () => {
    const { queue } = queueWith(0, 1, 2);

    queue.drop();

    expect(queue.isDropped).toBe(true);
    expect([queue.count, queue.bytes, queue.span]).toEqual([0, 0, 0]);
  });
});
