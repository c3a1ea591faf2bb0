import type { StoredMessageView } from "../message/message-view.js";
import { sizeAt } from "../message/record.js";
import type { LogBlock } from "../store/log-table.js";
import type { Engine } from "./engine.js";
import type { PullMessage } from "./pull-message.js";

/** The message whose record begins at this position of the log; `undefined`: none does. */
export function findMessageAt(
  { store }: Engine,
  messages: PullMessage,
  commitLogOffset: number,
): StoredMessageView | undefined {
  const block = store.log.findAtOrBefore(commitLogOffset);
  if (block === undefined) return undefined;
  const index = indexOf(block, commitLogOffset - block.commitLogOffset);
  const queue = store.queues.findByKey(block.queueKey);
  if (index === undefined || queue === undefined) return undefined;
  const [view] = messages.browse(queue.topic, queue.queueId, block.firstOffset + index, 1);
  return view?.commitLogOffset === commitLogOffset ? view : undefined;
}

/** Which record of the block begins so many bytes behind its beginning; `undefined`: none does. */
function indexOf({ records, messageCount }: LogBlock, position: number): number | undefined {
  let at = 0;
  for (let index = 0; index < messageCount && at <= position; index += 1) {
    if (at === position) return index;
    at += sizeAt(records, at);
  }
  return undefined;
}
