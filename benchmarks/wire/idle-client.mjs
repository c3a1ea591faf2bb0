/**
 * Clients of RocketMQ's Java client that have nothing to do, as far as their server notices them: what they ask, and when, is what that client does by its defaults (`ClientConfig`, `MQClientInstance`,
 * `RebalanceService`, `DefaultMQPushConsumer`). Opened by hundreds in one process, which real ones cannot be.
 */
import { once } from "node:events";
import { createRequire } from "node:module";
import { connect } from "node:net";

const require = createRequire(import.meta.url);
const { FrameReader } = require("../../dist/cjs/wire/frame-reader.js");
const { encodeCommand, isResponse, toRequest } = require("../../dist/cjs/wire/remoting-command.js");

const CODES = { ROUTE: 105, HEARTBEAT: 34, MEMBERS: 38, PULL: 11, OFFSET: 14, COMMIT: 15 };
const EACH_MS = { heartbeat: 30_000, route: 30_000, rebalance: 20_000, persist: 5_000 };
const SUSPEND_MS = 15_000;
/** COMMIT_OFFSET and SUSPEND: push consumers are filtered by what their heartbeats say. */
const PULL_FLAGS = 3;

class IdleClient {
  #socket;
  #answers = new Map();
  #opaque = 0;
  #timers = [];
  isClosed = false;
  /** That were sent. */
  requests = 0;

  async open(port) {
    this.#socket = connect(port, "127.0.0.1");
    await once(this.#socket, "connect");
    const reader = new FrameReader((command) => {
      if (!isResponse(command)) return;
      this.#answers.get(command.opaque)?.(command);
      this.#answers.delete(command.opaque);
    });
    this.#socket.on("data", (chunk) => reader.read(chunk));
    this.#socket.on("close", () => {
      this.isClosed = true;
      for (const timer of this.#timers) clearInterval(timer);
      for (const resolve of this.#answers.values()) resolve(undefined);
    });
    this.#socket.on("error", () => undefined);
  }

  close() {
    this.#socket.destroy();
  }

  each(ms, run) {
    this.#timers.push(setInterval(run, ms));
  }

  /** Resolves with `undefined` when the connection is closed. */
  ask(code, fields, body = "") {
    return new Promise((resolve) => {
      this.#answers.set(this.#send(code, fields, body, false), resolve);
    });
  }

  tell(code, fields) {
    this.#send(code, fields, "", true);
  }

  async heartbeat(content) {
    const body = { consumerDataSet: [], producerDataSet: [{ groupName: "CLIENT_INNER_PRODUCER" }], ...content };
    const answer = await this.ask(CODES.HEARTBEAT, {}, JSON.stringify(body));
    if (answer !== undefined && answer.code !== 0)
      throw new Error(`a heartbeat was answered with ${answer.code}: ${answer.remark}`);
  }

  async routes(topics) {
    for (const topic of topics) await this.ask(CODES.ROUTE, { topic, acceptStandardJsonOnly: "true" });
  }

  #send(code, fields, body, isOneWay) {
    this.requests += 1;
    this.#opaque += 1;
    const content = { code, fields: new Map(Object.entries(fields)), body: Buffer.from(body) };
    this.#socket.write(encodeCommand(toRequest(content, this.#opaque, isOneWay)));
    return this.#opaque;
  }
}

/** Has sent to a topic. */
export class IdleProducer extends IdleClient {
  constructor({ clientId, group, topic }) {
    super();
    Object.assign(this, { clientId, group, topic });
  }

  async start() {
    const beat = () => this.heartbeat({ clientID: this.clientId, producerDataSet: [{ groupName: this.group }] });
    await this.routes([this.topic]);
    await beat();
    this.each(EACH_MS.route, () => void this.routes([this.topic]));
    this.each(EACH_MS.heartbeat, () => void beat());
  }
}

export class IdleConsumer extends IdleClient {
  /** @param hasRetryQueue - the one queue of its group's retry topic is its. */
  constructor({ clientId, group, topic, queueId, hasRetryQueue }) {
    super();
    const topics = [topic, `%RETRY%${group}`];
    const queues = [[topic, queueId], ...(hasRetryQueue ? [[topics[1], 0]] : [])];
    Object.assign(this, { clientId, group, topics, queues });
  }

  /** Joins its group, and goes on as a consumer does that gets nothing. */
  async start() {
    await this.routes(this.topics);
    await this.#beat();
    await this.#rebalance();
    this.each(EACH_MS.route, () => void this.routes(this.topics));
    this.each(EACH_MS.heartbeat, () => void this.#beat());
    this.each(EACH_MS.rebalance, () => void this.#rebalance());
    this.each(EACH_MS.persist, () => {
      for (const [topic, queueId] of this.queues)
        this.tell(CODES.COMMIT, { ...this.#queue(topic, queueId), commitOffset: "0" });
    });
    for (const [topic, queueId] of this.queues) void this.#pull(topic, queueId);
  }

  async #pull(topic, queueId) {
    const answered = await this.ask(CODES.OFFSET, this.#queue(topic, queueId));
    const offset = answered?.fields?.get("offset") ?? "0";
    const how = { maxMsgNums: "32", sysFlag: `${PULL_FLAGS}`, commitOffset: offset, subVersion: "1" };
    const place = { ...this.#queue(topic, queueId), queueOffset: offset };
    while (!this.isClosed) {
      const answer = await this.ask(CODES.PULL, { ...place, ...how, suspendTimeoutMillis: `${SUSPEND_MS}` });
      if (answer !== undefined && answer.code !== 19)
        throw new Error(`a pull was answered with ${answer.code}: ${answer.remark}`);
    }
  }

  async #rebalance() {
    for (const _ of this.topics) await this.ask(CODES.MEMBERS, { consumerGroup: this.group });
  }

  #beat() {
    const usual = { classFilterMode: false, codeSet: [], expressionType: "TAG", subString: "*", tagsSet: [] };
    const consumer = {
      ...{ consumeFromWhere: "CONSUME_FROM_LAST_OFFSET", consumeType: "CONSUME_PASSIVELY", groupName: this.group },
      ...{ messageModel: "CLUSTERING", unitMode: false },
      subscriptionDataSet: this.topics.map((topic) => ({ ...usual, subVersion: 1, topic })),
    };
    return this.heartbeat({ clientID: this.clientId, consumerDataSet: [consumer] });
  }

  #queue(topic, queueId) {
    return { consumerGroup: this.group, topic, queueId: `${queueId}` };
  }
}
