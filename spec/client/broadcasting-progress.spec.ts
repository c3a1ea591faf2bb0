import { describe, expect, it } from "vitest";
import type { Broker, ConsumeFromWhere, ConsumeResult } from "../../lib/index.js";
import { copyAsKilled } from "../support/killed-copy.js";
import { tempFolder } from "../support/temp-folder.js";
import { openTestBroker, type TestBroker } from "../support/test-broker.js";
import { rowsOf, sendAll, startInstance } from "./broadcasting-instance.js";

const HOUR = 60 * 60 * 1_000;

/** A broker with the topic `orders`, of one queue unless told otherwise. */
async function openNews(path?: string, defaultQueueCount: number = 1): Promise<TestBroker> {
  const broker = await openTestBroker({ path, defaultQueueCount });
  await broker.mq.admin.createTopic("orders");
  return broker;
}

/** Instance, queue and next offset as they are stored. */
const progressIn = ({ database }: Broker): readonly unknown[] =>
  rowsOf(database, "mq_broadcast_offset", "instance_name", "queue_id", "next_offset");

/** A listener that takes as long as one likes for one message. */
function slowWith(text: string) {
  let end = (): void => undefined;
  const ended = new Promise<ConsumeResult>((resolve) => {
    end = () => resolve("success");
  });
  const listener = (message: { text(): string }): ConsumeResult | Promise<ConsumeResult> =>
    message.text() === text ? ended : "success";
  return { listener, end: () => end() };
}

describe("the progress of a broadcasting instance", () => {
  it("is kept for each name over a restart of the broker: whoever comes back gets what it missed", async () => {
    using folder = tempFolder();
    const path = folder.file("mq.db");
    {
      await using broker = await openNews(path, 2);
      const early = await startInstance(broker.mq, { instanceName: "early" });
      await startInstance(broker.mq, { instanceName: "late" });
      await sendAll(broker.mq, ["m0", "m1"]);
      await broker.clock.settle();
      await early.consumer.close();
      await sendAll(broker.mq, ["m2", "m3"]);
      await broker.clock.settle();
    }

    await using again = await openNews(path, 2);
    await sendAll(again.mq, ["m4", "m5"]);
    const early = await startInstance(again.mq, { instanceName: "early" });
    const late = await startInstance(again.mq, { instanceName: "late" });
    await again.clock.settle();

    expect(early.received.toSorted()).toEqual(["m2", "m3", "m4", "m5"]);
    expect(late.received.toSorted()).toEqual(["m4", "m5"]);
  });

  it("is kept over a restart of the broker when it has no name", async () => {
    using folder = tempFolder();
    const path = folder.file("mq.db");
    {
      await using broker = await openNews(path);
      await startInstance(broker.mq);
      await sendAll(broker.mq, ["m0"]);
      await broker.clock.settle();
    }

    await using again = await openNews(path);
    await sendAll(again.mq, ["m1"]);
    const { received } = await startInstance(again.mq);
    await again.clock.settle();

    expect(received).toEqual(["m1"]);
  });

  it.each<[ConsumeFromWhere]>([["first-offset"], ["last-offset"], [{ timestamp: 0 }]])(
    "wins over consumeFromWhere %j",
    async (consumeFromWhere) => {
      await using broker = await openNews();
      const { mq, clock } = broker;
      const { consumer } = await startInstance(mq);
      await sendAll(mq, ["m0"]);
      await clock.settle();
      await consumer.close();
      await sendAll(mq, ["m1"]);

      const { received } = await startInstance(mq, { consumeFromWhere });
      await clock.settle();

      expect(received).toEqual(["m1"]);
    },
  );

  it.each<[ConsumeFromWhere, readonly string[]]>([
    ["first-offset", ["m0", "m1", "m2"]],
    ["last-offset", ["m2"]],
    [{ timestamp: 1_700_000_000_000 + HOUR }, ["m1", "m2"]],
  ])("of others is nothing to a new one, which begins with %j", async (consumeFromWhere, expected) => {
    await using broker = await openNews();
    const { mq, clock } = broker;
    const old = await startInstance(mq, { instanceName: "old" });
    await sendAll(mq, ["m0"]);
    await clock.advance(HOUR);
    await sendAll(mq, ["m1"]);
    await clock.settle();

    const { received } = await startInstance(mq, { instanceName: "new", consumeFromWhere });
    await clock.settle();
    await sendAll(mq, ["m2"]);
    await clock.settle();

    expect(received).toEqual(expected);
    expect(old.received).toEqual(["m0", "m1", "m2"]);
  });

  it("is its lowest offset that is not acknowledged, whatever the others do", async () => {
    await using broker = await openNews();
    const { mq, clock } = broker;
    const { listener, end } = slowWith("m1");
    await startInstance(mq, { instanceName: "slow", listener });
    await startInstance(mq, { instanceName: "quick" });
    await sendAll(mq, ["m0", "m1", "m2", "m3"]);

    await clock.advance(1_000);
    const meanwhile = progressIn(mq);
    end();
    await clock.advance(1_000);

    expect(meanwhile).toEqual([
      ["quick", 0, 4],
      ["slow", 0, 1],
    ]);
    expect(progressIn(mq)).toEqual([
      ["quick", 0, 4],
      ["slow", 0, 4],
    ]);
  });

  it("is stored within 50 ms", async () => {
    await using broker = await openNews();
    const { mq, clock } = broker;
    await startInstance(mq);
    await sendAll(mq, ["m0"]);

    await clock.advance(50);

    expect(progressIn(mq)).toEqual([["DEFAULT", 0, 1]]);
  });

  it("goes back to the end of a queue that is shorter", async () => {
    await using broker = await openNews();
    const { mq, clock } = broker;
    const { consumer } = await startInstance(mq);
    await sendAll(mq, ["m0"]);
    await clock.settle();
    await consumer.close();
    mq.database.exec("UPDATE mq_broadcast_offset SET next_offset = 99");

    const { received } = await startInstance(mq);
    await clock.settle();
    await sendAll(mq, ["m1"]);
    await clock.advance(1_000);

    expect(received).toEqual(["m1"]);
    expect(progressIn(mq)).toEqual([["DEFAULT", 0, 2]]);
  });
});

