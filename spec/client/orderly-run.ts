import type {
  Broker,
  MessageView,
  OrderlyBatchListener,
  OrderlyContext,
  OrderlyResult,
  PushConsumer,
  PushConsumerSettings,
} from "../../lib/index.js";
import type { SqliteDatabase } from "../../lib/store/sqlite.js";
import { openTestBroker, type TestBroker, type TestBrokerOptions } from "../support/test-broker.js";

/** Settles from outside. */
export function deferred<T = undefined>(): { readonly promise: Promise<T>; readonly resolve: (value: T) => void } {
  let resolve: (value: T) => void = () => undefined;
  const promise = new Promise<T>((settle) => {
    resolve = settle;
  });
  return { promise, resolve };
}

/** One call of a listener. */
export interface OrderlyCall {
  readonly member: string;
  readonly bodies: string;
  readonly attempt: number;
  readonly at: number;
}

export type Answer = (
  bodies: string,
  context: OrderlyContext,
  batch: readonly MessageView[],
) => OrderlyResult | Promise<OrderlyResult>;

/** Orderly consumers of group "billing" and topic "orders", and what their listeners got. */
export interface OrderlyRun extends TestBroker {
  readonly calls: OrderlyCall[];
  /** Bodies in the order of the calls, each with its attempt when that is not the first. */
  readonly bodies: readonly string[];
  send(queueId: number, ...bodies: string[]): Promise<void>;
  /** Does not start it. */
  consumer(answer?: Answer, settings?: Partial<PushConsumerSettings>): PushConsumer;
  offsets(): Promise<readonly number[]>;
}

/** Topic "orders" has `queues` message queues. */
export async function openOrderlyRun(
  queues: number,
  options: TestBrokerOptions<SqliteDatabase> = {},
): Promise<OrderlyRun> {
  const test = await openTestBroker({ defaultQueueCount: queues, ...options });
  const { mq, clock } = test;
  await mq.admin.createTopic("orders", { readQueueNums: queues, writeQueueNums: queues });
  const calls: OrderlyCall[] = [];
  const producer = mq.producer({ group: "shop" });
  return {
    ...test,
    calls,
    get bodies() {
      return calls.map(({ bodies, attempt }) => (attempt === 1 ? bodies : `${bodies} #${attempt}`));
    },
    send: async (queue, ...bodies) => {
      await producer.sendBatch(
        bodies.map((body) => ({ topic: "orders", body })),
        { queue },
      );
    },
    consumer: (answer = () => undefined, settings = {}) => {
      const member = settings.instanceName ?? "a";
      const batchListener: OrderlyBatchListener = (batch, context) => {
        const bodies = batch.map((message) => message.text()).join();
        calls.push({ member, bodies, attempt: batch[0]?.deliveryAttempt ?? 0, at: clock.now() });
        return answer(bodies, context, batch);
      };
      return mq.pushConsumer({
        group: "billing",
        subscriptions: { orders: "*" },
        instanceName: member,
        ...settings,
        orderly: true,
        batchListener,
      });
    },
    offsets: () => offsetsOf(mq),
  };
}

/** Where the group goes on in each queue of "orders". */
export async function offsetsOf(mq: Broker): Promise<readonly number[]> {
  const { queues } = await mq.admin.consumeStats("billing", "orders");
  return queues.map(({ consumerOffset }) => consumerOffset);
}
