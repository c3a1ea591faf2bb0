import { describe, expect, it } from "vitest";
import type { Broker } from "../../lib/index.js";
import { copyAsKilled } from "../support/killed-copy.js";
import { tempFolder } from "../support/temp-folder.js";
import { openTestBroker, type TestBroker } from "../support/test-broker.js";
import { type Instance, rowsOf, sendAll, startInstance } from "./broadcasting-instance.js";

const HOUR = 60 * 60 * 1_000;
const DAY = 24 * HOUR;

const instancesIn = ({ database }: Broker): readonly unknown[] =>
  rowsOf(database, "mq_broadcast_instance", "consumer_group", "instance_name");

const progressIn = ({ database }: Broker): readonly unknown[][] =>
  rowsOf(database, "mq_broadcast_offset", "consumer_group", "instance_name", "next_offset");

/** A broker in memory with a topic of one queue, and the instance `gone`, which got one message of it. */
async function openWithGone(): Promise<TestBroker & { readonly gone: Instance }> {
  const broker = await openTestBroker({ defaultQueueCount: 1 });
  const { mq, clock } = broker;
  await mq.admin.createTopic("orders");
  const gone = await startInstance(mq, { instanceName: "gone" });
  await sendAll(mq, ["m0"]);
  await clock.advance(1_000);
  return { ...broker, gone };
}

describe("a broadcasting instance that has been gone for 30 days", () => {
  it("is forgotten when another one starts, of whatever group", async () => {
    await using broker = await openWithGone();
    const { mq, clock, gone } = broker;
    await gone.consumer.close();
    await clock.settle();
    clock.setTime(clock.now() + 32 * DAY);
    const before = [instancesIn(mq), progressIn(mq)];

    await startInstance(mq, { group: "alerts", instanceName: "other" });

    expect(before).toEqual([[["news", "gone"]], [["news", "gone", 1]]]);
    expect(instancesIn(mq)).toEqual([["alerts", "other"]]);
    expect(progressIn(mq)).toEqual([]);
  });

  it("is forgotten at the next hour of deleting, also when none is left", async () => {
    await using broker = await openWithGone();
    const { mq, clock, gone } = broker;
    await gone.consumer.close();

    await clock.advance(31 * DAY);
    const before = instancesIn(mq);
    await clock.advance(DAY);

    expect(before).toEqual([["news", "gone"]]);
    expect([instancesIn(mq), progressIn(mq)]).toEqual([[], []]);
  });

  it("is forgotten at the daily look while another one is there", async () => {
    await using broker = await openWithGone();
    const { mq, clock, gone } = broker;
    await startInstance(mq, { instanceName: "other" });
    await clock.settle();
    await gone.consumer.close();

    await clock.advance(33 * DAY);

    expect(instancesIn(mq)).toEqual([["news", "other"]]);
    expect(progressIn(mq).map(([, name]) => name)).not.toContain("gone");
  });

  it("begins by consumeFromWhere when it comes back", async () => {
    await using broker = await openWithGone();
    const { mq, clock, gone } = broker;
    await gone.consumer.close();
    await sendAll(mq, ["m1"]);
    await clock.advance(32 * DAY);
    await startInstance(mq, { instanceName: "other" });

    const { received } = await startInstance(mq, { instanceName: "gone", consumeFromWhere: "last-offset" });
    await clock.settle();
    await sendAll(mq, ["m2"]);
    await clock.settle();

    expect(received).toEqual(["m2"]);
  });

  it("takes nothing with it of those that were there since", async () => {
    await using broker = await openWithGone();
    const { mq, clock, gone } = broker;
    const kept = await startInstance(mq, { instanceName: "kept", consumeFromWhere: "first-offset" });
    const sameName = await startInstance(mq, {
      group: "alerts",
      instanceName: "gone",
      consumeFromWhere: "first-offset",
    });
    await clock.settle();
    await gone.consumer.close();
    await clock.advance(20 * DAY);
    for (const { consumer } of [kept, sameName]) await consumer.close();
    await clock.advance(15 * DAY);

    await startInstance(mq, { instanceName: "other", subscriptions: {} });

    expect(instancesIn(mq)).toEqual([
      ["alerts", "gone"],
      ["news", "kept"],
      ["news", "other"],
    ]);
    expect(progressIn(mq)).toEqual([
      ["alerts", "gone", 1],
      ["news", "kept", 1],
    ]);
  });
});

describe("a broadcasting instance that has been gone for less than 30 days", () => {
  it("is known at the daily looks and at the start of others, and gets what it missed", async () => {
    await using broker = await openWithGone();
    const { mq, clock, gone } = broker;
    await startInstance(mq, { instanceName: "other" });
    await gone.consumer.close();
    await sendAll(mq, ["m1"]);

    await clock.advance(29 * DAY);
    await startInstance(mq, { group: "alerts" });
    const { received } = await startInstance(mq, { instanceName: "gone" });
    await clock.settle();

    expect(received).toEqual(["m1"]);
  });

  it("is known when it left 20 hours after a daily look: the days count from there", async () => {
    await using broker = await openWithGone();
    const { mq, clock, gone } = broker;
    await clock.advance(2 * DAY + 20 * HOUR);
    await gone.consumer.close();

    await clock.advance(29 * DAY + 23 * HOUR);
    await startInstance(mq, { group: "alerts" });

    expect(instancesIn(mq)).toContainEqual(["news", "gone"]);
    expect(progressIn(mq)).toEqual([["news", "gone", 1]]);
  });
});

