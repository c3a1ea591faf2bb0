import type { MessageView } from "../message/message-view.js";
import type { ReceiveOptions } from "./simple-consumer-options.js";

/**
 * Takes single messages with a time limit, and acknowledges each: RocketMQ 5's simple (pop) consumer. A message that was received is invisible for the group
 * until it is acknowledged, at least once delivered, in no order. Members share messages, not queues: each gets what it asks for, from whatever process.
 *
 * What is not acknowledged when its time is up is delivered again, exactly then, to whichever member asks: out of `%RETRY%group_topic`, with its
 * id, tag, keys, properties, body and `topic`, and one more `reconsumeTimes`. After as many deliveries as its group allows (`retryMaxTimes` + 1, 17 unless changed) the next
 * `receive` that comes upon it puts it into the dead-letter queue `%DLQ%group` instead. What is received survives a restart, and a crash, of whatever process. A dead letter that is received is
 * delivered once, whatever it has behind it, before it is buried again; RocketMQ's proxy buries it at once.
 *
 * Where the group's `consumeMessageOrderly` is true, the messages of one message queue are delivered in their order: a queue is blocked until all that was received
 * of it is acknowledged, or visible again; then it is delivered again from the first one on that was not acknowledged.
 *
 * A group's push consumers should be stopped before simple ones start: they would receive what those have in hand.
 *
 * ```
 * created ──start()──▶ started ──close()──▶ closing ──▶ closed
 *     └───────────────────close()───────────────────────▶
 * ```
 * Source: RocketMQ, `rocketmq-clients`, `java/.../impl/consumer/SimpleConsumerImpl.java`; `proxy/.../grpc/v2/consumer/ReceiveMessageActivity.java`.
 */
export interface SimpleConsumer extends AsyncDisposable {
  readonly clientId: string;
  /**
   * Joins the group; resolves once the group exists. Keeps the process alive until closed.
   *
   * @throws {@link MqError} as {@link PushConsumer.start}.
   */
  start(): Promise<void>;
  /**
   * Adds a topic or replaces its tag expression, for the next `receive`. A topic that does not exist is waited for.
   *
   * @param filter - default: every message
   * @throws as {@link PushConsumer.subscribe}.
   */
  subscribe(topic: string, filter?: string): void;
  /** What was received of the topic may still be acknowledged. @throws as {@link PushConsumer.subscribe}. */
  unsubscribe(topic: string): void;
  /**
   * Resolves with messages of one topic, which nobody else of the group gets while they are invisible; with none when nothing comes in time, or the consumer is
   * closed. Subscriptions take turns: each call begins with the next topic. RocketMQ's client asks for that one topic only; here the call takes messages of the next topic that
   * has any, and waits for all. At most 1 MiB, or one larger message, comes at once. Several calls may wait side by side: they are served in their order.
   *
   * @param options - `signal` ends the waiting: nothing is received after an abort.
   * @throws {@link MqError} `ERR_MQ_INVALID_ARGUMENT` for an option out of range or when it subscribes to nothing; `ERR_MQ_NOT_STARTED`; `ERR_MQ_CLOSED`;
   * `ERR_MQ_NO_PERMISSION` when the group may not consume; `ERR_MQ_TOO_MANY_REQUESTS` when 1,024 calls of the group wait; `ERR_MQ_SYSTEM_BUSY`, `ERR_MQ_TIMEOUT` and
   * `ERR_MQ_SERVICE_NOT_AVAILABLE` when the store cannot be written now. Nothing was received then. An abort rejects with `signal.reason`, unwrapped.
   */
  receive(options: ReceiveOptions): Promise<readonly MessageView[]>;
  /**
   * The group is done with the message. Resolves once that is durable. Any member of the group may do it.
   *
   * @param message - as it was received, by this consumer or another one of its group.
   * @throws {@link MqError} `ERR_MQ_SYSTEM_BUSY`, `ERR_MQ_TIMEOUT` (a transaction of the connection's owner lasted for more than 3 s) and `ERR_MQ_SERVICE_NOT_AVAILABLE` when the store cannot be
   * written now: the message is in hand as before. `ERR_MQ_RECEIPT_HANDLE` when it is not in hand any more: its time has run out, it was acknowledged before, or it was
   * received by another group or broker. Nothing has changed then. On RocketMQ's remoting protocol a late acknowledgement is silent.
   */
  ack(message: MessageView): Promise<void>;
  /**
   * The message is visible again after `durationMs` from now on, however long that was going to take. Resolves once that is durable; from then on this object, and no other copy
   * of the message, acknowledges it.
   *
   * @param durationMs - 0 to 43,200,000 (12 h); 0: it is delivered again at once.
   * @throws {@link MqError} as {@link SimpleConsumer.ack}; `ERR_MQ_INVALID_ARGUMENT` for a duration out of range.
   */
  changeInvisibleDuration(message: MessageView, durationMs: number): Promise<void>;
  /**
   * Leaves the group. Calls of `receive` that wait resolve with no message; acknowledgements that were begun are finished. What is not acknowledged is delivered again
   * when its time is up. Every call returns the same promise.
   */
  close(): Promise<void>;
}
