import type Database from "better-sqlite3";
import {
  type BatchConsumeContext,
  type Broker,
  type BrokerSettings,
  type ConsumeResult,
  type EmbeddedProducer,
  type EmbeddedTransactionProducer,
  type Logger,
  type MessageListener,
  type MessageView,
  type OrderlyResult,
  openBroker,
  type PullConsumer,
  type PushConsumer,
  type PushConsumerSettings,
  type SimpleConsumer,
} from "../../lib/index.js";
import { FaultCompanion } from "./fault-companion.js";
import type { Faults } from "./fault-driver.js";
import { FaultPlace, type PlaceName } from "./fault-place.js";
import { FaultPopper, type PopperOptions } from "./fault-popper.js";
import { FaultReader, type ReaderOptions } from "./fault-reader.js";
import { FaultTransactor, type TransactorOptions } from "./fault-transactor.js";
import { GuardedClock } from "./guarded-clock.js";
import { type LiveCopies, liveCopies } from "./live-copies.js";

export const TOPIC = "orders";
export const GROUP = "billing";

/** How a call of a user ended; `done`: with this result as text. */
export type CallEnd = "pending" | { readonly done: string | undefined } | { readonly error: unknown };

export function isDone(end: CallEnd | undefined): boolean {
  return typeof end === "object" && "done" in end;
}

export function errorOf(end: CallEnd | undefined): unknown {
  return typeof end === "object" && "error" in end ? end.error : undefined;
}

export interface TrialOptions {
  /** @defaultValue "guest" */
  readonly place?: PlaceName;
  readonly listener?: (message: MessageView) => ConsumeResult | Promise<ConsumeResult>;
  /** In place of `listener`: one that needs the broker, of which there may be several, one after the other. */
  readonly makeListener?: (mq: Broker<Database.Database>) => MessageListener;
  /** Bodies of messages that had an effect on the database, which may have happened though the listener failed: nobody knows the outcome. */
  readonly effectsIn?: (database: Database.Database) => string[];
  readonly consumer?: Partial<PushConsumerSettings>;
  /** It has a simple consumer in place of a push consumer. */
  readonly popper?: PopperOptions;
  /** It has a pull consumer in place of a push consumer. */
  readonly reader?: ReaderOptions;
  /** It has a producer that sends in transactions besides. */
  readonly transactor?: TransactorOptions;
  /** Of its brokers. */
  readonly settings?: Pick<BrokerSettings, "profile" | "transaction">;
  /** Of its first consumer, in place of {@link TOPIC}; later ones have that. */
  readonly firstSubscriptions?: Readonly<Record<string, string>>;
  /** It consumes in order: what fails is suspended for 1 s. */
  readonly isOrderly?: boolean;
  /** So many at once go to a batch listener, which gives each to `listener` until one fails. */
  readonly batchSize?: number;
}

/**
 * A broker whose connection is to fail, with one consumer at most, and everything that can be said of what comes of it: which calls told their caller what,
 * which messages were consumed, what was reported. Virtual time; two queues a topic.
 */
export class FaultTrial {
  readonly place: FaultPlace;
  readonly clock = new GuardedClock();
  /** By the body of the message. */
  readonly sends = new Map<string, CallEnd>();
  readonly starts: CallEnd[] = [];
  /** All others, by what they are. */
  readonly calls = new Map<string, CallEnd>();
  /** Bodies of messages whose listener was successful. */
  readonly #consumed: string[] = [];
  /** By the body of a half message, when it was asked for. */
  readonly asked = new Map<string, readonly number[]>();
  /** What `error` events said. */
  readonly events: unknown[] = [];
  /** Where the messages lie that `message:stored` told of. */
  readonly stored: string[] = [];
  /** Warnings and errors. */
  readonly logged: string[] = [];
  readonly #options: TrialOptions;
  readonly #repeatable = new Map<string, () => unknown>();
  #mq: Broker | undefined;
  #isOpen = false;
  #producer: EmbeddedProducer | undefined;
  #consumer: PushConsumer | undefined;
  #popper: FaultPopper | undefined;
  #reader: FaultReader | undefined;
  #transactor: FaultTransactor | undefined;
  #companion: FaultCompanion | undefined;

  constructor(options: TrialOptions) {
    this.#options = options;
    this.place = new FaultPlace(options.place);
  }

