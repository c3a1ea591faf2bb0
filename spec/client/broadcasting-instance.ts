import type { Broker, MessageListener, PushConsumer, PushConsumerSettings } from "../../lib/index.js";
import type { SqliteDatabase, SqliteStatement } from "../../lib/store/sqlite.js";

/** A started consumer of the broadcasting group `news`, and the texts that it received. */
export interface Instance {
  readonly consumer: PushConsumer;
  readonly received: string[];
}

export type InstanceSettings = Partial<PushConsumerSettings> & { readonly listener?: MessageListener };

/** Starts one that hears of everything in the topic `orders`, unless told otherwise. */
export async function startInstance(mq: Broker, { listener, ...settings }: InstanceSettings = {}): Promise<Instance> {
  const received: string[] = [];
  const consumer = mq.pushConsumer({
    group: "news",
    messageModel: "broadcasting",
    subscriptions: { orders: "*" },
    ...settings,
    listener: (message, context) => {
      received.push(message.text());
      return listener?.(message, context);
    },
  });
  await consumer.start();
  return { consumer, received };
}

/** Sends them one after the other; a text that is a tag is sent with it. */
export async function sendAll(mq: Broker, texts: readonly string[], queue?: number): Promise<void> {
  const producer = mq.producer({ group: "shop" });
  for (const text of texts) await producer.send({ topic: "orders", body: text, tag: text }, { queue });
}

/** The rows of a table whose columns are these, in their order. */
export function rowsOf(database: SqliteDatabase, table: string, ...columns: readonly string[]): readonly unknown[][] {
  const list = columns.join(", ");
  const statement = database.prepare(`SELECT ${list} FROM ${table} ORDER BY ${list}`) as SqliteStatement;
  return statement.raw().all() as unknown[][];
}
