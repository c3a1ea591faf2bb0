import type Database from "better-sqlite3";
import {
  type Broker,
  type BrokerSettings,
  type ConsumeContext,
  type DedupOptions,
  type EmbeddedProducer,
  exactlyOnce,
  type MessageListener,
  type MessageView,
  type OrderlyListener,
  type OrderlyResult,
  type PushConsumer,
  type PushConsumerSettings,
} from "../../lib/index.js";
import { openTestBroker, type TestBroker } from "../support/test-broker.js";

export const TOPIC = "orders";
export const GROUP = "billing";

/** A broker with one queue a topic and a table `invoice (body)`, and what can be seen of what listeners did. */
export interface Shop extends AsyncDisposable {
  readonly test: TestBroker<Database.Database>;
  readonly mq: Broker<Database.Database>;
  readonly producer: EmbeddedProducer;
  send(...bodies: readonly string[]): Promise<void>;
  consume(listener: MessageListener, settings?: Partial<PushConsumerSettings>): Promise<PushConsumer>;
  /** Bodies of the rows that effects have made, in their order. */
  invoices(): readonly string[];
  /** What the group will get next of queue 0 when everything is lost that is not in the file. */
  storedOffset(): number | undefined;
  /** Of both kinds. */
  keys(): number;
  warnings(): readonly string[];
}

export async function openShop(
  settings: Omit<BrokerSettings, "clock"> & {
    readonly path?: string;
    readonly database?: Database.Database;
    readonly clock?: TestBroker["clock"];
  } = {},
): Promise<Shop> {
  const test = await openTestBroker<Database.Database>({ defaultQueueCount: 1, ...settings });
  const { mq } = test;
  const { database } = mq;
  database.exec("CREATE TABLE IF NOT EXISTS invoice (body TEXT)");
  const producer = mq.producer({ group: "shop" });
  const list = (sql: string): readonly unknown[] => database.prepare(sql).pluck().safeIntegers(false).all();
  return {
    ...{ test, mq, producer },
    send: async (...bodies) => {
      await Promise.all(bodies.map((body) => producer.send({ topic: TOPIC, body })));
    },
    consume: async (listener, given = {}) => {
      const consumer = mq.pushConsumer({ group: GROUP, subscriptions: { [TOPIC]: "*" }, listener, ...given });
      await consumer.start();
      return consumer;
    },
    invoices: () => list("SELECT body FROM invoice ORDER BY rowid") as readonly string[],
    storedOffset: () =>
      list(`SELECT next_offset FROM mq_consume_offset WHERE consumer_group = '${GROUP}' AND topic = '${TOPIC}'`)[0] as
        | number
        | undefined,
    keys: () => list("SELECT count(*) FROM mq_dedup")[0] as number,
    warnings: () => test.logged.filter(({ level }) => level === "warn").map(({ text }) => text),
    [Symbol.asyncDispose]: () => test[Symbol.asyncDispose]() as Promise<void>,
  };
}

/** The effect of most specs. */
export function bill(message: MessageView, database: Database.Database): undefined {
  database.prepare("INSERT INTO invoice VALUES (?)").run(message.text());
}

export function billing(mq: Broker<Database.Database>, options: DedupOptions = {}): MessageListener {
  return exactlyOnce(mq, options, bill);
}

/** As an orderly listener, which has another context. */
export function inOrder(listener: MessageListener): OrderlyListener {
  return (message, context) =>
    listener(message, { ...context, delayLevelWhenNextConsume: 0 } as ConsumeContext) as OrderlyResult;
}
