import type { BroadcastInstance, BrokerPort, OffsetRule } from "../broker/broker-port.js";
import { isRetryTopic } from "../message/derived-names.js";
import type { MessageQueue } from "../message/message-queue.js";
import type { ConsumeFromWhere } from "./consumer-options.js";

/**
 * Where a consumer's progress is kept.
 *
 * Source: RocketMQ, `client/.../consumer/store/OffsetStore.java`.
 */
export interface ConsumerOffsetStore {
  /**
   * Where consuming the queue begins: stored progress always wins.
   *
   * @param isNew - the queue did not exist when the consumer subscribed to its topic: nothing in it is older than the subscription.
   */
  startOffset(queue: MessageQueue, isNew: boolean): Promise<number>;
  update(queue: MessageQueue, nextOffset: number, rule: OffsetRule): void;
}

/** A start as it is looked up: times are numbers. */
export type ResolvedConsumeFromWhere = Exclude<ConsumeFromWhere, object> | { readonly timestamp: number };

/** The progress of a group, which its members share. Source: RocketMQ, `RemoteBrokerOffsetStore.java`, `RebalancePushImpl.java`. */
export class GroupOffsetStore implements ConsumerOffsetStore {
  readonly #port: BrokerPort;
  readonly #group: string;
  readonly #where: ResolvedConsumeFromWhere;

  constructor(port: BrokerPort, group: string, where: ResolvedConsumeFromWhere) {
    this.#port = port;
    this.#group = group;
    this.#where = where;
  }

  async startOffset(queue: MessageQueue): Promise<number> {
    return (await this.findStart(queue)).offset;
  }

  /** The same, and whether the group has progress there: else whoever asks later may begin elsewhere. */
  async findStart({ topic, queueId }: MessageQueue): Promise<{ readonly offset: number; readonly isKnown: boolean }> {
    const progress = await this.#port.queryOffset(this.#group, topic, queueId);
    if (progress.nextOffset !== undefined) return { offset: progress.nextOffset, isKnown: true };
    // Whatever the group skips of its topics, a message that it failed to consume it has asked for.
    const where = isRetryTopic(topic) ? "first-offset" : this.#where;
    return { offset: await startIn(this.#port, topic, queueId, progress, where), isKnown: false };
  }

  update({ topic, queueId }: MessageQueue, nextOffset: number, rule: OffsetRule): void {
    this.#port.updateOffset(this.#group, topic, queueId, nextOffset, rule);
  }
}

/** The progress of one instance of a broadcasting group. Source: RocketMQ, `LocalFileOffsetStore.java`. */
export class InstanceOffsetStore implements ConsumerOffsetStore {
  readonly #port: BrokerPort;
  readonly #instance: BroadcastInstance;
  readonly #where: ResolvedConsumeFromWhere;

  constructor(port: BrokerPort, instance: BroadcastInstance, where: ResolvedConsumeFromWhere) {
    this.#port = port;
    this.#instance = instance;
    this.#where = where;
  }

  async startOffset({ topic, queueId }: MessageQueue, isNew: boolean): Promise<number> {
    const progress = await this.#port.queryBroadcastOffset(this.#instance, topic, queueId);
    if (progress.nextOffset !== undefined) return progress.nextOffset;
    const where = isNew ? "first-offset" : this.#where;
    const offset = await startIn(this.#port, topic, queueId, progress, where);
    // Stored at once: whoever begins at the end and is killed before anything comes gets what comes meanwhile when it starts again.
    this.#port.updateBroadcastOffset(this.#instance, topic, queueId, offset, "raise");
    return offset;
  }

  update({ topic, queueId }: MessageQueue, nextOffset: number, rule: OffsetRule): void {
    this.#port.updateBroadcastOffset(this.#instance, topic, queueId, nextOffset, rule);
  }
}

/** Source: RocketMQ, `RebalancePushImpl.java`, `computePullFromWhereWithException`. */
async function startIn(
  port: BrokerPort,
  topic: string,
  queueId: number,
  { minOffset, maxOffset }: { readonly minOffset: number; readonly maxOffset: number },
  where: ResolvedConsumeFromWhere,
): Promise<number> {
  if (where === "first-offset") return minOffset;
  if (where === "last-offset" || maxOffset === 0) return maxOffset;
  return port.searchOffset(topic, queueId, where.timestamp, "lower");
}
