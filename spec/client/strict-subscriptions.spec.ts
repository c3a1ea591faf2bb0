import { describe, expect, it } from "vitest";
import type { Broker, PushConsumer, PushConsumerSettings } from "../../lib/index.js";
import { openTestBroker } from "../support/test-broker.js";
import { thrown } from "../support/thrown.js";

const REFUSED = { code: "ERR_MQ_SUBSCRIPTION", responseCode: 24 };

/** Member "w0", "w1", … */
function member(mq: Broker, index: number, settings: Partial<PushConsumerSettings> = {}): PushConsumer {
  const { subscriptions = { orders: "*" } } = settings;
  return mq.pushConsumer({
    ...{ group: "billing", instanceName: `w${index}` },
    ...settings,
    ...{ subscriptions, listener: () => "success" },
  });
}

const STRICT = { strictSubscriptions: true } as const;

describe("a member that subscribes otherwise than one that is there", () => {
  it.each([
    [true, true],
    [true, false],
    [false, true],
  ])("is refused at its start when strictSubscriptions of the first is %s and its own %s", async (first, second) => {
    await using broker = await openTestBroker();
    const { mq, logged } = broker;
    const present = member(mq, 0, { subscriptions: { orders: "paid", refunds: "*" }, strictSubscriptions: first });
    await present.start();
    await mq.admin.createTopic("orders");
    const late = member(mq, 1, { subscriptions: { orders: "created", invoices: "a" }, strictSubscriptions: second });

    const error: unknown = await late.start().catch((reason: unknown) => reason);

    const strict = [...(second ? ["127.0.0.1@w1"] : []), ...(first ? ["127.0.0.1@w0"] : [])].join(" and ");
    const message =
      'consumer 127.0.0.1@w1 of group billing differs from its member 127.0.0.1@w0 in its subscriptions: invoices "a" (there not subscribed to), ' +
      `orders "created" (there "paid"), refunds not subscribed to (there "*"); strictSubscriptions of ${strict} forbids that`;
    expect(error).toMatchObject({ ...REFUSED, message });
    expect(await mq.admin.getGroup("billing")).toMatchObject({
      members: 1,
      subscriptions: { orders: "paid", refunds: "*" },
    });
    expect([present.assignment.length, late.assignment.length, logged]).toEqual([4, 0, []]);
  });

  it("takes part when nobody is strict: the last one counts, and everybody is told", async () => {
    await using broker = await openTestBroker();
    const { mq, logged } = broker;
    await member(mq, 0, { subscriptions: { orders: "paid" } }).start();

    await member(mq, 1, { subscriptions: { orders: "created" } }).start();

    expect(await mq.admin.getGroup("billing")).toMatchObject({ members: 2, subscriptions: { orders: "created" } });
    expect(logged).toHaveLength(1);
  });

  it("takes part when it has changed its mind, or when the others have gone", async () => {
    await using broker = await openTestBroker();
    const { mq } = broker;
    const first = member(mq, 0, STRICT);
    await first.start();
    const [mended, patient] = [1, 2].map((index) => member(mq, index, { subscriptions: { orders: "a" }, ...STRICT }));
    for (const consumer of [mended, patient]) await consumer?.start().catch(() => undefined);

    mended?.subscribe("orders", "*");
    await mended?.start();
    for (const consumer of [first, mended]) await consumer?.close();
    await patient?.start();

    expect(await mq.admin.getGroup("billing")).toMatchObject({ members: 1, subscriptions: { orders: "a" } });
  });

  it("is refused also when both start at the same time", async () => {
    await using broker = await openTestBroker();
    const { mq } = broker;
    const pair = ["a", "b"].map((tag, index) => member(mq, index, { subscriptions: { orders: tag }, ...STRICT }));

    const ends = await Promise.allSettled(pair.map((consumer) => consumer.start()));

    expect(ends.map(({ status }) => status)).toEqual(["fulfilled", "rejected"]);
    expect(await mq.admin.getGroup("billing")).toMatchObject({ members: 1, subscriptions: { orders: "a" } });
  });
});