describe("a broadcasting instance that closes while it works", () => {
  it("waits for its listeners, and gets nothing again", async () => {
    await using broker = await openNews();
    const { mq, clock } = broker;
    const { listener, end } = slowWith("m0");
    const { consumer } = await startInstance(mq, { listener });
    await sendAll(mq, ["m0", "m1"]);
    await clock.settle();

    const closing = consumer.close();
    await clock.settle();
    end();
    await closing;
    const { received } = await startInstance(mq);
    await clock.settle();

    expect(received).toEqual([]);
    expect(progressIn(mq)).toEqual([["DEFAULT", 0, 2]]);
  });

  it("gets again what it was working on, and all behind that, when it does not wait", async () => {
    await using broker = await openNews();
    const { mq, clock } = broker;
    const { consumer, received: before } = await startInstance(mq, { listener: slowWith("m1").listener });
    await sendAll(mq, ["m0", "m1", "m2"]);
    await clock.settle();

    await consumer.close({ graceMs: 0 });
    const { received } = await startInstance(mq);
    await clock.settle();

    expect(before).toEqual(["m0", "m1", "m2"]);
    expect(received).toEqual(["m1", "m2"]);
  });
});

describe("a broadcasting instance that was killed", () => {
  it("gets again what lies behind its stored progress", async () => {
    using folder = tempFolder();
    {
      await using broker = await openNews();
      const { mq, clock } = broker;
      await startInstance(mq, { listener: slowWith("m1").listener });
      await sendAll(mq, ["m0", "m1", "m2"]);
      await clock.advance(50);
      copyAsKilled(mq.database, folder.file("mq.db"));
    }

    await using again = await openNews(folder.file("mq.db"));
    const { received } = await startInstance(again.mq);
    await again.clock.settle();

    expect(received).toEqual(["m1", "m2"]);
  });

  it("gets what it missed, also of queues from which it had got nothing since its start", async () => {
    using folder = tempFolder();
    {
      await using broker = await openNews(undefined, 2);
      const { mq, clock } = broker;
      await startInstance(mq);
      await clock.advance(HOUR);
      await sendAll(mq, ["m0"], 0);
      await clock.advance(HOUR);
      copyAsKilled(mq.database, folder.file("mq.db"));
    }

    await using again = await openNews(folder.file("mq.db"), 2);
    for (const queue of [0, 1]) await sendAll(again.mq, [`missed ${queue}`], queue);
    const { received } = await startInstance(again.mq);
    await again.clock.settle();

    expect(received.toSorted()).toEqual(["missed 0", "missed 1"]);
  });
});
