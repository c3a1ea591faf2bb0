import type { MessageView, SendReceipt } from "../../../lib/index.js";
import type { Delivered } from "./hold.js";
import type { Outcome } from "./outcome.js";

export const TOPIC = "orders";
/** What every member subscribes to: another expression each, though the same for all messages; those with tag "z" nobody wants. */
export const FILTERS = ["a || b", "a || b || c"] as const;
const UNWANTED_TAG = "z";

/** A message from the call of `send` on. */
export interface SentMessage {
  /** Unlike that of every other. */
  readonly name: string;
  readonly tag: string;
  /** How the calls that begin with it end in each group, one after the other; those beyond the last one succeed. */
  readonly script: readonly Outcome[];
  readonly isWanted: boolean;
  messageId: string | undefined;
  queueId: number;
  queueOffset: number;
}

/** Everything that was sent to the topic, and where it lies. */
export class MessageBook {
  readonly #byName = new Map<string, SentMessage>();
  readonly #byId = new Map<string, SentMessage>();
  readonly #queues: SentMessage[][] = [];
  /** Of each producer and queue, which was sent last of those that are stored. */
  readonly #lastStored = new Map<string, number>();

  /** The messages of each queue, by offset. */
  get queues(): readonly (readonly SentMessage[])[] {
    return this.#queues;
  }

  write(tag: string, script: readonly Outcome[]): SentMessage {
    const name = `m${this.#byName.size}`;
    const isWanted = tag !== UNWANTED_TAG;
    const message: SentMessage = { name, tag, script, isWanted, messageId: undefined, queueId: -1, queueOffset: -1 };
    this.#byName.set(name, message);
    return message;
  }

  /** @returns what is wrong with it. */
  stored(message: SentMessage, { messageId, queueId, queueOffset }: SendReceipt, producer: string): string | undefined {
    Object.assign(message, { messageId, queueId, queueOffset });
    this.#byId.set(messageId, message);
    while (this.#queues.length <= queueId) this.#queues.push([]);
    const queue = this.#queues[queueId] as SentMessage[];
    const what = `${message.name} is stored in queue ${queueId} at ${queueOffset}`;
    const before = this.#lastStored.get(`${producer} ${queueId}`) ?? -1;
    const number = Number(message.name.slice(1));
    this.#lastStored.set(`${producer} ${queueId}`, number);
    if (queue[queueOffset] !== undefined) return `${what}, where ${queue[queueOffset].name} is`;
    queue[queueOffset] = message;
    return number < before ? `${what}, though m${before} was sent after it` : undefined;
  }

  /** @throws where nobody sent it. */
  toDelivered(view: MessageView): Delivered {
    const { queueOffset, deliveryAttempt } = view;
    const message = this.byBody(view.text());
    if (message === undefined) throw new Error(`a message that nobody sent: ${view.text()}`);
    return { message, queueOffset, deliveryAttempt };
  }

  /** By the text of its body. */
  byBody(body: string): SentMessage | undefined {
    return this.#byName.get(body.split(":")[0] ?? "");
  }

  byId(messageId: string): SentMessage | undefined {
    return this.#byId.get(messageId);
  }

  at(queueId: number, queueOffset: number): SentMessage | undefined {
    return this.#queues[queueId]?.[queueOffset];
  }
}
