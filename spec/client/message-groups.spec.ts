import { describe, expect, it } from "vitest";
import { type Message, type MessageView, type SendReceipt, selectByHash } from "../../lib/index.js";
import { browseQueue } from "../support/shared-connection.js";
import { openTestBroker, type TestBroker } from "../support/test-broker.js";
import { thrown } from "../support/thrown.js";

/** Of 4 and of 5 queues, as Guava says (spec/message/consistent-hash.spec.ts). */
const QUEUES: Readonly<Record<string, readonly [of4: number, of5: number]>> = {
  "order-1": [3, 3],
  "order-2": [2, 2],
  "order-4": [2, 2],
  "order-6": [0, 0],
  "order-14": [0, 4],
  "order-40": [0, 0],
};
const GROUPS = Object.keys(QUEUES);

const open = (): Promise<TestBroker> => openTestBroker({ defaultQueueCount: 4 });
const queueIds = (receipts: readonly SendReceipt[]): readonly number[] => receipts.map(({ queueId }) => queueId);
const inGroup = (messageGroup: string | undefined, body = "x"): Message => ({ topic: "orders", body, messageGroup });

describe("a message with a message group", () => {
  it("goes to the queue of its group, however and by whomever it is sent", async () => {
    await using broker = await open();
    const [one, other] = [broker.mq.producer({ group: "shop" }), broker.mq.producer({ group: "web" })];
    const sends = GROUPS.map((group) => inGroup(group));

    const receipts = await Promise.all(sends.map((message) => one.send(message)));
    const batches = await Promise.all(sends.map((message) => other.sendBatch([message, message])));
    const synchronous = sends.map((message) => one.sendSync(message));
    const inTransaction = broker.mq.transaction(() => sends.map((message) => other.sendSync(message)));
    const batchesSync = sends.map((message) => one.sendBatchSync([message, message]));
    for (const message of sends) one.sendOneway(message);
    await broker.clock.settle();

    const expected = GROUPS.map((group) => QUEUES[group]?.[0]);
    expect([receipts, synchronous, inTransaction].map(queueIds)).toEqual([expected, expected, expected]);
    expect([...batches, ...batchesSync].map(queueIds)).toEqual(
      [...expected, ...expected].map((queueId) => [queueId, queueId]),
    );
    const stats = await broker.mq.admin.topicStats("orders");
    expect(stats.map(({ maxOffset }) => maxOffset)).toEqual(
      [0, 1, 2, 3].map((queueId) => 8 * expected.filter((id) => id === queueId).length),
    );
  });

  it("lies behind those that were sent before it, as sends, batches and synchronous sends mix", async () => {
    await using broker = await open();
    const { mq } = broker;
    const producer = mq.producer({ group: "shop" });
    const pending: Promise<unknown>[] = [];

    for (const round of ["a", "b", "c"]) {
      pending.push(producer.send(inGroup("order-1", `${round}1`)));
      pending.push(producer.send(inGroup("order-2", "in between")));
      pending.push(producer.sendBatch([inGroup("order-1", `${round}2`), inGroup("order-1", `${round}3`)]));
      producer.sendSync(inGroup("order-1", `${round}4`));
      pending.push(producer.send({ topic: "orders", body: "of no group" }, { queue: 3 }));
    }
    await Promise.all(pending);

    const views = await browseQueue(mq, "orders", 3);
    const ofGroup = views.filter(({ messageGroup }) => messageGroup === "order-1").map((view) => view.text());
    expect(ofGroup).toEqual(["a1", "a2", "a3", "a4", "b1", "b2", "b3", "b4", "c1", "c2", "c3", "c4"]);
  });

  it("goes to another queue only if it is a new one when the topic gets more, and back when it loses them", async () => {
    await using broker = await open();
    const { mq } = broker;
    const producer = mq.producer({ group: "shop" });
    const send = (): readonly number[] => queueIds(GROUPS.map((group) => producer.sendSync(inGroup(group))));

    const before = send();
    await mq.admin.updateTopic("orders", { writeQueueNums: 5, readQueueNums: 5 });
    const more = send();
    await mq.admin.updateTopic("orders", { writeQueueNums: 4 });

    expect(before).toEqual(GROUPS.map((group) => QUEUES[group]?.[0]));
    expect(more).toEqual(GROUPS.map((group) => QUEUES[group]?.[1]));
    expect(send()).toEqual(before);
  });

  it("takes no turn of those without a group", async () => {
    await using broker = await open();
    const producer = broker.mq.producer({ group: "shop" });

    const first = producer.sendSync(inGroup(undefined)).queueId;
    for (const group of GROUPS) producer.sendSync(inGroup(group));

    expect(producer.sendSync(inGroup(undefined)).queueId).toBe((first + 1) % 4);
  });

  it("goes where SendOptions.queue says, by number, by selector or by the broker's choice", async () => {
    await using broker = await open();
    const producer = broker.mq.producer({ group: "shop" });
    const message = inGroup("order-1");

    const given = [
      await producer.send(message, { queue: 1 }),
      await producer.send(message, { queue: ([first]) => first as NonNullable<typeof first> }),
      await producer.send(message, { queue: selectByHash("order-1") }),
      ...(await producer.sendBatch([message], { queue: 1 })),
    ];
    const anywhere = Array.from({ length: 60 }, () => producer.sendSync(message, { queue: -1 }).queueId);

    expect(queueIds(given)).toEqual([1, 0, 2, 1]);
    expect(new Set(anywhere).size).toBe(4);
  });

  it("is shown with it, among the system's properties and not the user's, also when it is retried", async () => {
    await using broker = await open();
    const { mq, clock } = broker;
    const views: MessageView[] = [];
    await mq
      .pushConsumer({
        group: "billing",
        subscriptions: { orders: "*" },
        listener: (view) => {
          views.push(view);
          if (view.deliveryAttempt === 1) throw new Error("not yet");
        },
      })
      .start();

    await mq.producer({ group: "shop" }).send({ ...inGroup("order-1"), properties: { region: "EU" } });
    await clock.advance(10_000);

    const shown = { messageGroup: "order-1", properties: { region: "EU" } };
    expect(views).toHaveLength(2);
    for (const view of views) {
      expect({ messageGroup: view.messageGroup, properties: view.properties }).toEqual(shown);
      expect(view.systemProperties).toMatchObject({ __SHARDINGKEY: "order-1" });
    }
  });
});

describe("the property __SHARDINGKEY that a user sets", () => {
  const sharded: Message = { topic: "orders", body: "x", properties: { __SHARDINGKEY: "order-1", region: "EU" } };

  it("is the message's group, and picks no queue", async () => {
    await using broker = await open();
    const { mq } = broker;
    const producer = mq.producer({ group: "shop" });

    const receipts = Array.from({ length: 4 }, () => producer.sendSync(sharded));

    expect(new Set(queueIds(receipts)).size).toBe(4);
    const [view] = await browseQueue(mq, "orders", 0);
    expect([view?.messageGroup, view?.properties]).toEqual(["order-1", { region: "EU" }]);
  });

  it("is refused beside messageGroup", async () => {
    await using broker = await open();
    const producer = broker.mq.producer({ group: "shop" });

    const error = thrown(() => producer.sendSync({ ...sharded, messageGroup: "order-1" }));

    expect(error).toMatchObject({ code: "ERR_MQ_INVALID_ARGUMENT", responseCode: -1 });
    expect(error.message).toBe('messageGroup and the property "__SHARDINGKEY" exclude each other, got both');
  });
});
