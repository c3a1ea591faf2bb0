import type { EmbeddedAdmin } from "../admin/admin.js";
import { type BrokerEvents, EventHub } from "../broker/broker-events.js";
import type { LocalBroker } from "../broker/local-broker.js";
import type { ResolvedBrokerOptions } from "../broker-options.js";
import type { EmbeddedClientContext } from "../client/client-context.js";
import { graceOption } from "../client/consumer-lifecycle.js";
import { excuseRunningDelivery } from "../client/delivery.js";
import type { EmbeddedProducer } from "../client/producer.js";
import type { ProducerOptions } from "../client/producer-options.js";
import type { PullConsumer } from "../client/pull-consumer.js";
import type { PullConsumerOptions } from "../client/pull-consumer-options.js";
import type { CloseOptions, PushConsumer } from "../client/push-consumer.js";
import type { PushConsumerOptions } from "../client/push-consumer-options.js";
import type { SimpleConsumer } from "../client/simple-consumer.js";
import type { SimpleConsumerOptions } from "../client/simple-consumer-options.js";
import type { EmbeddedTransactionProducer } from "../client/transaction-producer.js";
import type { TransactionProducerOptions } from "../client/transaction-producer-options.js";
import { type BrokerServer, type ClientKind, EmbeddedBroker, openDoor } from "../embedded-broker.js";
import { MqError } from "../errors.js";
import type { Logger } from "../logger.js";
import { isRetryTopic } from "../message/derived-names.js";
import type { MessageView } from "../message/message-view.js";
import { clientParts, findProcessId, openStore, prepareBroker } from "../open-broker.js";
import { describe, integerOption, invalid, refuseUnknownOptions } from "../options.js";
import { emptyStore } from "../store/empty-store.js";
import type { OpenedDatabase } from "../store/open-database.js";
import type { SqliteDatabase } from "../store/sqlite.js";
import { toMqError } from "../store/sqlite-error.js";
import { describeThrown } from "../thrown.js";
import { ClientPort, type ClientPortParts } from "./client-port.js";
import { FaultClock } from "./fault-clock.js";
import { FaultPlan, type Faults } from "./faults.js";
import type { HistoryEvent } from "./history.js";
import { InjectedFaults } from "./injected-faults.js";
import type { Link } from "./link.js";
import { MessageRecorder } from "./message-recorder.js";
import { ServerPort } from "./server-port.js";
import type { RealTimeout, TestBroker } from "./test-broker.js";
import type { ResolvedTestBrokerOptions } from "./test-broker-options.js";
import type { ManualClock } from "./virtual-clock.js";
import { checkMatch, type HistoryMatch, waitForEvent } from "./wait-for.js";

/** Under the five seconds that test runners give a test, so that this error comes first. */
const DEFAULT_TIMEOUT_MS = 3_000;

/** A client of the broker. */
interface Client {
  readonly kind: ClientKind;
  readonly group: string;
  readonly port: ClientPort;
  isDead: boolean;
}

/** {@link TestBroker} around the same parts as `openBroker` puts together; after a crash around others. */
export class LocalTestBroker implements TestBroker {
  readonly clock: ManualClock;
  readonly faults: Faults;
  readonly #resolved: ResolvedBrokerOptions;
  readonly #leaks: "warn" | "throw" | "ignore";
  readonly #events: EventHub;
  readonly #plan = new FaultPlan();
  readonly #faultClock: FaultClock;
  readonly #recorder: MessageRecorder;
  readonly #parts: ReturnType<typeof clientParts>;
  /** Those of the broker that there is now. */
  #clients: Client[] = [];
  /** Those of before a reset go on, and nobody else closes them. */
  readonly #producers = new Set<Pick<EmbeddedProducer, "close">>();
  readonly #consumers = new Set<{ close(options?: CloseOptions): Promise<void> }>();
  readonly #servers = new Set<BrokerServer>();
  /** Deliveries whose listeners ran on when the broker was reset: what they send now belongs to nobody. */
  readonly #ofBefore = new WeakSet<object>();
  #opened: OpenedDatabase;
  #broker: LocalBroker;
  #mq: EmbeddedBroker<SqliteDatabase>;
  /** A crash or reset that has not ended: others wait for it, and so does a close. */
  #restarting: Promise<void> | undefined;
  #closing: Promise<void> | undefined;
  /** Nothing happens any more. */
  readonly #closed = new AbortController();