describe("a broadcasting instance that was killed", () => {
  it("is forgotten after 31 days also where nobody consumes any more", async () => {
    using folder = tempFolder();
    const path = folder.file("killed.db");
    let now: number;
    {
      const [here, there] = await openHere(folder.file("mq.db"));
      await using _here = here;
      await using _there = there;
      copyAsKilled(here.mq.database, path);
      now = here.clock.now();
    }
    await using again = await openTestBroker({ path });
    again.clock.setTime(now + 33 * DAY);

    await again.clock.advance(DAY);

    expect([instancesIn(again.mq), progressIn(again.mq)]).toEqual([[], []]);
  });

  it("is known for 30 days, also when the last daily look before was 20 hours ago", async () => {
    using folder = tempFolder();
    const path = folder.file("mq.db");
    let now: number;
    {
      await using broker = await openWithGone();
      const { mq, clock } = broker;
      await clock.advance(2 * DAY + 20 * HOUR);
      copyAsKilled(mq.database, path);
      now = clock.now();
    }
    await using again = await openTestBroker({ path });
    again.clock.setTime(now + 29 * DAY + 23 * HOUR);

    await startInstance(again.mq, { group: "alerts" });

    expect(instancesIn(again.mq)).toContainEqual(["news", "gone"]);
    expect(progressIn(again.mq)).toContainEqual(["news", "gone", 1]);
  });
});

/** Two brokers on one file, and the instance `here` of the first one, which got one message. */
async function openHere(path: string): Promise<readonly [here: TestBroker, there: TestBroker]> {
  const here = await openTestBroker({ path, defaultQueueCount: 1 });
  const there = await openTestBroker({ path });
  await here.mq.admin.createTopic("orders");
  await startInstance(here.mq, { instanceName: "here" });
  await sendAll(here.mq, ["m0"]);
  await here.clock.advance(100);
  return [here, there];
}

describe("a broadcasting instance that is there", () => {
  it("is never forgotten, however long nothing comes", async () => {
    await using broker = await openWithGone();
    const { mq, clock } = broker;

    await clock.advance(100 * DAY);
    await startInstance(mq, { group: "alerts" });
    await clock.advance(100 * DAY);

    expect(instancesIn(mq)).toEqual([
      ["alerts", "DEFAULT"],
      ["news", "gone"],
    ]);
    expect(progressIn(mq)).toContainEqual(["news", "gone", 1]);
  });

  it("is known to have been there until it left", async () => {
    await using broker = await openWithGone();
    const { mq, clock, gone } = broker;
    await clock.advance(100 * DAY);
    await gone.consumer.close();
    await sendAll(mq, ["m1"]);
    await clock.advance(28 * DAY);
    await startInstance(mq, { group: "alerts" });

    const { received } = await startInstance(mq, { instanceName: "gone" });
    await clock.settle();

    expect(received).toEqual(["m1"]);
  });

  it("stays the reason for a daily look when those that started before it leave", async () => {
    await using broker = await openWithGone();
    const { mq, clock, gone } = broker;
    await startInstance(mq, { instanceName: "stays" });
    await gone.consumer.close();

    await clock.advance(100 * DAY);
    await startInstance(mq, { group: "alerts" });

    expect(instancesIn(mq)).toEqual([
      ["alerts", "DEFAULT"],
      ["news", "stays"],
    ]);
  });

  it("is not forgotten by another process, though that one sees nothing of it for 30 days", async () => {
    using folder = tempFolder();
    const [here, there] = await openHere(folder.file("mq.db"));
    await using _here = here;
    await using _there = there;

    await startInstance(there.mq, { instanceName: "there" });
    for (let day = 1; day <= 40; day += 1) {
      for (const { clock } of [here, there]) {
        clock.setTime(clock.now() + DAY);
        await clock.advance(100);
      }
    }

    expect(instancesIn(here.mq)).toEqual([
      ["news", "here"],
      ["news", "there"],
    ]);
    expect(progressIn(here.mq)).toContainEqual(["news", "here", 1]);
  });

  it("is not forgotten when the clock is set forth by forty days, in memory", async () => {
    await using broker = await openWithGone();
    const { mq, clock } = broker;

    clock.setTime(clock.now() + 40 * DAY + 4 * HOUR);
    await clock.advance(1_000);

    expect(progressIn(mq)).toEqual([["news", "gone", 1]]);
  });

  it("is not forgotten when the clock is set forth by forty days, be it that of another process", async () => {
    using folder = tempFolder();
    const [here, there] = await openHere(folder.file("mq.db"));
    await using _here = here;
    await using _there = there;

    there.clock.setTime(there.clock.now() + 40 * DAY);
    await there.clock.advance(100);
    await startInstance(there.mq, { instanceName: "there" });
    await there.clock.advance(1_000);

    expect(progressIn(here.mq)).toContainEqual(["news", "here", 1]);
  });
});
