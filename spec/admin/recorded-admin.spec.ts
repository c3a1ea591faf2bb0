import { describe, expect, it } from "vitest";
import type { GroupMember } from "../../lib/broker/broker-port.js";
import { resolvePushConsumerOptions } from "../../lib/client/push-consumer-options.js";
import { type Broker, isMqError, type MessageQueue } from "../../lib/index.js";
import { loadFacts } from "../support/facts.js";
import { openTestPort } from "../support/local-broker.js";
import { browseQueue } from "../support/shared-connection.js";
import { openRecordedBroker, type TestBroker } from "../support/test-broker.js";

interface Answer {
  readonly code: number;
  readonly body?: string;
}

interface OffsetAnswer {
  readonly ext: { readonly offset: string };
}

interface RecordedTopic {
  readonly readQueueNums: number;
  readonly writeQueueNums: number;
  readonly perm: number;
  readonly order: boolean;
}

const admin = loadFacts("admin");
const validation = loadFacts("validation");

/** JSON but for its placeholders and its numbers as keys. */
function bodyOf<T>(fact: string): T {
  const body = admin.observed<Answer>(fact).body ?? "";
  return JSON.parse(body.replaceAll("<ts>", "1").replaceAll('{0:"', '{"0":"')) as T;
}

/** What a recorded answer says of each queue, in order of queueId: its keys are objects, which JSON does not know. */
function queuesOf(fact: string): readonly Readonly<Record<string, number>>[] {
  const { body = "" } = admin.observed<Answer>(fact);
  return [...body.matchAll(/"queueId":(\d+),"topic":"\w+"}:({[^}]*})/g)]
    .sort(([, a], [, b]) => Number(a) - Number(b))
    .map(([, , text = ""]) => JSON.parse(text.replaceAll("<ts>", "1")) as Readonly<Record<string, number>>);
}

/** 0 when it succeeds. */
async function codeOf(call: Promise<unknown>): Promise<number | undefined> {
  const error = await call.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  if (error === undefined) return 0;
  if (isMqError(error)) return error.responseCode;
  throw error;
}

const PERMS: Readonly<Record<number, string>> = { 6: "RW", 4: "R", 2: "W", 0: "none" };

/** A recorded topic as ours are told; that a template hands its permissions on is not for users to see. */
function told({ readQueueNums, writeQueueNums, perm, order }: RecordedTopic): object {
  return { readQueueNums, writeQueueNums, perm: PERMS[perm & 6], order };
}

function endsOf({ admin: calls }: Broker, queue: MessageQueue): readonly Promise<number>[] {
  return [calls.minOffset(queue), calls.maxOffset(queue), calls.searchOffset(queue, 0)];
}

const send = (mq: Broker, topic: string, queue: number): Promise<unknown> =>
  mq.producer({ group: "shop" }).send({ topic, body: "x" }, { queue });

/** Four messages of two queues that a group consumed, which it left before one more was stored in queue 0. */
async function consumeFour({ mq, clock }: TestBroker): Promise<void> {
  await mq.admin.createTopic("AdmG", { readQueueNums: 2, writeQueueNums: 2 });
  const consumer = mq.pushConsumer({ group: "g-adm", subscriptions: { AdmG: "*" }, listener: () => undefined });
  await consumer.start();
  for (const queue of [0, 0, 1, 1]) await send(mq, "AdmG", queue);
  await clock.advance(1_000);
  await consumer.close();
  await send(mq, "AdmG", 0);
}

describe("a topic that is asked for", () => {
  it.each(admin.names.filter((name) => name.startsWith("topic-config-")))("is told as recorded in %s", async (fact) => {
    await using broker = await openRecordedBroker();
    const topic = fact.slice("topic-config-".length);
    const { code } = admin.observed<Answer>(fact);

    const found = broker.mq.admin.getTopic(topic);

    expect(await codeOf(found)).toBe(code);
    if (code === 0) expect(await found).toMatchObject({ topic, system: true, ...told(bodyOf<RecordedTopic>(fact)) });
  });

  it.each(admin.names.filter((name) => name.startsWith("route-")))("has the queues of %s", async (fact) => {
    await using broker = await openTestPort({ profile: "rocketmq" });
    const { code } = admin.observed<Answer>(fact);
    const [queues] = code === 0 ? bodyOf<{ readonly queueDatas: readonly RecordedTopic[] }>(fact).queueDatas : [];

    const route = broker.port.findRoute(fact.slice("route-".length));

    expect([route?.readQueues.length, route?.writeQueues.length]).toEqual([
      queues?.readQueueNums,
      queues?.writeQueueNums,
    ]);
  });
});

