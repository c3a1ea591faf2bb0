import { describe, expect, it } from "vitest";
import { isMqError, type MqError } from "../../lib/index.js";
import { loadFacts } from "../support/facts.js";
import { openTestPort } from "../support/local-broker.js";
import { openRecordedBroker } from "../support/test-broker.js";
import { refusal } from "../support/thrown.js";

interface RecordedFilter {
  readonly expression: string;
  readonly result: { readonly received: readonly string[] };
}

const filters = loadFacts("filters-live");

/** The messages that every filter was tried on. `AaAa` and `BBBB` have the same hash. */
const MESSAGES = [
  { body: "m0", tag: "A", properties: { a: "1" } },
  { body: "m1", tag: "B", properties: { a: "2", color: "red" } },
  { body: "m2" },
  { body: "m3", tag: "AaAa", properties: { a: "x" } },
  { body: "m4", tag: "BBBB", properties: { a: "10" } },
];

async function outcome(call: Promise<unknown>): Promise<MqError | undefined> {
  const error = await call.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  if (error === undefined || isMqError(error)) return error;
  throw error;
}

describe("a new group that subscribes by tags", () => {
  it.each(["all", "tag-a", "tag-a-or-b", "tag-hash-collision"])("receives as recorded in %s", async (fact) => {
    await using broker = await openRecordedBroker();
    const { expression, result } = filters.observed<RecordedFilter>(fact);
    const producer = broker.mq.producer({ group: "shop" });
    for (const message of MESSAGES) await producer.send({ topic: "orders", ...message });
    const received: string[] = [];
    const consumer = broker.mq.pushConsumer({
      group: "billing",
      subscriptions: { orders: expression },
      listener: (message) => void received.push(message.text()),
    });

    await consumer.start();
    await broker.clock.advance(1_000);

    expect(received.sort()).toEqual(result.received);
  });
});

describe("a broker that creates no topics by itself", () => {
  it("refuses a send to an unknown one as recorded in auto-create-off-raw-send", async () => {
    await using broker = await openRecordedBroker({ autoCreateTopic: false });
    const { code } = filters.observed<{ readonly code: number }>("auto-create-off-raw-send");

    const error = await outcome(broker.mq.producer({ group: "shop" }).send({ topic: "FlNope", body: "x" }));

    expect(error?.responseCode).toBe(code);
    expect(await broker.mq.admin.listTopics()).toEqual([]);
  });

  it("says so with the broker's code, where the client of auto-create-off-send finds no route", async () => {
    await using broker = await openRecordedBroker({ autoCreateTopic: false });
    const recorded = filters.error("auto-create-off-send");
    const producer = broker.mq.producer({ group: "shop" });

    // There is no name server here that could know less than the broker.
    expect(recorded?.responseCode).toBe(10_005);
    expect(refusal(() => producer.sendSync({ topic: "FlNope", body: "x" }))).toBe(17);
  });

  it("has no template of new topics, as recorded in auto-create-off-tbw102", async () => {
    await using broker = await openRecordedBroker({ autoCreateTopic: false });
    const { config, route } = filters.observed<{ readonly config: number; readonly route: number }>(
      "auto-create-off-tbw102",
    );
    const { admin } = broker.mq;

    const asked = await outcome(admin.getTopic("TBW102"));
    const sent = await outcome(broker.mq.producer({ group: "shop" }).send({ topic: "TBW102", body: "x" }));

    expect([asked?.responseCode, sent?.responseCode]).toEqual([config, route]);
    expect((await admin.listTopics({ system: true })).map(({ topic }) => topic)).not.toContain("TBW102");
  });
});

describe("a broker that creates no groups by itself", () => {
  it("refuses a pull of an unknown one as recorded in group-auto-create-off-pull", async () => {
    await using broker = await openTestPort({ profile: "rocketmq", autoCreateGroup: false });
    await broker.mq.producer({ group: "shop" }).send({ topic: "orders", body: "x" });
    const { code } = filters.observed<{ readonly code: number }>("group-auto-create-off-pull");
    const request = { group: "billing", topic: "orders", queueId: 0, offset: 0, maxMessages: 32, maxBytes: 1_024 };

    const error = await outcome(broker.port.pull({ ...request, suspendMs: 0 }, new AbortController().signal));

    expect(error?.responseCode).toBe(code);
  });

  it("refuses what an unknown one sends back as recorded in group-auto-create-off-send-back", async () => {
    await using broker = await openTestPort({ profile: "rocketmq", autoCreateGroup: false, defaultQueueCount: 1 });
    await broker.mq.producer({ group: "shop" }).send({ topic: "orders", body: "x" });
    const { code } = filters.observed<{ readonly code: number }>("group-auto-create-off-send-back");
    const messages = broker.port.messages.browse("orders", 0, 0, 1);
    const request = { group: "billing", messages, delayLevel: 0, maxReconsumeTimes: undefined };

    const error = await outcome(new Promise((sentBack, failed) => broker.port.sendBack(request, { sentBack, failed })));

    expect(error?.responseCode).toBe(code);
    expect(await broker.mq.admin.listTopics()).toMatchObject([{ topic: "orders" }]);
  });

  it("refuses a send to the retry topic of an unknown one as recorded in group-auto-create-off-send-to-retry", async () => {
    await using broker = await openRecordedBroker({ autoCreateGroup: false });
    const { code } = filters.observed<{ readonly code: number }>("group-auto-create-off-send-to-retry");

    const error = await outcome(broker.mq.producer({ group: "shop" }).send({ topic: "%RETRY%billing", body: "x" }));

    expect(error?.responseCode).toBe(code);
  });

  it("lets a push consumer of an unknown one receive nothing, and says so at its start, unlike group-auto-create-off-push", async () => {
    await using broker = await openRecordedBroker({ autoCreateGroup: false });
    const recorded = filters.observed<{ readonly start: { readonly result: string }; readonly received: unknown }>(
      "group-auto-create-off-push",
    );
    await broker.mq.producer({ group: "shop" }).send({ topic: "orders", body: "x" });
    const received: string[] = [];
    const consumer = broker.mq.pushConsumer({
      group: "billing",
      subscriptions: { orders: "*" },
      listener: (message) => void received.push(message.text()),
    });

    const error = await outcome(consumer.start());
    await broker.clock.advance(4_000);

    // RocketMQ's client starts, is refused every pull and receives nothing for ever.
    expect(recorded.start.result).toBe("started");
    expect(error?.responseCode).toBe(26);
    expect(received).toEqual(recorded.received);
    expect(await broker.mq.admin.listGroups()).toEqual([]);
  });
});
