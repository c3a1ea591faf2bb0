import Database from "better-sqlite3";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { Broker, BrokerEvents, BrokerSettings } from "../../lib/index.js";
import { diskAt, type SpiedDisk, spyDisk } from "../support/spied-disk.js";
import { type TempFolder, tempFolder } from "../support/temp-folder.js";
import { openTestBroker, type TestBroker } from "../support/test-broker.js";
import { VirtualClock } from "../support/virtual-clock.js";
import { listen } from "./event-log.js";

const HOUR = 3_600_000;
const GIB = 1024 ** 3;
/** Noon in the time zone of these specs: no hour of deleting. */
const NOON = Date.UTC(2026, 5, 1, 12);
const ROCKETMQ = { profile: "rocketmq" } as const;

let zone: string | undefined;
let folder: TempFolder;
beforeEach(() => {
  zone = process.env["TZ"];
  process.env["TZ"] = "UTC";
  folder = tempFolder();
});
afterEach(() => {
  if (zone === undefined) delete process.env["TZ"];
  else process.env["TZ"] = zone;
  folder[Symbol.dispose]();
});

/** Through the `disk` that it is opened on. */
interface OnDisk extends TestBroker {
  readonly disk: SpiedDisk;
  /** So many percent are in use; until the broker has looked. */
  use(percent: number): Promise<void>;
}

async function openOn(percent: number, settings: Omit<BrokerSettings, "clock"> = {}, at = NOON): Promise<OnDisk> {
  const disk = spyDisk(diskAt(percent));
  const clock = new VirtualClock(at);
  const test = await openTestBroker({ path: folder.file("app.db"), clock, defaultQueueCount: 1, ...settings });
  const use = async (next: number): Promise<void> => {
    Object.assign(disk, diskAt(next));
    await clock.advance(10_000);
  };
  return { ...test, disk, use };
}

function send(mq: Broker, body: string) {
  return mq.producer({ group: "shop" }).send({ topic: "orders", body });
}

async function minOffset(mq: Broker): Promise<number | undefined> {
  return (await mq.admin.topicStats("orders"))[0]?.minOffset;
}

describe("with RocketMQ's steps", () => {
  it("sends are refused above 90 % of the disk in use, and taken again at 85 %", async () => {
    await using broker = await openOn(84, ROCKETMQ);
    const { mq, use } = broker;
    const heard = listen(mq, "disk:full", "disk:recovered");
    const taken: string[] = [];

    for (const percent of [86, 90, 90.5, 86, 85, 90, 91, 84]) {
      await use(percent);
      const code = await send(mq, "a").then(
        () => 0,
        ({ responseCode }: { readonly responseCode: number }) => responseCode,
      );
      taken.push(`${percent}: ${code}`);
    }

    expect(taken).toEqual(["86: 0", "90: 0", "90.5: 14", "86: 14", "85: 0", "90: 0", "91: 14", "84: 0"]);
    expect(heard.map(([event]) => event)).toEqual(["disk:full", "disk:recovered", "disk:full", "disk:recovered"]);
  });

  it("the refusal says which, and what to do", async () => {
    await using broker = await openOn(92, ROCKETMQ);

    await expect(send(broker.mq, "a")).rejects.toMatchObject({
      code: "ERR_MQ_SERVICE_NOT_AVAILABLE",
      responseCode: 14,
      message: expect.stringMatching(
        /full \[CL: {2}0\.92 CQ: {2}0\.92 INDEX: {2}0\.92\].* 92 % of the disk of \S+ are in use, and above 90 % sends are refused, until it is 85 % or less\. Make room there$/,
      ),
    });
  });

  it("minFreeBytes holds besides, where it is given", async () => {
    await using broker = await openOn(50, { ...ROCKETMQ, retention: { minFreeBytes: 60 * GIB } });

    await expect(send(broker.mq, "a")).rejects.toThrow(/less than retention\.minFreeBytes, 61440 MiB/);
  });

  it("an application's profile has none: sends are taken and nothing is deleted on a disk at 99 %", async () => {
    await fillFiles(3);
    await using broker = await openOn(99, { retention: { fileReservedTimeHours: 1 } });
    const { mq, clock } = broker;

    await send(mq, "3");
    await clock.advance(2 * HOUR);

    expect(await left(mq)).toEqual(["0", "1", "2", "3"]);
  });
});

describe("above diskMaxUsedSpaceRatio", () => {
  it.each<[string, Omit<BrokerSettings, "clock">, number]>([
    ["75 % in the profile rocketmq", ROCKETMQ, 75],
    ["as many percent as an application says", { retention: { diskMaxUsedSpaceRatio: 40 } }, 40],
    ["10 % where less is given", { retention: { diskMaxUsedSpaceRatio: 3 } }, 10],
    ["95 % where more is given", { retention: { diskMaxUsedSpaceRatio: 100 } }, 95],
  ])("old messages are deleted at any hour, not younger ones: %s", async (_what, settings, percent) => {
    const retention = { ...settings.retention, fileReservedTimeHours: 1 };
    await using broker = await openOn(percent, { ...settings, retention });
    const { mq, clock, use } = broker;
    await send(mq, "old");
    await clock.advance(2 * HOUR);
    await send(mq, "young");

    const before = await minOffset(mq);
    await use(percent + 1);

    expect([before, await minOffset(mq)]).toEqual([0, 1]);
  });

  it("what a group has not consumed stays all the same where keepUnconsumed is true", async () => {
    await using broker = await openOn(80, { retention: { diskMaxUsedSpaceRatio: 75, fileReservedTimeHours: 1 } });
    const { mq, clock } = broker;
    const consumer = mq.pushConsumer({ group: "billing", subscriptions: { orders: "*" }, listener: () => undefined });
    await consumer.start();
    await send(mq, "consumed");
    await clock.advance(1_000);
    await consumer.close();
    await send(mq, "not consumed");

    await clock.advance(2 * HOUR);

    expect(await minOffset(mq)).toBe(1);
  });
});

