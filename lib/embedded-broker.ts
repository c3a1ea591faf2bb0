import type { Admin, EmbeddedAdmin } from "./admin/admin.js";
import { LocalAdmin } from "./admin/local-admin.js";
import { type BrokerEvents, checkListener } from "./broker/broker-events.js";
import type { ResolvedBrokerSettings } from "./broker/broker-settings.js";
import type { LocalBroker } from "./broker/local-broker.js";
import type { EmbeddedClientContext } from "./client/client-context.js";
import { graceOption } from "./client/consumer-lifecycle.js";
import type { ConsumerOptions } from "./client/consumer-options.js";
import { excuseRunningDelivery } from "./client/delivery.js";
import { LocalPullConsumer } from "./client/local-pull-consumer.js";
import { LocalPushConsumer } from "./client/local-push-consumer.js";
import { LocalSimpleConsumer } from "./client/local-simple-consumer.js";
import { LocalTransactionProducer } from "./client/local-transaction-producer.js";
import { type EmbeddedProducer, LocalProducer, type Producer } from "./client/producer.js";
import type { ProducerOptions } from "./client/producer-options.js";
import type { PullConsumer } from "./client/pull-consumer.js";
import type { PullConsumerOptions } from "./client/pull-consumer-options.js";
import type { CloseOptions, PushConsumer } from "./client/push-consumer.js";
import type { PushConsumerOptions } from "./client/push-consumer-options.js";
import type { SimpleConsumer } from "./client/simple-consumer.js";
import type { SimpleConsumerOptions } from "./client/simple-consumer-options.js";
import type { EmbeddedTransactionProducer, TransactionProducer } from "./client/transaction-producer.js";
import type { TransactionProducerOptions } from "./client/transaction-producer-options.js";
import { MqError } from "./errors.js";
import type { OpenedDatabase } from "./store/open-database.js";
import type { SqliteDatabase } from "./store/sqlite.js";

/** What makes clients: the same on an embedded broker and, later, on a cluster. */
export interface MessageQueueClient {
  producer(options: ProducerOptions): Producer;
  transactionProducer<A = undefined>(options: TransactionProducerOptions<A>): TransactionProducer<A>;
  pushConsumer(options: PushConsumerOptions): PushConsumer;
  pullConsumer(options: PullConsumerOptions): PullConsumer;
  simpleConsumer(options: SimpleConsumerOptions): SimpleConsumer;
  readonly admin: Admin;
  /** Closes consumers, then producers, stores what is pending and lets go of the file. Every call returns the same promise. */
  close(options?: CloseOptions): Promise<void>;
}

/** An open store with everything that works on it. */
export interface Broker<D extends SqliteDatabase = SqliteDatabase> extends MessageQueueClient, AsyncDisposable {
  /** The connection: yours in attached mode. A transaction that you open on it holds up the broker until it ends. */
  readonly database: D;
  /**
   * What a resolved send survives now. `"off"` in memory. Attached it follows from the connection's own settings: with a rollback journal SQLite's `NORMAL`
   * promises nothing (`"off"`), and `FULL` with `journal_mode = DELETE` not the last transaction (`"normal"`); `EXTRA` does.
   */
  readonly synchronous: "full" | "normal" | "off";
  producer(options: ProducerOptions): EmbeddedProducer;
  transactionProducer<A = undefined>(options: TransactionProducerOptions<A>): EmbeddedTransactionProducer<A>;
  readonly admin: EmbeddedAdmin;
  /**
   * Runs `work` in one immediate SQLite transaction: your rows and what `sendSync` stores commit together, or not at all when it throws. Blocks
   * at most `busyTimeoutMs` for another writer.
   *
   * @param work - synchronous; one that returns a promise is rolled back and refused.
   * @throws {@link MqError} `ERR_MQ_IN_TRANSACTION` within a transaction, `ERR_MQ_SYSTEM_BUSY`, `ERR_MQ_SERVICE_NOT_AVAILABLE` when SQLite ended
   * the transaction because the disk is full; and whatever `work` throws.
   */
  transaction<T>(work: (database: D) => T extends PromiseLike<unknown> ? never : T): T;
  /** Listens to what the broker tells of its work, see {@link BrokerEvents}. */
  on<E extends keyof BrokerEvents>(event: E, listener: BrokerEvents[E]): this;
  /** The same for the next event only. */
  once<E extends keyof BrokerEvents>(event: E, listener: BrokerEvents[E]): this;
  off<E extends keyof BrokerEvents>(event: E, listener: BrokerEvents[E]): this;
}

/** What a client is given. @param options - of it, not looked at yet. */
export type NewContext = (kind: ClientKind, options: ProducerOptions | ConsumerOptions) => EmbeddedClientContext;

export type ClientKind = "producer" | "push consumer" | "pull consumer" | "simple consumer" | "server";

interface Closable {
  close(options?: CloseOptions): Promise<void>;
}

/** Lets others in, over a network for example. */
export interface BrokerServer extends Closable {
  /** The broker has died: what clients have of it is gone, and none is let in. */
  suspend(): void;
  /** It lives again, or another one does in its place. */
  goOn(context: EmbeddedClientContext): void;
}

/** A broker as its servers see it. */
export interface ServedBroker {
  readonly context: EmbeddedClientContext;
  /** They are closed before the broker is. */
  readonly servers: Set<BrokerServer>;
}

/** Of each broker, what lets servers in; throws `ERR_MQ_CLOSED` when it is closed. */
const doors = new WeakMap<object, () => ServedBroker>();

export function openDoor(broker: object, letIn: () => ServedBroker): void {
  doors.set(broker, letIn);
}

