/** PocketMQ: RocketMQ's guarantees in SQLite, inside your process. Start with {@link openBroker}. */
export type {
  Admin,
  ConsumeStats,
  EmbeddedAdmin,
  GroupInfo,
  GroupSettings,
  HalfMessageInfo,
  QueueStats,
  TopicInfo,
  TopicSettings,
} from "./admin/admin.js";
export type { BrokerEvents } from "./broker/broker-events.js";
export type { RetryPolicy } from "./broker/retry-policy.js";
export type { BrokerOptions, BrokerSettings } from "./broker-options.js";
export { allocateByConfig } from "./client/allocate-by-config.js";
export { allocateByMachineRoom } from "./client/allocate-by-machine-room.js";
export { allocateConsistentHash } from "./client/allocate-consistent-hash.js";
export {
  type AllocateMessageQueueStrategy,
  allocateAveragely,
  allocateAveragelyByCircle,
} from "./client/allocate-message-queue.js";
export {
  type BatchConsumeContext,
  type BatchListener,
  type ConsumeContext,
  ConsumeResult,
  type DeliveryContext,
  type MessageListener,
  type OrderlyBatchListener,
  type OrderlyContext,
  type OrderlyListener,
  OrderlyResult,
} from "./client/consume-result.js";
export type { ConsumeFromWhere, ConsumerOptions, Subscriptions } from "./client/consumer-options.js";
export type { DedupOptions } from "./client/dedup-options.js";
export { exactlyOnce } from "./client/exactly-once.js";
export { idempotent } from "./client/idempotent.js";
export type { EmbeddedProducer, Producer, SendOptions } from "./client/producer.js";
export type { ProducerOptions } from "./client/producer-options.js";
export type { PullConsumer } from "./client/pull-consumer.js";
export type { PollOptions, PullConsumerOptions } from "./client/pull-consumer-options.js";
export type { CloseOptions, PushConsumer } from "./client/push-consumer.js";
export type { PushConsumerOptions, PushConsumerSettings } from "./client/push-consumer-options.js";
export { type MessageQueueSelector, selectByHash, selectByRandom } from "./client/queue-selectors.js";
export type { SendReceipt } from "./client/send-receipt.js";
export type { SimpleConsumer } from "./client/simple-consumer.js";
export type { ReceiveOptions, SimpleConsumerOptions } from "./client/simple-consumer-options.js";
export {
  type EmbeddedTransactionProducer,
  type LocalTransaction,
  type Transaction,
  type TransactionCheck,
  type TransactionProducer,
  type TransactionReceipt,
  TransactionResolution,
} from "./client/transaction-producer.js";
export type { TransactionProducerOptions } from "./client/transaction-producer-options.js";
export type { Broker, MessageQueueClient } from "./embedded-broker.js";
export { isMqError, MQ_ERRORS, MqError, type MqErrorCode, type MqErrorOptions } from "./errors.js";
export type { Logger } from "./logger.js";
export type { Message, MessageContent } from "./message/message.js";
export type { MessageQueue } from "./message/message-queue.js";
export type { MessageView } from "./message/message-view.js";
export { openBroker } from "./open-broker.js";
export type { RetentionOptions } from "./retention-options.js";
export type { SqliteDatabase } from "./store/sqlite.js";
export { type Clock, type ClockTimer, systemClock } from "./time/clock.js";
export type { TransactionOptions } from "./transaction-options.js";
