import type { StoreHost } from "../message/message-view.js";
import { encodeOffsetMessageId } from "../message/offset-message-id.js";
import { sizeAt, uniqueIdAt } from "../message/record.js";
import type { EventHub } from "./broker-events.js";
import type { WrittenBlock } from "./log-appender.js";

/** One event for each message of these blocks. */
export function emitStored(events: EventHub, { host, port }: StoreHost, written: readonly WrittenBlock[]): void {
  if (!events.isHeard("message:stored")) return;
  for (const { state, block } of written) {
    const { topic, queueId } = state;
    const { records, commitLogOffset, firstOffset, messageCount } = block;
    let at = 0;
    for (let index = 0; index < messageCount; index += 1) {
      const messageId = uniqueIdAt(records, at) || encodeOffsetMessageId(host, port, commitLogOffset + at);
      events.emit("message:stored", { messageId, topic, queueId, queueOffset: firstOffset + index });
      at += sizeAt(records, at);
    }
  }
}
