import {
  type Broker,
  type ConsumeResult,
  type EmbeddedProducer,
  type Logger,
  type MessageView,
  openBroker,
  type PushConsumer,
  type PushConsumerSettings,
} from "../../lib/index.js";
import { type FaultDriver, openFaultDriver } from "./fault-driver.js";
import { GuardedClock } from "./guarded-clock.js";
import { type LiveCopies, liveCopies } from "./live-copies.js";

export const TOPIC = "orders";
export const GROUP = "billing";

/** How a call of a user ended. */
export type CallEnd = "pending" | "done" | { readonly error: unknown };

/**
 * A broker in memory whose connection is to fail, with one consumer at most, and everything that can be said of what comes of it: which calls told
 * their caller what, which messages were consumed, what was reported. Virtual time; two queues a topic.
 */
export class FaultTrial {
  readonly driver: FaultDriver = openFaultDriver();
  readonly clock = new GuardedClock();
  /** By the body of the message. */
  readonly sends = new Map<string, CallEnd>();
  readonly starts: CallEnd[] = [];
  /** Bodies of messages whose listener was successful. */
  readonly consumed: string[] = [];
  /** What `error` events said. */
  readonly events: unknown[] = [];
  /** Where the messages lie that `message:stored` told of. */
  readonly stored: string[] = [];
  /** Warnings and errors. */
  readonly logged: string[] = [];
  readonly #settings: Partial<PushConsumerSettings>;
  readonly #listener: (message: MessageView) => ConsumeResult | Promise<ConsumeResult>;
  #mq: Broker | undefined;
  #producer: EmbeddedProducer | undefined;
  #consumer: PushConsumer | undefined;

  /** @param listener - its consumer starts with {@link FaultTrial.start}. */
  constructor(
    listener: (message: MessageView) => ConsumeResult | Promise<ConsumeResult>,
    settings: Partial<PushConsumerSettings> = {},
  ) {
    this.#listener = listener;
    this.#settings = settings;
  }

  get mq(): Broker {
    if (this.#mq === undefined) throw new Error("the trial has no open broker");
    return this.#mq;
  }

  /** A broker on the connection; also another one after the last was closed. */
  async open(): Promise<void> {
    const keep = (text: string): void => void this.logged.push(text);
    const logger: Logger = { debug: () => undefined, info: () => undefined, warn: keep, error: keep };
    const { database } = this.driver;
    this.#mq = await openBroker({ database, clock: this.clock, seed: 1, logger, defaultQueueCount: 2 });
    this.#mq.on("error", (error) => void this.events.push(error));
    this.#mq.on("message:stored", ({ topic, queueId, queueOffset }) => {
      this.stored.push(`${topic} ${queueId} ${queueOffset}`);
    });
    this.#producer = this.#mq.producer({ group: "shop" });
    this.#consumer = undefined;
  }

  send(body: string, queue: number = 0): void {
    this.sends.set(body, "pending");
    const sending = this.#producer?.send({ topic: TOPIC, body }, { queue });
    void follow(sending, (end) => this.sends.set(body, end));
  }

  sendBatch(...bodies: readonly string[]): void {
    const told = (end: CallEnd): void => {
      for (const body of bodies) this.sends.set(body, end);
    };
    told("pending");
    const messages = bodies.map((body) => ({ topic: TOPIC, body }));
    void follow(this.#producer?.sendBatch(messages, { queue: 0 }), told);
  }

  sendSync(body: string): void {
    try {
      this.#producer?.sendSync({ topic: TOPIC, body }, { queue: 0 });
      this.sends.set(body, "done");
    } catch (error) {
      this.sends.set(body, { error });
    }
  }

  /** The same in one transaction with a row in the table `invoice (body)`, which the connection's owner makes before. */
  sendInTransaction(body: string): void {
    try {
      this.mq.transaction(() => {
        this.driver.database.exec(`INSERT INTO invoice (body) VALUES ('${body}')`);
        this.#producer?.sendSync({ topic: TOPIC, body }, { queue: 0 });
      });
      this.sends.set(body, "done");
    } catch (error) {
      this.sends.set(body, { error });
    }
  }

  /** Also again after it failed. */
  start(): void {
    this.#consumer ??= this.mq.pushConsumer({
      group: GROUP,
      subscriptions: { [TOPIC]: "*" },
      listener: (message) => this.#consume(message),
      ...this.#settings,
    });
    const index = this.starts.push("pending") - 1;
    void follow(this.#consumer.start(), (end) => {
      this.starts[index] = end;
    });
  }

  #consume(message: MessageView): ConsumeResult | Promise<ConsumeResult> {
    const done = (result: ConsumeResult): ConsumeResult => {
      if (result === "success") this.consumed.push(message.text());
      return result;
    };
    const result = this.#listener(message);
    return result instanceof Promise ? result.then(done) : done(result);
  }

  /** Of every message that is stored. */
  copies(): LiveCopies {
    const isBroadcasting = this.#settings.messageModel === "broadcasting";
    const progress = isBroadcasting ? "mq_broadcast_offset" : "mq_consume_offset";
    return liveCopies(this.driver.database, TOPIC, GROUP, progress);
  }

  /** Time passes as it does while a computer sleeps: timers that became due meanwhile run now, and so does what follows in the next 60 ms. */
  async pass(ms: number = 0): Promise<void> {
    this.clock.setTime(this.clock.now() + ms);
    await this.clock.advance(60);
  }

  /** What closing says when it fails; a timer that is left behind is a failure. */
  async close(): Promise<unknown> {
    let failure: unknown;
    await this.mq.close({ graceMs: 0 }).catch((error: unknown) => {
      failure = error;
    });
    await this.clock.settle();
    if (this.clock.pendingTimers > 0) failure ??= new Error(`${this.clock.pendingTimers} timers are left behind`);
    return failure;
  }
}

function follow(promise: Promise<unknown> | undefined, told: (end: CallEnd) => void): Promise<void> {
  return Promise.resolve(promise).then(
    () => told("done"),
    (error: unknown) => told({ error }),
  );
}
