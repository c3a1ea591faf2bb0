import type { ResolvedBrokerSettings } from "./broker/broker-settings.js";
import { PROFILES, type ProfileName } from "./broker/profile.js";
import { outsideOfDelivery } from "./client/delivery.js";
import type { Logger } from "./logger.js";
import { neverThrowing, stderrLogger } from "./logger.js";
import { booleanOption, describe, integerOption, invalid, oneOf, refuseUnknownOptions } from "./options.js";
import { type RetentionOptions, resolveRetentionOptions } from "./retention-options.js";
import type { SqliteDatabase } from "./store/sqlite.js";
import { seededChance, systemChance } from "./time/chance.js";
import { type Clock, systemClock } from "./time/clock.js";
import { withSteadyClock } from "./time/clocks.js";
import { DELAY_LEVELS_MS, parseDelayLevels } from "./time/delay-levels.js";
import { resolveTransactionOptions, type TransactionOptions } from "./transaction-options.js";

/** How a broker behaves; every setting has a default. */
export interface BrokerSettings {
  /**
   * `"embedded"`: what an application wants. `"rocketmq"`: the server's defaults and quirks, for tests that stand in for production. They differ only in
   * what lib/broker/PROFILES.md lists. @defaultValue "embedded"
   */
  readonly profile?: "embedded" | "rocketmq" | undefined;
  /**
   * What a resolved send survives. `"full"`: power loss (RocketMQ's SYNC_FLUSH). `"normal"`: a crash of the process (ASYNC_FLUSH). `"off"`: nothing
   * is promised. In attached mode the connection's own setting holds and this one must be absent. @defaultValue "full"
   */
  readonly synchronous?: "full" | "normal" | "off" | undefined;
  /**
   * Whether the file may lie on a network file system: NFS, SMB, 9p, FUSE and the like. SQLite's write-ahead log needs memory that all processes on the file
   * share and locks that hold between them; there they may not, and the file is damaged. Set it only if one machine alone opens the file and the file
   * system's locks work. Such file systems are recognised on Linux only. @defaultValue false
   */
  readonly allowNetworkFileSystem?: boolean | undefined;
  /** How long a synchronous call may block on another writer's lock, 0 to 60,000 ms. @defaultValue 50 */
  readonly busyTimeoutMs?: number | undefined;
  /**
   * How long the message queues of this broker's consumers stay theirs when nothing is heard of its process: one that hangs, or runs in another container, so
   * that others on the file cannot prove it to be gone. 1,000 to 3,600,000 ms. A process that is provably gone is found out within a quarter of a
   * second, whatever this says. @defaultValue 10_000
   */
  readonly leaseMs?: number | undefined;
  /** Behind the name of its machine room where `allocateByMachineRoom` is to find it: `"room@broker-a"`. @defaultValue "broker-a" */
  readonly brokerName?: string | undefined;
  /** @defaultValue "DefaultCluster" */
  readonly clusterName?: string | undefined;
  /** Whether sending to an unknown topic creates it. @defaultValue true */
  readonly autoCreateTopic?: boolean | undefined;
  /** Whether a consumer that starts creates its unknown group. @defaultValue true */
  readonly autoCreateGroup?: boolean | undefined;
  /** Message queues of a topic created without a count, 1 to 65,535. @defaultValue 4 */
  readonly defaultQueueCount?: number | undefined;
  /**
   * How long the messages of each delay level wait, level 1 first: whole numbers with `s`, `m`, `h` or `d`, one space between two. Retries without a policy of their
   * own use them from the third on. @defaultValue "1s 5s 10s 30s 1m 2m 3m 4m 5m 6m 7m 8m 9m 10m 20m 30m 1h 2h"
   */
  readonly messageDelayLevels?: string | undefined;
  /** How long messages are kept, and what happens when the disk is full. */
  readonly retention?: RetentionOptions | undefined;
  /** When producers are asked what became of a transaction. */
  readonly transaction?: TransactionOptions | undefined;
  /** Whether `producer.recall` is allowed. @defaultValue true, as `profile: "rocketmq"` false */
  readonly recallMessageEnable?: boolean | undefined;
  /** Where the broker gets its time from. @defaultValue systemClock */
  readonly clock?: Clock | undefined;
  /** Seeds every random choice: ids, first queues, jitter. An integer. @defaultValue real randomness */
  readonly seed?: number | undefined;
  /** @defaultValue warnings and errors to stderr */
  readonly logger?: Logger | undefined;
}