/** A store whose log has a message in each of so many gibibytes, alternating between the queues 0 and 1. */
async function fillFiles(count: number): Promise<void> {
  for (let file = 0; file < count; file += 1) {
    await using broker = await openOn(10, { defaultQueueCount: 2 });
    const { mq } = broker;
    const producer = mq.producer({ group: "shop" });
    if (file > 0) {
      const sql = "INSERT INTO mq_meta VALUES ('log_floor', ?) ON CONFLICT DO UPDATE SET value = excluded.value";
      const other = new Database(folder.file("app.db"));
      other.prepare(sql).run(BigInt(file * GIB));
      other.close();
    }
    await producer.send({ topic: "orders", body: `${file}` }, { queue: file % 2 });
  }
}

function expiredBy(mq: Broker): readonly Parameters<BrokerEvents["message:expired"]>[0][] {
  const expired: Parameters<BrokerEvents["message:expired"]>[0][] = [];
  mq.on("message:expired", (range) => void expired.push(range));
  return expired;
}

async function left(mq: Broker): Promise<readonly string[]> {
  const all = await Promise.all(
    [0, 1].map((queueId) => mq.admin.browse({ topic: "orders", brokerName: "broker-a", queueId }, 0, 100)),
  );
  return all
    .flat()
    .map((message) => message.text())
    .sort((a, b) => Number(a) - Number(b));
}

describe("above 85 % of the disk in use", () => {
  it("the oldest messages are deleted, young as they are, as many as it takes in gibibytes of the log", async () => {
    await fillFiles(5);
    await using broker = await openOn(85, ROCKETMQ);
    const { mq, use } = broker;
    const expired = expiredBy(mq);
    await use(85);
    const before = await left(mq);

    // 1.5 GiB of 100 too many.
    await use(86.5);
    const after = await left(mq);
    await use(84);

    expect(before).toEqual(["0", "1", "2", "3", "4"]);
    expect(after).toEqual(["2", "3", "4"]);
    expect(await left(mq)).toEqual(after);
    expect(expired).toEqual([
      { topic: "orders", queueId: 0, fromOffset: 0, toOffset: 1, unconsumedBy: [] },
      { topic: "orders", queueId: 1, fromOffset: 0, toOffset: 1, unconsumedBy: [] },
    ]);
  });

  it("at most ten gibibytes go each 10 s, and the newest never", async () => {
    await fillFiles(13);
    await using broker = await openOn(99, ROCKETMQ);
    const { mq, clock } = broker;

    await clock.settle();
    const first = await left(mq);
    await clock.advance(10_000);
    const second = await left(mq);
    await clock.advance(HOUR);

    expect(first).toEqual(["10", "11", "12"]);
    expect(second).toEqual(["12"]);
    expect(await left(mq)).toEqual(["12"]);
  });

  it("what a group has not consumed goes, too, and the event says whose it was", async () => {
    await fillFiles(2);
    await using broker = await openOn(10, ROCKETMQ);
    const { mq, clock, use } = broker;
    const expired = expiredBy(mq);
    const consumer = mq.pushConsumer({
      group: "billing",
      subscriptions: { orders: "*" },
      listener: (message) => (message.text() === "0" ? new Promise(() => undefined) : "success"),
    });
    await consumer.start();
    await clock.advance(1_000);

    await use(86);

    expect(expired).toEqual([{ topic: "orders", queueId: 0, fromOffset: 0, toOffset: 1, unconsumedBy: ["billing"] }]);
  });

  it("a store of less than a gibibyte loses nothing", async () => {
    await using broker = await openOn(89, ROCKETMQ);
    const { mq, clock } = broker;
    await send(mq, "a");

    await clock.advance(HOUR);

    expect(await minOffset(mq)).toBe(0);
  });
});

describe("bad input to retention", () => {
  it.each<[options: object, text: string]>([
    [{ minFreeBytes: -1 }, "retention.minFreeBytes must be an integer from 0 to 9007199254740991, got -1"],
    [{ minFreeBytes: 0.5 }, "retention.minFreeBytes"],
    [{ minFreeBytes: "64 MiB" }, 'retention.minFreeBytes must be an integer from 0 to 9007199254740991, got "64 MiB"'],
    [{ diskMaxUsedSpaceRatio: 101 }, "retention.diskMaxUsedSpaceRatio must be an integer from 0 to 100, got 101"],
    [{ diskMaxUsedSpaceRatio: 0.75 }, "retention.diskMaxUsedSpaceRatio"],
    [{ diskMaxUsedSpaceRatio: null }, "retention.diskMaxUsedSpaceRatio"],
  ])("is refused: %j", async (retention, text) => {
    await expect(openTestBroker({ retention })).rejects.toMatchObject({
      code: "ERR_MQ_INVALID_ARGUMENT",
      message: expect.stringContaining(text),
    });
  });
});
