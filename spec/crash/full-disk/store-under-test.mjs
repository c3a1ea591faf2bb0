import { join } from "node:path";
import { isMqError, openBroker } from "../../../dist/esm/index.js";

const TOPIC = "orders";
const GROUP = "billing";
const BODY_BYTES = 10_000;
const QUEUES = 4;

/** A store, what was told of each send, and what was consumed. */
export class StoreUnderTest {
  mq;
  /** Of the broker that is open. */
  events = [];
  errors = [];
  /** Names of messages whose sends were successful; those that were refused, with why. */
  sent = new Set();
  refused = new Map();
  consumed = new Map();
  #folder;
  #retention;
  #producer;
  #names = 0;

  constructor(folder, retention) {
    this.#folder = folder;
    this.#retention = retention;
  }

  async open() {
    const ignore = () => undefined;
    const logger = { debug: ignore, info: ignore, warn: ignore, error: (text) => void this.errors.push(text) };
    this.events = [];
    const path = join(this.#folder, "app.db");
    this.mq = await openBroker({ path, retention: this.#retention, logger, defaultQueueCount: QUEUES });
    for (const event of ["disk:full", "disk:recovered"]) this.mq.on(event, () => this.events.push(event));
    this.mq.on("error", (error) => void this.errors.push(error.message));
    this.#producer = this.mq.producer({ group: "shop" });
  }

  /** Twenty messages, five of them in a batch; true when all were stored. */
  async send() {
    const names = Array.from({ length: 20 }, (_, index) => `${this.#names + index}`);
    this.#names += names.length;
    const messages = names.map((name) => ({ topic: TOPIC, body: name.padEnd(BODY_BYTES, " ") }));
    const batch = this.#producer.sendBatch(messages.slice(0, 5));
    const alone = messages.slice(5).map((message) => this.#producer.send(message));
    const ends = await Promise.allSettled([...messages.slice(0, 5).map(() => batch), ...alone]);
    for (const [index, end] of ends.entries()) {
      if (end.status === "fulfilled") this.sent.add(names[index]);
      else this.refused.set(names[index], end.reason);
    }
    return ends.every(({ status }) => status === "fulfilled");
  }

  /** What was refused with something else than 14. */
  get strangeRefusals() {
    return [...this.refused.values()].filter((error) => !isMqError(error, "ERR_MQ_SERVICE_NOT_AVAILABLE")).map(String);
  }

  /** Everything that is stored, in no order; a failed message has a copy elsewhere. */
  async stored() {
    const names = [];
    for (let queueId = 0; queueId < QUEUES; queueId += 1) {
      for (let offset = 0; ; ) {
        const messages = await this.mq.admin.browse({ topic: TOPIC, brokerName: "broker-a", queueId }, offset, 100);
        names.push(...messages.map((message) => message.text().trimEnd()));
        if (messages.length === 0) break;
        offset += messages.length;
      }
    }
    return names;
  }

  /** Every tenth message fails the first time, and comes again a second later. Once it was started it may wait with `suspend`. */
  async startConsumer() {
    const consumer = this.mq.pushConsumer({
      group: GROUP,
      subscriptions: { [TOPIC]: "*" },
      consumeFromWhere: "first-offset",
      listener: (message, context) => {
        const name = message.text().trimEnd();
        const attempts = (this.consumed.get(name) ?? 0) + 1;
        this.consumed.set(name, attempts);
        context.delayLevelWhenNextConsume = 1;
        return Number(name) % 10 === 0 && attempts === 1 ? "retry" : "success";
      },
    });
    await consumer.start();
    return consumer;
  }

  /** Whether every message was consumed, those twice that failed at first. */
  get isConsumed() {
    return [...this.sent].every((name) => (this.consumed.get(name) ?? 0) >= (Number(name) % 10 === 0 ? 2 : 1));
  }

  async lag() {
    return (await this.mq.admin.consumeStats(GROUP)).lag;
  }

  /** What is wrong with the store. */
  async problems() {
    const { problems } = await this.mq.admin.checkStore();
    const integrity = this.mq.database.pragma("integrity_check", { simple: true });
    const stored = await this.stored();
    const names = new Set(stored);
    return [
      ...problems,
      ...(integrity === "ok" ? [] : [`integrity_check: ${integrity}`]),
      ...(names.size === stored.length ? [] : ["a message is stored twice"]),
      ...[...this.sent].filter((name) => !names.has(name)).map((name) => `${name} is lost`),
      ...[...this.refused.keys()].filter((name) => names.has(name)).map((name) => `${name} was refused and is stored`),
      ...this.strangeRefusals,
    ];
  }
}

/** Whether it comes to hold, within so many milliseconds of real time. */
export async function comesTrue(holds, ms = 15_000) {
  for (const end = performance.now() + ms; performance.now() < end; ) {
    if (await holds()) return true;
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  return false;
}