export type BrokerOptions<D extends SqliteDatabase = SqliteDatabase> = BrokerSettings &
  (
    | {
        /** A file, created for its owner alone (mode 0600) if it is missing, or `":memory:"`. */
        readonly path: string;
        readonly database?: undefined;
      }
    | {
        /** Attached mode: your connection, our `mq_*` tables beside yours. Never closed and no second connection opened. Its journal mode is looked at now: close the broker before you change it. */
        readonly database: D;
        readonly path?: undefined;
      }
  );

/** Options after their defaults. */
export interface ResolvedBrokerOptions {
  readonly path: string | undefined;
  readonly database: SqliteDatabase | undefined;
  readonly synchronous: "full" | "normal" | "off";
  readonly allowNetworkFileSystem: boolean;
  readonly isSeeded: boolean;
  readonly settings: ResolvedBrokerSettings;
}

/** The names of all of them. */
export const BROKER_OPTIONS: readonly (keyof BrokerSettings | "path" | "database")[] = [
  "path",
  "database",
  "profile",
  "synchronous",
  "allowNetworkFileSystem",
  "busyTimeoutMs",
  "leaseMs",
  "brokerName",
  "clusterName",
  "autoCreateTopic",
  "autoCreateGroup",
  "defaultQueueCount",
  "messageDelayLevels",
  "retention",
  "transaction",
  "recallMessageEnable",
  "clock",
  "seed",
  "logger",
];
const NAME_RULE = '1 to 127 letters, digits, "%", "|", "_" or "-"';
const CLOCK_METHODS = ["now", "at", "turn"];
const LOGGER_METHODS = ["debug", "info", "warn", "error"];

/** The address that offset message ids carry. An embedded store has no socket: this is RocketMQ's default port on this host. */
const STORE_HOST = { host: "127.0.0.1", port: 10911 };

export function resolveBrokerOptions(given: string | BrokerOptions): ResolvedBrokerOptions {
  const options: BrokerOptions = typeof given === "string" ? { path: given } : given;
  refuseUnknownOptions("BrokerOptions", options, BROKER_OPTIONS);
  checkPlace(options);
  const seed =
    options.seed === undefined
      ? undefined
      : integerOption("seed", options.seed, { min: -(2 ** 53) + 1, max: 2 ** 53 - 1, fallback: 0 });
  const profile = PROFILES[oneOf<ProfileName>("profile", options.profile, ["embedded", "rocketmq"], "embedded")];
  return {
    path: options.path,
    database: options.database,
    synchronous: oneOf("synchronous", options.synchronous, ["full", "normal", "off"], "full"),
    allowNetworkFileSystem: booleanOption("allowNetworkFileSystem", options.allowNetworkFileSystem, false),
    isSeeded: seed !== undefined,
    settings: {
      profile,
      brokerName: brokerNameOption(options.brokerName),
      clusterName: nameOption("clusterName", options.clusterName, "DefaultCluster"),
      storeHost: STORE_HOST,
      autoCreateTopic: booleanOption("autoCreateTopic", options.autoCreateTopic, true),
      autoCreateGroup: booleanOption("autoCreateGroup", options.autoCreateGroup, true),
      defaultQueueCount: integerOption("defaultQueueCount", options.defaultQueueCount, {
        min: 1,
        max: 65_535,
        fallback: 4,
      }),
      delayLevelsMs: delayLevelsOption(options.messageDelayLevels),
      recallMessageEnable: booleanOption(
        "recallMessageEnable",
        options.recallMessageEnable,
        profile.recallMessageEnable,
      ),
      ...resolveRetentionOptions(options.retention, profile),
      transaction: resolveTransactionOptions(options.transaction),
      busyTimeoutMs: integerOption("busyTimeoutMs", options.busyTimeoutMs, { min: 0, max: 60_000, fallback: 50 }),
      leaseMs: integerOption("leaseMs", options.leaseMs, { min: 1_000, max: 3_600_000, fallback: 10_000 }),
      ...withSteadyClock(wholeMilliseconds(withMethods("clock", options.clock, CLOCK_METHODS)) ?? systemClock),
      chance: seed === undefined ? systemChance : seededChance(seed),
      logger: neverThrowing(withMethods("logger", options.logger, LOGGER_METHODS) ?? stderrLogger),
    },
  };
}

