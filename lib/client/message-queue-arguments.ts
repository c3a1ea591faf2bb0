import { MqError } from "../errors.js";
import { checkMessageQueue, type MessageQueue } from "../message/message-queue.js";
import { describe, invalid } from "../options.js";

/** A message queue and the offset at which it goes on. */
export type OffsetOfQueue = readonly [queue: MessageQueue, nextOffset: number];

/** @param what - the call that got them. */
export function checkQueues(what: string, queues: unknown): readonly MessageQueue[] {
  if (!Array.isArray(queues)) throw invalid(`${what} needs an array of message queues, got ${describe(queues)}`);
  return queues.map(checkMessageQueue);
}

export function checkOffsets(offsets: unknown): readonly OffsetOfQueue[] {
  const map = offsets as Partial<ReadonlyMap<unknown, unknown>> | null | undefined;
  if (typeof map?.entries !== "function" || Array.isArray(offsets))
    throw invalid(`commit needs a Map of message queues and offsets, got ${describe(offsets)}`);
  return [...map.entries()].map(([queue, nextOffset]) => [checkMessageQueue(queue), checkOffset(nextOffset)]);
}

/** Whether it lies within its queue is not looked at. */
export function checkOffset(offset: unknown): number {
  if (Number.isSafeInteger(offset)) return offset as number;
  throw invalid(`an offset must be an integer, got ${describe(offset)}`);
}

export function checkTimestamp(timestamp: unknown): number {
  const time = timestamp instanceof Date ? timestamp.getTime() : timestamp;
  if (Number.isSafeInteger(time)) return time as number;
  throw invalid(`timestamp must be a Date or epoch milliseconds, got ${describe(timestamp)}`);
}

/** Throws for a queue of another broker. */
export function checkBroker({ topic, brokerName, queueId }: MessageQueue, ours: string): void {
  if (brokerName === ours) return;
  throw offsetError(
    `queue ${queueId} of topic ${topic} must be one of broker ${ours}, got one of ${describe(brokerName)}`,
  );
}

/** As RocketMQ's clients refuse it. */
export function offsetError(message: string): MqError {
  return new MqError("ERR_MQ_OFFSET", message, { responseCode: -1 });
}
