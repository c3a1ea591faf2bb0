import { describe, expect, it } from "vitest";
import { nearMisses } from "../../lib/broker/near-misses.js";
import { openBroker } from "../../lib/index.js";
import { SYSTEM_GROUPS } from "../../lib/message/system-topics.js";
import { loadFacts } from "../support/facts.js";
import { browseQueue } from "../support/shared-connection.js";
import { tempFolder } from "../support/temp-folder.js";
import { openTestBroker } from "../support/test-broker.js";
import { thrown } from "../support/thrown.js";

const message = { topic: "orders", body: "x" };
const validation = loadFacts("validation");
const messages = loadFacts("messages");

describe("a send to an unknown topic", () => {
  it("creates it as recorded in auto-create", async () => {
    await using broker = await openTestBroker();
    const { topicConfig, ...recorded } = messages.observed<{
      readonly sendStatus: string;
      readonly queueOffset: number;
      readonly queueIdBelow4: boolean;
      readonly topicConfig: { readonly body: string };
    }>("auto-create");
    const config = JSON.parse(topicConfig.body) as Record<string, unknown>;

    const { status, queueId, queueOffset } = await broker.mq.producer({ group: "shop" }).send(message);

    expect({ sendStatus: status, queueOffset, queueIdBelow4: queueId < 4 }).toEqual(recorded);
    expect(await broker.mq.admin.getTopic("orders")).toEqual({
      topic: "orders",
      readQueueNums: config["readQueueNums"],
      writeQueueNums: config["writeQueueNums"],
      perm: "RW",
      order: config["order"],
      messageType: "NORMAL",
      system: false,
    });
  });

  it("creates it with defaultQueueCount queues, where RocketMQ's broker stops at 8", async () => {
    await using broker = await openTestBroker({ defaultQueueCount: 16 });
    const recorded = messages.observed<{ readonly topicConfig: { readonly body: string } }>("auto-create-16");

    await broker.mq.producer({ group: "shop" }).send(message);

    expect(JSON.parse(recorded.topicConfig.body)).toMatchObject({ writeQueueNums: 8 });
    expect(await broker.mq.admin.getTopic("orders")).toMatchObject({ readQueueNums: 16, writeQueueNums: 16 });
  });

  it("creates nothing and answers 17 with autoCreateTopic false, as RocketMQ does when there is no template", async () => {
    await using broker = await openTestBroker({ autoCreateTopic: false });
    const producer = broker.mq.producer({ group: "shop" });
    const { code } = validation.observed<{ readonly code: number }>("raw-send-default-topic-unknown");

    const error = thrown(() => producer.sendSync(message));

    expect([error.code, error.responseCode]).toEqual(["ERR_MQ_TOPIC_NOT_FOUND", code]);
    expect(error.message).toBe("topic orders does not exist");
    await expect(producer.send(message)).rejects.toMatchObject({ responseCode: code });
    expect(await broker.mq.admin.listTopics()).toEqual([]);
  });

  it("names topics that may have been meant", async () => {
    await using broker = await openTestBroker({ autoCreateTopic: false });
    const { mq } = broker;
    for (const topic of ["orders", "order-events", "invoices"]) await mq.admin.createTopic(topic);
    const messageFor = (topic: string): string =>
      thrown(() => mq.producer({ group: "shop" }).sendSync({ topic, body: "x" })).message;

    expect(messageFor("Orders")).toBe("topic Orders does not exist; did you mean orders?");
    expect(messageFor("OrderEvents")).toBe("topic OrderEvents does not exist; did you mean order-events?");
    expect(messageFor("invoice")).toBe("topic invoice does not exist; did you mean invoices?");
    expect(messageFor("shipments")).toBe("topic shipments does not exist");
  });

  it("finds it when another broker on the file has created it meanwhile", async () => {
    using folder = tempFolder();
    await using broker = await openTestBroker({ path: folder.file("app.db"), autoCreateTopic: false });
    const producer = broker.mq.producer({ group: "shop" });
    expect(thrown(() => producer.sendSync(message)).responseCode).toBe(17);
    const other = await openBroker(folder.file("app.db"));

    await other.admin.createTopic("orders", { readQueueNums: 1, writeQueueNums: 1 });
    await other.close();
    await broker.clock.advance(100);

    expect((await producer.send(message)).queueOffset).toBe(0);
  });

  it("is stored in the queues of its first, when two are in one commit", async () => {
    await using broker = await openTestBroker({ defaultQueueCount: 2 });
    const producer = broker.mq.producer({ group: "shop" });

    const receipts = await Promise.all([producer.send(message), producer.send(message)]);

    expect(receipts.map(({ queueId }) => queueId).sort()).toEqual([0, 1]);
  });
});