function checkPlace({ path, database, synchronous }: BrokerOptions): void {
  if (path === undefined && database === undefined) throw invalid("path or database must be given, got neither");
  if (path !== undefined && database !== undefined) throw invalid("path and database exclude each other, got both");
  if (path !== undefined && (typeof path !== "string" || path === ""))
    throw invalid(`path must be a file name or ":memory:", got ${describe(path)}`);
  if (database !== undefined && synchronous !== undefined) {
    throw invalid(
      "synchronous must be absent with database: the connection's own setting holds, and broker.synchronous tells it",
    );
  }
}

function nameOption(name: string, value: unknown, fallback: string): string {
  if (value === undefined) return fallback;
  if (typeof value === "string" && /^[%|a-zA-Z0-9_-]{1,127}$/.test(value)) return value;
  throw invalid(`${name} must be ${NAME_RULE}, got ${describe(value)}`);
}

/** Also `room@name`: 127 characters together. */
function brokerNameOption(value: unknown): string {
  if (value === undefined) return "broker-a";
  const isName = typeof value === "string" && /^([%|a-zA-Z0-9_-]+@)?[%|a-zA-Z0-9_-]+$/.test(value);
  if (isName && value.length <= 127) return value;
  throw invalid(
    `brokerName must be ${NAME_RULE}, with or without a machine room and "@" in front, got ${describe(value)}`,
  );
}

function delayLevelsOption(value: unknown): readonly number[] {
  if (value === undefined) return DELAY_LEVELS_MS;
  const levels = typeof value === "string" ? parseDelayLevels(value) : undefined;
  if (levels !== undefined) return levels;
  throw invalid(`messageDelayLevels must be delays like "1s 5s 1m 2h", got ${describe(value)}`);
}

function withMethods<T extends object>(name: string, value: T | undefined, methods: readonly string[]): T | undefined {
  if (value === undefined) return undefined;
  const missing = methods.find(
    (method) => typeof (value as Readonly<Record<string, unknown>> | null)?.[method] !== "function",
  );
  if (missing === undefined) return value;
  throw invalid(`${name} must have the methods ${methods.join(", ")}; ${missing} is missing`);
}

/** Times are stored as integers; a clock of the user's may give fractions. And what a broker arms while a listener calls it is not the listener's. */
function wholeMilliseconds(clock: Clock | undefined): Clock | undefined {
  if (clock === undefined) return undefined;
  const { hold, elapsed, after } = clock;
  return {
    now: () => Math.floor(clock.now()),
    at: (dueMs, run) => outsideOfDelivery(() => clock.at(dueMs, run)),
    turn: (run) => clock.turn(run),
    ...(elapsed && { elapsed: elapsed.bind(clock) }),
    ...(after && { after: (delayMs, run) => outsideOfDelivery(() => after.call(clock, delayMs, run)) }),
    ...(hold && { hold: hold.bind(clock) }),
  };
}
