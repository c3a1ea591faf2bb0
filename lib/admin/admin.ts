import type { RetryPolicy } from "../broker/retry-policy.js";
import type { MessageQueue } from "../message/message-queue.js";
import type { MessageView } from "../message/message-view.js";

/** How a topic is set up; what is left out keeps its value or takes its default. */
export interface TopicSettings {
  /** How many queues consumers see. @defaultValue the broker's `defaultQueueCount` */
  readonly readQueueNums?: number | undefined;
  /** How many queues producers see. To shrink a topic safely reduce this first, drain, then reduce `readQueueNums`. */
  readonly writeQueueNums?: number | undefined;
  /** @defaultValue "RW" */
  readonly perm?: "RW" | "R" | "W" | "none" | undefined;
  /** Marks the topic as ordered by its queues; kept for tools, the engine does not act on it. @defaultValue false */
  readonly order?: boolean | undefined;
  /** Kept for tools; as in RocketMQ's brokers any message may be sent to any topic. @defaultValue "NORMAL" */
  readonly messageType?: "NORMAL" | "FIFO" | "DELAY" | "TRANSACTION" | "MIXED" | "UNSPECIFIED" | undefined;
}

export interface TopicInfo {
  readonly topic: string;
  readonly readQueueNums: number;
  readonly writeQueueNums: number;
  readonly perm: "RW" | "R" | "W" | "none";
  readonly order: boolean;
  readonly messageType: string;
  /** Exists by itself; cannot be changed. */
  readonly system: boolean;
}

export interface QueueStats {
  readonly queue: MessageQueue;
  readonly minOffset: number;
  /** The offset that the next message gets. */
  readonly maxOffset: number;
  /** `undefined` while the queue is empty. */
  readonly lastStoreTimestamp: number | undefined;
}

/** How a consumer group is set up. */
export interface GroupSettings {
  /** False refuses every pull of the group with `ERR_MQ_NO_PERMISSION` (16). @defaultValue true */
  readonly consumeEnable?: boolean | undefined;
  /** False refuses the pulls of its broadcasting consumers in the same way. @defaultValue true */
  readonly consumeBroadcastEnable?: boolean | undefined;
  /** @defaultValue false */
  readonly consumeMessageOrderly?: boolean | undefined;
  /**
   * Queues of the retry topic: more are added when a consumer starts, none is taken away. 0: a message that fails is dropped, with a warning, neither
   * retried nor kept as a dead letter. @defaultValue 1
   */
  readonly retryQueueNums?: number | undefined;
  /** How often a message is retried before it goes to the dead letters, for consumers that give no `maxReconsumeTimes`; 0 and below: not at all. @defaultValue 16 */
  readonly retryMaxTimes?: number | undefined;
  /** How long failed messages wait, where the listener names no delay level. @defaultValue 10 s, 30 s, 1 to 10, 20, 30 min, 1 h, 2 h */
  readonly retryPolicy?: RetryPolicy | undefined;
}

export interface GroupInfo extends Required<Omit<GroupSettings, "retryPolicy">> {
  readonly group: string;
  /** `undefined`: RocketMQ's delay levels. */
  readonly retryPolicy?: RetryPolicy | undefined;
  /** `undefined` while the group has no member here. */
  readonly messageModel: "clustering" | "broadcasting" | undefined;
  /** Members in this process. */
  readonly members: number;
  /** Of the members, as the last one registered them. */
  readonly subscriptions: Readonly<Record<string, string>>;
}

export interface ConsumeStats {
  /**
   * Messages stored and not yet consumed, those that a filter passes over included; those that are invisible after a `receive` are not, but in an orderly
   * group.
   */
  readonly lag: number;
  /** Messages pulled, or received by simple consumers, and not yet acknowledged. */
  readonly inflight: number;
  readonly queues: readonly {
    readonly queue: MessageQueue;
    readonly brokerOffset: number;
    /** 0 for a queue from which the group never consumed. */
    readonly consumerOffset: number;
    readonly lag: number;
    readonly inflight: number;
    /** Store time of the message consumed last, 0 when there is none. */
    readonly lastTimestamp: number;
  }[];
}

