import type { ProcessQueue } from "./process-queue.js";
import type { ResolvedPushConsumerOptions } from "./push-consumer-options.js";

const MIB = 1024 * 1024;

/**
 * How much of its queues a consumer may have pulled that is not acknowledged. What a topic may take is shared among those of its queues that the
 * consumer has, and counts in place of what each queue may.
 *
 * Source: RocketMQ 5.3.3, `client/.../impl/consumer/DefaultMQPushConsumerImpl.java`, `pullMessage`; `RebalancePushImpl.java`, `messageQueueChanged`, which
 * divides by the queues of all topics.
 */
export class PullThresholds {
  readonly #options: ResolvedPushConsumerOptions;
  readonly #queueCounts = new Map<string, number>();

  constructor(options: ResolvedPushConsumerOptions) {
    this.#options = options;
  }

  /** The consumer took a queue of this topic. */
  taken(topic: string): void {
    this.#queueCounts.set(topic, this.#countOf(topic) + 1);
  }

  /** The consumer lost one: there may be room in the others. */
  dropped(topic: string): void {
    const left = this.#countOf(topic) - 1;
    if (left > 0) this.#queueCounts.set(topic, left);
    else this.#queueCounts.delete(topic);
  }

  /** Whether nothing more of this queue is to be pulled now. */
  areExceeded({ messageQueue, count, bytes, span }: ProcessQueue): boolean {
    const { listeners, pullThresholdForQueue, pullThresholdSizeForQueueMiB, consumeConcurrentlyMaxSpan } =
      this.#options;
    const { pullThresholdForTopic, pullThresholdSizeForTopicMiB } = this.#options;
    const queues = this.#countOf(messageQueue.topic);
    const maxCount = shareOf(pullThresholdForTopic, queues) ?? pullThresholdForQueue;
    const maxMiB = shareOf(pullThresholdSizeForTopicMiB, queues) ?? pullThresholdSizeForQueueMiB;
    if (count > maxCount || bytes > maxMiB * MIB) return true;
    // Who consumes in order has done nothing behind what is not acknowledged, which a crash would repeat.
    return !listeners.orderly && span > consumeConcurrentlyMaxSpan;
  }

  #countOf(topic: string): number {
    return this.#queueCounts.get(topic) ?? 0;
  }
}

/** At least 1, in whole messages or MiB. */
function shareOf(ofTopic: number | undefined, queues: number): number | undefined {
  return ofTopic === undefined ? undefined : Math.max(1, Math.floor(ofTopic / queues));
}
