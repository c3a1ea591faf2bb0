import { MqError } from "../errors.js";
import type { RecallHandle } from "../message/recall-handle.js";
import { sizeAt, uniqueIdAt } from "../message/record.js";
import type { DueBlock } from "../store/due-table.js";
import type { Store } from "../store/store.js";
import type { DueMessages } from "./due-messages.js";
import { dueTimesOf, MAX_TIMER_MS } from "./message-delays.js";
import type { Topics } from "./topics.js";

export interface RecallParts {
  readonly store: Store;
  readonly topics: Topics;
  readonly due: DueMessages;
  readonly brokerName: string;
  /** `recallMessageEnable` */
  readonly isAllowed: boolean;
  readonly now: () => number;
}

/**
 * Takes back messages that are put off.
 *
 * Source: RocketMQ 5.3.3, `broker/.../processor/RecallMessageProcessor.java`. Its broker stores a second timer that makes every one of that id be passed over when they are
 * due; here they are deleted at once.
 */
export class Recall {
  readonly #parts: RecallParts;

  constructor(parts: RecallParts) {
    this.#parts = parts;
  }

  /** Inside a transaction. Throws before anything is written. */
  apply(topic: string, { topic: sentTo, brokerName, timestamp, messageId }: RecallHandle): void {
    const { store, topics, isAllowed } = this.#parts;
    const now = this.#parts.now();
    if (!isAllowed) throw new MqError("ERR_MQ_NO_PERMISSION", "recall failed, operation is forbidden");
    topics.get(topic);
    if (sentTo !== topic) throw refused("topic not match", `the handle is one of topic ${sentTo}, got topic ${topic}`);
    if (brokerName !== this.#parts.brokerName)
      throw refused("broker service not available", `the handle is one of broker ${brokerName}`);
    if (timestamp <= now || timestamp - now > MAX_TIMER_MS)
      throw refused("timestamp invalid", `it could be recalled until ${timestamp}, now is ${now}`);
    for (const dueAt of dueTimesOf(timestamp))
      for (const block of store.due.listAt(dueAt, topic, messageId)) this.#removeFrom(block, messageId);
  }

  /** A client that got no answer has sent the message again: there may be several. */
  #removeFrom(block: DueBlock, messageId: string): void {
    const found = findMessage([block], messageId);
    const left = found && this.#parts.due.remove(block, found.position);
    if (left !== undefined) this.#removeFrom(left, messageId);
  }
}

type Block = Pick<DueBlock, "records" | "messageCount">;

/** A block, and where in it the message begins. */
interface FoundMessage<B extends Block> {
  readonly block: B;
  readonly position: number;
}

/** Where the message lies in one of these blocks. */
export function findMessage<B extends Block>(blocks: Iterable<B>, messageId: string): FoundMessage<B> | undefined {
  for (const block of blocks) {
    let position = 0;
    for (let index = 0; index < block.messageCount; index += 1) {
      if (uniqueIdAt(block.records, position) === messageId) return { block, position };
      position += sizeAt(block.records, position);
    }
  }
  return undefined;
}

function refused(remark: string, because: string): MqError {
  return new MqError("ERR_MQ_RECALL", `recall failed, ${remark}: ${because}`);
}
