import { createRequire } from "node:module";
import { join } from "node:path";
import { eventually } from "./check.mjs";

const CREATE_TOPIC = 17;
const QUEUES = 4;
const ignore = () => undefined;
const silent = { debug: ignore, info: ignore, warn: ignore, error: ignore };
let instances = 0;

/** Makes the clients of one scenario, each an instance of its own, and closes them at its end. */
export class Clients {
  #ons;
  #newRequest;
  #nameserver;
  #closings = [];
  #producer;

  /**
   * @param folder - where the package is installed.
   * @param name - what topics and groups begin with: nobody else uses it.
   */
  constructor(folder, nameserver, name) {
    const require = createRequire(join(folder, "package.json"));
    this.#ons = require("ali-ons");
    const command = require("ali-ons/lib/protocol/command/remoting_command");
    this.#newRequest = (code, fields) => command.createRequestCommand(code, fields);
    this.#nameserver = nameserver;
    this.topic = name;
    this.group = `${name}-group`;
  }

  message(body, tags = "") {
    return new this.#ons.Message(this.topic, tags, body);
  }

  get actionRetry() {
    return this.#ons.Consumer.ACTION_RETRY;
  }

  get #options() {
    instances += 1;
    return {
      ...{ nameSrv: this.#nameserver, httpclient: {}, logger: silent },
      ...{ clientIP: "127.0.0.1", instanceName: `${process.pid}-${instances}` },
      ...{ pollNameServerInteval: 1_000, heartbeatBrokerInterval: 1_000, rebalanceInterval: 1_000 },
    };
  }

  async producer() {
    this.#producer ??= this.#startProducer();
    return this.#producer;
  }

  async #startProducer() {
    const producer = new this.#ons.Producer({ ...this.#options, producerGroup: `${this.topic}-producers` });
    producer.on("error", ignore);
    await producer.ready();
    this.#closings.push(() => producer.close());
    return producer;
  }

  /** As an operator makes it: this client makes no topics by sending. */
  async openTopic() {
    const client = (await this.producer())._mqClient;
    const { brokerDatas } = await client.getTopicRouteInfoFromNameServer("TBW102", 3_000);
    const fields = {
      ...{ topic: this.topic, defaultTopic: "TBW102", readQueueNums: QUEUES, writeQueueNums: QUEUES, perm: 6 },
      ...{ topicFilterType: "SINGLE_TAG", topicSysFlag: 0, order: false },
    };
    await client.invoke(brokerDatas[0].brokerAddrs[0], this.#newRequest(CREATE_TOPIC, fields), 3_000);
    await eventually(`a route of ${this.topic}`, () => this.hasRoute(this.topic));
  }

  async hasRoute(topic) {
    try {
      return (await (await this.producer())._mqClient.getTopicRouteInfoFromNameServer(topic, 3_000)) !== undefined;
    } catch {
      return false;
    }
  }

  async send(...bodies) {
    for (const body of bodies) await (await this.producer()).send(this.message(body));
  }

  /** Resolves once it has the queues that it is to have alone, unless others of its group are there. */
  async consume(handler, { topic = this.topic, group = this.group, tags = "*", ...options } = {}) {
    const consumeFromWhere = "CONSUME_FROM_FIRST_OFFSET";
    const consumer = new this.#ons.Consumer({ ...this.#options, consumerGroup: group, consumeFromWhere, ...options });
    // Without a listener Node.js ends the process; a retry topic that is not there yet is one.
    consumer.on("error", ignore);
    consumer.subscribe(topic, tags, handler);
    await consumer.ready();
    const close = () => consumer.close();
    this.#closings.push(close);
    return {
      queues: () => [...consumer.processQueueTable.values()].filter(({ messageQueue }) => messageQueue.topic === topic),
      close,
    };
  }

  /** Waits until the queues of the topic are shared without overlap. */
  async awaitShares(...members) {
    await eventually("the queues are shared", () => {
      const shares = members.map(({ queues }) => queues().map(({ messageQueue }) => messageQueue.queueId));
      const isEven = shares.every(({ length }) => length === QUEUES / members.length);
      return isEven && new Set(shares.flat()).size === QUEUES;
    });
  }

  async close() {
    for (const close of this.#closings.reverse()) await close();
  }
}

/** prefix-0, prefix-1 … */
export function bodies(prefix, count) {
  return Array.from({ length: count }, (_, index) => `${prefix}-${index}`);
}

/** A handler that puts everything in an inbox. */
export function into(inbox) {
  return async (message) => inbox.add(message);
}
