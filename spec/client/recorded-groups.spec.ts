import { describe, expect, it } from "vitest";
import type { PullResult } from "../../lib/broker/broker-port.js";
import type { Broker, MessageView, PushConsumer } from "../../lib/index.js";
import { loadFacts } from "../support/facts.js";
import { openTestPort } from "../support/local-broker.js";
import { openRecordedBroker, type TestBroker } from "../support/test-broker.js";

interface RecordedPoll {
  readonly suspendTimeoutMillis: number;
  readonly code: number;
  readonly ext: Readonly<Record<"nextBeginOffset" | "minOffset" | "maxOffset", string>>;
  readonly heldMs: number;
  readonly answeredWithin: string;
}

const groups = loadFacts("groups");

/** A member whose client id ends with its name, and the texts that it received. */
interface Member {
  readonly consumer: PushConsumer;
  readonly received: string[];
}

async function join(mq: Broker, name: string, subscriptions: Readonly<Record<string, string>>): Promise<Member> {
  const received: string[] = [];
  const listener = (message: MessageView): void => void received.push(message.text());
  const consumer = mq.pushConsumer({ group: "billing", instanceName: name, subscriptions, listener });
  await consumer.start();
  return { consumer, received };
}

const queueIds = ({ consumer }: Member): number[] => consumer.assignment.map(({ queueId }) => queueId);

/** What is in the store, which lags behind what the broker would answer. */
function storedOffset({ mq }: TestBroker): number | undefined {
  const row = mq.database.prepare("SELECT next_offset FROM mq_consume_offset WHERE topic = 'orders'") as {
    get(): unknown;
  };
  return (row.get() as { next_offset: number } | undefined)?.next_offset;
}

async function createTopic(mq: Broker, topic: string, queues: number): Promise<void> {
  await mq.admin.createTopic(topic, { readQueueNums: queues, writeQueueNums: queues });
}

describe("the members of a group", () => {
  it("share the queues as recorded in live-rebalance, within their starts and ends", async () => {
    await using broker = await openRecordedBroker();
    const { mq } = broker;
    await createTopic(mq, "orders", 4);
    const members = new Map<string, Member>();
    const assigned: number[][][] = [];
    const note = (): void => void assigned.push([...members.values()].map(queueIds));

    for (const name of ["m1", "m2", "m3"]) {
      members.set(name, await join(mq, name, { orders: "*" }));
      note();
    }
    await members.get("m2")?.consumer.close();
    members.delete("m2");
    note();

    const recorded = groups.observed<readonly { readonly assigned: number[][] }[]>("live-rebalance");
    expect(assigned).toEqual(recorded.map((step) => step.assigned));
  });

  it("are those of members-json, which says them in the order of a hash table", async () => {
    await using broker = await openTestPort({ profile: "rocketmq" });
    for (const name of ["m1", "m2", "m3"]) await join(broker.mq, name, {});
    const { body } = groups.observed<{ readonly body: string }>("members-json");
    const { consumerIdList } = JSON.parse(body) as { readonly consumerIdList: readonly string[] };

    const ids = broker.port.memberIds("billing").map((id) => id.replace("127.0.0.1", "<host>"));

    expect(ids).toEqual([...consumerIdList].sort());
    expect((await broker.mq.admin.getGroup("billing")).members).toBe(consumerIdList.length);
  });

  it("that subscribe to different tags receive as recorded in conflicting-tags", async () => {
    await using broker = await openRecordedBroker();
    const { mq, clock } = broker;
    await createTopic(mq, "GrpConf", 2);
    const recorded = groups.observed<Readonly<Record<string, unknown>> & { readonly brokerSubscription: string }>(
      "conflicting-tags",
    );

    const ca = await join(mq, "ca", { GrpConf: "a" });
    const cb = await join(mq, "cb", { GrpConf: "b" });
    for (const queue of [0, 1]) {
      for (const tag of ["a", "b"])
        await mq.producer({ group: "shop" }).send({ topic: "GrpConf", tag, body: `${tag}${queue}` }, { queue });
    }
    await clock.advance(10_000);

    const { brokerSubscription, ...received } = recorded;
    expect({
      caQueues: queueIds(ca),
      cbQueues: queueIds(cb),
      caReceived: ca.received,
      cbReceived: cb.received,
    }).toEqual(received);
    const view = JSON.parse(brokerSubscription.replaceAll("<ts>", "0")) as {
      readonly connectionSet: readonly unknown[];
      readonly messageModel: string;
      readonly subscriptionTable: Readonly<Record<string, { readonly subString: string }>>;
    };
    expect(await mq.admin.getGroup("billing")).toMatchObject({
      members: view.connectionSet.length,
      messageModel: view.messageModel.toLowerCase(),
      subscriptions: { GrpConf: view.subscriptionTable["GrpConf"]?.subString },
    });
  });

  it("that subscribe to different topics receive as recorded in conflicting-topics", async () => {
    await using broker = await openRecordedBroker();
    const { mq, clock } = broker;
    for (const topic of ["GrpTx1", "GrpTx2"]) await createTopic(mq, topic, 2);

    const t1 = await join(mq, "t1", { GrpTx1: "*" });
    const t2 = await join(mq, "t2", { GrpTx2: "*" });
    for (const [topic, prefix] of [
      ["GrpTx1", "one"],
      ["GrpTx2", "two"],
    ] as const) {
      for (const queue of [0, 1])
        await mq.producer({ group: "shop" }).send({ topic, body: `${prefix}${queue}` }, { queue });
    }
    await clock.advance(10_000);

    expect({
      t1Queues: queueIds(t1),
      t2Queues: queueIds(t2),
      t1Received: t1.received,
      t2Received: t2.received,
    }).toEqual(groups.observed("conflicting-topics"));
  });
});

