import type { AllocateMessageQueueStrategy, MessageQueue } from "../../lib/index.js";

/** Queues 0 to `count - 1` of topic T, as in the recorded facts. */
export function queuesOf(count: number, brokerName = "broker-a"): readonly MessageQueue[] {
  return Array.from({ length: count }, (_, queueId) => ({ topic: "T", brokerName, queueId }));
}

/** `10.0.0.1@1`, `10.0.0.2@2`, …, as in the recorded facts. */
export function clientIdsOf(count: number): readonly string[] {
  return Array.from({ length: count }, (_, index) => `10.0.0.${index + 1}@${index + 1}`);
}

/** What each member gets, in the order of the members. */
export function sharesOf(
  strategy: AllocateMessageQueueStrategy,
  queues: readonly MessageQueue[],
  clientIds: readonly string[],
): readonly (readonly MessageQueue[])[] {
  return clientIds.map((clientId) => strategy("g", clientId, queues, clientIds));
}