describe("a topic's permissions and write queues", () => {
  it.each([
    ["send-read-only-topic", { perm: "R" }],
    ["send-no-perm-topic", { perm: "none" }],
    ["send-no-write-queues", { writeQueueNums: 0 }],
  ] as const)("refuse a send as recorded in %s", async (fact, settings) => {
    await using broker = await openTestBroker();
    const { mq } = broker;
    await mq.admin.createTopic("orders", settings);
    const producer = mq.producer({ group: "shop" });

    const refusals = [
      thrown(() => producer.sendSync(message)),
      thrown(() => producer.sendSync(message, { queue: 0 })),
      thrown(() => producer.sendBatchSync([message])),
    ];

    const { responseCode } = validation.error(fact) ?? {};
    expect(refusals.map((error) => [error.code, error.responseCode])).toEqual(
      refusals.map(() => ["ERR_MQ_NO_PERMISSION", responseCode]),
    );
  });

  it("hold from the next send on when they are changed", async () => {
    await using broker = await openTestBroker({ defaultQueueCount: 1 });
    const { mq } = broker;
    const producer = mq.producer({ group: "shop" });
    await producer.send(message);

    await mq.admin.updateTopic("orders", { perm: "R" });
    const refused = await producer.send(message).catch((error: unknown) => error);
    await mq.admin.updateTopic("orders", { perm: "W" });

    expect(refused).toMatchObject({ responseCode: 10_005 });
    expect((await producer.send(message)).queueOffset).toBe(1);
  });

  it("keep the messages of queues that were taken away, which are back when the topic grows", async () => {
    await using broker = await openTestBroker({ defaultQueueCount: 4 });
    const { mq } = broker;
    const producer = mq.producer({ group: "shop" });
    for (let queue = 0; queue < 4; queue += 1) await producer.send(message, { queue });

    await mq.admin.updateTopic("orders", { readQueueNums: 2, writeQueueNums: 2 });
    const refused = await producer.send(message, { queue: 3 }).catch((error: unknown) => error);
    await mq.admin.updateTopic("orders", { readQueueNums: 4, writeQueueNums: 4 });

    expect(refused).toMatchObject({ responseCode: 29 });
    expect(await browseQueue(mq, "orders", 3)).toHaveLength(1);
    expect((await producer.send(message, { queue: 3 })).queueOffset).toBe(1);
  });
});