describe("the stored offset of a group", () => {
  it("follows the consumer sooner than recorded in offset-commit, and is the same after its end", async () => {
    await using broker = await openRecordedBroker({ defaultQueueCount: 1 });
    const { mq, clock } = broker;
    const recorded = groups.observed<{
      readonly secondsFromStartToFirstCommit: number;
      readonly secondCommitAfterItsSendMs: number;
      readonly offsetRightAfterShutdown: number;
    }>("offset-commit");
    const send = (): Promise<unknown> => mq.producer({ group: "shop" }).send({ topic: "orders", body: "x" });
    const msUntilStored = async (offset: number): Promise<number> => {
      const since = clock.now();
      while (storedOffset(broker) !== offset && clock.now() < since + 20_000) await clock.advance(1);
      return clock.now() - since;
    };
    const { consumer } = await join(mq, "m0", { orders: "*" });

    await send();
    const firstMs = await msUntilStored(1);
    await send();
    const secondMs = await msUntilStored(2);
    await send();
    await consumer.close();

    expect(firstMs).toBeLessThanOrEqual(50);
    expect(secondMs).toBeLessThanOrEqual(50);
    expect(recorded.secondsFromStartToFirstCommit * 1_000).toBeGreaterThan(50);
    expect(recorded.secondCommitAfterItsSendMs).toBeGreaterThan(50);
    expect(storedOffset(broker)).toBe(recorded.offsetRightAfterShutdown);
  });

  it("passes what the filter drops at the end of a queue, as recorded in filtered-tail-committed", async () => {
    await using broker = await openRecordedBroker({ defaultQueueCount: 1 });
    const { received } = await join(broker.mq, "m0", { orders: "keep" });

    for (const tag of ["keep", "drop", "drop"])
      await broker.mq.producer({ group: "shop" }).send({ topic: "orders", tag, body: tag });
    await broker.clock.advance(18_000);

    expect({ received: received.length, storedOffset: storedOffset(broker) }).toEqual(
      groups.observed("filtered-tail-committed"),
    );
  });

  it("is the lowest one that is not acknowledged, as recorded in lowest-unacked", async () => {
    await using broker = await openRecordedBroker({ defaultQueueCount: 1 });
    const { mq, clock } = broker;
    const succeeded: string[] = [];
    let unblock = (): void => undefined;
    const blocked = new Promise<void>((resolve) => {
      unblock = resolve;
    });
    const consumer = mq.pushConsumer({
      group: "billing",
      subscriptions: { orders: "*" },
      listener: async (message) => {
        if (message.text() === "m0") await blocked;
        succeeded.push(message.text());
      },
    });
    await consumer.start();
    for (const body of ["m0", "m1", "m2", "m3"]) await mq.producer({ group: "shop" }).send({ topic: "orders", body });

    await clock.advance(16_000);
    const [whileBlocked, succeededMeanwhile] = [storedOffset(broker), [...succeeded]];
    unblock();
    await clock.advance(16_000);

    expect(succeededMeanwhile).toEqual(["m1", "m2", "m3"]);
    expect({ whileBlocked, afterAll: storedOffset(broker) }).toEqual(groups.observed("lowest-unacked"));
  });
});

describe("a pull that may wait", () => {
  const { held, wokenWithin100msOfSend } = groups.observed<{
    readonly held: readonly RecordedPoll[];
    readonly wokenWithin100msOfSend: boolean;
  }>("long-poll");

  async function openPolling(suspendMs: number) {
    const broker = await openTestPort({ profile: "rocketmq" });
    await createTopic(broker.mq, "orders", 1);
    await join(broker.mq, "m0", { orders: "*" });
    const answers: { readonly heldMs: number; readonly result: PullResult }[] = [];
    const since = broker.clock.now();
    const request = { group: "billing", topic: "orders", queueId: 0, offset: 0, maxMessages: 32, maxBytes: 1_024 };
    void broker.port
      .pull({ ...request, suspendMs }, new AbortController().signal)
      .then((result) => answers.push({ heldMs: broker.clock.now() - since, result }));
    return { broker, answers };
  }

  it.each(held)(
    "for $suspendTimeoutMillis ms is answered as recorded in long-poll, with no message",
    async ({ suspendTimeoutMillis, code, ext, answeredWithin }) => {
      const { broker, answers } = await openPolling(suspendTimeoutMillis);
      await using _broker = broker;

      await broker.clock.advance(suspendTimeoutMillis + 5_000);

      const [answer] = answers;
      // Ours expire at their time, where RocketMQ's broker looks every five seconds; 19 is PULL_NOT_FOUND.
      expect([answeredWithin, code]).toEqual(["suspendTimeout … suspendTimeout + 5 s", 19]);
      expect(answer?.heldMs).toBe(suspendTimeoutMillis);
      expect(answer?.result).toEqual({
        status: "NO_NEW_MSG",
        nextOffset: Number(ext.nextBeginOffset),
        minOffset: Number(ext.minOffset),
        maxOffset: Number(ext.maxOffset),
        messages: [],
      });
    },
  );

  it("is woken by a message at once, as recorded in long-poll", async () => {
    const { broker, answers } = await openPolling(15_000);
    await using _broker = broker;
    await broker.clock.settle();
    const heldBefore = answers.length;

    await broker.mq.producer({ group: "shop" }).send({ topic: "orders", body: "x" });
    await broker.clock.advance(100);

    expect(heldBefore).toBe(0);
    expect(answers.map(({ result }) => result.status)).toEqual(wokenWithin100msOfSend ? ["FOUND"] : []);
  });
});
