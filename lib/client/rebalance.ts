import { compareMessageQueues, formatMessageQueue, type MessageQueue } from "../message/message-queue.js";
import { describeThrown } from "../thrown.js";
import type { AllocateMessageQueueStrategy } from "./allocate-message-queue.js";
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

  /** Queues that are held already stay the same objects. */
  compute(topics: Iterable<string>, held: readonly MessageQueue[]): ReadonlySet<MessageQueue> {
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
      const sorted = [...(this.#context.port.findRoute(topic)?.readQueues ?? [])].sort(compareMessageQueues);
      if (sorted.length === 0) return [];
      const members = this.#context.port.memberIds(this.#group);
      const chosen = new Set(this.#strategy(this.#group, this.#clientId, [...sorted], members).map(formatMessageQueue));
      return sorted.filter((queue) => chosen.has(formatMessageQueue(queue)));
    } catch (error) {
      this.#hasFailed = true;
      const because = describeThrown(error);
      this.#context.logger.error(
        `sharing the queues of topic ${topic} failed, group ${this.#group} keeps what it has: ${because}`,
      );
      return held;
    }
  }
}