  /** Bodies of messages that had their effect. */
  get consumed(): string[] {
    const { effectsIn } = this.#options;
    return effectsIn === undefined || !this.hasDatabase ? this.#consumed : effectsIn(this.database);
  }

  get faults(): Faults {
    return this.place.faults;
  }

  get mq(): Broker {
    if (this.#mq === undefined) throw new Error("the trial has no open broker");
    return this.#mq;
  }

  get isOpen(): boolean {
    return this.#isOpen;
  }

  get producer(): EmbeddedProducer {
    if (this.#producer === undefined) throw new Error("the trial has no open broker");
    return this.#producer;
  }

  get consumer(): PushConsumer {
    if (this.#consumer === undefined) throw new Error("the trial has no consumer");
    return this.#consumer;
  }

  get popper(): SimpleConsumer {
    if (this.#popper === undefined) throw new Error("the trial has no popper");
    return this.#popper.consumer;
  }

  get reader(): PullConsumer {
    if (this.#reader === undefined) throw new Error("the trial has no reader");
    return this.#reader.consumer;
  }

  get transactor(): FaultTransactor {
    if (this.#transactor === undefined) throw new Error("the trial has no transactor");
    return this.#transactor;
  }

  get companion(): FaultCompanion {
    if (this.#companion === undefined) throw new Error("the trial has no company");
    return this.#companion;
  }

  get hasDatabase(): boolean {
    return this.place.guest !== undefined || this.#isOpen;
  }

  /** Of an open broker, or the owner's. */
  get database(): Database.Database {
    return this.place.guest ?? (this.mq.database as Database.Database);
  }

  /** A broker on the connection or file; also another one after the last was closed. */
  async open(): Promise<void> {
    const keep = (text: string): void => void this.logged.push(text);
    const logger: Logger = { debug: () => undefined, info: () => undefined, warn: keep, error: keep };
    const settings = { clock: this.clock, seed: 1, logger, defaultQueueCount: 2, ...this.#options.settings };
    this.#mq = await openBroker<Database.Database>({ ...this.place.options, ...settings });
    this.#isOpen = true;
    this.#mq.on("error", (error) => void this.events.push(error));
    this.#mq.on("message:stored", ({ topic, queueId, queueOffset }) => {
      this.stored.push(`${topic} ${queueId} ${queueOffset}`);
    });
    this.#producer = this.#mq.producer({ group: "shop" });
    this.#consumer = undefined;
    this.#popper = undefined;
    this.#reader = undefined;
    await this.#openTransactor(this.#transactor === undefined);
  }

  async #openTransactor(isFirst: boolean): Promise<void> {
    const { transactor } = this.#options;
    if (transactor === undefined) return;
    this.#transactor = new FaultTransactor(this.mq, TOPIC, transactor, (body) => {
      this.asked.set(body, [...(this.asked.get(body) ?? []), this.clock.now()]);
    });
    if (!isFirst || transactor.isStartedLater !== true) await this.#transactor.producer.start();
  }

  /** What is cached is read anew. */
  async reopen(): Promise<void> {
    await this.close();
    await this.open();
  }

  send(body: string, queue: number = 0, delayMs?: number): void {
    this.sends.set(body, "pending");
    const message = delayMs === undefined ? { topic: TOPIC, body } : { topic: TOPIC, body, delayMs };
    void follow(this.#producer?.send(message, { queue }), (end) => this.sends.set(body, end));
  }

  sendBatch(...bodies: readonly string[]): void {
    const told = (end: CallEnd): void => {
      for (const body of bodies) this.sends.set(body, end);
    };
    told("pending");
    void follow(this.#producer?.sendBatch(messagesOf(bodies), { queue: 0 }), told);
  }

  sendSync(...bodies: readonly [string, ...string[]]): void {
    const [body, ...others] = bodies;
    const end = endOf(() =>
      others.length === 0
        ? this.producer.sendSync({ topic: TOPIC, body }, { queue: 0 })
        : this.producer.sendBatchSync(messagesOf(bodies), { queue: 0 }),
    );
    for (const sent of bodies) this.sends.set(sent, end);
  }

  /** The same in one transaction with a row in the table `invoice (body)`, which the connection's owner makes before. */
  sendInTransaction(body: string): void {
    const end = endOf(() =>
      this.mq.transaction((database) => {
        database.exec(`INSERT INTO invoice (body) VALUES ('${body}')`);
        this.producer.sendSync({ topic: TOPIC, body }, { queue: 0 });
      }),
    );
    this.sends.set(body, end);
  }

  /** In a transaction of its own, whose local part says how it ends. */
  transact(body: string): void {
    this.sends.set(body, "pending");
    void follow(this.transactor.send(body), (end) => this.sends.set(body, end));
  }

  /** A half message, of which {@link FaultTransactor.end} says later what becomes of it. */
  begin(body: string, properties?: Readonly<Record<string, string>>): void {
    this.sends.set(body, "pending");
    void follow(this.transactor.begin(body, properties), (end) => this.sends.set(body, end));
  }

  /** Also again after it failed. */
  start(): void {
    const {
      batchSize,
      makeListener,
      isOrderly = false,
      firstSubscriptions = { [TOPIC]: "*" },
      popper,
      reader,
    } = this.#options;
    const subscriptions = this.starts.length === 0 ? firstSubscriptions : { [TOPIC]: "*" };
    if (popper !== undefined) {
      const failed = (error: unknown): void => void this.calls.set("receiving", { error });
      const hooks = { clock: this.clock, consumed: this.#consumed, failed };
      this.#popper ??= new FaultPopper(this.mq, GROUP, subscriptions, popper, hooks);
      this.#started(this.#popper.start());
      return;
    }
    if (reader !== undefined) {
      this.#reader ??= new FaultReader(this.mq, GROUP, { ...reader, subscriptions }, this.#consumed);
      this.#started(this.#reader.start((error) => void this.calls.set("reading", { error })));
      return;
    }
    const settings = { group: GROUP, subscriptions, ...this.#options.consumer };
    this.#consumer ??= this.mq.pushConsumer(
      isOrderly
        ? { ...settings, orderly: true, listener: (message) => this.#consumeInOrder(message) }
        : batchSize === undefined
          ? { ...settings, listener: this.#noting(makeListener) ?? ((message) => this.#consume(message)) }
          : {
              ...settings,
              consumeMessageBatchMaxSize: batchSize,
              batchListener: (messages, context) => this.#consumeBatch(messages, context),
            },
    );
    this.#started(this.#consumer.start());
  }

  #started(starting: Promise<void>): void {
    const index = this.starts.push("pending") - 1;
    void follow(starting, (end) => {
      this.starts[index] = end;
    });
  }

  /** Any other call, which may be made again. */
  call(name: string, run: () => unknown): void {
    this.#repeatable.set(name, run);
    void this.callOnce(name, run);
  }

  /** Resolves, whatever becomes of it. */
  callOnce(name: string, run: () => unknown): Promise<void> {
    this.calls.set(name, "pending");
    return follow(new Promise((resolve) => resolve(run())), (end) => this.calls.set(name, end));
  }

  /** Makes those calls again that failed and may be made again. */
  repeatCalls(): readonly string[] {
    const failed = [...this.#repeatable].filter(([name]) => errorOf(this.calls.get(name)) !== undefined);
    for (const [name, run] of failed) this.call(name, run);
    return failed.map(([name]) => name);
  }

  closeProducer(): Promise<void> {
    return this.#replaceProducer().close();
  }

  disposeProducer(): PromiseLike<void> {
    return this.#replaceProducer()[Symbol.asyncDispose]();
  }

  closeConsumer(): Promise<void> {
    return this.#dropConsumer().close({ graceMs: 0 });
  }

  disposeConsumer(): PromiseLike<void> {
    return this.#dropConsumer()[Symbol.asyncDispose]();
  }

  closePopper(): Promise<void> {
    return this.#dropPopper().close();
  }

  disposePopper(): PromiseLike<void> {
    return this.#dropPopper()[Symbol.asyncDispose]();
  }

  closeReader(): Promise<void> {
    return this.#dropReader().close();
  }

  disposeReader(): PromiseLike<void> {
    return this.#dropReader()[Symbol.asyncDispose]();
  }

  /** Later sends are those of another one. */
  #replaceProducer(): EmbeddedProducer {
    const { producer } = this;
    this.#producer = this.mq.producer({ group: "shop" });
    return producer;
  }

  /** Another one answers its checks. */
  async replaceTransactor(): Promise<EmbeddedTransactionProducer> {
    const { producer } = this.transactor;
    await this.#openTransactor(false);
    return producer;
  }

  /** {@link FaultTrial.start} makes another. */
  #dropConsumer(): PushConsumer {
    const { consumer } = this;
    this.#consumer = undefined;
    return consumer;
  }

  #dropPopper(): SimpleConsumer {
    const { popper } = this;
    this.#popper = undefined;
    return popper;
  }

  #dropReader(): PullConsumer {
    const { reader } = this;
    this.#reader = undefined;
    return reader;
  }

  get hasConsumer(): boolean {
    return [this.#consumer, this.#popper, this.#reader].some((consumer) => consumer !== undefined);
  }

  #noting(make: TrialOptions["makeListener"]): MessageListener | undefined {
    const listener = make?.(this.mq as Broker<Database.Database>);
    return (
      listener &&
      (async (message, context) => {
        const result = await listener(message, context);
        if (result !== "retry") this.#consumed.push(message.text());
        return result;
      })
    );
  }

  #consume(message: MessageView): ConsumeResult | Promise<ConsumeResult> {
    const done = (result: ConsumeResult): ConsumeResult => {
      if (result === "success") this.#consumed.push(message.text());
      return result;
    };
    const result = this.#options.listener?.(message) ?? "success";
    return result instanceof Promise ? result.then(done) : done(result);
  }

  async #consumeBatch(messages: readonly MessageView[], context: BatchConsumeContext): Promise<ConsumeResult> {
    for (const [index, message] of messages.entries()) {
      if ((await this.#consume(message)) === "success") continue;
      context.ackIndex = index - 1;
      break;
    }
    return "success";
  }

  async #consumeInOrder(message: MessageView): Promise<OrderlyResult> {
    return (await this.#consume(message)) === "retry" ? "suspend" : "success";
  }

  /** Of every message that is stored. */
  copies(): LiveCopies {
    const isBroadcasting = this.#options.consumer?.messageModel === "broadcasting";
    const progress = isBroadcasting ? "mq_broadcast_offset" : "mq_consume_offset";
    return liveCopies(this.database, TOPIC, GROUP, progress);
  }

  /** Time passes as it does while a computer sleeps: timers that became due meanwhile run now, and so does what follows in the next 60 ms. */
  async pass(ms: number = 0): Promise<void> {
    this.clock.setTime(this.clock.now() + ms);
    await this.clock.advance(60);
    if (this.#companion === undefined) return;
    for (let round = 0; round < 2; round += 1) {
      await this.#companion.pass(this.clock.now());
      await this.clock.settle();
    }
  }

  /** Another broker on the file, which no fault hits. Its time passes with that of the trial. */
  async company(): Promise<FaultCompanion> {
    const companion = await FaultCompanion.open(this.place.path, this.clock.now());
    this.#companion = companion;
    this.place.defer(() => companion[Symbol.dispose]());
    return companion;
  }

  closeBroker(): Promise<void> {
    this.#isOpen = false;
    this.#popper?.stop();
    return this.mq.close({ graceMs: 0 });
  }

  disposeBroker(): PromiseLike<void> {
    this.#isOpen = false;
    this.#popper?.stop();
    return this.mq[Symbol.asyncDispose]();
  }

  /** What closing says when it fails; a timer that is left behind is a failure. */
  async close(): Promise<unknown> {
    let failure: unknown;
    await this.closeBroker().catch((error: unknown) => {
      failure = error;
    });
    await this.clock.settle();
    if (this.clock.pendingTimers > 0) failure ??= new Error(`${this.clock.pendingTimers} timers are left behind`);
    return failure;
  }
}

function messagesOf(bodies: readonly string[]): { readonly topic: string; readonly body: string }[] {
  return bodies.map((body) => ({ topic: TOPIC, body }));
}

function endOf(call: () => unknown): CallEnd {
  try {
    return { done: textOf(call()) };
  } catch (error) {
    return { error };
  }
}

function follow(promise: Promise<unknown> | undefined, told: (end: CallEnd) => void): Promise<void> {
  return Promise.resolve(promise).then(
    (result: unknown) => told({ done: textOf(result) }),
    (error: unknown) => told({ error }),
  );
}

function textOf(result: unknown): string | undefined {
  return JSON.stringify(result);
}