  static async open(options: ResolvedTestBrokerOptions): Promise<LocalTestBroker> {
    const { broker: resolved } = options;
    const events = new EventHub(resolved.settings.logger);
    const opened = await openStore(resolved);
    try {
      const parts = clientParts(resolved, await findProcessId(resolved, opened));
      const broker = await prepareBroker(opened, resolved.settings, { events, watchesDisk: false });
      return new LocalTestBroker(options, events, opened, broker, parts);
    } catch (error) {
      opened.close();
      throw error;
    }
  }

  private constructor(
    { broker: resolved, clock, leaks }: ResolvedTestBrokerOptions,
    events: EventHub,
    opened: OpenedDatabase,
    broker: LocalBroker,
    parts: ReturnType<typeof clientParts>,
  ) {
    this.clock = clock;
    this.#resolved = resolved;
    this.#leaks = leaks;
    this.#events = events;
    this.#faultClock = new FaultClock(clock, resolved.settings.steady);
    this.#recorder = new MessageRecorder(clock, events);
    this.#parts = parts;
    this.#opened = opened;
    this.#broker = broker;
    this.#mq = this.#newFrontDoor();
    this.faults = new InjectedFaults(this.#plan, {
      clock,
      look: () => void resolved.settings.clock.now(),
      linksOf: (clientId) => this.#linksOf(clientId),
      events,
      crash: () => this.#oneByOne(() => this.#crash()),
      failed: (error) => resolved.settings.logger.error(`undoing a partition failed: ${describeThrown(error)}`),
    });
    openDoor(this, () => {
      this.#assertOpen();
      return { context: this.#newServerContext(), servers: this.#servers };
    });
  }

  get history(): readonly HistoryEvent[] {
    return this.#recorder.history;
  }
  get database(): SqliteDatabase {
    return this.#mq.database;
  }
  get synchronous(): "full" | "normal" | "off" {
    return this.#mq.synchronous;
  }
  get admin(): EmbeddedAdmin {
    return this.#mq.admin;
  }

  producer(options: ProducerOptions): EmbeddedProducer {
    const producer = this.#mq.producer(options);
    this.#producers.add(producer);
    return producer;
  }
  transactionProducer<A = undefined>(options: TransactionProducerOptions<A>): EmbeddedTransactionProducer<A> {
    const producer = this.#mq.transactionProducer(options);
    this.#producers.add(producer);
    return producer;
  }
  pushConsumer(options: PushConsumerOptions): PushConsumer {
    return this.#keep(this.#mq.pushConsumer(options));
  }
  pullConsumer(options: PullConsumerOptions): PullConsumer {
    return this.#keep(this.#mq.pullConsumer(options));
  }
  simpleConsumer(options: SimpleConsumerOptions): SimpleConsumer {
    return this.#keep(this.#mq.simpleConsumer(options));
  }

  transaction<T>(work: (database: SqliteDatabase) => T extends PromiseLike<unknown> ? never : T): T {
    const result = this.#mq.transaction(work);
    this.#recorder.look();
    return result;
  }

  on<E extends keyof BrokerEvents>(event: E, listener: BrokerEvents[E]): this {
    this.#mq.on(event, listener);
    return this;
  }
  once<E extends keyof BrokerEvents>(event: E, listener: BrokerEvents[E]): this {
    this.#mq.once(event, listener);
    return this;
  }
  off<E extends keyof BrokerEvents>(event: E, listener: BrokerEvents[E]): this {
    this.#mq.off(event, listener);
    return this;
  }

