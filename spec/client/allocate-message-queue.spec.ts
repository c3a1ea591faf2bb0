import { describe, expect, it } from "vitest";
import {
  type AllocateMessageQueueStrategy,
  allocateAveragely,
  allocateAveragelyByCircle,
  allocateByMachineRoom,
  type MessageQueue,
} from "../../lib/index.js";
import { clientIdsOf, queuesOf, sharesOf } from "./allocation-inputs.js";

/** The member that gets queue `queue` of `queues` among `members`: the formulas the other way round. */
type Owner = (queue: number, queues: number, members: number) => number;

const MOST = 64;
const inRoom = (count: number): readonly MessageQueue[] => queuesOf(count, "idc1@broker-a");

/** Runs of neighbours; the first `queues % members` of them are one longer. */
const averagely: Owner = (queue, queues, members) => {
  const short = Math.floor(queues / members);
  const longRuns = queues % members;
  const inLongRuns = longRuns * (short + 1);
  return queue < inLongRuns ? Math.floor(queue / (short + 1)) : longRuns + Math.floor((queue - inLongRuns) / short);
};
const byCircle: Owner = (queue, _queues, members) => queue % members;
/** Runs of neighbours, all alike; then the left-over ones from the first member on. */
const byMachineRoom: Owner = (queue, queues, members) => {
  const run = Math.floor(queues / members);
  return queue < run * members ? Math.floor(queue / run) : queue - run * members;
};

/** The same objects in the same order. */
function isSame(shares: readonly (readonly MessageQueue[])[], expected: readonly (readonly MessageQueue[])[]): boolean {
  return expected.every((share, member) => {
    const given = shares[member];
    return given?.length === share.length && share.every((queue, index) => queue === given[index]);
  });
}

describe.each<[string, AllocateMessageQueueStrategy, Owner, (count: number) => readonly MessageQueue[]]>([
  ["allocateAveragely", allocateAveragely, averagely, queuesOf],
  ["allocateAveragelyByCircle", allocateAveragelyByCircle, byCircle, queuesOf],
  ["allocateByMachineRoom", allocateByMachineRoom(new Set(["idc1", "idc9"])), byMachineRoom, inRoom],
])("%s", (_name, strategy, ownerOf, makeQueues) => {
  it("follows its formula for every number of queues and members up to 64, so that each queue has one owner", () => {
    const differing: string[] = [];
    for (let members = 1; members <= MOST; members += 1) {
      const clientIds = clientIdsOf(members);
      for (let queues = 1; queues <= MOST; queues += 1) {
        const expected: MessageQueue[][] = clientIds.map(() => []);
        const all = makeQueues(queues);
        for (const queue of all) expected[ownerOf(queue.queueId, queues, members)]?.push(queue);

        const shares = sharesOf(strategy, all, clientIds);

        if (!isSame(shares, expected)) differing.push(`${queues} queues, ${members} members`);
      }
    }

    expect(differing).toEqual([]);
  });

  it("gives no member more than one queue more than another, and none to surplus members", () => {
    const sizes = [1, 5, 9, 10, 11, 64].map((count) =>
      sharesOf(strategy, makeQueues(count), clientIdsOf(10)).map(({ length }) => length),
    );

    expect(sizes).toEqual([
      [1, 0, 0, 0, 0, 0, 0, 0, 0, 0],
      [1, 1, 1, 1, 1, 0, 0, 0, 0, 0],
      [1, 1, 1, 1, 1, 1, 1, 1, 1, 0],
      [1, 1, 1, 1, 1, 1, 1, 1, 1, 1],
      [2, 1, 1, 1, 1, 1, 1, 1, 1, 1],
      [7, 7, 7, 7, 6, 6, 6, 6, 6, 6],
    ]);
  });
});
