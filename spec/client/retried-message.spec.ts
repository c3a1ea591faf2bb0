import { describe, expect, it } from "vitest";
import type { Broker, Message, MessageView } from "../../lib/index.js";
import { browseQueue } from "../support/shared-connection.js";
import { openTestBroker, type TestBroker } from "../support/test-broker.js";

const FULL: Message = {
  topic: "orders",
  body: Buffer.from([0, 1, 2, 255]),
  tag: "created",
  keys: ["k1", "k2"],
  properties: { region: "EU", 名: "值" },
  flag: 7,
};

/** Delivers one message twice and then buries it. */
async function deliverAndBury({ mq, clock }: TestBroker, message: Message): Promise<readonly MessageView[]> {
  const views: MessageView[] = [];
  const consumer = mq.pushConsumer({
    group: "billing",
    subscriptions: { orders: "*" },
    maxReconsumeTimes: 1,
    listener: (view) => {
      views.push(view);
      return "retry";
    },
  });
  await consumer.start();
  await mq.producer({ group: "shop" }).send(message);
  await clock.advance(60_000);
  return [...views, ...(await browseQueue(mq, "%DLQ%billing"))];
}

/** Of what differs from copy to copy. */
const own = ({ queueOffset, storeTimestamp, topic, queueId, reconsumeTimes }: MessageView): object => ({
  ...{ topic, queueId, queueOffset, reconsumeTimes },
  storeTimestamp,
});

/** What the sender made. */
const content = (view: MessageView): object => ({
  messageId: view.messageId,
  body: view.body,
  tag: view.tag,
  keys: view.keys,
  properties: view.properties,
  flag: view.flag,
  bornTimestamp: view.bornTimestamp,
  bornHost: view.bornHost,
});

describe("a message that is retried and buried", () => {
  it("keeps its id, body, tag, keys, properties, flag and when it was born", async () => {
    await using broker = await openTestBroker({ defaultQueueCount: 1 });

    const copies = await deliverAndBury(broker, FULL);

    const [first] = copies as [MessageView];
    const { topic: _topic, ...sent } = FULL;
    expect(content(first)).toMatchObject(sent);
    expect(copies.map(content)).toEqual([content(first), content(first), content(first)]);
  });

  it("is of the topic it was sent to while it is delivered, of the dead-letter queue as it lies there", async () => {
    await using broker = await openTestBroker({ defaultQueueCount: 1 });
    const sentAt = broker.clock.now();

    const copies = await deliverAndBury(broker, FULL);

    expect(copies.map(own)).toEqual([
      { topic: "orders", queueId: 0, queueOffset: 0, reconsumeTimes: 0, storeTimestamp: sentAt },
      { topic: "orders", queueId: 0, queueOffset: 0, reconsumeTimes: 1, storeTimestamp: sentAt + 10_000 },
      { topic: "%DLQ%billing", queueId: 0, queueOffset: 0, reconsumeTimes: 2, storeTimestamp: sentAt + 10_000 },
    ]);
  });

  it("has three more system properties than it was sent with: where it was sent to, its first copy's id, and WAIT", async () => {
    await using broker = await openTestBroker({ defaultQueueCount: 1 });

    const [first, second, dead] = (await deliverAndBury(broker, FULL)) as [MessageView, MessageView, MessageView];

    const { CONSUME_START_TIME: _at, ...sent } = first.systemProperties;
    const added = { RETRY_TOPIC: "orders", ORIGIN_MESSAGE_ID: first.offsetMessageId, WAIT: "false" };
    expect(Object.keys(sent)).not.toContain("RETRY_TOPIC");
    expect(second.systemProperties).toEqual({ ...sent, ...added, CONSUME_START_TIME: expect.any(String) });
    expect(dead.systemProperties).toEqual({ ...sent, ...added });
  });

  it("comes again with a body of the maximum size", async () => {
    await using broker = await openTestBroker({ defaultQueueCount: 1 });
    const body = Buffer.alloc(4 * 1024 * 1024, "x");

    const copies = await deliverAndBury(broker, { topic: "orders", body });

    expect(copies.map((view) => view.body.equals(body))).toEqual([true, true, true]);
  });

  it("comes again as it is stored, whatever the listener did to what it got", async () => {
    await using broker = await openTestBroker({ defaultQueueCount: 1 });
    const { mq, clock } = broker;
    const seen: string[] = [];
    const listener = (view: MessageView): "retry" => {
      seen.push(view.text());
      view.body.fill("X");
      return "retry";
    };
    await mq.pushConsumer({ group: "billing", subscriptions: { orders: "*" }, maxReconsumeTimes: 1, listener }).start();

    await mq.producer({ group: "shop" }).send({ topic: "orders", body: "secret" });
    await clock.advance(60_000);

    expect([...seen, ...(await textsOf(mq, "%DLQ%billing"))]).toEqual(["secret", "secret", "secret"]);
  });

  it("comes again whatever tags the group asks for by then: it had asked for this one", async () => {
    await using broker = await openTestBroker({ defaultQueueCount: 1 });
    const { mq, clock } = broker;
    const seen: (string | undefined)[] = [];
    const consumer = mq.pushConsumer({
      group: "billing",
      subscriptions: { orders: "created" },
      listener: ({ tag, deliveryAttempt }) => {
        seen.push(tag);
        return deliveryAttempt === 1 ? "retry" : "success";
      },
    });
    await consumer.start();
    await mq.producer({ group: "shop" }).send(FULL);
    await clock.settle();

    consumer.subscribe("orders", "paid");
    await clock.advance(10_000);

    expect(seen).toEqual(["created", "created"]);
  });
});

async function textsOf(mq: Broker, topic: string): Promise<readonly string[]> {
  return (await browseQueue(mq, topic)).map((view) => view.text());
}
