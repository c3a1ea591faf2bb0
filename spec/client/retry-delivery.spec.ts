import { describe, expect, it } from "vitest";
import type { Broker, MessageView, PushConsumer, PushConsumerSettings } from "../../lib/index.js";
import { browseQueue } from "../support/shared-connection.js";
import { tempFolder } from "../support/temp-folder.js";
import { openTestBroker } from "../support/test-broker.js";
import { VirtualClock } from "../support/virtual-clock.js";

const SECOND = 1_000;

interface Received {
  readonly text: string;
  readonly attempt: number;
  readonly at: number;
}

/** A consumer that writes down what it gets, and fails as told. */
function consumer(
  mq: Broker,
  clock: VirtualClock,
  fails: (view: MessageView) => boolean,
  settings: Partial<PushConsumerSettings> = {},
): { readonly consumer: PushConsumer; readonly received: Received[] } {
  const received: Received[] = [];
  const made = mq.pushConsumer({
    group: "billing",
    subscriptions: { orders: "*" },
    ...settings,
    listener: (view) => {
      received.push({ text: view.text(), attempt: view.deliveryAttempt, at: clock.now() });
      return fails(view) ? "retry" : "success";
    },
  });
  return { consumer: made, received };
}

const first = ({ deliveryAttempt }: MessageView): boolean => deliveryAttempt === 1;
const always = (): boolean => true;
const never = (): boolean => false;
const told = ({ text, attempt }: Received): string => `${text} attempt ${attempt}`;

async function send(mq: Broker, ...bodies: readonly string[]): Promise<void> {
  for (const body of bodies) await mq.producer({ group: "shop" }).send({ topic: "orders", body });
}

describe("a retried message", () => {
  it("comes to the group that failed on it, and to no other", async () => {
    await using broker = await openTestBroker();
    const { mq, clock } = broker;
    const billing = consumer(mq, clock, first);
    const shipping = consumer(mq, clock, never, { group: "shipping" });
    for (const { consumer: of } of [billing, shipping]) await of.start();

    await send(mq, "a");
    await clock.advance(60 * SECOND);

    expect(billing.received.map(told)).toEqual(["a attempt 1", "a attempt 2"]);
    expect(shipping.received.map(told)).toEqual(["a attempt 1"]);
  });

  it("is retried for each group that fails on it, as often as that one fails", async () => {
    await using broker = await openTestBroker();
    const { mq, clock } = broker;
    const billing = consumer(mq, clock, first);
    const shipping = consumer(mq, clock, always, { group: "shipping", maxReconsumeTimes: 2 });
    for (const { consumer: of } of [billing, shipping]) await of.start();

    await send(mq, "a");
    await clock.advance(60 * SECOND);

    expect(billing.received.map(told)).toEqual(["a attempt 1", "a attempt 2"]);
    expect(shipping.received.map(told)).toEqual(["a attempt 1", "a attempt 2", "a attempt 3"]);
    expect(await browseQueue(mq, "%DLQ%shipping")).toHaveLength(1);
    await expect(mq.admin.getTopic("%DLQ%billing")).rejects.toMatchObject({ code: "ERR_MQ_TOPIC_NOT_FOUND" });
  });

  it("holds up no other message while it waits, not even with one listener at a time", async () => {
    await using broker = await openTestBroker({ defaultQueueCount: 1 });
    const { mq, clock } = broker;
    const isBad = (view: MessageView): boolean => view.text() === "bad";
    const { consumer: of, received } = consumer(mq, clock, isBad, { consumeConcurrency: 1 });
    await of.start();
    const startedAt = clock.now();

    await send(mq, "bad", "b", "c");
    await clock.advance(5 * SECOND);
    await send(mq, "d");
    await clock.advance(5 * SECOND);

    expect(received.map((one) => [told(one), one.at - startedAt])).toEqual([
      ["bad attempt 1", 0],
      ["b attempt 1", 0],
      ["c attempt 1", 0],
      ["d attempt 1", 5 * SECOND],
      ["bad attempt 2", 10 * SECOND],
    ]);
  });

  it("comes to another member when the one that failed on it has left", async () => {
    await using broker = await openTestBroker();
    const { mq, clock } = broker;
    const [failing, other] = [consumer(mq, clock, always), consumer(mq, clock, never)];
    await failing.consumer.start();
    await send(mq, "a");
    await clock.settle();

    await other.consumer.start();
    await failing.consumer.close();
    await clock.advance(10 * SECOND);

    expect(failing.received.map(told)).toEqual(["a attempt 1"]);
    expect(other.received.map(told)).toEqual(["a attempt 2"]);
  });

  it.each(["last-offset", "first-offset"] as const)(
    "that came while the group had no member waits for the next one, which starts at %s",
    async (consumeFromWhere) => {
      await using broker = await openTestBroker();
      const { mq, clock } = broker;
      const failing = consumer(mq, clock, always);
      await failing.consumer.start();
      await send(mq, "a");
      await clock.settle();
      await failing.consumer.close();
      await clock.advance(60 * SECOND);
      const next = consumer(mq, clock, never, { consumeFromWhere });

      await next.consumer.start();
      await clock.settle();

      expect(next.received.map(told)).toEqual(["a attempt 2"]);
    },
  );

  it("is not pulled while its consumer is suspended", async () => {
    await using broker = await openTestBroker();
    const { mq, clock } = broker;
    const { consumer: of, received } = consumer(mq, clock, first);
    await of.start();
    await send(mq, "a");
    await clock.settle();

    of.suspend();
    await clock.advance(60 * SECOND);
    const meanwhile = received.map(told);
    of.resume();
    await clock.settle();

    expect(meanwhile).toEqual(["a attempt 1"]);
    expect(received.map(told)).toEqual(["a attempt 1", "a attempt 2"]);
  });

  it("waits in one queue, or in as many as its group says, which its members share", async () => {
    await using broker = await openTestBroker();
    const { mq, clock } = broker;
    await mq.admin.createGroup("billing", { retryQueueNums: 4 });
    const members = [consumer(mq, clock, first), consumer(mq, clock, first)];
    for (const { consumer: of } of members) await of.start();

    const bodies = Array.from({ length: 100 }, (_, index) => `${index}`);
    await send(mq, ...bodies);
    await clock.advance(10 * SECOND);

    const retries = members.map(({ received }) => received.filter(({ attempt }) => attempt === 2));
    expect(
      retries
        .flat()
        .map(({ text }) => text)
        .sort(),
    ).toEqual([...bodies].sort());
    for (const ofMember of retries) expect(ofMember.length).toBeGreaterThan(0);
    const counts = (await mq.admin.topicStats("%RETRY%billing")).map(({ maxOffset }) => maxOffset);
    expect(counts).toHaveLength(4);
    for (const count of counts) expect(count).toBeGreaterThan(0);
  });

  it("may come from a retry queue that its group got only later", async () => {
    await using broker = await openTestBroker();
    const { mq, clock } = broker;
    const { consumer: of, received } = consumer(mq, clock, first);
    await of.start();
    await mq.admin.updateGroup("billing", { retryQueueNums: 8 });

    const bodies = Array.from({ length: 50 }, (_, index) => `${index}`);
    await send(mq, ...bodies);
    await clock.advance(10 * SECOND);

    const retried = received.filter(({ attempt }) => attempt === 2).map(({ text }) => text);
    expect(retried.sort()).toEqual([...bodies].sort());
    expect(await mq.admin.topicStats("%RETRY%billing")).toHaveLength(8);
  });
});

