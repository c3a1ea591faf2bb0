import { MqError } from "../errors.js";
import { replyTopic } from "./derived-names.js";

/** Bits of a topic's `perm`. Source: RocketMQ, `common/.../constant/PermName.java`. */
export const PERM = { READ: 4, WRITE: 2, INHERIT: 1 } as const;

/** A system topic as a broker has it from its first start. */
export interface SystemTopic {
  readonly topic: string;
  readonly readQueueNums: number;
  readonly writeQueueNums: number;
  readonly perm: number;
  readonly order: boolean;
  readonly messageType: string;
}

/** Some system topics are named after the broker or its cluster. */
export interface SystemTopicOwner {
  readonly brokerName: string;
  readonly clusterName: string;
  /** `TBW102`, the template of new topics, exists only where topics are created by sending to them. Absent: true. */
  readonly autoCreateTopic?: boolean | undefined;
}

const SYSTEM_PREFIX = "rmq_sys_";
const SYSTEM_GROUP_PREFIX = "CID_RMQ_SYS_";
const AUTO_CREATE_TEMPLATE = "TBW102";
/** Where half messages go that were checked in vain. */
export const GIVEN_UP_TOPIC = "TRANS_CHECK_MAX_TIME_TOPIC";
const TIMER_TOPIC = "rmq_sys_wheel_timer";

const READ_WRITE = PERM.READ | PERM.WRITE;
const READ_WRITE_INHERIT = READ_WRITE | PERM.INHERIT;

/** Queue count and perm; `undefined` where only the name is taken and no such topic exists by itself. */
const FIXED_TOPICS: ReadonlyMap<string, readonly [queueNums: number, perm: number] | undefined> = new Map([
  [AUTO_CREATE_TEMPLATE, [8, READ_WRITE_INHERIT]],
  ["SCHEDULE_TOPIC_XXXX", [18, READ_WRITE]],
  [TIMER_TOPIC, [1, READ_WRITE]],
  ["RMQ_SYS_TRANS_HALF_TOPIC", [1, READ_WRITE]],
  ["RMQ_SYS_TRANS_OP_HALF_TOPIC", [1, READ_WRITE]],
  ["SELF_TEST_TOPIC", [1, READ_WRITE]],
  ["BenchmarkTest", [1024, READ_WRITE]],
  ["OFFSET_MOVED_EVENT", [1, READ_WRITE]],
  [GIVEN_UP_TOPIC, undefined],
  ["RMQ_SYS_TRACE_TOPIC", undefined],
  ["CHECKPOINT_TOPIC", undefined],
]);

/** RocketMQ's broker takes a message to the last one and then delivers no timer message any more, hence it is refused here. */
const SEND_FORBIDDEN: ReadonlySet<string> = new Set([
  "SCHEDULE_TOPIC_XXXX",
  "RMQ_SYS_TRANS_HALF_TOPIC",
  "RMQ_SYS_TRANS_OP_HALF_TOPIC",
  GIVEN_UP_TOPIC,
  "SELF_TEST_TOPIC",
  "OFFSET_MOVED_EVENT",
  TIMER_TOPIC,
]);

/** Groups that exist on every broker. Source: RocketMQ, `broker/.../subscription/SubscriptionGroupManager.java`. */
export const SYSTEM_GROUPS: ReadonlySet<string> = new Set([
  "TOOLS_CONSUMER",
  "FILTERSRV_CONSUMER",
  "SELF_TEST_C_GROUP",
  "CID_ONS-HTTP-PROXY",
  "CID_ONSAPI_PULL",
  "CID_ONSAPI_PERMISSION",
  "CID_ONSAPI_OWNER",
  "CID_RMQ_SYS_TRANS",
]);

/** One of {@link SYSTEM_GROUPS} or reserved by its prefix. */
export function isSystemGroup(group: string): boolean {
  return group.startsWith(SYSTEM_GROUP_PREFIX) || SYSTEM_GROUPS.has(group);
}

/**
 * A name that users neither create nor delete; the topic itself need not exist.
 *
 * Source: RocketMQ, `common/.../topic/TopicValidator.java`, `isSystemTopic`; `broker/.../topic/TopicConfigManager.java`.
 */
export function isSystemTopic(topic: string, owner: SystemTopicOwner): boolean {
  return (
    topic.startsWith(SYSTEM_PREFIX) ||
    FIXED_TOPICS.has(topic) ||
    topic === owner.clusterName ||
    topic === owner.brokerName ||
    topic === replyTopic(owner.clusterName)
  );
}

/**
 * Refuses topics that only the broker itself writes to.
 *
 * @param responseCode - 16, what RocketMQ's broker answers; its clients throw with -1.
 * @throws MqError `ERR_MQ_NO_PERMISSION`
 */
export function assertSendable(topic: string, responseCode: number = 16): void {
  if (!SEND_FORBIDDEN.has(topic)) return;
  throw new MqError("ERR_MQ_NO_PERMISSION", `topic ${topic} takes no messages from clients`, { responseCode });
}

/** The system topic of this name, if it exists from the first start on. */
export function findSystemTopic(topic: string, owner: SystemTopicOwner): SystemTopic | undefined {
  const shape = topic === AUTO_CREATE_TEMPLATE && owner.autoCreateTopic === false ? undefined : shapeOf(topic, owner);
  if (shape === undefined) return undefined;
  const [queueNums, perm] = shape;
  return { topic, readQueueNums: queueNums, writeQueueNums: queueNums, perm, order: false, messageType: "NORMAL" };
}

/** Every topic that exists from the first start on. */
export function listSystemTopics(owner: SystemTopicOwner): readonly SystemTopic[] {
  const { brokerName, clusterName } = owner;
  const owned = [clusterName, brokerName, replyTopic(clusterName), reviveTopic(clusterName)];
  const names = new Set([...FIXED_TOPICS.keys(), ...owned]);
  return [...names].map((topic) => findSystemTopic(topic, owner)).filter((found) => found !== undefined);
}

function shapeOf(topic: string, { brokerName, clusterName }: SystemTopicOwner): readonly [number, number] | undefined {
  const fixed = FIXED_TOPICS.get(topic);
  if (fixed !== undefined) return fixed;
  if (topic === clusterName) return [16, READ_WRITE_INHERIT];
  if (topic === brokerName) return [1, READ_WRITE_INHERIT];
  if (topic === replyTopic(clusterName)) return [1, READ_WRITE];
  if (topic === reviveTopic(clusterName)) return [8, READ_WRITE];
  return undefined;
}

/** Where RocketMQ's broker records what was popped. */
function reviveTopic(clusterName: string): string {
  return `${SYSTEM_PREFIX}REVIVE_LOG_${clusterName}`;
}
