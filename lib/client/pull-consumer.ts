import type { MessageQueue } from "../message/message-queue.js";
import type { MessageView } from "../message/message-view.js";
import type { PollOptions } from "./pull-consumer-options.js";

/**
 * Reads at its own pace: RocketMQ's lite pull consumer.
 *
 * Its message queues are its share of those of the topics that it subscribes to, as a push consumer's are, or those that it was told to
 * {@link PullConsumer.assign}. What comes into them is pulled ahead, in order, until 1,000 messages or 100 MiB of a queue, 2,000 offsets or this queue's
 * part of 10,000 messages are passed.
 *
 * Progress is how far messages were handed out, by {@link PullConsumer.poll} or by iterating: with `autoCommit` it is stored now and then, whether
 * they were processed or not, so that what is being processed when the process dies does not come again (at most once); {@link PullConsumer.commit}
 * without `autoCommit` stores it when the user says so (at least once). A message that fails is the user's affair: there is no retry topic and there
 * are no dead letters.
 *
 * ```
 * created ──start()──▶ started ──close()──▶ closing ──▶ closed
 *     └───────────────────close()───────────────────────▶
 * ```
 * `for await (const message of consumer)` takes one message at a time, when the loop asks for it, and ends when the consumer is closed. Left early,
 * by `break`, `return` or a throw, it has passed the message that it was given last: the next loop, or poll, goes on behind that one.
 *
 * All methods but `start`, `subscribe`, `assign`, `pause`, `resume` and `close` throw or reject with {@link MqError} `ERR_MQ_NOT_STARTED` before
 * `start` has resolved, and all but `close` with `ERR_MQ_CLOSED` after {@link PullConsumer.close} was called; when the broker can go on no longer,
 * with what it failed of. What they are given that is no message queue, or no number, is refused with `ERR_MQ_INVALID_ARGUMENT`, a message queue that
 * there is not with `ERR_MQ_OFFSET`.
 *
 * Source: RocketMQ, `client/.../consumer/DefaultLitePullConsumer.java`, `client/.../impl/consumer/DefaultLitePullConsumerImpl.java`.
 */
export interface PullConsumer extends AsyncIterable<MessageView>, AsyncDisposable {
  readonly clientId: string;
  /** The message queues that are pulled here now, sorted; none before it is started. */
  readonly assignment: readonly MessageQueue[];
  /**
   * Joins the group, as a member that takes a share of its queues once it subscribes to anything; resolves once the group exists and the queues are
   * shared anew. Keeps the process alive until closed.
   *
   * @throws {@link MqError} as {@link PushConsumer.start}.
   */
  start(): Promise<void>;
  /**
   * Adds a topic or replaces its tag expression, also after `start`; what was pulled and not yet handed out is chosen anew then. Unlike push
   * consumers', its expression holds for itself, whatever other members of the group subscribe to.
   *
   * @param filter - default: every message.
   * @throws {@link MqError} `ERR_MQ_SUBSCRIPTION` (-1) after {@link PullConsumer.assign}.
   */
  subscribe(topic: string, filter?: string): void;
  /**
   * Has exactly these message queues from now on, with every message in them, also after `start`. Others of the group may have them too, in this
   * process and in others: progress is the group's, and who commits last counts. One that does not exist yet is read within a second after it does.
   *
   * @param queues - at least one.
   * @throws {@link MqError} `ERR_MQ_SUBSCRIPTION` (-1) after {@link PullConsumer.subscribe}, or with `subscriptions` among the options.
   */
  assign(queues: readonly MessageQueue[]): void;
  /** The message queues of a topic that can be read. @throws {@link MqError} `ERR_MQ_TOPIC_NOT_FOUND` */
  fetchMessageQueues(topic: string): Promise<readonly MessageQueue[]>;
  /**
   * Resolves with messages of one message queue in the order of their offsets, up to `maxMessages` and without waiting for more; with none when
   * nothing comes in time, or the consumer closes. The queues take turns. A message that is stored while it waits is handed out within that commit.
   * One poll at a time.
   *
   * Before it looks, it commits if that is due (`autoCommit`). A poll that is aborted loses nothing.
   *
   * @throws {@link MqError} `ERR_MQ_TOO_MANY_REQUESTS` (-1) while another poll waits or somebody iterates: nothing was moved. An abort rejects with
   * `signal.reason`.
   */
  poll(options?: PollOptions): Promise<readonly MessageView[]>;
  /**
   * Goes on at this offset of a message queue that it has: nothing of the old place is handed out any more, from the call on. The offset is progress
   * as if everything before it had been handed out.
   *
   * @param offset - from the lowest that is left to that of the next message that will be stored.
   * @throws {@link MqError} `ERR_MQ_OFFSET` (-1) for one outside, and for a queue that is not assigned or is lost meanwhile: the queue goes on where
   * it was.
   */
  seek(queue: MessageQueue, offset: number): Promise<void>;
  /** The same at the oldest message that is left. */
  seekToBegin(queue: MessageQueue): Promise<void>;
  /** The same behind the newest message. */
  seekToEnd(queue: MessageQueue): Promise<void>;
  /**
   * The offset of the first message that was stored at this time or later; behind the newest where there is none. For {@link PullConsumer.seek}.
   *
   * @param timestamp - epoch milliseconds, or a `Date`.
   */
  offsetForTimestamp(queue: MessageQueue, timestamp: number | Date): Promise<number>;
  /**
   * Pulls nothing more of these until {@link PullConsumer.resume}; what was pulled before is still handed out. Others than it has are passed over. A
   * queue that goes and comes back is not paused.
   */
  pause(queues: readonly MessageQueue[]): void;
  resume(queues: readonly MessageQueue[]): void;
  /** The stored progress of the group in this message queue, whoever committed it; `undefined` where there is none. Where a member that subscribes began behind 0 without any, that is progress. */
  committed(queue: MessageQueue): Promise<number | undefined>;
  /**
   * Stores progress; resolves once it is durable under the broker's `synchronous` setting, with what was committed automatically before.
   *
   * @param offsets - of message queues that it has: where the group goes on. The next automatic commit replaces those, lower or higher, that are not
   * where messages were handed out to. Default: behind everything that was handed out until this call.
   * @throws {@link MqError} `ERR_MQ_OFFSET` (-1) for a message queue that is not assigned or an offset that is negative or beyond the end: nothing is
   * stored. Also where a queue of its share went to another process meanwhile: what was to be committed of that one does not count, and comes again
   * there. Where the store fails, with its error; it is tried again by itself.
   */
  commit(offsets?: ReadonlyMap<MessageQueue, number>): Promise<void>;
  /**
   * A poll that waits resolves with no messages, and an iteration ends; with `autoCommit` everything that was handed out is committed. Leaves the
   * group: others take over its queues at once. Every call returns the same promise.
   */
  close(): Promise<void>;
}
