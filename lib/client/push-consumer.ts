import type { MessageQueue } from "../message/message-queue.js";

/**
 * How clients and brokers close: they stop taking new work, wait for what runs, abort the listeners' signals after `graceMs` and ignore what
 * those return later. What was not acknowledged is delivered again, and the interrupted attempt is not counted.
 */
export interface CloseOptions {
  /** Real milliseconds, 0 to 2,147,483,647. From inside a listener close does not wait for that one. @defaultValue 10_000 */
  readonly graceMs?: number | undefined;
}

/**
 * Delivers messages to its listener, at least once each: those of its share of the queues, or in a broadcasting group all of them. In no order, or with
 * `orderly: true` each message queue in its order, one call at a time over all members of the group.
 *
 * In a clustering group a message that fails is retried: a copy is stored in `%RETRY%group`, in the transaction that acknowledges the message, and
 * delivered to a member of this group alone, after 10 s, 30 s, 1 min, 2 min … 2 h. After 16 retries it goes to the dead-letter queue `%DLQ%group`, a
 * topic like the others; but, as with RocketMQ, a dead letter has used up its attempts: a consumer of it that fails buries it at once in its own group's. It keeps its id, tag, keys, properties and body; `reconsumeTimes` counts, `topic` is where it was sent to.
 *
 * An orderly consumer keeps its queues locked (60 s, renewed each 20 s). A message that fails suspends its queue and comes again, with no limit unless
 * `maxReconsumeTimes` sets one; then it goes to `%DLQ%group` and the queue goes on. The attempts are counted in memory. When a queue goes to another member, that one gets
 * it once the listener that works on it has ended, at the latest after 60 s; the result of that listener counts no more.
 *
 * ```
 * created ──start()──▶ started ──close()──▶ closing ──▶ closed
 *     └───────────────────close()───────────────────────▶
 * ```
 * Source: RocketMQ, `client/.../consumer/DefaultMQPushConsumer.java`, `client/.../impl/consumer/ConsumeMessageConcurrentlyService.java`,
 * `ConsumeMessageOrderlyService.java`. There an orderly queue that was lost goes to the next member 20 s after its last renewal, whether the listener has ended or not.
 */
export interface PushConsumer extends AsyncDisposable {
  readonly clientId: string;
  /** The message queues that are delivered here now, sorted; those of the group's retry topic are not listed. */
  readonly assignment: readonly MessageQueue[];
  /**
   * Joins the group; resolves once the group and its retry topic exist and the queues are shared anew. Keeps the process alive until closed.
   *
   * @throws {@link MqError} `ERR_MQ_GROUP_NOT_FOUND` (26) for an unknown group where `autoCreateGroup` is off, `ERR_MQ_ALREADY_CREATED` when it was
   * started before or the group has a member of this client id, `ERR_MQ_SUBSCRIPTION` (24) when it would differ from a member in its subscriptions and one of the
   * two has `strictSubscriptions`, `ERR_MQ_CLOSED` after, and when it is overtaken by, {@link PushConsumer.close}. After
   * any other failure it may be called again.
   */
  start(): Promise<void>;
  /** Pulls nothing more until {@link PushConsumer.resume}; what was pulled is still delivered. */
  suspend(): void;
  /** @throws as {@link PushConsumer.suspend} `ERR_MQ_CLOSED` after {@link PushConsumer.close}. */
  resume(): void;
  /**
   * Adds a topic or replaces its tag expression; no effect when it is the same. An unknown topic is consumed as soon as it exists.
   *
   * @param filter - default: every message
   * @throws {@link MqError} `ERR_MQ_SUBSCRIPTION` (24), with nothing changed, when it would differ from another member of the group then and one of the two
   * has `strictSubscriptions`.
   */
  subscribe(topic: string, filter?: string): void;
  /** @throws as {@link PushConsumer.subscribe}. */
  unsubscribe(topic: string): void;
  /** Leaves the group; others take over its queues at once. Every call returns the same promise. */
  close(options?: CloseOptions): Promise<void>;
}
