import { afterEach, beforeEach } from "vitest";
import type { Broker, BrokerEvents, MessageView, PushConsumerOptions } from "../../lib/index.js";
import { openTestBroker, type TestBroker, type TestBrokerOptions } from "../support/test-broker.js";
import { VirtualClock } from "../support/virtual-clock.js";

export const HOUR: number = 3_600_000;
export const DAY: number = 24 * HOUR;
/** Noon in the time zone of these specs. */
export const NOON: number = Date.UTC(2026, 5, 1, 12);

type Expired = Parameters<BrokerEvents["message:expired"]>[0];

/** In a suite: the process's time zone is UTC. */
export function useUtc(): void {
  let zone: string | undefined;
  beforeEach(() => {
    zone = process.env["TZ"];
    process.env["TZ"] = "UTC";
  });
  afterEach(() => {
    if (zone === undefined) delete process.env["TZ"];
    else process.env["TZ"] = zone;
  });
}

export interface Kept extends TestBroker {
  readonly expired: Expired[];
}

/** One queue a topic; at noon. */
export async function openAtNoon(settings: Partial<TestBrokerOptions<never>> = {}): Promise<Kept> {
  const broker = await openTestBroker({ defaultQueueCount: 1, clock: new VirtualClock(NOON), ...settings });
  const expired: Expired[] = [];
  broker.mq.on("message:expired", (range) => void expired.push(range));
  return { ...broker, expired };
}

export async function send(mq: Broker, ...bodies: readonly string[]): Promise<void> {
  for (const body of bodies) await mq.producer({ group: "shop" }).send({ topic: "orders", body });
}

/** Minimum and maximum of queue 0 of "orders". */
export async function ends(mq: Broker): Promise<readonly number[]> {
  const [queue] = await mq.admin.topicStats("orders");
  return [queue?.minOffset ?? -1, queue?.maxOffset ?? -1];
}

/** A group that consumes everything that is there, and leaves. */
export async function consumeAll(
  { mq, clock }: TestBroker,
  group = "billing",
  settings: Pick<PushConsumerOptions, "orderly" | "messageModel" | "instanceName"> = {},
): Promise<readonly string[]> {
  const received: string[] = [];
  const options = {
    group,
    subscriptions: { orders: "*" },
    consumeFromWhere: "first-offset",
    listener: (message: MessageView) => void received.push(message.text()),
    ...settings,
  };
  const consumer = mq.pushConsumer(options as PushConsumerOptions);
  await consumer.start();
  await clock.advance(100);
  await consumer.close();
  return received;
}
