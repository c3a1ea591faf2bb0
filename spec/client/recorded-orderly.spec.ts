import { describe, expect, it } from "vitest";
import { QueueLocks } from "../../lib/broker/queue-locks.js";
import {
  type Broker,
  type MessageQueue,
  type MessageView,
  type OrderlyContext,
  OrderlyResult,
  type PushConsumerSettings,
} from "../../lib/index.js";
import { loadFacts } from "../support/facts.js";
import { comparable, delivered, type RecordedMessage, stored, withPlaceholders } from "../support/recorded-message.js";
import { browseQueue } from "../support/shared-connection.js";
import { openRecordedBroker } from "../support/test-broker.js";
import { VirtualClock } from "../support/virtual-clock.js";

interface RecordedCall {
  readonly bodies: readonly string[];
  readonly topic: string;
  readonly reconsumeTimes: number;
  readonly msSincePreviousRounded100?: number;
}
interface RecordedOrderly {
  readonly calls: readonly RecordedCall[];
  readonly committedOffsetAfterShutdown: number;
  readonly firstDelivered: RecordedMessage;
  readonly dlqRecords?: readonly RecordedMessage[];
  readonly retryRecords?: number;
}
interface RecordedLock {
  readonly who: string;
  readonly response: { readonly body?: string };
}

interface Consuming {
  /** Ends the names of topic and group. */
  readonly name: string;
  readonly messages: number;
  readonly settings?: Omit<PushConsumerSettings, "group">;
  /** @param call - counts the calls of the listener, from 0. */
  readonly answer: (call: number, context: OrderlyContext, first: MessageView) => OrderlyResult;
}

const facts = loadFacts("orderly");
const roundTo100 = (ms: number): number => Math.round(ms / 100) * 100;
const whileBelow =
  (calls: number) =>
  (call: number): OrderlyResult =>
    call < calls ? OrderlyResult.SUSPEND : OrderlyResult.SUCCESS;

const SCENARIOS: Readonly<Record<string, Consuming>> = {
  "in-order": { name: "Ok", messages: 3, answer: () => OrderlyResult.SUCCESS },
  "suspend-default": { name: "Sus", messages: 2, answer: whileBelow(3) },
  "suspend-context-300": {
    name: "Sus300",
    messages: 1,
    answer: (call, context) => {
      context.suspendCurrentQueueTimeMs = 300;
      return whileBelow(3)(call);
    },
  },
  "suspend-context-1": {
    name: "Sus1",
    messages: 1,
    answer: (call, context) => {
      context.suspendCurrentQueueTimeMs = 1;
      return whileBelow(3)(call);
    },
  },
  "consumer-suspend-2000": {
    name: "SusC",
    messages: 1,
    settings: { suspendCurrentQueueTimeMs: 2_000 },
    answer: whileBelow(2),
  },
  throws: {
    name: "Exc",
    messages: 1,
    answer: (call) => {
      if (call < 2) throw new Error("failed");
    },
  },
  null: { name: "Null", messages: 1, answer: (call) => (call < 2 ? (null as never) : OrderlyResult.SUCCESS) },
  "auto-commit-success": {
    name: "Ac",
    messages: 3,
    answer: (call) => [OrderlyResult.ROLLBACK, OrderlyResult.COMMIT, OrderlyResult.SUCCESS][call],
  },
  "manual-commit": {
    name: "Mc",
    messages: 3,
    answer: (call, context) => {
      context.autoCommit = false;
      return [OrderlyResult.SUCCESS, OrderlyResult.COMMIT, OrderlyResult.SUCCESS][call];
    },
  },
  "manual-rollback": {
    name: "Mr",
    messages: 2,
    answer: (call, context) => {
      context.autoCommit = false;
      return [OrderlyResult.SUCCESS, OrderlyResult.ROLLBACK, OrderlyResult.SUCCESS, OrderlyResult.COMMIT][call];
    },
  },
  "batch-suspend": { name: "Batch", messages: 3, settings: { consumeMessageBatchMaxSize: 3 }, answer: whileBelow(1) },
  "max-2": {
    name: "Max",
    messages: 2,
    settings: { maxReconsumeTimes: 2, suspendCurrentQueueTimeMs: 100 },
    answer: (_call, _context, first) => (first.text() === "m0" ? OrderlyResult.SUSPEND : OrderlyResult.SUCCESS),
  },
};

