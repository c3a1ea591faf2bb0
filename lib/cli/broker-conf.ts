import type { BrokerSettings } from "../broker-options.js";
import type { RetentionOptions } from "../retention-options.js";
import type { TransactionOptions } from "../transaction-options.js";
import type { ServeOptions } from "../wire/serve.js";
import { parseProperties } from "./properties.js";

/** What a configuration of RocketMQ's broker asks for, as far as it means something here. */
export interface BrokerConf {
  readonly broker: BrokerSettings;
  readonly serve: Pick<ServeOptions, "host" | "brokerPort" | "advertise">;
  /** Keys that say nothing here, in the order of the file. */
  readonly withoutEffect: readonly string[];
}

/** While a file is read. */
interface ConfDraft {
  broker: { -readonly [K in keyof BrokerSettings]: BrokerSettings[K] };
  serve: { -readonly [K in keyof BrokerConf["serve"]]: BrokerConf["serve"][K] };
  retention: { -readonly [K in keyof RetentionOptions]: RetentionOptions[K] };
  transaction: { -readonly [K in keyof TransactionOptions]: TransactionOptions[K] };
}

/** Takes a value over. Throws an `Error` that says what was expected. */
type Honour = (draft: ConfDraft, value: string) => void;

/**
 * Keys of RocketMQ's broker.conf that are honoured.
 *
 * Source: RocketMQ 5.3.3, `common/.../BrokerConfig.java`, `store/.../config/MessageStoreConfig.java`, `remoting/.../netty/NettyServerConfig.java`.
 */
const KEYS: Readonly<Record<string, Honour>> = {
  listenPort: ({ serve }, value) => {
    serve.brokerPort = integer(value, 0, 65_535);
  },
  bindAddress: ({ serve }, value) => {
    serve.host = value;
  },
  brokerIP1: ({ serve }, value) => {
    serve.advertise = value;
  },
  brokerName: ({ broker }, value) => {
    broker.brokerName = value;
  },
  brokerClusterName: ({ broker }, value) => {
    broker.clusterName = value;
  },
  defaultTopicQueueNums: ({ broker }, value) => {
    broker.defaultQueueCount = integer(value, 1, 65_535);
  },
  autoCreateTopicEnable: ({ broker }, value) => {
    broker.autoCreateTopic = boolean(value);
  },
  autoCreateSubscriptionGroup: ({ broker }, value) => {
    broker.autoCreateGroup = boolean(value);
  },
  messageDelayLevel: ({ broker }, value) => {
    broker.messageDelayLevels = value;
  },
  recallMessageEnable: ({ broker }, value) => {
    broker.recallMessageEnable = boolean(value);
  },
  flushDiskType: ({ broker }, value) => {
    broker.synchronous = FLUSH_DISK_TYPES[oneOf(value, ["SYNC_FLUSH", "ASYNC_FLUSH"])];
  },
  fileReservedTime: ({ retention }, value) => {
    retention.fileReservedTimeHours = integer(value, 0, 1_000_000);
  },
  deleteWhen: ({ retention }, value) => {
    retention.deleteWhen = value;
  },
  diskMaxUsedSpaceRatio: ({ retention }, value) => {
    retention.diskMaxUsedSpaceRatio = integer(value, 0, 100);
  },
  transactionTimeOut: ({ transaction }, value) => {
    transaction.timeoutMs = integer(value, 1, 3_600_000);
  },
  transactionCheckInterval: ({ transaction }, value) => {
    transaction.checkIntervalMs = integer(value, 1, 3_600_000);
  },
  transactionCheckMax: ({ transaction }, value) => {
    transaction.checkMax = integer(value, 1, 1_000_000);
  },
};

const FLUSH_DISK_TYPES = { SYNC_FLUSH: "full", ASYNC_FLUSH: "normal" } as const;

/**
 * Reads a property file of RocketMQ's broker.
 *
 * @throws Error with the key, what was expected and what came.
 */
export function parseBrokerConf(text: string): BrokerConf {
  const draft: ConfDraft = { broker: {}, serve: {}, retention: {}, transaction: {} };
  const withoutEffect: string[] = [];
  for (const [key, given] of parseProperties(text)) {
    const honour = Object.hasOwn(KEYS, key) ? KEYS[key] : undefined;
    if (honour === undefined) {
      withoutEffect.push(key);
      continue;
    }
    const value = given.trim();
    try {
      if (value === "") throw new Error("must not be empty");
      honour(draft, value);
    } catch (error) {
      throw new Error(`${key} ${(error as Error).message}`);
    }
  }
  const { broker, serve, retention, transaction } = draft;
  return { broker: { ...broker, retention, transaction }, serve, withoutEffect };
}

function integer(value: string, min: number, max: number): number {
  const number = Number(value);
  if (/^[+-]?\d+$/.test(value) && number >= min && number <= max) return number;
  throw new Error(`must be an integer from ${min} to ${max}, got ${JSON.stringify(value)}`);
}

function boolean(value: string): boolean {
  return oneOf(value.toLowerCase(), ["true", "false"]) === "true";
}

function oneOf<T extends string>(value: string, allowed: readonly T[]): T {
  const found = allowed.find((each) => each === value);
  if (found !== undefined) return found;
  throw new Error(`must be ${allowed.join(" or ")}, got ${JSON.stringify(value)}`);
}