describe("members of a group with strictSubscriptions", () => {
  it("may write the same subscriptions in other words, and be of either message model", async () => {
    await using broker = await openTestBroker();
    const { mq } = broker;
    await member(mq, 0, { subscriptions: { orders: "created || paid", refunds: "*" }, ...STRICT }).start();

    await member(mq, 1, { subscriptions: { refunds: " ", orders: "paid||created" }, ...STRICT }).start();
    await member(mq, 2, {
      subscriptions: { orders: "created||paid", refunds: "*" },
      messageModel: "broadcasting",
    }).start();

    expect((await mq.admin.getGroup("billing")).members).toBe(3);
  });

  it("may be simple consumers, which are held to the same", async () => {
    await using broker = await openTestBroker();
    const { mq } = broker;
    const simple = (instanceName: string, tag: string) =>
      mq.simpleConsumer({
        ...{ group: "billing", instanceName, subscriptions: { orders: tag, invoices: "*" } },
        ...STRICT,
      });
    const [first, same, other] = [simple("w0", "a||b"), simple("w1", "b || a"), simple("w2", "c")];
    await first.start();
    await same.start();

    const refused: unknown = await other.start().catch((error: unknown) => error);
    const errors = [
      thrown(() => first.subscribe("orders", "c")),
      thrown(() => same.subscribe("refunds")),
      thrown(() => same.unsubscribe("orders")),
    ];
    first.subscribe("orders", "b||a");
    same.unsubscribe("refunds");

    expect([refused, ...errors]).toEqual(Array.from({ length: 4 }, () => expect.objectContaining(REFUSED)));
    const { members, subscriptions } = await mq.admin.getGroup("billing");
    expect([members, subscriptions]).toEqual([2, { orders: "b || a", invoices: "*" }]);
  });

  it("may be pull consumers, which differ from nobody until they subscribe", async () => {
    await using broker = await openTestBroker();
    const { mq } = broker;
    await mq.admin.createTopic("orders");
    await member(mq, 0, STRICT).start();
    const [chooses, subscribes] = [1, 2].map((index) =>
      mq.pullConsumer({ group: "billing", instanceName: `w${index}`, ...STRICT }),
    );
    for (const consumer of [chooses, subscribes]) await consumer?.start();

    const errors = [thrown(() => chooses?.subscribe("orders", "a")), thrown(() => subscribes?.subscribe("refunds"))];
    chooses?.assign([{ topic: "orders", brokerName: "broker-a", queueId: 0 }]);
    subscribes?.subscribe("orders");

    expect(errors).toEqual(Array.from({ length: 2 }, () => expect.objectContaining(REFUSED)));
    expect([chooses?.assignment.length, subscribes?.assignment.length]).toEqual([1, 2]);
    const late = mq.pullConsumer({ group: "billing", subscriptions: { orders: "a" } });
    await expect(late.start()).rejects.toMatchObject(REFUSED);
  });

  it("cannot subscribe to something else while others are there: it throws, and all is as it was", async () => {
    await using broker = await openTestBroker();
    const { mq, clock, logged } = broker;
    const received: (string | undefined)[] = [];
    const [strict, plain] = [
      mq.pushConsumer({
        ...{ group: "billing", instanceName: "w0", subscriptions: { orders: "paid" }, ...STRICT },
        listener: ({ tag }) => void received.push(tag),
      }),
      member(mq, 1, { subscriptions: { orders: "paid" } }),
    ];
    for (const consumer of [strict, plain]) await consumer.start();
    await mq.admin.createTopic("orders");
    const before = [strict, plain].map(({ assignment }) => assignment);

    const errors = [strict, plain].flatMap((consumer) => [
      thrown(() => consumer.subscribe("orders", "created")),
      thrown(() => consumer.subscribe("refunds")),
      thrown(() => consumer.unsubscribe("orders")),
    ]);
    for (const tag of ["created", "paid"])
      await mq.producer({ group: "shop" }).send({ topic: "orders", tag, body: tag }, { queue: 0 });
    await clock.settle();

    expect(errors).toEqual(Array.from({ length: 6 }, () => expect.objectContaining(REFUSED)));
    expect(errors[1]?.message).toContain('refunds "*" (there not subscribed to)');
    expect([strict, plain].map(({ assignment }) => assignment)).toEqual(before);
    expect(await mq.admin.getGroup("billing")).toMatchObject({ members: 2, subscriptions: { orders: "paid" } });
    expect([received, logged]).toEqual([["paid"], []]);
  });

  it("may subscribe to the same again, and let go of what they never had", async () => {
    await using broker = await openTestBroker();
    const { mq } = broker;
    const pair = [0, 1].map((index) => member(mq, index, { subscriptions: { orders: "a||b" }, ...STRICT }));
    for (const consumer of pair) await consumer.start();

    pair[0]?.subscribe("orders", "b || a");
    pair[0]?.unsubscribe("refunds");

    expect((await mq.admin.getGroup("billing")).subscriptions).toEqual({ orders: "a||b" });
  });

  it("may subscribe to anything while they are alone", async () => {
    await using broker = await openTestBroker();
    const { mq } = broker;
    const only = member(mq, 0, STRICT);
    await only.start();

    only.subscribe("orders", "paid");
    only.subscribe("refunds");
    only.unsubscribe("orders");

    expect((await mq.admin.getGroup("billing")).subscriptions).toEqual({ refunds: "*" });
  });
});
