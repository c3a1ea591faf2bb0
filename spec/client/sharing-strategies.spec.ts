import { describe, expect, it } from "vitest";
import {
  type AllocateMessageQueueStrategy,
  allocateAveragely,
  allocateAveragelyByCircle,
  allocateByMachineRoom,
  allocateConsistentHash,
  type PushConsumer,
} from "../../lib/index.js";
import { openTestBroker } from "../support/test-broker.js";

const QUEUES = [0, 1, 2, 3, 4, 5, 6, 7];
const idsOf = ({ assignment }: PushConsumer): readonly number[] => assignment.map(({ queueId }) => queueId);

describe.each<[string, AllocateMessageQueueStrategy, readonly (readonly number[])[]]>([
  [
    "allocateAveragely",
    allocateAveragely,
    [
      [0, 1, 2],
      [3, 4, 5],
      [6, 7],
    ],
  ],
  [
    "allocateAveragelyByCircle",
    allocateAveragelyByCircle,
    [
      [0, 3, 6],
      [1, 4, 7],
      [2, 5],
    ],
  ],
  [
    "allocateConsistentHash",
    allocateConsistentHash(),
    [
      [3, 5],
      [0, 4, 6],
      [1, 2, 7],
    ],
  ],
  [
    "allocateByMachineRoom",
    allocateByMachineRoom(new Set(["r1"])),
    [
      [0, 1, 6],
      [2, 3, 7],
      [4, 5],
    ],
  ],
])("a group that shares its queues by %s", (_name, allocateMessageQueueStrategy, shares) => {
  it("consumes each message once, failed ones too, and leaves no queue alone when a member leaves", async () => {
    await using broker = await openTestBroker({ brokerName: "r1@broker-a", defaultQueueCount: 8 });
    const { mq, clock } = broker;
    const consumed: string[] = [];
    const members = [0, 1, 2].map((index) =>
      mq.pushConsumer({
        group: "billing",
        subscriptions: { orders: "*" },
        instanceName: `w${index}`,
        allocateMessageQueueStrategy,
        listener: (message) => {
          if (message.text() === "fails" && message.deliveryAttempt === 1) throw new Error("not yet");
          consumed.push(message.text());
        },
      }),
    );
    const producer = mq.producer({ group: "shop" });
    await producer.send({ topic: "orders", body: "fails" }, { queue: 7 });

    for (const member of members) await member.start();
    const before = members.map(idsOf);
    await members[0]?.close();
    const after = members.map(idsOf);
    for (const queue of QUEUES) await producer.send({ topic: "orders", body: String(queue) }, { queue });
    await clock.advance(10_000);

    expect(before).toEqual(shares);
    expect([after[0], after.flat().sort()]).toEqual([[], QUEUES]);
    expect(consumed.sort()).toEqual([...QUEUES.map(String), "fails"]);
  });
});
