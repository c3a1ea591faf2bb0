import { MqError } from "../errors.js";
import { isRetryTopic } from "../message/derived-names.js";
import type { MessageQueue } from "../message/message-queue.js";
import { findSystemTopic, listSystemTopics, PERM } from "../message/system-topics.js";
import type { Store } from "../store/store.js";
import type { TopicConfig } from "../store/topic-table.js";
import type { TopicRoute } from "./broker-port.js";
import { nearMisses } from "./near-misses.js";

/** What topics need from the broker's settings. */
export interface TopicSettingsOfBroker {
  readonly brokerName: string;
  readonly clusterName: string;
  readonly autoCreateTopic: boolean;
  readonly defaultQueueCount: number;
}

/**
 * Topic configurations and the routes that follow from them, cached for one `data_version`.
 *
 * What a producer looks up while the owner's transaction is open is not cached: the transaction may have created the topic and be rolled back. In one of ours that he fills it is, and dropped
 * with all else when something of that is undone.
 *
 * Source: RocketMQ, `broker/.../topic/TopicConfigManager.java`, `createTopicInSendMessageMethod`; `client/.../MQClientInstance.java`,
 * `topicRouteData2TopicPublishInfo`.
 */
export class Topics {
  readonly #store: Store;
  readonly #settings: TopicSettingsOfBroker;
  readonly #configs = new Map<string, TopicConfig>();
  readonly #routes = new Map<string, TopicRoute>();
  /** As they were before the caches were dropped: good enough to choose a queue by, the append checks it. */
  readonly #lastRoutes = new Map<string, TopicRoute>();
  /** Which changes of topics were made in the transaction that is open, of those that nothing has undone. */
  #changes: number[] = [];
  #hasChanged = false;

  constructor(store: Store, settings: TopicSettingsOfBroker) {
    this.#store = store;
    this.#settings = settings;
  }

  drop(): void {
    this.#changes = [];
    this.#configs.clear();
    for (const [topic, route] of this.#routes) this.#lastRoutes.set(topic, route);
    this.#routes.clear();
  }

  /** For when the store cannot be read now. */
  findLastRoute(topic: string): TopicRoute | undefined {
    return this.#lastRoutes.get(topic);
  }

  /** Whether a topic was written since the last call. */
  takeChanged(): boolean {
    const hasChanged = this.#hasChanged;
    this.#hasChanged = false;
    return hasChanged;
  }

  /** The transaction was committed: the changes that it made, by their numbers. */
  takeChanges(): readonly number[] {
    const changes = this.#changes;
    this.#changes = [];
    return changes;
  }

  find(topic: string): TopicConfig | undefined {
    return this.#configs.get(topic) ?? this.#load(topic, !this.#store.connection.inTransaction);
  }

  get(topic: string): TopicConfig {
    const config = this.find(topic);
    if (config === undefined) throw this.#notFound(topic);
    return config;
  }

  list(): readonly TopicConfig[] {
    const stored = this.#store.topics.list();
    const names = new Set(stored.map((config) => config.topic));
    const system = listSystemTopics(this.#settings).filter((config) => !names.has(config.topic));
    return [...stored, ...system].sort((a, b) => (a.topic < b.topic ? -1 : 1));
  }

  /** Inside a transaction. */
  put(config: TopicConfig): void {
    this.#store.topics.put(config);
    this.#changes.push(this.#store.meta.countTopicChange());
    this.#configs.delete(config.topic);
    this.#routes.delete(config.topic);
    this.#hasChanged = true;
  }

  /** Without reading. */
  findCachedRoute(topic: string): TopicRoute | undefined {
    return this.#routes.get(topic);
  }

  findRoute(topic: string): TopicRoute | undefined {
    const known = this.#routes.get(topic);
    if (known !== undefined) return known;
    const config = this.find(topic);
    if (config === undefined) return undefined;
    const route = this.#toRoute(config);
    // What is not kept may be undone.
    if (this.#configs.get(topic) === config) this.#routes.set(topic, route);
    return route;
  }

  /** The route a producer uses; where a send would create the topic, that of the topic to come. */
  getRoute(topic: string): TopicRoute {
    const route = this.findRoute(topic);
    if (route !== undefined) return route;
    if (!this.#settings.autoCreateTopic) throw this.#notFound(topic);
    const future = this.#toRoute(this.template(topic));
    this.#lastRoutes.set(topic, future);
    return future;
  }

  /**
   * Checks the topic for a message that is being stored; the configuration of one that is to be created is returned. Inside a transaction, whose end
   * drops what is cached here unless it is a commit of our own.
   *
   * @param newQueueNums - how many queues one has that is created.
   */
  checkForAppend(topic: string, queueId: number, newQueueNums?: number): TopicConfig | undefined {
    let config = this.#configs.get(topic) ?? this.#load(topic, true);
    const isNew = config === undefined;
    if (config === undefined) {
      if (!this.#settings.autoCreateTopic) throw this.#notFound(topic);
      config = this.template(topic, newQueueNums);
    }
    const queueNums = Math.max(config.readQueueNums, config.writeQueueNums);
    if (queueId < 0 || queueId >= queueNums) {
      throw new MqError("ERR_MQ_OFFSET", `topic ${topic} has ${queueNums} message queues, got queueId ${queueId}`);
    }
    return isNew ? config : undefined;
  }

  #load(topic: string, isKept: boolean): TopicConfig | undefined {
    const config = this.#store.topics.find(topic) ?? findSystemTopic(topic, this.#settings);
    if (config !== undefined && isKept) this.#configs.set(topic, config);
    return config;
  }

  /** How a topic is set up when nobody says otherwise. */
  template(topic: string, queueNums: number = this.#settings.defaultQueueCount): TopicConfig {
    const count = isRetryTopic(topic) ? 1 : queueNums;
    return {
      topic,
      readQueueNums: count,
      writeQueueNums: count,
      perm: PERM.READ | PERM.WRITE,
      order: false,
      messageType: "NORMAL",
    };
  }

  #toRoute({ topic, readQueueNums, writeQueueNums, perm }: TopicConfig): TopicRoute {
    const queue = (queueId: number): MessageQueue =>
      Object.freeze({ topic, brokerName: this.#settings.brokerName, queueId });
    const queues = (count: number): readonly MessageQueue[] =>
      Object.freeze(Array.from({ length: count }, (_, id) => queue(id)));
    return {
      topic,
      queueNums: Math.max(readQueueNums, writeQueueNums),
      ...{ readQueueNums, writeQueueNums, perm },
      writeQueues: queues((perm & PERM.WRITE) === 0 ? 0 : writeQueueNums),
      readQueues: queues((perm & PERM.READ) === 0 ? 0 : readQueueNums),
    };
  }

  #notFound(topic: string): MqError {
    const near = nearMisses(
      topic,
      this.#store.topics.list().map((config) => config.topic),
    );
    const hint = near.length === 0 ? "" : `; did you mean ${near.join(", ")}?`;
    return new MqError("ERR_MQ_TOPIC_NOT_FOUND", `topic ${topic} does not exist${hint}`);
  }
}