describe("what waits for its retry when its broker is closed", () => {
  /** Fails on "a" and closes the broker at once; returns when that was. */
  async function failAndClose(path: string, graceMs: number): Promise<number> {
    await using broker = await openTestBroker({ path });
    const { mq, clock } = broker;
    await consumer(mq, clock, always).consumer.start();
    await send(mq, "a");
    await clock.settle();
    await mq.close({ graceMs });
    return clock.now();
  }

  it.each([
    ["in its time when the broker opens before that", 4 * SECOND, 6 * SECOND],
    ["at once when that was long ago", 3_600 * SECOND, 0],
  ])("comes %s", async (_when, closedFor, waited) => {
    using folder = tempFolder();
    const path = folder.file("app.db");
    const closedAt = await failAndClose(path, 0);
    const clock = new VirtualClock(closedAt + closedFor);
    await using broker = await openTestBroker({ path, clock });
    const { consumer: of, received } = consumer(broker.mq, clock, first);

    await of.start();
    await clock.advance(60 * SECOND);

    expect(received).toEqual([{ text: "a", attempt: 2, at: closedAt + closedFor + waited }]);
  });

  it("is retried again when it fails again: the failures before count", async () => {
    using folder = tempFolder();
    const path = folder.file("app.db");
    const closedAt = await failAndClose(path, 10_000);
    const clock = new VirtualClock(closedAt + 60 * SECOND);
    await using broker = await openTestBroker({ path, clock });
    const { consumer: of, received } = consumer(broker.mq, clock, always, { maxReconsumeTimes: 2 });

    await of.start();
    await clock.advance(60 * SECOND);

    expect(received.map((one) => [told(one), one.at - closedAt])).toEqual([
      ["a attempt 2", 60 * SECOND],
      ["a attempt 3", 90 * SECOND],
    ]);
    const dead = await browseQueue(broker.mq, "%DLQ%billing");
    expect(dead.map(({ reconsumeTimes }) => reconsumeTimes)).toEqual([3]);
  });
});