/** What a server works with; `undefined` for what is no broker of ours. */
export function servedBroker(broker: unknown): ServedBroker | undefined {
  return typeof broker === "object" && broker !== null ? doors.get(broker)?.() : undefined;
}

/** {@link Broker} over the broker in this process. */
export class EmbeddedBroker<D extends SqliteDatabase> implements Broker<D> {
  readonly database: D;
  readonly admin: EmbeddedAdmin;
  readonly #opened: OpenedDatabase;
  readonly #broker: LocalBroker;
  readonly #newContext: NewContext;
  readonly #consumers = new Set<Closable>();
  readonly #producers = new Set<Closable>();
  readonly #servers = new Set<BrokerServer>();
  #closing: Promise<void> | undefined;

  /** @param newContext - called for each client. */
  constructor(opened: OpenedDatabase, broker: LocalBroker, settings: ResolvedBrokerSettings, newContext: NewContext) {
    this.#opened = opened;
    this.#broker = broker;
    this.#newContext = newContext;
    this.database = opened.connection as SqliteDatabase as D;
    this.admin = new LocalAdmin(broker, settings);
    openDoor(this, () => this.#letServersIn());
  }

  get synchronous(): "full" | "normal" | "off" {
    return this.#opened.synchronous;
  }

  producer(options: ProducerOptions): EmbeddedProducer {
    this.#assertOpen();
    const producer = new LocalProducer(options, this.#newContext("producer", options), (closed) =>
      this.#producers.delete(closed),
    );
    this.#producers.add(producer);
    return producer;
  }

  transactionProducer<A = undefined>(options: TransactionProducerOptions<A>): EmbeddedTransactionProducer<A> {
    this.#assertOpen();
    const producer = new LocalTransactionProducer(options, this.#newContext("producer", options), (closed) =>
      this.#producers.delete(closed),
    );
    this.#producers.add(producer);
    return producer;
  }

  pushConsumer(options: PushConsumerOptions): PushConsumer {
    this.#assertOpen();
    const consumer = new LocalPushConsumer(options, this.#newContext("push consumer", options), (closed) =>
      this.#consumers.delete(closed),
    );
    this.#consumers.add(consumer);
    return consumer;
  }

  pullConsumer(options: PullConsumerOptions): PullConsumer {
    this.#assertOpen();
    const consumer = new LocalPullConsumer(options, this.#newContext("pull consumer", options), (closed) =>
      this.#consumers.delete(closed),
    );
    this.#consumers.add(consumer);
    return consumer;
  }

  simpleConsumer(options: SimpleConsumerOptions): SimpleConsumer {
    this.#assertOpen();
    const consumer = new LocalSimpleConsumer(options, this.#newContext("simple consumer", options), (closed) =>
      this.#consumers.delete(closed),
    );
    this.#consumers.add(consumer);
    return consumer;
  }

  transaction<T>(work: (database: D) => T extends PromiseLike<unknown> ? never : T): T {
    this.#assertOpen();
    if (typeof work !== "function")
      throw new MqError("ERR_MQ_INVALID_ARGUMENT", `transaction needs a function, got ${typeof work}`);
    return this.#broker.transaction(() => {
      const result: unknown = work(this.database);
      if (isThenable(result)) {
        // Its outcome is of no interest any more: what it did so far is rolled back, and this error says why.
        result.then(undefined, () => undefined);
        throw new MqError(
          "ERR_MQ_INVALID_ARGUMENT",
          "transaction needs a synchronous function, got one that returns a promise: other work would run inside the transaction",
        );
      }
      return result as T;
    });
  }

  on<E extends keyof BrokerEvents>(event: E, listener: BrokerEvents[E]): this {
    checkListener(event, listener);
    this.#broker.events.on(event, listener);
    return this;
  }

  once<E extends keyof BrokerEvents>(event: E, listener: BrokerEvents[E]): this {
    checkListener(event, listener);
    this.#broker.events.once(event, listener);
    return this;
  }

  off<E extends keyof BrokerEvents>(event: E, listener: BrokerEvents[E]): this {
    checkListener(event, listener);
    this.#broker.events.off(event, listener);
    return this;
  }

  close(options: CloseOptions = {}): Promise<void> {
    if (this.#closing === undefined) {
      graceOption(options);
      this.#broker.beginClosing();
      this.#closing = this.#close(options);
    }
    excuseRunningDelivery(this.#closing);
    return this.#closing;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #close(options: CloseOptions): Promise<void> {
    // A stopped store fails each step with the same error.
    const failures = new Set<unknown>();
    for (const step of [
      () => Promise.all([...this.#servers].map((server) => server.close())),
      () => Promise.all([...this.#consumers].map((consumer) => consumer.close(options))),
      () => Promise.all([...this.#producers].map((producer) => producer.close())),
      () => this.#broker.close(),
    ]) {
      try {
        await step();
      } catch (error) {
        failures.add(error);
      }
    }
    const [first] = failures;
    if (failures.size === 1) throw first;
    if (failures.size > 1) throw new AggregateError(failures, "closing the broker failed");
  }

  #letServersIn(): ServedBroker {
    this.#assertOpen();
    return { context: this.#newContext("server", { group: "" }), servers: this.#servers };
  }

  #assertOpen(): void {
    if (this.#closing !== undefined) throw new MqError("ERR_MQ_CLOSED", "the broker is closed");
  }
}

function isThenable(value: unknown): value is PromiseLike<unknown> {
  return typeof value === "object" && value !== null && "then" in value && typeof value.then === "function";
}
