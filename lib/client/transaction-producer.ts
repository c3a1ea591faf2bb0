import type { Message } from "../message/message.js";
import type { MessageView } from "../message/message-view.js";
import type { EmbeddedProducer, Producer, SendOptions } from "./producer.js";
import type { SendReceipt } from "./send-receipt.js";

/** What became of a local transaction. Throwing, and anything else than these, counts as `"unknown"`. */
export type TransactionResolution = "commit" | "rollback" | "unknown";

/** The same by name. */
export const TransactionResolution: {
  readonly COMMIT: "commit";
  readonly ROLLBACK: "rollback";
  readonly UNKNOWN: "unknown";
} = { COMMIT: "commit", ROLLBACK: "rollback", UNKNOWN: "unknown" };

/** What became of a message that was sent in a transaction. */
export interface TransactionReceipt extends SendReceipt {
  /** What `executeLocalTransaction` said. `"unknown"`: it will be asked for with `checkLocalTransaction`. */
  readonly localTransactionState: TransactionResolution;
}

/** A transaction of one message, in RocketMQ 5's form. */
export interface Transaction {
  /** Stores the half message: nobody gets it before `commit`. One a transaction. Rejects as {@link Producer.send} does. */
  send(message: Message, options?: SendOptions): Promise<SendReceipt>;
  /**
   * Resolves once it is durable that the message is there for everybody. Where the transaction has ended, by a commit, a roll-back or a check, or was given up, it has no effect, which is logged; under the profile
   * `rocketmq` it rejects then with `ERR_MQ_TRANSACTION` (1), and (604) after the time that the message says in `CHECK_IMMUNITY_TIME_IN_SECONDS`.
   *
   * @throws MqError `ERR_MQ_TRANSACTION` before a message was sent; `ERR_MQ_IN_TRANSACTION` within a transaction of the connection's owner, whose roll-back would not undo it.
   */
  commit(): Promise<void>;
  /** The same for a message that nobody is to get. */
  rollback(): Promise<void>;
}

/**
 * Sends messages that become visible when a transaction of the application's own is committed, and never when it is rolled back; the outcome may come later, when the producer, or
 * another one of its group, is asked for it: first after the broker's `transaction.timeoutMs`, then every `checkIntervalMs`, at most `checkMax` times. While no producer of the group
 * is started nobody is asked, and nothing is counted but by the rounds of the profile `rocketmq`.
 *
 * Source: RocketMQ 5.3.3, `client/.../producer/TransactionMQProducer.java`.
 */
export interface TransactionProducer<A = undefined> extends Producer {
  /**
   * From here on it answers checks of its group, first those that have waited for it.
   *
   * @throws MqError `ERR_MQ_CLOSED`, and `ERR_MQ_SERVICE_NOT_AVAILABLE` when the store has stopped.
   */
  start(): Promise<void>;
  /**
   * Stores a half message, calls `executeLocalTransaction`, and ends the transaction as that says; resolves when the end is durable, or it is unknown. A listener that throws, or
   * an end that cannot be stored, as the broker was closed meanwhile for example, does not make it reject: it is logged, and the checks settle it. A `delayLevel` has no effect, which is logged.
   *
   * @param arg - is handed to the listener.
   * @throws MqError `ERR_MQ_NOT_STARTED`; `ERR_MQ_TRANSACTION` without `executeLocalTransaction`; `ERR_MQ_INVALID_ARGUMENT` for `delayMs` and `deliverAt`, which RocketMQ loses; as
   * {@link Producer.send}, and then no listener was called.
   */
  sendInTransaction(message: Message, ...arg: undefined extends A ? [arg?: A] : [arg: A]): Promise<TransactionReceipt>;
  /** @throws MqError `ERR_MQ_NOT_STARTED` */
  beginTransaction(): Transaction;
}

/** A transaction producer in the broker's process. */
export interface EmbeddedTransactionProducer<A = undefined>
  extends TransactionProducer<A>,
    Pick<EmbeddedProducer, "sendSync" | "sendBatchSync"> {}

/** Runs the application's own transaction. @param message - as it is stored, with its `transactionId`. */
export type LocalTransaction<A> = (
  message: MessageView,
  arg: A,
) => TransactionResolution | Promise<TransactionResolution>;

/** Says what became of it. @param message - of which `transactionId` and properties are those of the send. */
export type TransactionCheck = (message: MessageView) => TransactionResolution | Promise<TransactionResolution>;
