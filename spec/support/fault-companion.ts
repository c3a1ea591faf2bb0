import Database from "better-sqlite3";
import { type Broker, type Logger, openBroker, type PushConsumer } from "../../lib/index.js";
import { StallingClock } from "./stalling-clock.js";

const ignore = (): void => undefined;
const silent: Logger = { debug: ignore, info: ignore, warn: ignore, error: ignore };

/** A broker on another connection to the file of a trial, which no fault hits, with a member of the group at most. */
export class FaultCompanion implements Disposable {
  readonly clock: StallingClock;
  readonly #database: Database.Database;
  readonly #mq: Broker;
  #consumer: PushConsumer | undefined;

  private constructor(clock: StallingClock, database: Database.Database, mq: Broker) {
    this.clock = clock;
    this.#database = database;
    this.#mq = mq;
  }

  static async open(path: string, now: number): Promise<FaultCompanion> {
    const clock = new StallingClock(now);
    const database = new Database(path);
    const mq = await openBroker({ database, clock, seed: 2, defaultQueueCount: 2, logger: silent });
    return new FaultCompanion(clock, database, mq);
  }

  /** @param consumed - gets the bodies of the messages that its member consumes. */
  async join(group: string, topic: string, consumed: string[]): Promise<void> {
    this.#consumer = this.#mq.pushConsumer({
      group,
      // Its share is the last one.
      instanceName: "~",
      subscriptions: { [topic]: "*" },
      listener: (message) => void consumed.push(message.text()),
    });
    await this.#consumer.start();
  }

  async leave(): Promise<void> {
    await this.#consumer?.close();
  }

  async pass(now: number): Promise<void> {
    this.clock.setTime(now);
    await this.clock.advance(0);
  }

  [Symbol.dispose](): void {
    this.clock.stall();
    this.#database.close();
  }
}
