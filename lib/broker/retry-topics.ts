import { deadLetterTopic, derivedFromGroup, isRetryTopic, retryTopic } from "../message/derived-names.js";
import { checkConsumerGroup } from "../message/names.js";
import { PERM } from "../message/system-topics.js";
import type { GroupConfig } from "../store/group-table.js";
import type { TopicConfig } from "../store/topic-table.js";
import type { Groups } from "./groups.js";
import type { Topics } from "./topics.js";

/** Of dead letters, and of what was popped and not acknowledged. */
const SINGLE_QUEUE = 1;

/**
 * The topics of a group that the broker makes by itself.
 *
 * Source: RocketMQ, `broker/.../topic/TopicConfigManager.java`, `createTopicInSendMessageBackMethod`.
 */
export class RetryTopics {
  readonly #topics: Topics;
  readonly #groups: Groups;

  constructor(topics: Topics, groups: Groups) {
    this.#topics = topics;
    this.#groups = groups;
  }

  /** Whether a consumer of this group has what it needs from the start. */
  isComplete(group: string): boolean {
    const config = this.#groups.find(group);
    const topic = this.#topics.find(retryTopic(group));
    return config !== undefined && topic !== undefined && usableQueueCount(topic) >= config.retryQueueNums;
  }

  /** Inside a transaction: the group of a consumer that starts, with its retry topic; both are created when the group may be. */
  requireForConsumer(group: string): void {
    this.#groups.requireForConsumer(group);
    this.requireRetryTopic(this.#groups.get(group));
  }

  /** Inside a transaction. A group that got more retry queues since gets them here; it never loses any. */
  requireRetryTopic({ group, retryQueueNums }: GroupConfig): TopicConfig {
    const topic = retryTopic(group);
    const known = this.#topics.find(topic);
    if (known !== undefined && usableQueueCount(known) >= retryQueueNums) return known;
    const base = known ?? { ...this.#template(topic), readQueueNums: 0, writeQueueNums: 0 };
    return this.#put({
      ...base,
      readQueueNums: Math.max(base.readQueueNums, retryQueueNums),
      writeQueueNums: Math.max(base.writeQueueNums, retryQueueNums),
    });
  }

  /** Inside a transaction. */
  requireDeadLetterTopic(group: string): TopicConfig {
    const topic = deadLetterTopic(group);
    return this.#topics.find(topic) ?? this.#put(this.#template(topic));
  }

  /** Inside a transaction: where what was popped and not acknowledged goes. Source: RocketMQ, `PopReviveService.java`, `addRetryTopicIfNotExist`. */
  requirePopRetryTopic(topic: string): void {
    if (this.#topics.find(topic) === undefined) this.#put(this.#template(topic));
  }

  /** Inside a transaction: a client sends to this topic. One that is a group's retry topic needs the group. */
  requireGroupOf(topic: string): void {
    if (isRetryTopic(topic)) this.#groups.requireForConsumer(checkConsumerGroup(derivedFromGroup(topic)));
  }

  #template(topic: string): TopicConfig {
    const { order, messageType } = this.#topics.template(topic);
    const queues = SINGLE_QUEUE;
    return { topic, readQueueNums: queues, writeQueueNums: queues, perm: PERM.READ | PERM.WRITE, order, messageType };
  }

  #put(config: TopicConfig): TopicConfig {
    this.#topics.put(config);
    return config;
  }
}

/** Queues that are both written to and read: what is sent to others reaches nobody. */
export function usableQueueCount({ readQueueNums, writeQueueNums }: TopicConfig): number {
  return Math.min(readQueueNums, writeQueueNums);
}
