import { describe, expect, it } from "vitest";
import { allocateByConfig, type MessageQueue } from "../../lib/index.js";
import { openTestBroker } from "../support/test-broker.js";
import { thrown } from "../support/thrown.js";
import { queuesOf } from "./allocation-inputs.js";

describe("allocateByConfig", () => {
  it("gives the same queues whoever asks, for whatever topic, also where others would fail", () => {
    const queues = queuesOf(2);
    const strategy = allocateByConfig(queues);

    const shares = [strategy("g", "c1", queuesOf(4), ["c1"]), strategy("h", "", [], []), strategy("g", "c9", [], [])];

    expect(shares).toEqual([queues, queues, queues]);
  });

  it("may give none", () => {
    expect(allocateByConfig([])("g", "c1", queuesOf(4), ["c1"])).toEqual([]);
  });

  it("is not changed by what anybody does to the queues", () => {
    const queue = { topic: "T", brokerName: "broker-a", queueId: 1 };
    const queues = [queue];
    const strategy = allocateByConfig(queues);
    const given = strategy("g", "c1", queuesOf(4), ["c1"]) as MessageQueue[];

    queue.queueId = 2;
    queues.push(queue);

    expect(() => given.pop()).toThrow(TypeError);
    expect(strategy("g", "c1", queuesOf(4), ["c1"])).toEqual([{ topic: "T", brokerName: "broker-a", queueId: 1 }]);
  });

  it("leaves failed messages in the retry topic until a member lists its queue", async () => {
    await using broker = await openTestBroker();
    const { mq, clock } = broker;
    await mq.producer({ group: "shop" }).send({ topic: "orders", body: "a" }, { queue: 0 });
    const orders = { topic: "orders", brokerName: "broker-a", queueId: 0 };
    const attempts: number[] = [];
    const consume = (queues: readonly MessageQueue[]): Promise<void> =>
      mq
        .pushConsumer({
          group: "billing",
          subscriptions: { orders: "*" },
          allocateMessageQueueStrategy: allocateByConfig(queues),
          listener: ({ deliveryAttempt }) => {
            attempts.push(deliveryAttempt);
            if (deliveryAttempt === 1) throw new Error("not yet");
          },
        })
        .start();

    await consume([orders]);
    await clock.advance(3_600_000);
    const before = [...attempts];
    await consume([{ ...orders, topic: "%RETRY%billing" }]);
    await clock.settle();

    expect([before, attempts]).toEqual([[1], [1, 2]]);
  });

  it.each<[unknown, string]>([
    [undefined, "queues must be an array of message queues, got undefined"],
    [new Set(), "queues must be an array of message queues, got an object"],
    [[null], "queues[0] must be a message queue { topic, brokerName, queueId }, got null"],
    [["T"], 'queues[0] must be a message queue { topic, brokerName, queueId }, got "T"'],
    [
      [...queuesOf(1), { topic: "T", brokerName: "b", queueId: -1 }],
      'queues[1] must be a message queue { topic, brokerName, queueId }, got { topic: "T", brokerName: "b", queueId: -1 }',
    ],
    [
      [{ topic: "T", brokerName: "b", queueId: 0.5 }],
      'queues[0] must be a message queue { topic, brokerName, queueId }, got { topic: "T", brokerName: "b", queueId: 0.5 }',
    ],
    [
      [{ topic: "T", queueId: 0 }],
      'queues[0] must be a message queue { topic, brokerName, queueId }, got { topic: "T", brokerName: undefined, queueId: 0 }',
    ],
  ])("refuses %j", (queues, message) => {
    const error = thrown(() => allocateByConfig(queues as readonly MessageQueue[]));

    expect(error).toMatchObject({ code: "ERR_MQ_INVALID_ARGUMENT", responseCode: -1, message });
  });

  it("refuses a hole in the array", () => {
    expect(thrown(() => allocateByConfig(new Array<MessageQueue>(1))).message).toContain("queues[0] must be");
  });
});
