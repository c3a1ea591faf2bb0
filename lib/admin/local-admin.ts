import type { ResolvedBrokerSettings } from "../broker/broker-settings.js";
import type { Engine } from "../broker/engine.js";
import { lastSubscribed } from "../broker/group-members.js";
import { defaultGroupConfig } from "../broker/groups.js";
import type { LocalBroker } from "../broker/local-broker.js";
import { searchOffset as findOffset } from "../broker/offset-search.js";
import type { QueueState } from "../broker/queue-states.js";
import { parseRetryPolicy } from "../broker/retry-policy.js";
import { MqError } from "../errors.js";
import { isRetryTopic, retryTopic } from "../message/derived-names.js";
import type { MessageQueue } from "../message/message-queue.js";
import type { MessageView } from "../message/message-view.js";
import { checkGroup, checkKnownTopic, checkTopic } from "../message/names.js";
import { isSystemTopic } from "../message/system-topics.js";
import { booleanOption, describe, integerOption, invalid, oneOf, refuseUnknownOptions } from "../options.js";
import { checkStore } from "../store/check-store.js";
import type { GroupConfig } from "../store/group-table.js";
import type { TopicConfig } from "../store/topic-table.js";
import type {
  ConsumeStats,
  EmbeddedAdmin,
  GroupInfo,
  GroupSettings,
  HalfMessageInfo,
  QueueStats,
  TopicInfo,
  TopicSettings,
} from "./admin.js";
import { HalfMessageAdmin } from "./half-message-admin.js";
import {
  alreadyCreated,
  applyGroupSettings,
  applyTopicSettings,
  copyGroupSettings,
  copyTopicSettings,
  isSameConfig,
  toTopicInfo,
} from "./settings.js";

/** What RocketMQ's broker answers to a malformed admin request. */
const INVALID_PARAMETER = 29;

/** {@link EmbeddedAdmin} of the broker in this process. */
export class LocalAdmin implements EmbeddedAdmin {
  readonly #broker: LocalBroker;
  readonly #halves: HalfMessageAdmin;
  readonly #settings: ResolvedBrokerSettings;

  constructor(broker: LocalBroker, settings: ResolvedBrokerSettings) {
    this.#broker = broker;
    this.#settings = settings;
    this.#halves = new HalfMessageAdmin(broker);
  }

  listHalfMessages(options: { readonly producerGroup?: string | undefined } = {}): Promise<readonly HalfMessageInfo[]> {
    return this.#halves.list(options);
  }

  resolveHalfMessage(transactionId: string, resolution: "commit" | "rollback"): Promise<void> {
    return this.#halves.resolve(transactionId, resolution);
  }

