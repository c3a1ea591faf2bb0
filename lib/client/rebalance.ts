import { compareMessageQueues, formatMessageQueue, type MessageQueue } from "../message/message-queue.js";
import type { AllocateMessageQueueStrategy } from "./allocate-message-queue.js";
import { backgroundError } from "./background-error.js";
import type { ClientContext } from "./client-context.js";

/**
 * Which queues of the subscribed topics belong to this member, computed by each member for itself from the same sorted lists.
 *
 * Source: RocketMQ, `client/.../impl/consumer/RebalanceImpl.java`, `rebalanceByTopic`.
 */
export class Rebalance {
  readonly #group: string;
  readonly #clientId: string;
  readonly #strategy: AllocateMessageQueueStrategy;
  readonly #context: ClientContext;
  #wanted = new Set<MessageQueue>();
  #hasFailed = false;
  /** How many queues each topic had when it was first looked at since it is subscribed to, 0 when it did not exist. */
  readonly #firstCounts = new Map<string, number>();

  constructor(group: string, clientId: string, strategy: AllocateMessageQueueStrategy, context: ClientContext) {
    this.#group = group;
    this.#clientId = clientId;
    this.#strategy = strategy;
    this.#context = context;
  }

  /** Whether the last {@link Rebalance.compute} could not share the queues of some topic. */
  get hasFailed(): boolean {
    return this.#hasFailed;
  }

  /** The outcome of the last {@link Rebalance.compute}. */
  get wanted(): ReadonlySet<MessageQueue> {
    return this.#wanted;
  }

  /** Whether the queue was made after this member subscribed to its topic. */
  isNew({ topic, queueId }: MessageQueue): boolean {
    return queueId >= (this.#firstCounts.get(topic) ?? Number.POSITIVE_INFINITY);
  }

  /** Queues that are held already stay the same objects. */
  compute(topics: readonly string[], held: readonly MessageQueue[]): ReadonlySet<MessageQueue> {
    for (const topic of [...this.#firstCounts.keys()]) if (!topics.includes(topic)) this.#firstCounts.delete(topic);
    const wanted = new Set<MessageQueue>();
    const heldByTopic = new Map<string, MessageQueue[]>();
    for (const queue of held) {
      const ofTopic = heldByTopic.get(queue.topic);
      if (ofTopic === undefined) heldByTopic.set(queue.topic, [queue]);
      else ofTopic.push(queue);
    }
    this.#hasFailed = false;
    for (const topic of topics) {
      const ofTopic = heldByTopic.get(topic) ?? [];
      const known = new Map(ofTopic.map((queue) => [formatMessageQueue(queue), queue]));
      for (const queue of this.#allocate(topic, ofTopic)) wanted.add(known.get(formatMessageQueue(queue)) ?? queue);
    }
    this.#wanted = wanted;
    return wanted;
  }

  /** Queues of the route only, each once, whatever a strategy of the user's may answer. */
  #allocate(topic: string, held: readonly MessageQueue[]): readonly MessageQueue[] {
    try {
      const route = this.#context.port.findRoute(topic);
      const sorted = [...(route?.readQueues ?? [])].sort(compareMessageQueues);
      if (!this.#firstCounts.has(topic)) this.#firstCounts.set(topic, route?.queueNums ?? 0);
      if (sorted.length === 0) return [];
      const members = this.#context.port.memberIds(this.#group);
      const chosen = new Set(this.#strategy(this.#group, this.#clientId, [...sorted], members).map(formatMessageQueue));
      return sorted.filter((queue) => chosen.has(formatMessageQueue(queue)));
    } catch (error) {
      this.#hasFailed = true;
      const what = `sharing the queues of topic ${topic} failed, group ${this.#group} keeps what it has and tries again`;
      this.#context.events.error(backgroundError(what, error, "ERR_MQ_INVALID_ARGUMENT"), { topic });
      return held;
    }
  }
}
