import { isRetryTopic } from "../message/derived-names.js";
import type { Store } from "../store/store.js";
import type { ConsumeOffsets } from "./consume-offsets.js";
import { searchOffset } from "./offset-search.js";
import type { QueueState, QueueStates } from "./queue-states.js";

/**
 * Where a group without progress begins that pops. `last-message`: at the last message that is there, RocketMQ's `ConsumeInitMode.MAX`. The others: as a
 * push consumer does. A young queue, from which nothing was ever deleted, is read from its beginning, whatever stands here.
 */
export type PopStart = "last-message" | "last-offset" | "first-offset" | { readonly timestamp: number };

/** Who begins where. */
export interface PopBeginning {
  readonly group: string;
  readonly startAt: PopStart;
}

/** Stores where a group begins in each queue of a topic that it pops for the first time, so that what comes from then on is not passed over. */
export class PopOffsets {
  readonly #store: Store;
  readonly #queues: QueueStates;
  readonly #offsets: ConsumeOffsets<string>;
  /** By group and topic: so many queues have an offset. */
  readonly #initialised = new Map<string, number>();

  constructor(store: Store, queues: QueueStates, offsets: ConsumeOffsets<string>) {
    this.#store = store;
    this.#queues = queues;
    this.#offsets = offsets;
  }

  /** Inside a transaction. */
  initialise({ group, startAt }: PopBeginning, topic: string, queueCount: number): void {
    const key = `${group}\u0001${topic}`;
    const known = this.#initialised.get(key) ?? 0;
    if (known >= queueCount) return;
    for (let queueId = known; queueId < queueCount; queueId += 1) {
      if (this.#offsets.find(group, topic, queueId) !== undefined) continue;
      this.#offsets.store(group, topic, queueId, this.#startOf(this.#queues.get(topic, queueId), startAt));
    }
    this.#initialised.set(key, queueCount);
  }

  /** What is stored may be another. */
  drop(): void {
    this.#initialised.clear();
  }

  /** Source: RocketMQ, `PopMessageProcessor.java`, `getInitOffset`; every message counts as resident in memory. */
  #startOf(queue: QueueState, startAt: PopStart): number {
    const { topic, minOffset, maxOffset } = queue;
    if (minOffset === 0 || startAt === "first-offset" || isRetryTopic(topic)) return minOffset;
    if (startAt === "last-message") return Math.max(minOffset, maxOffset - 1);
    if (startAt === "last-offset") return maxOffset;
    return searchOffset(this.#store.log, queue, startAt.timestamp, "lower");
  }
}