describe("a system topic", () => {
  const facts = validation.names.filter((name) => name.startsWith("send-system-topic-"));

  it.each(facts)("ends a send as recorded in %s", async (fact) => {
    await using broker = await openTestBroker();
    const topic = fact.slice("send-system-topic-".length);
    const producer = broker.mq.producer({ group: "shop" });

    const outcome = await producer.send({ topic, body: "x" }).catch((error: unknown) => error);

    const recorded = validation.error(fact);
    if (recorded === undefined) expect(outcome).toMatchObject({ status: "SEND_OK", topic });
    else expect(outcome).toMatchObject({ code: "ERR_MQ_NO_PERMISSION", responseCode: recorded.responseCode });
  });

  it("takes messages under every name that RocketMQ takes them under, retry and dead-letter topics too", async () => {
    await using broker = await openTestBroker();
    const producer = broker.mq.producer({ group: "shop" });

    for (const topic of ["%DLQ%nogroup", "%RETRY%nogroup"]) {
      expect(validation.observed<{ readonly code: number }>(`raw-send-${topic}`).code).toBe(0);
      expect((await producer.send({ topic, body: "x" })).status).toBe("SEND_OK");
    }
  });

  it("takes messages that go to the retry topic of a group that nobody knows, which is created", async () => {
    await using broker = await openTestBroker();

    const { status } = await broker.mq.producer({ group: "shop" }).send({ topic: "%RETRY%billing", body: "x" });

    expect(status).toBe("SEND_OK");
    expect((await broker.mq.admin.listGroups()).map(({ group }) => group)).toEqual(["billing"]);
  });

  it("takes none of them where groups are not created, with 26, but dead letters of any group", async () => {
    await using broker = await openTestBroker({ autoCreateGroup: false });
    const { mq } = broker;
    const producer = mq.producer({ group: "shop" });
    const retry = { topic: "%RETRY%billing", body: "x" };

    const refused = [
      thrown(() => producer.sendSync(retry)),
      await producer.send(retry).catch((error: unknown) => error),
    ];
    const { status } = await producer.send({ topic: "%DLQ%billing", body: "x" });
    const topics = await mq.admin.listTopics();
    await mq.admin.createGroup("billing");

    const groupNotFound = { code: "ERR_MQ_GROUP_NOT_FOUND", responseCode: 26 };
    expect(refused).toMatchObject([groupNotFound, groupNotFound]);
    expect([status, topics.map(({ topic }) => topic)]).toEqual(["SEND_OK", ["%DLQ%billing"]]);
    expect((await producer.send(retry)).status).toBe("SEND_OK");
  });

  it("is there under the names of the broker and its cluster", async () => {
    await using broker = await openTestBroker({ brokerName: "b1", clusterName: "c1" });
    const producer = broker.mq.producer({ group: "shop" });

    const receipts = [producer.sendSync({ topic: "b1", body: "x" }), producer.sendSync({ topic: "c1", body: "x" })];

    expect(receipts.map(({ brokerName }) => brokerName)).toEqual(["b1", "b1"]);
    expect(await broker.mq.admin.getTopic("c1")).toMatchObject({ system: true, writeQueueNums: 16 });
  });
});

describe("a consumer group of the system", () => {
  it("can consume without having been created, and leaves a whole store", async () => {
    await using broker = await openTestBroker({ defaultQueueCount: 1, autoCreateGroup: false });
    const { mq, clock } = broker;
    const [group = ""] = SYSTEM_GROUPS;
    await mq.producer({ group: "shop" }).send(message);
    const received: string[] = [];

    const consumer = mq.pushConsumer({
      group,
      subscriptions: { orders: "*" },
      listener: (view) => void received.push(view.text()),
    });
    await consumer.start();
    await clock.advance(1_000);
    await consumer.close();

    expect(received).toEqual(["x"]);
    expect((await mq.admin.checkStore()).problems).toEqual([]);
  });

  it("does not let an unknown group of another name in", async () => {
    await using broker = await openTestBroker({ autoCreateGroup: false });
    await broker.mq.admin.createGroup("billing");
    const consumer = broker.mq.pushConsumer({ group: "biling", listener: () => undefined });

    await expect(consumer.start()).rejects.toMatchObject({ code: "ERR_MQ_GROUP_NOT_FOUND", responseCode: 26 });
    await expect(consumer.start()).rejects.toThrow("did you mean billing?");
  });
});

describe("nearMisses", () => {
  it.each([
    ["orders", ["Orders", "ORDERS"], ["ORDERS", "Orders"]],
    ["orderEvents", ["order-events", "order_events", "orders"], ["order-events", "order_events"]],
    ["ordres", ["orders", "invoices"], ["orders"]],
    ["ordrs", ["orders"], ["orders"]],
    ["a", ["b", "abc"], ["b"]],
    ["billing-service", ["billing-servce", "billing-srvce", "billing"], ["billing-servce", "billing-srvce"]],
    ["orders", [], []],
    ["orders1", ["orders2", "orders3", "orders4", "orders5"], ["orders2", "orders3", "orders4"]],
  ])("for %s among %j are %j", (name, known, expected) => {
    expect(nearMisses(name, known)).toEqual(expected);
  });
});
