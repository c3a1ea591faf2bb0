import type Database from "better-sqlite3";
import { describe, expect, it } from "vitest";
import type { MessageView } from "../../lib/index.js";
import { tempFolder } from "../support/temp-folder.js";
import { consumeAll, DAY, ends, HOUR, type Kept, openAtNoon, send, useUtc } from "./retention-broker.js";

useUtc();

describe("messages that somebody has not consumed", () => {
  it("stay until their group has consumed them, however old they are", async () => {
    await using broker = await openAtNoon();
    const { mq, clock, expired } = broker;
    await send(mq, "a");
    await consumeAll(broker);
    await send(mq, "b");

    await clock.advance(10 * DAY);
    const before = await ends(mq);
    const received = await consumeAll(broker);
    await clock.advance(DAY);

    expect([before, received]).toEqual([[1, 2], ["b"]]);
    expect(await ends(mq)).toEqual([2, 2]);
    expect(expired.map(({ unconsumedBy }) => unconsumedBy)).toEqual([[], []]);
  });

  it("stay together with those of which the same commit stored one that is not consumed", async () => {
    await using broker = await openAtNoon();
    const { mq, clock } = broker;
    await mq.producer({ group: "shop" }).sendBatch(["a", "b"].map((body) => ({ topic: "orders", body })));
    const consumer = mq.pullConsumer({ group: "billing", autoCommit: false });
    await consumer.start();
    const [queue] = await consumer.fetchMessageQueues("orders");
    consumer.assign(queue === undefined ? [] : [queue]);
    await consumer.commit(new Map(queue && [[queue, 1]]));
    await consumer.close();

    await clock.advance(5 * DAY);

    expect(await ends(mq)).toEqual([0, 2]);
  });

  it("stay while one of several groups has not, or an instance of a broadcasting one", async () => {
    await using broker = await openAtNoon();
    const { mq, clock } = broker;
    await send(mq, "a");
    await consumeAll(broker, "first");
    const board = mq.pushConsumer({
      group: "boards",
      messageModel: "broadcasting",
      instanceName: "lobby",
      subscriptions: { orders: "*" },
      consumeFromWhere: "first-offset",
      listener: () => undefined,
    });
    await board.start();
    await clock.advance(100);
    await board.close();
    await send(mq, "b");
    await consumeAll(broker, "first");

    await clock.advance(5 * DAY);

    expect(await ends(mq)).toEqual([1, 2]);
  });

  it("stay while a simple consumer has them in hand", async () => {
    await using broker = await openAtNoon();
    const { mq, clock } = broker;
    await send(mq, "a", "b");
    const consumer = mq.simpleConsumer({ group: "billing", subscriptions: { orders: "*" } });
    await consumer.start();
    const [, second] = await consumer.receive({ maxMessages: 2, invisibleDurationMs: 12 * HOUR });
    await consumer.ack(second as MessageView);
    await clock.advance(HOUR);

    await clock.advance(15 * HOUR);
    const retried = await mq.admin.consumeStats("billing");
    await clock.advance(4 * DAY);

    // What it did not acknowledge came to its retry topic, where it is not consumed.
    expect(retried).toMatchObject({ lag: 1 });
    expect(await ends(mq)).toEqual([2, 2]);
    expect(await mq.admin.consumeStats("billing")).toMatchObject({ lag: 1 });
  });

  it("stay for an instance of a broadcasting group until it has been gone for a month", async () => {
    await using broker = await openAtNoon();
    const { mq, clock } = broker;
    await send(mq, "a");
    const board = mq.pushConsumer({
      group: "boards",
      messageModel: "broadcasting",
      instanceName: "lobby",
      subscriptions: { orders: "*" },
      consumeFromWhere: "first-offset",
      listener: () => undefined,
    });
    await board.start();
    await clock.advance(100);
    await board.close();
    await send(mq, "b");

    await clock.advance(31 * DAY);
    const before = await ends(mq);
    await clock.advance(DAY);

    expect(before).toEqual([1, 2]);
    expect(await ends(mq)).toEqual([2, 2]);
  });

  describe("though nobody has consumed anything of the topic", () => {
    const DAYS = 5 * DAY;

    it("stay for a listener that does not end, and for one that suspends its queue", async () => {
      for (const orderly of [false, true]) {
        await using broker = await openAtNoon();
        const { mq, clock, expired } = broker;
        let end = (): void => undefined;
        const ended = new Promise<void>((resolve) => {
          end = resolve;
        });
        const consumer = mq.pushConsumer({
          ...{ group: "billing", subscriptions: { orders: "*" }, consumeTimeoutMs: 10 * DAY },
          ...(orderly
            ? { orderly, suspendCurrentQueueTimeMs: 30_000, listener: () => "suspend" as const }
            : { listener: () => ended }),
        });
        await consumer.start();
        await send(mq, "a");

        await clock.advance(DAYS);

        expect(expired).toEqual([]);
        expect(await ends(mq)).toEqual([0, 1]);
        end();
      }
    });

    it("stay for a pull consumer that is paused", async () => {
      await using broker = await openAtNoon();
      const { mq, clock, expired } = broker;
      const consumer = mq.pullConsumer({ group: "billing", subscriptions: { orders: "*" } });
      await send(mq, "a");
      await consumer.start();
      consumer.pause(consumer.assignment);

      await clock.advance(DAYS);

      expect(expired).toEqual([]);
      await consumer.close();
    });

    it("stay for a group that has subscribed and left, on a file or in memory, and with what it subscribed to later", async () => {
      using folder = tempFolder();
      for (const path of [":memory:", folder.file("app.db")]) {
        await using broker = await openAtNoon({ path });
        const { mq, clock, expired } = broker;
        const consumer = mq.pushConsumer({
          group: "billing",
          subscriptions: { refunds: "*" },
          listener: () => undefined,
        });
        await consumer.start();
        consumer.subscribe("orders", "*");
        await clock.settle();
        await consumer.close();
        await send(mq, "a");
        await mq.producer({ group: "shop" }).send({ topic: "refunds", body: "b" });

        await clock.advance(DAYS);

        expect(expired).toEqual([]);
      }
    });

    it("are told of where they are deleted all the same", async () => {
      await using broker = await openAtNoon({ profile: "rocketmq" });
      const { mq, clock, expired } = broker;
      const consumer = mq.pushConsumer({
        group: "billing",
        subscriptions: { orders: "*" },
        listener: () => undefined,
      });
      await consumer.start();
      await consumer.close();
      await send(mq, "a");

      await clock.advance(DAYS);

      expect(expired).toMatchObject([{ topic: "orders", unconsumedBy: ["billing"] }]);
    });

    it("do not stay for an instance of a broadcasting group that has none of them to come", async () => {
      await using broker = await openAtNoon();
      const { mq, clock } = broker;
      await send(mq, "a");
      const board = mq.pushConsumer({
        group: "boards",
        messageModel: "broadcasting",
        instanceName: "lobby",
        subscriptions: { orders: "*" },
        listener: () => undefined,
      });
      await board.start();

      await clock.advance(DAYS);

      expect(await ends(mq)).toEqual([1, 1]);
    });
  });

  it("do not stay for RocketMQ's own groups, which are tools", async () => {
    await using broker = await openAtNoon();
    const { mq, clock, expired } = broker;
    await send(mq, "a");
    await consumeAll(broker);
    const database = mq.database as Database.Database;
    database.exec("INSERT INTO mq_consume_offset VALUES ('TOOLS_CONSUMER', 'orders', 0, 0)");

    await clock.advance(5 * DAY);

    expect(await ends(mq)).toEqual([1, 1]);
    expect(expired.map(({ unconsumedBy }) => unconsumedBy)).toEqual([[]]);
  });

  it("stay in the retry topic of their group, while dead letters that nobody consumes go", async () => {
    await using broker = await openAtNoon();
    const { mq, clock, expired } = broker;
    const consumer = mq.pushConsumer({
      group: "billing",
      subscriptions: { orders: "*" },
      listener: (message, context) => {
        context.delayLevelWhenNextConsume = message.text() === "dead" ? -1 : 18;
        return "retry";
      },
    });
    await consumer.start();
    await send(mq, "dead", "fails");
    await clock.advance(1_000);
    await consumer.close();

    await clock.advance(5 * DAY);

    expect(expired.map(({ topic }) => topic)).toEqual(["orders", "%DLQ%billing"]);
    expect(await mq.admin.topicStats("%RETRY%billing")).toMatchObject([{ minOffset: 0, maxOffset: 1 }]);
  });

  it("stay when they are taken in hand while those before them are being deleted", async () => {
    await using broker = await openAtNoon();
    const { mq, clock, expired } = broker;
    const producer = mq.producer({ group: "shop" });
    for (let index = 0; index < 700; index += 1) producer.sendSync({ topic: "orders", body: `${index}` });
    await consumeAll(broker);
    await send(mq, "a", "b");
    const consumer = mq.simpleConsumer({ group: "billing", subscriptions: { orders: "*" } });
    await consumer.start();
    const received: Promise<readonly MessageView[]>[] = [];
    mq.once("message:expired", () => {
      received.push(consumer.receive({ maxMessages: 2, invisibleDurationMs: 12 * HOUR }));
    });

    await clock.advance(3 * DAY + 17 * HOUR);

    const [messages = []] = await Promise.all(received);
    expect(messages.map((message) => message.text())).toEqual(["a", "b"]);
    expect(expired).toHaveLength(2);
    expect(await ends(mq)).toEqual([700, 702]);
  });

  it("are deleted all the same where keepUnconsumed is false, as in the profile rocketmq, and their group goes on behind them", async () => {
    for (const settings of [{ profile: "rocketmq" }, { retention: { keepUnconsumed: false } }] as const) {
      await using broker = await openAtNoon(settings);
      const { mq, clock, expired } = broker;
      await send(mq, "a");
      await consumeAll(broker);
      await send(mq, "b", "c");

      await clock.advance(4 * DAY);
      await send(mq, "d");
      const received = await consumeAll(broker);

      expect(expired).toEqual([{ topic: "orders", queueId: 0, fromOffset: 0, toOffset: 3, unconsumedBy: ["billing"] }]);
      expect(received).toEqual(["d"]);
    }
  });
});

