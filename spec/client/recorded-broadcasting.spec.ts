import { describe, expect, it } from "vitest";
import type { ConsumeFromWhere } from "../../lib/index.js";
import { retryTopic } from "../../lib/message/derived-names.js";
import { loadFacts } from "../support/facts.js";
import { openRecordedBroker, type TestBroker } from "../support/test-broker.js";
import { type Instance, rowsOf, sendAll, startInstance } from "./broadcasting-instance.js";

const groups = loadFacts("groups");

const TWO_QUEUES = { readQueueNums: 2, writeQueueNums: 2 };

/** Two in each of two queues. */
async function sendFour({ mq, clock }: TestBroker): Promise<void> {
  for (const queue of [0, 1]) await sendAll(mq, [`a${queue}`, `b${queue}`], queue);
  await clock.advance(10_000);
}

const queueIds = ({ consumer }: Instance): readonly number[] => consumer.assignment.map(({ queueId }) => queueId);

describe("a broadcasting consumer without progress", () => {
  it.each<[fact: string, where: (times: readonly number[]) => ConsumeFromWhere]>([
    ["start-broadcast-last-history", () => "last-offset"],
    ["start-broadcast-first-history", () => "first-offset"],
    [
      "start-broadcast-timestamp-history",
      ([, second = 0, third = 0]) => ({ timestamp: second + (third - second) / 2 }),
    ],
  ])("receives as recorded in %s", async (fact, where) => {
    await using broker = await openRecordedBroker({ defaultQueueCount: 1 });
    const { mq, clock } = broker;
    const times: number[] = [];
    for (const text of ["h0", "h1", "h2"]) {
      times.push(clock.now());
      await sendAll(mq, [text]);
      await clock.advance(1_000);
    }

    const { received } = await startInstance(mq, { consumeFromWhere: where(times) });
    await clock.advance(1_000);
    await sendAll(mq, ["later"]);
    await clock.advance(1_000);

    expect({
      historyReceived: received.filter((text) => text !== "later"),
      messageSentAfterStartReceived: received.includes("later"),
    }).toEqual(groups.observed(fact));
  });
});

describe("a broadcasting group", () => {
  it("receives and keeps its progress as recorded in broadcasting, in tables instead of a file for each client", async () => {
    const recorded = groups.observed<{
      readonly firstReceived: number;
      readonly secondReceived: number;
      readonly brokerOffset: number;
      readonly localFileContent: string;
      readonly retryTopicCreated: boolean;
    }>("broadcasting");
    const inFile = [...recorded.localFileContent.matchAll(/"queueId":(\d+),.*?\}:(\d+)/gs)].map(([, queueId, next]) => [
      Number(queueId),
      Number(next),
    ]);
    await using broker = await openRecordedBroker();
    const { mq } = broker;
    await mq.admin.createTopic("orders", TWO_QUEUES);

    const first = await startInstance(mq, { instanceName: "b1" });
    const second = await startInstance(mq, { instanceName: "b2" });
    await sendFour(broker);
    for (const { consumer } of [first, second]) await consumer.close();

    expect([first.received.length, second.received.length]).toEqual([recorded.firstReceived, recorded.secondReceived]);
    const progress = rowsOf(mq.database, "mq_broadcast_offset", "instance_name", "queue_id", "next_offset");
    expect(inFile.length).toBe(2);
    expect(progress).toEqual(["b1", "b2"].flatMap((name) => inFile.sort().map((row) => [name, ...row])));
    // -1 is a group that has no offset.
    expect(recorded.brokerOffset).toBe(-1);
    expect(rowsOf(mq.database, "mq_consume_offset", "consumer_group")).toEqual([]);
    const topics = (await mq.admin.listTopics({ system: true })).map(({ topic }) => topic);
    expect(topics.includes(retryTopic("news"))).toBe(recorded.retryTopicCreated);
  });

  it("with a clustering member shares nothing with it, as recorded in mixed-models", async () => {
    const { brokerView, ...recorded } = groups.observed<{ readonly brokerView: string }>("mixed-models");
    const view = JSON.parse(brokerView.replaceAll("<ts>", "0")) as {
      readonly connectionSet: readonly { readonly clientId: string }[];
      readonly messageModel: string;
      readonly subscriptionTable: Readonly<Record<string, { readonly subString: string }>>;
    };
    await using broker = await openRecordedBroker();
    const { mq } = broker;
    await mq.admin.createTopic("orders", TWO_QUEUES);

    const clustering = await startInstance(mq, { instanceName: "mc", messageModel: "clustering" });
    const broadcasting = await startInstance(mq, { instanceName: "mb" });
    await sendFour(broker);

    expect({
      clusteringQueues: queueIds(clustering),
      broadcastingQueues: queueIds(broadcasting),
      clusteringReceived: clustering.received.length,
      broadcastingReceived: broadcasting.received.length,
    }).toEqual(recorded);
    const nameIn = ({ clientId }: { readonly clientId: string }): string => clientId.slice(clientId.indexOf("@"));
    expect([clustering.consumer, broadcasting.consumer].map(nameIn)).toEqual(view.connectionSet.map(nameIn));
    expect(await mq.admin.getGroup("news")).toMatchObject({
      members: view.connectionSet.length,
      messageModel: view.messageModel.toLowerCase(),
      subscriptions: { orders: view.subscriptionTable["GrpModel"]?.subString },
    });
  });
});
