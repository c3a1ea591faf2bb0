import Database from "better-sqlite3";
import { describe, expect, it } from "vitest";
import { PROFILES } from "../lib/broker/profile.js";
import { type BrokerOptions, resolveBrokerOptions } from "../lib/broker-options.js";
import { openBroker, systemClock } from "../lib/index.js";
import { systemChance } from "../lib/time/chance.js";
import { DELAY_LEVELS_MS } from "../lib/time/delay-levels.js";
import { DeleteHours } from "../lib/time/delete-hours.js";
import { MeasuredClock } from "../lib/time/measured-clock.js";
import { tempFolder } from "./support/temp-folder.js";
import { thrown } from "./support/thrown.js";
import { VirtualClock } from "./support/virtual-clock.js";

const untyped = (options: unknown): BrokerOptions => options as BrokerOptions;
const logger = { debug: () => undefined, info: () => undefined, warn: () => undefined, error: () => undefined };

describe("resolveBrokerOptions", () => {
  it("takes a string for the path and fills in the defaults", () => {
    expect(resolveBrokerOptions("app.db")).toEqual({
      path: "app.db",
      database: undefined,
      synchronous: "full",
      allowNetworkFileSystem: false,
      isSeeded: false,
      settings: {
        profile: PROFILES.embedded,
        brokerName: "broker-a",
        clusterName: "DefaultCluster",
        storeHost: { host: "127.0.0.1", port: 10_911 },
        autoCreateTopic: true,
        autoCreateGroup: true,
        defaultQueueCount: 4,
        delayLevelsMs: DELAY_LEVELS_MS,
        recallMessageEnable: true,
        retention: {
          reservedMs: 72 * 3_600_000,
          deleteWhen: DeleteHours.parse("04"),
          keepsUnconsumed: true,
          catchesUp: true,
        },
        disk: { minFreeBytes: 64 * 1024 * 1024, maxUsedPercent: 100, hasSteps: false },
        transaction: { timeoutMs: 6_000, checkIntervalMs: 30_000, checkMax: 15 },
        busyTimeoutMs: 50,
        leaseMs: 10_000,
        clock: systemClock,
        steady: expect.any(MeasuredClock),
        chance: systemChance,
        logger: expect.any(Object),
      },
    });
  });

  it("takes undefined for absent, for each option", () => {
    const absent = {
      database: undefined,
      profile: undefined,
      synchronous: undefined,
      allowNetworkFileSystem: undefined,
      busyTimeoutMs: undefined,
      leaseMs: undefined,
      brokerName: undefined,
      clusterName: undefined,
      autoCreateTopic: undefined,
      autoCreateGroup: undefined,
      defaultQueueCount: undefined,
      messageDelayLevels: undefined,
      retention: undefined,
      recallMessageEnable: undefined,
      clock: undefined,
      seed: undefined,
      logger: undefined,
    };

    const { settings, ...rest } = resolveBrokerOptions({ path: "app.db", ...absent });

    const { settings: usual, ...usualRest } = resolveBrokerOptions("app.db");
    expect(rest).toEqual(usualRest);
    expect({ ...settings, logger: undefined }).toEqual({ ...usual, logger: undefined });
  });

  it("takes what is given", () => {
    const clock = new VirtualClock();
    const logged: string[] = [];

    const resolved = resolveBrokerOptions({
      path: ":memory:",
      profile: "rocketmq",
      synchronous: "normal",
      allowNetworkFileSystem: true,
      busyTimeoutMs: 0,
      leaseMs: 1_000,
      brokerName: "b",
      clusterName: "c",
      autoCreateTopic: false,
      autoCreateGroup: false,
      defaultQueueCount: 65_535,
      clock,
      seed: -7,
      logger: { ...logger, warn: (text) => void logged.push(text) },
    });
    resolved.settings.logger.warn("careful");

    expect(resolved).toMatchObject({
      synchronous: "normal",
      allowNetworkFileSystem: true,
      isSeeded: true,
      settings: {
        profile: PROFILES.rocketmq,
        brokerName: "b",
        clusterName: "c",
        autoCreateTopic: false,
        autoCreateGroup: false,
        defaultQueueCount: 65_535,
        busyTimeoutMs: 0,
        leaseMs: 1_000,
        clock,
      },
    });
    expect(logged).toEqual(["careful"]);
  });

  it("takes a broker name with a machine room in front, 127 characters together", () => {
    const names = ["r1@broker-a", `r@${"b".repeat(125)}`].map(
      (brokerName) => resolveBrokerOptions({ path: ":memory:", brokerName }).settings.brokerName,
    );

    expect(names).toEqual(["r1@broker-a", `r@${"b".repeat(125)}`]);
  });

  it("draws the same numbers from the same seed", () => {
    const draw = (seed: number): readonly number[] => {
      const { chance } = resolveBrokerOptions({ path: ":memory:", seed }).settings;
      return Array.from({ length: 10 }, () => chance.nextInt(1_000));
    };

    expect(draw(1)).toEqual(draw(1));
    expect(draw(1)).not.toEqual(draw(2));
  });

  it.each<[Record<string, unknown>, string]>([
    [{ profile: "RocketMQ" }, 'profile must be "embedded" or "rocketmq", got "RocketMQ"'],
    [{ profile: null }, 'profile must be "embedded" or "rocketmq", got null'],
    [{ profile: "toString" }, 'profile must be "embedded" or "rocketmq", got "toString"'],
    [{ synchronous: "FULL" }, 'synchronous must be "full" or "normal" or "off", got "FULL"'],
    [{ synchronous: 2 }, 'synchronous must be "full" or "normal" or "off", got 2'],
    [{ allowNetworkFileSystem: "yes" }, 'allowNetworkFileSystem must be true or false, got "yes"'],
    [{ busyTimeoutMs: -1 }, "busyTimeoutMs must be an integer from 0 to 60000, got -1"],
    [{ busyTimeoutMs: 60_001 }, "busyTimeoutMs must be an integer from 0 to 60000, got 60001"],
    [{ busyTimeoutMs: "50" }, 'busyTimeoutMs must be an integer from 0 to 60000, got "50"'],
    [{ leaseMs: 999 }, "leaseMs must be an integer from 1000 to 3600000, got 999"],
    [{ leaseMs: 3_600_001 }, "leaseMs must be an integer from 1000 to 3600000, got 3600001"],
    [{ busyTimeoutMs: 0.5 }, "busyTimeoutMs must be an integer from 0 to 60000, got 0.5"],
    [
      { brokerName: "" },
      'brokerName must be 1 to 127 letters, digits, "%", "|", "_" or "-", with or without a machine room and "@" in front, got ""',
    ],
    [{ brokerName: "a.b" }, 'with or without a machine room and "@" in front, got "a.b"'],
    [{ brokerName: "@b" }, 'got "@b"'],
    [{ brokerName: "r@" }, 'got "r@"'],
    [{ brokerName: "r@s@b" }, 'got "r@s@b"'],
    [{ brokerName: `r@${"b".repeat(126)}` }, "got a string of 128 characters"],
    [{ clusterName: "c".repeat(128) }, "got a string of 128 characters"],
    [{ clusterName: 7 }, 'clusterName must be 1 to 127 letters, digits, "%", "|", "_" or "-", got 7'],
    [{ autoCreateTopic: "no" }, 'autoCreateTopic must be true or false, got "no"'],
    [{ autoCreateGroup: 0 }, "autoCreateGroup must be true or false, got 0"],
    [{ defaultQueueCount: 0 }, "defaultQueueCount must be an integer from 1 to 65535, got 0"],
    [{ defaultQueueCount: 65_536 }, "defaultQueueCount must be an integer from 1 to 65535, got 65536"],
    [{ clock: {} }, "clock must have the methods now, at, turn; now is missing"],
    [{ clock: { now: () => 0, at: () => undefined } }, "clock must have the methods now, at, turn; turn is missing"],
    [{ clock: null }, "clock must have the methods now, at, turn; now is missing"],
    [{ clock: "system" }, "clock must have the methods now, at, turn; now is missing"],
    [{ seed: 1.5 }, "seed must be an integer from -9007199254740991 to 9007199254740991, got 1.5"],
    [{ seed: "lucky" }, 'got "lucky"'],
    [
      { logger: { ...logger, warn: undefined } },
      "logger must have the methods debug, info, warn, error; warn is missing",
    ],
  ])("refuses %j and says why", (options, text) => {
    const error = thrown(() => resolveBrokerOptions(untyped({ path: ":memory:", ...options })));

    expect([error.code, error.responseCode]).toEqual(["ERR_MQ_INVALID_ARGUMENT", -1]);
    expect(error.message).toContain(text);
  });

  it.each(["durability", "Path", "queueCount", "Profile"])("refuses the unknown option %s by name", (name) => {
    const error = thrown(() => resolveBrokerOptions(untyped({ path: ":memory:", [name]: 1 })));

    expect(error.message).toBe(
      `BrokerOptions has no option "${name}"; it has path, database, profile, synchronous, allowNetworkFileSystem, busyTimeoutMs, leaseMs, ` +
        "brokerName, clusterName, autoCreateTopic, autoCreateGroup, defaultQueueCount, messageDelayLevels, retention, transaction, recallMessageEnable, clock, " +
        "seed, logger",
    );
  });

  it.each([undefined, null, 7, [], true])("refuses %j in place of options", (options) => {
    expect(thrown(() => resolveBrokerOptions(untyped(options))).message).toContain("BrokerOptions must be an object");
  });
});

