// What a user writes, in the types of the package alone: no @types package is needed besides Node's own.

import {
  type Broker,
  ConsumeResult,
  isMqError,
  type Message,
  type MessageListener,
  type MqErrorCode,
  openBroker,
  type SendReceipt,
  type SqliteDatabase,
} from "pocketmq";
import { checkHistory, type HistoryEvent } from "pocketmq/testing";
import { type ServeOptions, serve, type WireService } from "pocketmq/wire";

interface Order {
  readonly id: number;
}

export async function run(path: string): Promise<number> {
  const mq: Broker = await openBroker(path);
  const orders: Order[] = [];
  const consumer = mq.pushConsumer({
    group: "billing",
    subscriptions: { orders: "created || paid" },
    listener: async (message, context) => {
      if (context.signal.aborted) return ConsumeResult.RETRY;
      orders.push(message.json<Order>());
      return ConsumeResult.SUCCESS;
    },
  });
  await consumer.start();
  const message: Message = { topic: "orders", tag: "created", keys: ["o-1"], body: JSON.stringify({ id: 1 }) };
  const receipt: SendReceipt = await mq.producer({ group: "shop" }).send(message, { timeoutMs: 500 });
  const { lag } = await mq.admin.consumeStats("billing", "orders");
  await mq.close({ graceMs: 1_000 });
  return receipt.queueOffset + lag + orders.length;
}

/** The owner's own connection keeps its own type. */
export async function attach<D extends SqliteDatabase & { vacuum(): void }>(database: D): Promise<void> {
  const mq = await openBroker({ database });
  mq.database.vacuum();
  mq.transaction((own) => own.vacuum());
  // @ts-expect-error: a transaction is synchronous
  mq.transaction(async () => 1);
  await mq.close();
}

export function codeOf(error: unknown): MqErrorCode | undefined {
  if (isMqError(error, "ERR_MQ_CLOSED")) {
    const closed: "ERR_MQ_CLOSED" = error.code;
    return closed;
  }
  return isMqError(error) ? error.code : undefined;
}

export function problemsOf(history: readonly HistoryEvent[]): number {
  return checkHistory(history, { ordered: ["orders"], duplicates: "forbidden" }).length;
}

export function refused(mq: Broker, listener: MessageListener): void {
  // @ts-expect-error: one listener or a batch listener, not both
  mq.pushConsumer({ group: "billing", listener, batchListener: () => undefined });
  // @ts-expect-error: a consumer without a listener
  mq.pushConsumer({ group: "billing" });
  // @ts-expect-error: an option that does not exist
  mq.producer({ group: "shop", sendTimeOut: 1 });
}

export function letOthersIn(mq: Broker, options: ServeOptions): Promise<WireService> {
  return serve(mq, { nameserverPort: 0, brokerPort: 0, ...options });
}