/**
 * What an operator may see and do. Illegal names and system topics are refused with `ERR_MQ_INVALID_ARGUMENT` (29), unknown topics with
 * `ERR_MQ_TOPIC_NOT_FOUND` (17), unknown groups with `ERR_MQ_GROUP_NOT_FOUND` (26), a queue that its topic does not have with
 * `ERR_MQ_OFFSET` (29). Offsets and figures are those of the newest commit, of other processes too.
 *
 * Source: RocketMQ, `broker/.../processor/AdminBrokerProcessor.java`.
 */
export interface Admin {
  /** Creating a topic as it is already changes nothing; one that is set up differently is refused with `ERR_MQ_ALREADY_CREATED` (18). */
  createTopic(topic: string, settings?: TopicSettings): Promise<TopicInfo>;
  updateTopic(topic: string, settings: TopicSettings): Promise<TopicInfo>;
  getTopic(topic: string): Promise<TopicInfo>;
  /**
   * Sorted by name.
   *
   * @param options - `system`: system topics too, which are left out otherwise.
   */
  listTopics(options?: { readonly system?: boolean | undefined }): Promise<readonly TopicInfo[]>;
  /** Every queue of the topic, also those that only producers or only consumers see. */
  topicStats(topic: string): Promise<readonly QueueStats[]>;
  /** As {@link Admin.createTopic}. */
  createGroup(group: string, settings?: GroupSettings): Promise<GroupInfo>;
  updateGroup(group: string, settings: GroupSettings): Promise<GroupInfo>;
  getGroup(group: string): Promise<GroupInfo>;
  /** Sorted by name. */
  listGroups(): Promise<readonly GroupInfo[]>;
  /**
   * @param topic - default: every topic that the group has consumed from or subscribes to, its retry topic last. A message that waits for its retry is in
   * no queue yet and counts nowhere.
   */
  consumeStats(group: string, topic?: string): Promise<ConsumeStats>;
  minOffset(queue: MessageQueue): Promise<number>;
  maxOffset(queue: MessageQueue): Promise<number>;
  /**
   * `lower` (default): the first offset stored at or after the time, the maximum when all are earlier. `upper`: the last one stored at or before
   * it, the minimum when all are later. Every message of one commit has the same store time.
   */
  searchOffset(queue: MessageQueue, timestamp: number | Date, boundary?: "lower" | "upper"): Promise<number>;
  /**
   * Up to `max` (1 to 1,024) messages from an offset on, whoever consumed them; fewer when they take more than 16 MiB. Below the minimum it begins
   * at the minimum.
   */
  browse(queue: MessageQueue, fromOffset: number, max: number): Promise<readonly MessageView[]>;
}

/** A message whose transaction is open. */
export interface HalfMessageInfo {
  readonly transactionId: string;
  readonly messageId: string;
  /** Where it goes when it is committed. */
  readonly topic: string;
  readonly producerGroup: string;
  /** When it was sent, in epoch milliseconds: its age. */
  readonly bornTimestamp: number;
  /** How often its producers were asked. */
  readonly checks: number;
  /** When they are asked next, in epoch milliseconds; later while none of them lives. */
  readonly nextCheckAt: number;
}

/** What only an embedded broker can do. */
export interface EmbeddedAdmin extends Admin {
  /** Half messages, of all producer groups or of one, in the order in which they were stored; read in steps, so that those that end meanwhile may be missing. */
  listHalfMessages(options?: { readonly producerGroup?: string | undefined }): Promise<readonly HalfMessageInfo[]>;
  /**
   * Ends a transaction in place of its producer, whatever that says later; resolves once that is durable. `"commit"` also sends a message to its topic that was given up: the newest one of this transaction in
   * `TRANS_CHECK_MAX_TIME_TOPIC`, where it stays, so that whoever does this twice sends it twice.
   *
   * @throws MqError `ERR_MQ_TRANSACTION` (1) when there is no half message of this transaction: it has ended, or was given up and is to be rolled back, which it is already.
   */
  resolveHalfMessage(transactionId: string, resolution: "commit" | "rollback"): Promise<void>;
  /**
   * Verifies every invariant of the store while it is in use, in steps between which others run. No problems: the store is whole. SQLite's own
   * check of the log is one step: about a second for each gigabyte.
   */
  checkStore(): Promise<{ readonly problems: readonly string[] }>;
}
