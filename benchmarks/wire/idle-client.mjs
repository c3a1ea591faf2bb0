/**
 * A push consumer of RocketMQ's Java client that has nothing to do, as far as its broker notices it: what it asks, and when, is what that client does by its defaults
 * (`ClientConfig`, `RebalanceService`, `DefaultMQPushConsumer`). Opened by hundreds in one process, which real ones cannot be.
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

export class IdleClient {
  #socket;
  #answers = new Map();
  #opaque = 0;
  #timers = [];
  #isClosed = false;
  /** Requests that were answered or sent one-way. */
  requests = 0;

  /** @param hasRetryQueue - the one queue of its group's retry topic is its. */
  constructor({ clientId, group, topic, queueId, hasRetryQueue }) {
    const topics = [topic, `%RETRY%${group}`];
    const queues = [[topic, queueId], ...(hasRetryQueue ? [[topics[1], 0]] : [])];
    Object.assign(this, { clientId, group, topics, queues });
  }

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
      this.#isClosed = true;
      for (const timer of this.#timers) clearInterval(timer);
      for (const resolve of this.#answers.values()) resolve(undefined);
    });
    this.#socket.on("error", () => undefined);
  }

  /** Joins its group, and goes on as a consumer does that gets nothing. */
  async start() {
    await this.#routes();
    await this.#heartbeat();
    await this.#rebalance();
    const each = (ms, run) => this.#timers.push(setInterval(run, ms));
    each(EACH_MS.route, () => void this.#routes());
    each(EACH_MS.heartbeat, () => void this.#heartbeat());
    each(EACH_MS.rebalance, () => void this.#rebalance());
    each(EACH_MS.persist, () => {
      for (const [topic, queueId] of this.queues)
        this.#tell(CODES.COMMIT, { ...this.#queue(topic, queueId), commitOffset: "0" });
    });
    for (const [topic, queueId] of this.queues) void this.#pull(topic, queueId);
  }

  close() {
    this.#socket.destroy();
  }

  async #pull(topic, queueId) {
    const { fields } = await this.#ask(CODES.OFFSET, this.#queue(topic, queueId));
    const offset = fields?.get("offset") ?? "0";
    const how = { maxMsgNums: "32", sysFlag: `${PULL_FLAGS}`, commitOffset: offset, subVersion: "1" };
    const asked = {
      ...this.#queue(topic, queueId),
      ...how,
      queueOffset: offset,
      suspendTimeoutMillis: `${SUSPEND_MS}`,
    };
    while (!this.#isClosed) {
      const answer = await this.#ask(CODES.PULL, asked);
      if (answer !== undefined && answer.code !== 19)
        throw new Error(`a pull was answered with ${answer.code}: ${answer.remark}`);
    }
  }

  async #routes() {
    for (const topic of this.topics) await this.#ask(CODES.ROUTE, { topic, acceptStandardJsonOnly: "true" });
  }

  async #rebalance() {
    for (const _ of this.topics) await this.#ask(CODES.MEMBERS, { consumerGroup: this.group });
  }

  async #heartbeat() {
    const subscriptionDataSet = this.topics.map((topic) => ({
      ...{
        classFilterMode: false,
        codeSet: [],
        expressionType: "TAG",
        subString: "*",
        subVersion: 1,
        tagsSet: [],
        topic,
      },
    }));
    const consumer = {
      consumeFromWhere: "CONSUME_FROM_LAST_OFFSET",
      consumeType: "CONSUME_PASSIVELY",
      groupName: this.group,
      messageModel: "CLUSTERING",
      ...{ subscriptionDataSet, unitMode: false },
    };
    const body = {
      clientID: this.clientId,
      consumerDataSet: [consumer],
      producerDataSet: [{ groupName: "CLIENT_INNER_PRODUCER" }],
    };
    const answer = await this.#ask(CODES.HEARTBEAT, {}, JSON.stringify(body));
    if (answer !== undefined && answer.code !== 0)
      throw new Error(`a heartbeat was answered with ${answer.code}: ${answer.remark}`);
  }

  #queue(topic, queueId) {
    return { consumerGroup: this.group, topic, queueId: `${queueId}` };
  }

  #ask(code, fields, body = "") {
    return new Promise((resolve) => {
      this.#answers.set(this.#send(code, fields, body, false), resolve);
    });
  }

  #tell(code, fields) {
    this.#send(code, fields, "", true);
  }

  #send(code, fields, body, isOneWay) {
    this.requests += 1;
    this.#opaque += 1;
    const content = { code, fields: new Map(Object.entries(fields)), body: Buffer.from(body) };
    this.#socket.write(encodeCommand(toRequest(content, this.#opaque, isOneWay)));
    return this.#opaque;
  }
}
