import { type RecordContent, recordSize } from "../message/record.js";

/** Larger blocks cost the same to write, but a page or a single message read from one of 250 KiB twice as much. One message may exceed it. */
export const MAX_BLOCK_SIZE: number = 32 * 1024;

/** How many records from this one on go into one block, and the bytes that they take. */
export function nextChunk(messages: readonly RecordContent[], from: number): { to: number; size: number } {
  let size = 0;
  let to = from;
  for (; to < messages.length; to += 1) {
    const message = messages[to] as RecordContent;
    const next = size + recordSize(message.uniqueId, message.propertiesSize, message.bodySize);
    if (to > from && next > MAX_BLOCK_SIZE) break;
    size = next;
  }
  return { to, size };
}