async function storeMessages(mq: Broker, topic: string, count: number): Promise<void> {
  const producer = mq.producer({ group: "shop" });
  for (let index = 0; index < count; index += 1) await producer.send({ topic, tag: "T", body: `m${index}` });
}

async function observe({ name, messages, settings, answer }: Consuming, recorded: RecordedOrderly): Promise<unknown> {
  await using broker = await openRecordedBroker({ defaultQueueCount: 1 });
  const { mq, clock } = broker;
  const [topic, group] = [`Ord${name}`, `g-ord-${name}`];
  const calls: RecordedCall[] = [];
  let firstDelivered: MessageView | undefined;
  let previousAt: number | undefined;
  await storeMessages(mq, topic, messages);
  const called = (batch: readonly MessageView[], context: OrderlyContext): OrderlyResult => {
    const [first] = batch as readonly [MessageView];
    const since = previousAt === undefined ? {} : { msSincePreviousRounded100: roundTo100(clock.now() - previousAt) };
    previousAt = clock.now();
    firstDelivered ??= first;
    calls.push({
      bodies: batch.map((message) => message.text()),
      topic: first.topic,
      reconsumeTimes: first.reconsumeTimes,
      ...since,
    });
    return answer(calls.length - 1, context, first);
  };
  const consumer = mq.pushConsumer({
    ...settings,
    group,
    subscriptions: { [topic]: "*" },
    orderly: true,
    batchListener: called,
  });
  await consumer.start();
  await clock.advance(10_000);
  await consumer.close();

  const stats = await mq.admin.consumeStats(group, topic);
  const dead = await browseQueue(mq, `%DLQ%${group}`).catch(() => []);
  return withPlaceholders({
    calls,
    committedOffsetAfterShutdown: stats.queues[0]?.consumerOffset,
    firstDelivered: delivered(firstDelivered as unknown as MessageView),
    ...(recorded.dlqRecords === undefined ? {} : { dlqRecords: dead.map(stored) }),
    ...(recorded.retryRecords === undefined ? {} : { retryRecords: (await browseQueue(mq, `%RETRY%${group}`)).length }),
  });
}

describe("orderly consumption, as recorded from Apache RocketMQ", () => {
  it("covers every fact", () => {
    expect([...Object.keys(SCENARIOS), "queue-lock"].sort()).toEqual([...facts.names].sort());
  });

  it.each(Object.keys(SCENARIOS))("%s", async (fact) => {
    const recorded = facts.observed<RecordedOrderly>(fact);
    const expected = asStored(comparable(recorded) as RecordedOrderly);
    // Measured on a busy machine.
    const onTime = { ...expected, calls: expected.calls.map(withoutLateness) };

    expect(await observe(SCENARIOS[fact] as Consuming, recorded)).toEqual(withPlaceholders(onTime));
  });

  it("queue-lock", () => {
    const clock = new VirtualClock();
    const locks = new QueueLocks(clock, () => undefined);
    const queue: MessageQueue = { topic: "OrdLock", brokerName: "broker-a", queueId: 0 };
    const recorded = facts.observed<readonly RecordedLock[]>("queue-lock");
    const lastLock = clock.now();

    for (const { who, response } of recorded) {
      const [, client = "", verb, after] = /^(c\d) (locks|unlocks)(?:.* (\d+(?:\.\d+)?) s after)?/.exec(who) ?? [];
      if (after !== undefined) clock.setTime(lastLock + Number(after) * 1_000);
      if (verb === "unlocks") {
        locks.unlock("g-lock", client, [queue]);
        continue;
      }
      const { lockOKMQSet } = JSON.parse(response.body ?? "{}") as { lockOKMQSet: readonly MessageQueue[] };
      expect(locks.lock("g-lock", client, [queue]), who).toEqual(lockOKMQSet);
    }
  });
});

/** The client's copy has the ends of the queue that it was pulled from; whoever reads it gets those of the dead-letter queue in their place. */
function asStored(recorded: RecordedOrderly): RecordedOrderly {
  if (recorded.dlqRecords === undefined) return recorded;
  const dlqRecords = recorded.dlqRecords.map(({ properties, ...fields }) => {
    const { MIN_OFFSET: _min, MAX_OFFSET: _max, ...stored } = properties;
    return { ...fields, properties: stored };
  });
  return { ...recorded, dlqRecords };
}

function withoutLateness(call: RecordedCall): RecordedCall {
  const { msSincePreviousRounded100: ms } = call;
  return ms === 1_100 ? { ...call, msSincePreviousRounded100: 1_000 } : call;
}
