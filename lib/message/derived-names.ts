const RETRY_PREFIX = "%RETRY%";
const DEAD_LETTER_PREFIX = "%DLQ%";
const REPLY_SUFFIX = "_REPLY_TOPIC";

/** Where a group's failed messages wait for their next delivery. Source: RocketMQ, `common/.../MixAll.java`. */
export function retryTopic(group: string): string {
  return RETRY_PREFIX + group;
}

/**
 * Where messages of a topic that a group popped and did not acknowledge wait for their next delivery.
 *
 * Source: RocketMQ, `common/.../KeyBuilder.java`, `buildPopRetryTopicV1`.
 */
export function popRetryTopic(group: string, topic: string): string {
  return `${RETRY_PREFIX}${group}_${topic}`;
}

/** The topic whose {@link popRetryTopic} of the group this is; `undefined` when it is none. */
export function topicOfPopRetries(group: string, topic: string): string | undefined {
  const prefix = popRetryTopic(group, "");
  return topic.startsWith(prefix) ? topic.slice(prefix.length) : undefined;
}

/** Where a group's messages end after their last delivery attempt. */
export function deadLetterTopic(group: string): string {
  return DEAD_LETTER_PREFIX + group;
}

/** The group whose retry topic or dead-letter queue this is; `undefined` for any other topic. */
export function derivedFromGroup(topic: string): string | undefined {
  if (topic.startsWith(RETRY_PREFIX)) return topic.slice(RETRY_PREFIX.length);
  return topic.startsWith(DEAD_LETTER_PREFIX) ? topic.slice(DEAD_LETTER_PREFIX.length) : undefined;
}

/** Where answers to requests are recorded. */
export function replyTopic(clusterName: string): string {
  return clusterName + REPLY_SUFFIX;
}

/** True for every group's, also for one that does not exist. */
export function isRetryTopic(topic: string): boolean {
  return topic.startsWith(RETRY_PREFIX);
}

/** True for every group's, also for one that does not exist. */
export function isDeadLetterTopic(topic: string): boolean {
  return topic.startsWith(DEAD_LETTER_PREFIX);
}
