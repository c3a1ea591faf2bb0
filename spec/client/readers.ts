import Database from "better-sqlite3";
import type {
  Broker,
  MessageQueue,
  MessageView,
  PollOptions,
  PullConsumer,
  PullConsumerOptions,
} from "../../lib/index.js";
import { openTestBroker, type TestBroker, type TestBrokerOptions } from "../support/test-broker.js";

export const [GROUP, TOPIC] = ["reading", "orders"] as const;
/** Timers of a group that subscribes to something: that after which its queues are shared anew. */
export const GROUP_TIMERS = 1;

/** A broker with a topic of so many queues, and what reads it. */
export interface Reading extends TestBroker {
  /** Of {@link GROUP}; it has started and pulled what there is. */
  reader(options?: Partial<PullConsumerOptions>): Promise<PullConsumer>;
  /** Stores these in one queue, in one commit. */
  send(queueId: number, ...bodies: readonly string[]): Promise<void>;
  /** Time passes in which offsets are stored. */
  settle(): Promise<void>;
}

export async function openReading(queues = 1, settings: TestBrokerOptions<Database.Database> = {}): Promise<Reading> {
  const broker = await openTestBroker(settings);
  const { mq, clock } = broker;
  if (queues > 0) await mq.admin.createTopic(TOPIC, { readQueueNums: queues, writeQueueNums: queues });
  const producer = mq.producer({ group: "shop" });
  const settle = (): Promise<void> => clock.advance(50);
  return {
    ...broker,
    settle,
    reader: async (options = {}) => {
      const consumer = mq.pullConsumer({ group: GROUP, subscriptions: { [TOPIC]: "*" }, ...options });
      await consumer.start();
      await clock.settle();
      return consumer;
    },
    send: async (queue, ...bodies) => {
      await producer.sendBatch(
        bodies.map((body) => ({ topic: TOPIC, body })),
        { queue },
      );
      await clock.settle();
    },
  };
}

export function queueOf(queueId: number, topic: string = TOPIC): MessageQueue {
  return { topic, brokerName: "broker-a", queueId };
}

export function texts(messages: readonly MessageView[]): readonly string[] {
  return messages.map((message) => message.text());
}

/** What is there already. */
export async function pollNow(consumer: PullConsumer, options: PollOptions = {}): Promise<readonly string[]> {
  return texts(await consumer.poll({ timeoutMs: 0, ...options }));
}

/** All that is there already. */
export async function drain({ clock }: TestBroker, consumer: PullConsumer): Promise<readonly string[]> {
  const all: string[] = [];
  for (let batch = await pollNow(consumer); batch.length > 0; batch = await pollNow(consumer)) {
    all.push(...batch);
    await clock.settle();
  }
  return all;
}

/** Of each queue of the topic, 0 where there is none. */
export async function storedOffsets(mq: Broker, group: string = GROUP): Promise<readonly number[]> {
  return (await mq.admin.consumeStats(group, TOPIC)).queues.map(({ consumerOffset }) => consumerOffset);
}

/** `"1"`, `"2"` … */
export function numbered(count: number, first = 1): readonly string[] {
  return Array.from({ length: count }, (_, index) => `${first + index}`);
}

/** A queue that has the offsets 2 ("c") to 4 ("e"), stored 200, 300 and 400 ms after 1.7e12; the first two were deleted. */
export async function cutQueue(): Promise<Database.Database> {
  const database = new Database(":memory:");
  const reading = await openReading(1, { database });
  for (const body of ["a", "b", "c", "d", "e"]) {
    await reading.send(0, body);
    await reading.clock.advance(100);
  }
  await reading.mq.close();
  database.exec("DELETE FROM mq_log WHERE first_offset < 2");
  return database;
}

/** Of its queues. */
export function ids({ assignment }: PullConsumer): number[] {
  return assignment.map(({ queueId }) => queueId);
}

/** Members "w0", "w1", …, in order of their client ids. */
export function member(
  reading: Reading,
  index: number,
  options: Partial<PullConsumerOptions> = {},
): Promise<PullConsumer> {
  return reading.reader({ instanceName: `w${index}`, ...options });
}

/** What came to a consumer and what went, call by call. */
export function noteChanges(): { readonly changes: string[]; readonly onAssignmentChange: (...sides: Sides) => void } {
  const changes: string[] = [];
  const text = (queues: readonly MessageQueue[]): string => queues.map(({ queueId }) => queueId).join();
  return { changes, onAssignmentChange: (added, removed) => void changes.push(`+${text(added)} -${text(removed)}`) };
}
type Sides = [added: readonly MessageQueue[], removed: readonly MessageQueue[]];