  sent(topic?: string): readonly MessageView[] {
    return this.#recorder.sentTo(topic);
  }
  consumed(group?: string): readonly MessageView[] {
    return this.#recorder.consumedBy(group);
  }

  /** For the matcher. */
  deadLettered(group?: string): readonly MessageView[] {
    return this.#recorder.deadLetteredBy(group);
  }

  async waitFor(match: HistoryMatch, options: RealTimeout = {}): Promise<HistoryEvent> {
    checkMatch(match);
    return waitForEvent(this.#recorder, match, timeoutOption("waitFor", options), this.#closed.signal);
  }

  async runUntilIdle(options: RealTimeout = {}): Promise<void> {
    await this.clock.runUntilIdle(timeoutOption("runUntilIdle", options));
  }

  reset(): Promise<void> {
    return this.#oneByOne(() => this.#reset());
  }

  async #reset(): Promise<void> {
    this.#assertOpen();
    if (this.#broker.isInTransaction)
      throw new MqError("ERR_MQ_IN_TRANSACTION", "reset: the connection is in a transaction");
    const { connection } = this.#opened;
    try {
      // Whether it can be emptied, before anything is given up for that.
      connection.exec("BEGIN IMMEDIATE; ROLLBACK");
    } catch (error) {
      throw toMqError(error, "reset");
    }
    this.#plan.clear();
    for (const server of this.#servers) server.suspend();
    for (const delivery of this.clock.runningDeliveries) this.#ofBefore.add(delivery);
    this.clock.forgetRunning();
    await Promise.all([...this.#consumers].map((consumer) => consumer.close({ graceMs: 0 })));
    this.#consumers.clear();
    this.#broker.abandon();
    connection.exec("BEGIN IMMEDIATE");
    emptyStore(connection);
    connection.exec("COMMIT");
    for (const { kind, port } of this.#clients) if (kind === "server") port.die();
    const producers = this.#clients.filter(({ kind }) => kind === "producer");
    await this.#goOn();
    for (const { port } of producers) port.moveTo(this.#broker);
    this.#clients = producers;
    this.#recorder.clear();
    this.#letServersGoOn();
  }

  close(options: CloseOptions = {}): Promise<void> {
    if (this.#closing === undefined) {
      graceOption(options);
      this.#closing = this.#restarting?.then(() => this.#close(options)) ?? this.#close(options);
    }
    excuseRunningDelivery(this.#closing);
    return this.#closing;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #close(options: CloseOptions): Promise<void> {
    const leaks = this.#clients.flatMap(findLeaks);
    this.#plan.clear();
    for (const { port } of this.#clients) port.hurry();
    try {
      await Promise.all([...this.#servers].map((server) => server.close()));
      await this.#mq.close(options);
      await Promise.all([...this.#producers].map((producer) => producer.close()));
    } finally {
      this.#closed.abort();
    }
    if (leaks.length === 0 || this.#leaks === "ignore") return;
    const report = `the test broker was closed with ${leaks.join("; ")}`;
    if (this.#leaks === "throw") throw new MqError("ERR_MQ_INVALID_ARGUMENT", report);
    this.#resolved.settings.logger.warn(report);
  }

  async #crash(): Promise<void> {
    this.#assertOpen();
    for (const server of this.#servers) server.suspend();
    for (const client of this.#clients) {
      client.isDead = true;
      client.port.die();
    }
    this.clock.forgetRunning();
    this.#clients = [];
    this.#producers.clear();
    this.#consumers.clear();
    this.#broker.abandon();
    const { connection } = this.#opened;
    if (connection.open && connection.inTransaction) connection.exec("ROLLBACK");
    if (this.#opened.owned && this.#opened.realPath !== undefined) {
      this.#opened.close();
      this.#opened = await openStore(this.#resolved);
    }
    await this.#goOn();
    this.#letServersGoOn();
  }

  /** At once where none is under way: whoever dies is dead when this returns. */
  #oneByOne(restart: () => Promise<void>): Promise<void> {
    const restarted = this.#restarting?.then(restart) ?? restart();
    const ended = (): void => {
      if (this.#restarting === restarting) this.#restarting = undefined;
    };
    const restarting = restarted.then(ended, ended);
    this.#restarting = restarting;
    return restarted;
  }

  #keep<C extends { close(options?: CloseOptions): Promise<void> }>(consumer: C): C {
    this.#consumers.add(consumer);
    return consumer;
  }

  /** With another broker on what is stored. */
  async #goOn(): Promise<void> {
    this.#broker = await prepareBroker(this.#opened, this.#resolved.settings, {
      events: this.#events,
      watchesDisk: false,
    });
    this.#mq = this.#newFrontDoor();
  }

  #newFrontDoor(): EmbeddedBroker<SqliteDatabase> {
    this.#recorder.watch(this.#broker);
    return new EmbeddedBroker(this.#opened, this.#broker, this.#resolved.settings, (kind, options) =>
      this.#newContext(kind, (options as Partial<ProducerOptions> | undefined)?.group ?? ""),
    );
  }

  #newContext(kind: Client["kind"], group: string): EmbeddedClientContext {
    const port = new ClientPort({ ...this.#portParts(), kind, group });
    return this.#contextOf({ kind, group, port, isDead: false });
  }

  #newServerContext(): EmbeddedClientContext {
    return this.#contextOf({ kind: "server", group: "", port: new ServerPort(this.#portParts()), isDead: false });
  }

  #portParts(): Omit<ClientPortParts, "kind" | "group"> {
    return {
      broker: this.#broker,
      plan: this.#plan,
      recorder: this.#recorder,
      clock: this.#faultClock,
      isOfBefore: (delivery) => this.#ofBefore.has(delivery),
    };
  }

  #contextOf(client: Client): EmbeddedClientContext {
    this.#clients.push(client);
    const logger = silencedWhen(() => client.isDead, this.#parts.logger);
    return { ...this.#parts, logger, port: client.port, events: this.#events };
  }

  #letServersGoOn(): void {
    for (const server of this.#servers) server.goOn(this.#newServerContext());
  }

  /** One for each group that this client takes part in. */
  #linksOf(clientId: string): readonly Link[] {
    const links = this.#clients.flatMap(({ port: { link } }) => (link === undefined || link.hasLeft ? [] : [link]));
    const found = links.filter(({ member }) => member.clientId === clientId);
    if (found.length > 0) return found;
    const known = links.map(({ member }) => member.clientId).join(", ");
    throw invalid(`partition: there is no started consumer ${describe(clientId)}; there are: ${known || "none"}`);
  }

  #assertOpen(): void {
    if (this.#closing !== undefined) throw new MqError("ERR_MQ_CLOSED", "the broker is closed");
  }
}

function findLeaks({ kind, group, port }: Client): readonly string[] {
  const { pendingSends, link } = port;
  const leaks: string[] = [];
  if (kind === "producer" && pendingSends > 0)
    leaks.push(`${pendingSends} ${pendingSends === 1 ? "send" : "sends"} of a producer of group ${group} not settled`);
  if (port.isTakingPart && link !== undefined) {
    const { clientId, subscriptions } = link.member;
    const topics = [...subscriptions.keys()].filter((topic) => !isRetryTopic(topic)).join(", ");
    leaks.push(`consumer ${clientId} of group ${group} (${topics}) not closed`);
  }
  return leaks;
}

/** A process that has died logs nothing. */
function silencedWhen(isSilent: () => boolean, logger: Logger): Logger {
  const tell = (level: keyof Logger) => (text: string, data?: object) => {
    if (!isSilent()) logger[level](text, data);
  };
  return { debug: tell("debug"), info: tell("info"), warn: tell("warn"), error: tell("error") };
}

function timeoutOption(what: string, options: RealTimeout): number {
  refuseUnknownOptions(what, options, ["timeoutMs"]);
  return integerOption(`${what}: timeoutMs`, options.timeoutMs, {
    min: 1,
    max: 2 ** 31 - 1,
    fallback: DEFAULT_TIMEOUT_MS,
  });
}