describe("whoever is behind what was deleted", () => {
  type Reader = (broker: Kept) => Promise<readonly string[]>;
  const READERS: Readonly<Record<string, Reader>> = {
    "a push consumer": (broker) => consumeAll(broker),
    "an orderly one": (broker) => consumeAll(broker, "billing", { orderly: true }),
    "a broadcasting one": (broker) =>
      consumeAll(broker, "billing", { messageModel: "broadcasting", instanceName: "lobby" }),
    "a pull consumer": async ({ mq, clock }) => {
      await using consumer = mq.pullConsumer({
        group: "billing",
        subscriptions: { orders: "*" },
        consumeFromWhere: "first-offset",
      });
      await consumer.start();
      const polling = consumer.poll({ timeoutMs: 1_000 });
      await clock.advance(1_000);
      return (await polling).map((message) => message.text());
    },
    "a simple consumer": async ({ mq }) => {
      await using consumer = mq.simpleConsumer({ group: "billing", subscriptions: { orders: "*" } });
      await consumer.start();
      const received = await consumer.receive({ maxMessages: 8, invisibleDurationMs: HOUR, awaitMs: 0 });
      for (const message of received) await consumer.ack(message);
      return received.map((message) => message.text());
    },
  };

  it.each(Object.entries(READERS))("goes on at the oldest message that is left: %s", async (_who, read) => {
    await using broker = await openAtNoon({ profile: "rocketmq" });
    const { mq, clock } = broker;
    await send(mq, "a");
    const first = await read(broker);
    await send(mq, "b", "c");

    await clock.advance(4 * DAY);
    await send(mq, "d");
    const [behind, again] = [await read(broker), await read(broker)];

    expect([first, behind, again]).toEqual([["a"], ["d"], []]);
  });
});