describe("a topic that is created, created again and changed", () => {
  it("ends as recorded in create-topic-response", async () => {
    await using broker = await openRecordedBroker();
    const { admin: calls } = broker.mq;
    const steps = admin.observed<readonly Answer[]>("create-topic-response");
    const config = JSON.parse(steps.at(-1)?.body ?? "") as RecordedTopic;
    const same = { readQueueNums: 4, writeQueueNums: 4 };
    const more = { readQueueNums: 5, writeQueueNums: 5 };

    const codes = [
      await codeOf(calls.createTopic("AdmT", same)),
      await codeOf(calls.createTopic("AdmT", same)),
      await codeOf(calls.updateTopic("AdmT", more)),
      await codeOf(calls.getTopic("AdmT")),
    ];

    expect(codes).toEqual(steps.map(({ code }) => code));
    expect(await calls.getTopic("AdmT")).toMatchObject(told(config));
  });

  it("keeps what lies in queues that were taken away, as recorded in shrink-queues", async () => {
    await using broker = await openTestPort({ profile: "rocketmq" });
    const { mq, port } = broker;
    const recorded = admin.observed<{ readonly maxOffsetQueue3: string } & Readonly<Record<string, unknown>>>(
      "shrink-queues",
    );
    await mq.admin.createTopic("AdmS", { readQueueNums: 4, writeQueueNums: 4 });
    for (const queue of [0, 1, 2, 3]) await send(mq, "AdmS", queue);
    await port.registerConsumer(memberOf("billing", "AdmS"));
    const pull = () => port.pull(pullOf("billing", "AdmS", 3), new AbortController().signal);
    const queue3 = { topic: "AdmS", brokerName: "broker-a", queueId: 3 };

    await mq.admin.updateTopic("AdmS", { readQueueNums: 2, writeQueueNums: 2 });
    const refused = { send: await codeOf(send(mq, "AdmS", 3)), pull: await codeOf(pull()) };
    const maxWhileShrunk = await codeOf(mq.admin.maxOffset(queue3));
    await mq.admin.updateTopic("AdmS", { readQueueNums: 4, writeQueueNums: 4 });
    const { messages } = await pull();

    expect({
      ...refused,
      maxOffsetQueue3: `${await mq.admin.maxOffset(queue3)}`,
      pullAfterGrowing: messages.length,
    }).toEqual(recorded);
    // A queue that a topic does not have is refused whatever is asked about it, where RocketMQ's broker still tells its end.
    expect(maxWhileShrunk).toBe(29);
  });

  it("has the offsets of topic-stats in each of its queues", async () => {
    await using broker = await openRecordedBroker({ defaultQueueCount: 2 });
    const { mq, clock } = broker;
    for (let count = 0; count < 3; count += 1) await send(mq, "AdmOff", 0);

    const stats = await mq.admin.topicStats("AdmOff");

    expect(stats).toEqual(
      queuesOf("topic-stats").map(({ minOffset, maxOffset, lastUpdateTimestamp }, queueId) => ({
        queue: { topic: "AdmOff", brokerName: "broker-a", queueId },
        minOffset,
        maxOffset,
        lastStoreTimestamp: lastUpdateTimestamp === 0 ? undefined : clock.now(),
      })),
    );
  });

  it("refuses to tell the ends of a queue it does not have, where those of offsets-written-queue are 0", async () => {
    await using broker = await openRecordedBroker({ defaultQueueCount: 1 });
    await send(broker.mq, "AdmOff", 0);
    const { maxQueue9, minQueue9 } =
      admin.observed<Readonly<Record<"maxQueue9" | "minQueue9", OffsetAnswer>>>("offsets-written-queue");
    const queue9 = { topic: "AdmOff", brokerName: "broker-a", queueId: 9 };

    const codes = await Promise.all(endsOf(broker.mq, queue9).map(codeOf));

    expect([minQueue9.ext.offset, maxQueue9.ext.offset]).toEqual(["0", "0"]);
    expect(codes).toEqual([29, 29, 29]);
  });

  it("refuses to tell the ends of a topic that nobody knows, which are 0 in RocketMQ's broker", async () => {
    await using broker = await openRecordedBroker();
    const recorded = [
      "raw-min-offset-unknown-topic",
      "raw-max-offset-unknown-topic",
      "raw-search-offset-unknown-topic",
    ].map((fact) => validation.observed<OffsetAnswer>(fact).ext.offset);

    const codes = await Promise.all(
      endsOf(broker.mq, { topic: "AdmNope", brokerName: "broker-a", queueId: 0 }).map(codeOf),
    );

    expect(recorded).toEqual(["0", "0", "0"]);
    expect(codes).toEqual([17, 17, 17]);
  });
});

