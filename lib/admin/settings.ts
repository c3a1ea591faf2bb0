import { formatRetryPolicy } from "../broker/retry-policy.js";
import { MqError } from "../errors.js";
import { PERM } from "../message/system-topics.js";
import { booleanOption, integerOption, oneOf, refuseUnknownOptions } from "../options.js";
import type { GroupConfig } from "../store/group-table.js";
import type { TopicConfig } from "../store/topic-table.js";
import type { GroupSettings, TopicInfo, TopicSettings } from "./admin.js";
import { checkRetryPolicy } from "./retry-policy-settings.js";

const PERMS = { RW: PERM.READ | PERM.WRITE, R: PERM.READ, W: PERM.WRITE, none: 0 } as const;
const MESSAGE_TYPES = ["NORMAL", "FIFO", "DELAY", "TRANSACTION", "MIXED", "UNSPECIFIED"] as const;
const MAX_QUEUES = 65_535;

const TOPIC_SETTINGS = ["readQueueNums", "writeQueueNums", "perm", "order", "messageType"] as const;
const GROUP_SETTINGS = [
  "consumeEnable",
  "consumeBroadcastEnable",
  "consumeMessageOrderly",
  "retryQueueNums",
  "retryMaxTimes",
  "retryPolicy",
] as const;

/** Settings that are applied later, when the caller may have changed his object. */
export function copyTopicSettings(settings: TopicSettings): TopicSettings {
  refuseUnknownOptions("TopicSettings", settings, TOPIC_SETTINGS);
  return { ...settings };
}

/** Settings that are applied later, when the caller may have changed his object. */
export function copyGroupSettings(settings: GroupSettings): GroupSettings {
  refuseUnknownOptions("GroupSettings", settings, GROUP_SETTINGS);
  return { ...settings, ...(settings.retryPolicy && { retryPolicy: checkRetryPolicy(settings.retryPolicy) }) };
}

/** The configuration after these settings were applied. */
export function applyTopicSettings(base: TopicConfig, settings: TopicSettings): TopicConfig {
  refuseUnknownOptions("TopicSettings", settings, TOPIC_SETTINGS);
  const perm = oneOf("perm", settings.perm, Object.keys(PERMS) as (keyof typeof PERMS)[], permOf(base.perm));
  return {
    topic: base.topic,
    readQueueNums: integerOption("readQueueNums", settings.readQueueNums, {
      min: 0,
      max: MAX_QUEUES,
      fallback: base.readQueueNums,
    }),
    writeQueueNums: integerOption("writeQueueNums", settings.writeQueueNums, {
      min: 0,
      max: MAX_QUEUES,
      fallback: base.writeQueueNums,
    }),
    perm: PERMS[perm],
    order: booleanOption("order", settings.order, base.order),
    messageType: oneOf<string>("messageType", settings.messageType, MESSAGE_TYPES, base.messageType),
  };
}

export function applyGroupSettings(base: GroupConfig, settings: GroupSettings): GroupConfig {
  refuseUnknownOptions("GroupSettings", settings, GROUP_SETTINGS);
  return {
    group: base.group,
    consumeEnable: booleanOption("consumeEnable", settings.consumeEnable, base.consumeEnable),
    consumeBroadcastEnable: booleanOption(
      "consumeBroadcastEnable",
      settings.consumeBroadcastEnable,
      base.consumeBroadcastEnable,
    ),
    consumeMessageOrderly: booleanOption(
      "consumeMessageOrderly",
      settings.consumeMessageOrderly,
      base.consumeMessageOrderly,
    ),
    retryQueueNums: integerOption("retryQueueNums", settings.retryQueueNums, {
      min: 0,
      max: MAX_QUEUES,
      fallback: base.retryQueueNums,
    }),
    retryMaxTimes: integerOption("retryMaxTimes", settings.retryMaxTimes, {
      min: -1,
      max: 2 ** 31 - 1,
      fallback: base.retryMaxTimes,
    }),
    retryPolicy:
      settings.retryPolicy === undefined ? base.retryPolicy : formatRetryPolicy(checkRetryPolicy(settings.retryPolicy)),
  };
}

export function toTopicInfo(config: TopicConfig, system: boolean): TopicInfo {
  return { ...config, perm: permOf(config.perm), system };
}

/** Compares configurations field by field. */
export function isSameConfig<T extends object>(a: T, b: T): boolean {
  return (Object.keys(a) as (keyof T)[]).every((key) => a[key] === b[key]);
}

export function alreadyCreated(what: string): MqError {
  return new MqError("ERR_MQ_ALREADY_CREATED", `${what} exists already and is set up differently: update it instead`, {
    responseCode: 18,
  });
}

function permOf(bits: number): TopicInfo["perm"] {
  const isReadable = (bits & PERM.READ) !== 0;
  const isWritable = (bits & PERM.WRITE) !== 0;
  if (isReadable) return isWritable ? "RW" : "R";
  return isWritable ? "W" : "none";
}
