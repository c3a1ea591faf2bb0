import { hash } from "node:crypto";
import { formatMessageQueue } from "../message/message-queue.js";
import { integerOption } from "../options.js";
import { type AllocateMessageQueueStrategy, indexOfMember } from "./allocate-message-queue.js";

/**
 * Places each member at `virtualNodes` points of a ring, by hashes of its client id; a queue goes to the member at the next point from its own hash.
 * So a member that joins takes queues from others and one that leaves gives its own to others: no queue changes hands between two that stay. The
 * shares are uneven, the less so the more points there are; a member may get none. What a client gets depends on its id: give members an
 * `instanceName` so that they find the same queues after a restart.
 *
 * Source: RocketMQ 5.3.3, `client/.../consumer/rebalance/AllocateMessageQueueConsistentHash.java`, where 0 points are allowed and give nobody anything.
 *
 * @param virtualNodes - 1 to 10,000; the same for all members. @defaultValue 10
 * @throws MqError `ERR_MQ_INVALID_ARGUMENT` for another number; the strategy itself for an empty client id, no queues or no members.
 */
export function allocateConsistentHash(virtualNodes?: number): AllocateMessageQueueStrategy {
  const pointsEach = integerOption("virtualNodes", virtualNodes, { min: 1, max: 10_000, fallback: 10 });
  return (_group, clientId, queues, clientIds) => {
    if (indexOfMember(clientId, queues, clientIds) < 0) return [];
    const ring = new HashRing(clientIds, pointsEach);
    return queues.filter((queue) => ring.ownerOf(formatMessageQueue(queue)) === clientId);
  };
}

/** Source: RocketMQ 5.3.3, `common/.../consistenthash/ConsistentHashRouter.java`. */
class HashRing {
  readonly #owners: ReadonlyMap<number, string>;
  readonly #points: Uint32Array;

  constructor(clientIds: readonly string[], pointsEach: number) {
    const owners = new Map<number, string>();
    const seen = new Set<string>();
    for (const clientId of clientIds) {
      // A client that is listed twice gets as many points more.
      const first = seen.has(clientId) ? countOf(clientId, owners.values()) : 0;
      seen.add(clientId);
      for (let point = first; point < first + pointsEach; point += 1)
        owners.set(ringPosition(`${clientId}-${point}`), clientId);
    }
    this.#owners = owners;
    this.#points = Uint32Array.from(owners.keys()).sort();
  }

  /** Of the first point at or behind the key's position, around the end of the ring. */
  ownerOf(key: string): string | undefined {
    const position = ringPosition(key);
    let from = 0;
    let to = this.#points.length;
    while (from < to) {
      const middle = (from + to) >>> 1;
      if ((this.#points[middle] as number) < position) from = middle + 1;
      else to = middle;
    }
    return this.#owners.get(this.#points[from % this.#points.length] as number);
  }
}

function countOf(clientId: string, owners: Iterable<string>): number {
  let count = 0;
  for (const owner of owners) if (owner === clientId) count += 1;
  return count;
}

/** The first four bytes of the MD5 of its UTF-8, big-endian, unsigned. */
export function ringPosition(key: string): number {
  return Number.parseInt(hash("md5", key).slice(0, 8), 16);
}
