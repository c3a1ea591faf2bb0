import { compareMessageQueues, formatMessageQueue, type MessageQueue } from "../message/message-queue.js";
import { describe, invalid } from "../options.js";
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
      for (const queue of withSameObjects(this.#allocate(topic, ofTopic), ofTopic)) wanted.add(queue);
    }
    this.#wanted = wanted;
    return wanted;
  }

  #allocate(topic: string, held: readonly MessageQueue[]): readonly MessageQueue[] {
    try {
      const { port } = this.#context;
      const route = port.findRoute(topic);
      if (!this.#firstCounts.has(topic)) this.#firstCounts.set(topic, route?.queueNums ?? 0);
      const queues = route?.readQueues ?? [];
      if (queues.length === 0) return [];
      // Copies: what the lists are shared with must not see what a strategy of the user's does to them.
      const answer = this.#strategy(this.#group, this.#clientId, [...queues], [...port.memberIds(this.#group)]);
      return chosenOf(queues, answer);
    } catch (error) {
      this.#hasFailed = true;
      const what = `sharing the queues of topic ${topic} failed, group ${this.#group} keeps what it has and tries again`;
      this.#context.events.error(backgroundError(what, error, "ERR_MQ_INVALID_ARGUMENT"), { topic });
      return held;
    }
  }
}

/**
 * Queues of the sorted list only, each once and in its order, whatever a strategy of the user's may answer. The usual answer is a run of the list: finding
 * each by its text instead took most of the 43 ms in which 64 members shared 1,024 queues.
 */
function chosenOf(sorted: readonly MessageQueue[], answer: unknown): readonly MessageQueue[] {
  if (!Array.isArray(answer)) throw invalid(`a strategy must return an array of queues, got ${describe(answer)}`);
  const places = new Set<number>();
  let place = -1;
  for (const queue of answer as readonly MessageQueue[]) {
    place = sorted[place + 1] === queue ? place + 1 : placeOf(queue, sorted);
    if (place !== -1) places.add(place);
  }
  return [...places].sort((a, b) => a - b).map((index) => sorted[index] as MessageQueue);
}

/** -1 when it is none of them. */
function placeOf(queue: MessageQueue, sorted: readonly MessageQueue[]): number {
  let [from, to] = [0, sorted.length];
  while (from < to) {
    const middle = (from + to) >>> 1;
    const order = compareMessageQueues(queue, sorted[middle] as MessageQueue);
    if (order === 0) return middle;
    if (order < 0) to = middle;
    else from = middle + 1;
  }
  return -1;
}

/** The queues as they are held, where they are. A route that was read again has other objects. */
function withSameObjects(queues: readonly MessageQueue[], held: readonly MessageQueue[]): readonly MessageQueue[] {
  const same = new Set(held);
  if (same.size === 0 || queues.every((queue) => same.has(queue))) return queues;
  const known = new Map(held.map((queue) => [formatMessageQueue(queue), queue]));
  return queues.map((queue) => (same.has(queue) ? queue : (known.get(formatMessageQueue(queue)) ?? queue)));
}