  async createTopic(topic: string, settings: TopicSettings = {}): Promise<TopicInfo> {
    checkTopic(topic, INVALID_PARAMETER);
    this.#checkOwnTopic(topic);
    const config = applyTopicSettings(this.#broker.engine.topics.template(topic), settings);
    return this.#changeTopic((known) => {
      if (known !== undefined && !isSameConfig(known, config)) throw alreadyCreated(`topic ${topic}`);
      return config;
    }, topic);
  }

  async updateTopic(topic: string, settings: TopicSettings): Promise<TopicInfo> {
    this.#checkOwnTopic(topic);
    const given = copyTopicSettings(settings);
    return this.#changeTopic(
      (known) => applyTopicSettings(known ?? this.#broker.engine.topics.get(topic), given),
      topic,
    );
  }

  async getTopic(topic: string): Promise<TopicInfo> {
    checkKnownTopic(topic, INVALID_PARAMETER);
    return this.#read(({ topics }) => toTopicInfo(topics.get(topic), isSystemTopic(topic, this.#settings)));
  }

  async listTopics(options: { readonly system?: boolean | undefined } = {}): Promise<readonly TopicInfo[]> {
    refuseUnknownOptions("listTopics options", options, ["system"]);
    const withSystem = booleanOption("system", options.system, false);
    return this.#read(({ topics }) =>
      topics
        .list()
        .map((config) => toTopicInfo(config, isSystemTopic(config.topic, this.#settings)))
        .filter(({ system }) => withSystem || !system),
    );
  }

  async topicStats(topic: string): Promise<readonly QueueStats[]> {
    checkKnownTopic(topic, INVALID_PARAMETER);
    return this.#read(({ topics, queues, store }) =>
      Array.from({ length: queueCount(topics.get(topic)) }, (_, queueId) => {
        const { queueKey, minOffset, maxOffset } = queues.get(topic, queueId);
        const lastStoreTimestamp = store.log.findLastHead(queueKey)?.storeTimestamp;
        return { queue: this.#queue(topic, queueId), minOffset, maxOffset, lastStoreTimestamp };
      }),
    );
  }

  async createGroup(group: string, settings: GroupSettings = {}): Promise<GroupInfo> {
    checkGroup(group, INVALID_PARAMETER);
    const config = applyGroupSettings(defaultGroupConfig(group), settings);
    return this.#changeGroup((known) => {
      if (known !== undefined && !isSameConfig(known, config)) throw alreadyCreated(`consumer group ${group}`);
      return config;
    }, group);
  }

  async updateGroup(group: string, settings: GroupSettings): Promise<GroupInfo> {
    checkGroup(group, INVALID_PARAMETER);
    const given = copyGroupSettings(settings);
    return this.#changeGroup(
      (known) => applyGroupSettings(known ?? this.#broker.engine.groups.get(group), given),
      group,
    );
  }

  async getGroup(group: string): Promise<GroupInfo> {
    checkGroup(group, INVALID_PARAMETER);
    return this.#read(({ groups }) => this.#toGroupInfo(groups.get(group)));
  }

  async listGroups(): Promise<readonly GroupInfo[]> {
    return this.#read(({ groups }) => groups.list().map((config) => this.#toGroupInfo(config)));
  }

  async consumeStats(group: string, topic?: string): Promise<ConsumeStats> {
    checkGroup(group, INVALID_PARAMETER);
    if (topic !== undefined) checkKnownTopic(topic, INVALID_PARAMETER);
    this.#broker.assertOpen();
    const { engine } = this.#broker;
    return engine.reads.readSnapshot(() => {
      engine.groups.get(group);
      const topics = topic === undefined ? this.#topicsOf(group) : [engine.topics.get(topic)];
      const inHand = engine.pops.countInHand(group);
      const queues = topics.flatMap(({ topic: name, readQueueNums }) =>
        Array.from({ length: readQueueNums }, (_, queueId) => this.#queueStats(group, name, queueId, inHand)),
      );
      const sum = (key: "lag" | "inflight"): number => queues.reduce((total, queue) => total + queue[key], 0);
      return { lag: sum("lag"), inflight: sum("inflight"), queues };
    });
  }

  async minOffset(queue: MessageQueue): Promise<number> {
    return this.#read(() => this.#state(queue).minOffset);
  }

  async maxOffset(queue: MessageQueue): Promise<number> {
    return this.#read(() => this.#state(queue).maxOffset);
  }

  async searchOffset(queue: MessageQueue, timestamp: number | Date, boundary?: "lower" | "upper"): Promise<number> {
    const time = timestamp instanceof Date ? timestamp.getTime() : timestamp;
    if (!Number.isSafeInteger(time))
      throw invalid(`timestamp must be a Date or epoch milliseconds, got ${describe(timestamp)}`, INVALID_PARAMETER);
    const side = oneOf("boundary", boundary, ["lower", "upper"], "lower");
    return this.#read(({ store }) => findOffset(store.log, this.#state(queue), time, side));
  }

  async browse(queue: MessageQueue, fromOffset: number, max: number): Promise<readonly MessageView[]> {
    if (!Number.isSafeInteger(fromOffset) || fromOffset < 0)
      throw invalid(`fromOffset must be an offset from 0 on, got ${describe(fromOffset)}`, INVALID_PARAMETER);
    const count = integerOption("max", max, { min: 1, max: 1_024, fallback: 0 });
    if (count === 0) throw invalid("max must be an integer from 1 to 1024, got undefined", INVALID_PARAMETER);
    return this.#read(() => {
      const { topic, queueId } = this.#state(queue);
      return this.#broker.messages.browse(topic, queueId, fromOffset, count);
    });
  }

  async checkStore(): Promise<{ readonly problems: readonly string[] }> {
    const begin = (): ReturnType<typeof checkStore> => checkStore(this.#broker.engine.store);
    let steps = begin();
    for (;;) {
      const step = await this.#read(() => {
        try {
          return steps.next();
        } catch (error) {
          // A generator ends with what it throws, and another connection's lock is waited for: then from the beginning.
          steps = begin();
          throw error;
        }
      });
      if (step.done === true) return { problems: step.value };
      await new Promise<void>((resolve) => this.#settings.clock.turn(resolve));
    }
  }

  #changeTopic(change: (known: TopicConfig | undefined) => TopicConfig, topic: string): Promise<TopicInfo> {
    this.#broker.assertOpen();
    return this.#broker.engine.write(() => {
      const { topics } = this.#broker.engine;
      const known = topics.find(topic);
      const config = change(known);
      if (known === undefined || !isSameConfig(known, config)) topics.put(config);
      return toTopicInfo(config, false);
    });
  }

  async #changeGroup(change: (known: GroupConfig | undefined) => GroupConfig, group: string): Promise<GroupInfo> {
    this.#broker.assertOpen();
    const info = await this.#broker.engine.write(() => {
      const { groups } = this.#broker.engine;
      const known = groups.find(group);
      const config = change(known);
      if (known === undefined || !isSameConfig(known, config)) groups.put(config);
      return this.#toGroupInfo(config);
    });
    this.#broker.groupChanged();
    return info;
  }

  #read<T>(work: (engine: Engine) => T): Promise<T> {
    this.#broker.assertOpen();
    return this.#broker.engine.reads.read(() => work(this.#broker.engine));
  }

  #checkOwnTopic(topic: string): void {
    checkKnownTopic(topic, INVALID_PARAMETER);
    if (isSystemTopic(topic, this.#settings)) {
      throw invalid(`topic ${topic} belongs to the system and cannot be created or changed`, INVALID_PARAMETER);
    }
  }

  #state(queue: MessageQueue): QueueState {
    if (typeof queue !== "object" || queue === null)
      throw invalid(`queue must be a message queue, got ${describe(queue)}`, INVALID_PARAMETER);
    const { topic, brokerName, queueId } = queue;
    if (brokerName !== this.#settings.brokerName) {
      throw new MqError(
        "ERR_MQ_OFFSET",
        `queue must be one of broker ${this.#settings.brokerName}, got one of ${describe(brokerName)}`,
      );
    }
    const { topics, queues } = this.#broker.engine;
    const config = topics.get(checkKnownTopic(topic, INVALID_PARAMETER));
    if (Number.isInteger(queueId) && queueId >= 0 && queueId < queueCount(config)) return queues.get(topic, queueId);
    throw new MqError(
      "ERR_MQ_OFFSET",
      `topic ${topic} has ${queueCount(config)} message queues, got queueId ${describe(queueId)}`,
    );
  }

  #topicsOf(group: string): readonly TopicConfig[] {
    const { topics, offsets, store } = this.#broker.engine;
    const names = new Set([
      ...store.consumeOffsets.listOfGroup(group).map(({ topic }) => topic),
      ...offsets.listPending(group).map(({ topic }) => topic),
      ...(lastSubscribed(this.#broker.listMembers(group))?.subscriptions.keys() ?? []),
    ]);
    const sorted = [...names].sort();
    return [...sorted.filter((topic) => !isRetryTopic(topic)), ...sorted.filter(isRetryTopic)].flatMap(
      (topic) => topics.find(topic) ?? [],
    );
  }

  /** @param inHand - popped and not acknowledged, by the key of the queue. */
  #queueStats(
    group: string,
    topic: string,
    queueId: number,
    inHand: ReadonlyMap<number, number>,
  ): ConsumeStats["queues"][number] {
    const { queues, offsets, store } = this.#broker.engine;
    const { queueKey, maxOffset } = queues.get(topic, queueId);
    const consumerOffset = offsets.find(group, topic, queueId) ?? 0;
    const pulledOffset = Math.max(consumerOffset, this.#broker.messages.pulledOffset(group, topic, queueId));
    return {
      queue: this.#queue(topic, queueId),
      brokerOffset: maxOffset,
      consumerOffset,
      lag: maxOffset - consumerOffset,
      inflight: pulledOffset - consumerOffset + (inHand.get(queueKey) ?? 0),
      lastTimestamp:
        consumerOffset === 0 ? 0 : (store.log.findHeadAtOrBefore(queueKey, consumerOffset - 1)?.storeTimestamp ?? 0),
    };
  }

  #toGroupInfo(config: GroupConfig): GroupInfo {
    const { group, retryPolicy } = config;
    const members = this.#broker.listMembers(group);
    const last = lastSubscribed(members) ?? members.at(-1);
    const subscriptions = [...(last?.subscriptions ?? [])].filter(([topic]) => topic !== retryTopic(group));
    return {
      ...config,
      retryPolicy: retryPolicy === undefined ? undefined : parseRetryPolicy(retryPolicy),
      messageModel: last?.messageModel,
      members: members.length,
      subscriptions: Object.fromEntries(subscriptions),
    };
  }

  #queue(topic: string, queueId: number): MessageQueue {
    return { topic, brokerName: this.#settings.brokerName, queueId };
  }
}

function queueCount({ readQueueNums, writeQueueNums }: TopicConfig): number {
  return Math.max(readQueueNums, writeQueueNums);
}
