import type { ProcessQueue } from "./process-queue.js";
import type { ResolvedPushConsumerOptions } from "./push-consumer-options.js";

const MIB = 1024 * 1024;

/** How much of its queues a consumer may have pulled that is not acknowledged. */
export interface PullThresholds {
  /**
   * Whether nothing more of this queue is to be pulled now.
   *
   * @param queuesOfTopic - how many queues of the same topic the consumer has.
   */
  areExceeded(processQueue: ProcessQueue, queuesOfTopic: number): boolean;
}

/**
 * Those of a push consumer. What a topic may take is shared among those of its queues that the consumer has, and counts in place of what each queue may.
 *
 * Source: RocketMQ 5.3.3, `client/.../impl/consumer/DefaultMQPushConsumerImpl.java`, `pullMessage`; `RebalancePushImpl.java`, `messageQueueChanged`, which
 * divides by the queues of all topics.
 */
export class PushThresholds implements PullThresholds {
  readonly #options: ResolvedPushConsumerOptions;

  constructor(options: ResolvedPushConsumerOptions) {
    this.#options = options;
  }

  areExceeded({ count, bytes, span }: ProcessQueue, queuesOfTopic: number): boolean {
    const { listeners, pullThresholdForQueue, pullThresholdSizeForQueueMiB, consumeConcurrentlyMaxSpan } =
      this.#options;
    const { pullThresholdForTopic, pullThresholdSizeForTopicMiB } = this.#options;
    const maxCount = shareOf(pullThresholdForTopic, queuesOfTopic) ?? pullThresholdForQueue;
    const maxMiB = shareOf(pullThresholdSizeForTopicMiB, queuesOfTopic) ?? pullThresholdSizeForQueueMiB;
    if (count > maxCount || bytes > maxMiB * MIB) return true;
    // Who consumes in order has done nothing behind what is not acknowledged, which a crash would repeat.
    return !listeners.orderly && span > consumeConcurrentlyMaxSpan;
  }
}

/** At least 1, in whole messages or MiB. */
function shareOf(ofTopic: number | undefined, queues: number): number | undefined {
  return ofTopic === undefined ? undefined : Math.max(1, Math.floor(ofTopic / queues));
}