describe("a group that is asked for", () => {
  it("has the progress of consume-stats-topic and the topics of topics-by-consumer", async () => {
    await using broker = await openRecordedBroker();
    await consumeFour(broker);
    const { topicList } = bodyOf<{ readonly topicList: readonly string[] }>("topics-by-consumer");
    const { admin: calls } = broker.mq;

    const [ofTopic, all] = [await calls.consumeStats("g-adm", "AdmG"), await calls.consumeStats("g-adm")];

    expect(
      ofTopic.queues.map(({ brokerOffset, consumerOffset, inflight, lastTimestamp }) => ({
        brokerOffset,
        consumerOffset,
        lastTimestamp: Math.sign(lastTimestamp),
        pullOffset: consumerOffset + inflight,
      })),
    ).toEqual(queuesOf("consume-stats-topic"));
    // Ours always has the group's retry topic too, RocketMQ's once a message of it was consumed.
    expect([...new Set(all.queues.map(({ queue }) => queue.topic))]).toEqual([...topicList, "%RETRY%g-adm"]);
  });

  it("is refused when nobody knows it, where consume-stats-unknown-group is an empty answer", async () => {
    await using broker = await openRecordedBroker();
    const { code } = admin.observed<Answer>("consume-stats-unknown-group");

    // A name that was misspelt must not look like a group without lag.
    expect([code, queuesOf("consume-stats-unknown-group")]).toEqual([0, []]);
    expect(await codeOf(broker.mq.admin.consumeStats("g-adm"))).toBe(26);
  });

  it("has the member and the subscription of consumer-connection, but for retry topics", async () => {
    await using broker = await openRecordedBroker({ defaultQueueCount: 2 });
    const consumer = broker.mq.pushConsumer({
      group: "g-adm",
      instanceName: "adm",
      subscriptions: { AdmG: "*" },
      listener: () => undefined,
    });
    await consumer.start();
    const { connectionSet, messageModel, subscriptionTable } = bodyOf<{
      readonly connectionSet: readonly { readonly clientId: string }[];
      readonly messageModel: string;
      readonly subscriptionTable: Readonly<Record<string, { readonly subString: string }>>;
    }>("consumer-connection");
    const { "%RETRY%g-adm": _retry, ...own } = subscriptionTable;

    const info = await broker.mq.admin.getGroup("g-adm");

    expect(info).toMatchObject({ members: connectionSet.length, messageModel: messageModel.toLowerCase() });
    expect(info.subscriptions).toEqual(
      Object.fromEntries(Object.entries(own).map(([topic, { subString }]) => [topic, subString])),
    );
    expect([consumer.clientId.replace("127.0.0.1", "<host>")]).toEqual(connectionSet.map(({ clientId }) => clientId));
  });

  it("has no members when it is stopped, which consumer-connection-offline says with an error", async () => {
    await using broker = await openRecordedBroker();
    await consumeFour(broker);

    const info = await broker.mq.admin.getGroup("g-adm");

    expect(admin.observed<Answer>("consumer-connection-offline").code).toBe(206);
    expect(info).toMatchObject({ members: 0, messageModel: undefined, subscriptions: {} });
  });

  it("is refused its pulls as recorded in consume-disabled", async () => {
    await using broker = await openTestPort({ profile: "rocketmq", defaultQueueCount: 1 });
    const { mq, port } = broker;
    await send(mq, "AdmG", 0);
    await port.registerConsumer(memberOf("g-noconsume", "AdmG"));
    await mq.admin.updateGroup("g-noconsume", { consumeEnable: false });

    const code = await codeOf(port.pull(pullOf("g-noconsume", "AdmG", 0), new AbortController().signal));

    expect(code).toBe(admin.observed<Answer>("consume-disabled").code);
  });
});

describe("a broker without settings", () => {
  it("has the names of cluster-info", async () => {
    await using broker = await openRecordedBroker({ defaultQueueCount: 1 });
    const { clusterAddrTable } = bodyOf<{ readonly clusterAddrTable: Readonly<Record<string, readonly string[]>> }>(
      "cluster-info",
    );
    await send(broker.mq, "AdmT", 0);

    const [message] = await browseQueue(broker.mq, "AdmT");

    expect({ [message?.systemProperties["CLUSTER"] ?? ""]: [message?.brokerName] }).toEqual(clusterAddrTable);
  });

  it("creates topics and groups, and hands out as much in one pull, as recorded in broker-config", async () => {
    await using broker = await openRecordedBroker();
    const config = admin.observed<Readonly<Record<string, string>>>("broker-config");
    const consumer = broker.mq.pushConsumer({ group: "billing", listener: () => undefined });

    const codes = [await codeOf(send(broker.mq, "orders", 0)), await codeOf(consumer.start())];

    expect([config["autoCreateTopicEnable"], config["autoCreateSubscriptionGroup"]]).toEqual(["true", "true"]);
    expect(codes).toEqual([0, 0]);
    const { pullBatchSize, pullBatchSizeInBytes } = resolvePushConsumerOptions({
      group: "billing",
      listener: () => undefined,
    });
    expect([`${pullBatchSize}`, `${pullBatchSizeInBytes}`]).toEqual([
      config["maxTransferCountOnMessageInMemory"],
      config["maxTransferBytesOnMessageInMemory"],
    ]);
  });
});

function memberOf(group: string, topic: string): GroupMember {
  const ignore = (): void => undefined;
  return {
    group,
    clientId: "c",
    messageModel: "clustering",
    instance: undefined,
    subscriptions: new Map([[topic, "*"]]),
    wantedQueues: [],
    dropLostQueues: ignore,
    takeNewQueues: ignore,
    brokerFailed: ignore,
  };
}

function pullOf(group: string, topic: string, queueId: number) {
  return { group, topic, queueId, offset: 0, maxMessages: 32, maxBytes: 1_024, suspendMs: 0 };
}
