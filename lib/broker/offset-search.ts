import type { LogBlockHead, LogTable } from "../store/log-table.js";
import type { QueueEnds } from "./broker-port.js";
import type { Engine } from "./engine.js";
import type { QueueState } from "./queue-states.js";

/**
 * Finds an offset by store time with about log2(messages) look-ups of block heads; all messages of a block have one store time.
 *
 * `lower`: the first offset stored at or after `timestamp`, the maximum when all are earlier. `upper`: the last offset stored at or before it,
 * the minimum when all are later. Where the machine's clock was set back, store times are not sorted and one of several answers is given.
 *
 * Source: RocketMQ, `store/.../ConsumeQueue.java`, `getOffsetInQueueByTime`.
 */
export function searchOffset(log: LogTable, queue: QueueState, timestamp: number, boundary: "lower" | "upper"): number {
  const { queueKey, minOffset, maxOffset } = queue;
  const isBefore = (block: LogBlockHead): boolean =>
    boundary === "lower" ? block.storeTimestamp < timestamp : block.storeTimestamp <= timestamp;
  let low = minOffset;
  let high = maxOffset;
  while (low < high) {
    const middle = low + Math.floor((high - low) / 2);
    const block = log.findHeadAtOrBefore(queueKey, middle);
    if (block === undefined || isBefore(block))
      low = block === undefined ? middle + 1 : block.firstOffset + block.messageCount;
    else high = block.firstOffset;
  }
  return boundary === "lower" ? low : Math.max(minOffset, low - 1);
}

/** The same of a queue that may not exist: 0. */
export function searchQueue(
  { queues, store }: Engine,
  topic: string,
  queueId: number,
  timestamp: number,
  boundary: "lower" | "upper",
): number {
  const queue = queues.find(topic, queueId);
  return queue === undefined ? 0 : searchOffset(store.log, queue, timestamp, boundary);
}

export function endsOfQueue({ queues, store }: Engine, topic: string, queueId: number): QueueEnds {
  const queue = queues.find(topic, queueId);
  if (queue === undefined) return { minOffset: 0, maxOffset: 0, firstStoredAt: undefined };
  const { minOffset, maxOffset, queueKey } = queue;
  return { minOffset, maxOffset, firstStoredAt: store.log.findFirstHead(queueKey)?.storeTimestamp };
}