describe("the place of a store", () => {
  it.each<[what: string, options: unknown, text: string]>([
    ["neither path nor database", {}, "path or database must be given, got neither"],
    ["both", { path: "app.db", database: {} }, "path and database exclude each other, got both"],
    ["an empty path", { path: "" }, 'path must be a file name or ":memory:", got ""'],
    ["an empty string", "", 'path must be a file name or ":memory:", got ""'],
    ["a path that is no string", { path: 7 }, 'path must be a file name or ":memory:", got 7'],
    ["a path that is null", { path: null }, 'path must be a file name or ":memory:", got null'],
    ["synchronous for a database", { database: {}, synchronous: "full" }, "synchronous must be absent with database"],
  ])("is refused when it is %s", async (_what, options, text) => {
    const refused = openBroker(options as BrokerOptions);

    await expect(refused).rejects.toMatchObject({ code: "ERR_MQ_INVALID_ARGUMENT", responseCode: -1 });
    await expect(refused).rejects.toThrow(text);
  });

  it.each([null, {}, "app.db", { prepare: () => undefined }])(
    "is refused when the database is %j",
    async (database) => {
      await expect(openBroker({ database } as unknown as BrokerOptions)).rejects.toMatchObject({
        code: "ERR_MQ_INVALID_ARGUMENT",
      });
    },
  );

  it("is not touched when another option is refused", async () => {
    using folder = tempFolder();
    const database = new Database(":memory:");

    await expect(openBroker({ path: folder.file("app.db"), defaultQueueCount: 0 })).rejects.toThrow(
      "defaultQueueCount",
    );
    await expect(openBroker({ database, defaultQueueCount: 0 })).rejects.toThrow("defaultQueueCount");

    expect(() => new Database(folder.file("app.db"), { fileMustExist: true })).toThrow("unable to open");
    expect(database.prepare("SELECT name FROM sqlite_schema").all()).toEqual([]);
    database.close();
  });
});

describe("openBroker with a seed", () => {
  it("gives the same ids and queues again", async () => {
    const run = async (): Promise<readonly unknown[]> => {
      await using mq = await openBroker({ path: ":memory:", seed: 42, clock: new VirtualClock() });
      const producer = mq.producer({ group: "shop" });
      return [producer.sendSync({ topic: "orders", body: "x" }), producer.sendSync({ topic: "orders", body: "x" })];
    };

    expect(await run()).toEqual(await run());
  });
});
