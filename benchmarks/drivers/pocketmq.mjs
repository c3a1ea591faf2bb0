/** PocketMQ as an application uses it: one broker, one producer, one push consumer with an async listener. */
import Database from "better-sqlite3";
import { bodyAt, sizeAt } from "../../dist/cjs/message/record.js";
import { openBroker } from "../../dist/esm/index.js";
import { BodyRing, bodyOf, numberOf, OnceEach } from "./bodies.mjs";

export const TOPIC = "bench";
const GROUP = "bench-group";
const NOT_ASKED = { CHECK_IMMUNITY_TIME_IN_SECONDS: "3600" };

export async function open(path, synchronous) {
  const broker = await openBroker({ path, synchronous });
  return new PocketMq(broker);
}

export class PocketMq {
  bodies = new BodyRing();
  #broker;
  #producer;
  #transactor;

  constructor(broker) {
    this.#broker = broker;
    this.#producer = broker.producer({ group: "bench-producer" });
  }

  async single(count, onSent) {
    for (let sent = 0; sent < count; sent += 1) {
      await this.#producer.send({ topic: TOPIC, body: this.bodies.next() });
      onSent?.();
    }
  }

  singleSync(count, onSent) {
    for (let sent = 0; sent < count; sent += 1) {
      this.#producer.sendSync({ topic: TOPIC, body: this.bodies.next() });
      onSent?.();
    }
  }

  /** `width` loops, each awaiting its own sends. */
  async concurrent(count, width) {
    let left = count;
    const loop = async () => {
      while (left > 0) {
        left -= 1;
        await this.#producer.send({ topic: TOPIC, body: this.bodies.next() });
      }
    };
    await Promise.all(Array.from({ length: width }, loop));
  }

  /** The same in transactions, which are committed at once. */
  async transacted(count, width) {
    this.#transactor ??= await this.#startTransactor("commit");
    let left = count;
    const loop = async () => {
      while (left > 0) {
        left -= 1;
        await this.#transactor.sendInTransaction({ topic: TOPIC, body: this.bodies.next() });
      }
    };
    await Promise.all(Array.from({ length: width }, loop));
  }

  /** The same, of which nobody knows how they end, and nobody is asked for an hour. */
  async leaveOpen(count, width) {
    const transactor = await this.#startTransactor("unknown");
    let left = count;
    const loop = async () => {
      while (left > 0) {
        left -= 1;
        await transactor.sendInTransaction({ topic: TOPIC, body: bodyOf(left % 1_000), properties: NOT_ASKED });
      }
    };
    await Promise.all(Array.from({ length: width }, loop));
    await transactor.close();
  }

  /** Of the group whose half messages were left open. */
  answerChecks() {
    return this.#startTransactor("unknown");
  }

  async #startTransactor(answer) {
    const transactor = this.#broker.transactionProducer({
      group: "bench-transactions",
      executeLocalTransaction: () => answer,
      checkLocalTransaction: () => answer,
    });
    await transactor.start();
    return transactor;
  }

  async batches(count, size) {
    for (let sent = 0; sent < count; sent += size) {
      const messages = this.bodies.take(size).map((body) => ({ topic: TOPIC, body }));
      const receipts = await this.#producer.sendBatch(messages);
      if (receipts.length !== size) throw new Error(`${receipts.length} receipts for a batch of ${size}`);
    }
  }

  /** Numbered messages from 64 loops, for a later drain. */
  async fill(count) {
    let next = 0;
    const loop = async () => {
      while (next < count) {
        const body = bodyOf(next);
        next += 1;
        await this.#producer.send({ topic: TOPIC, body });
      }
    };
    await Promise.all(Array.from({ length: 64 }, loop));
  }

  /** The same, the n-th message in the group `n % groups`. */
  async fillGroups(count, groups) {
    let next = 0;
    const loop = async () => {
      while (next < count) {
        const message = { topic: TOPIC, body: bodyOf(next), messageGroup: `group-${next % groups}` };
        next += 1;
        await this.#producer.send(message);
      }
    };
    await Promise.all(Array.from({ length: 64 }, loop));
  }

  /** The same, each to be delivered at its time. */
  async putOff(count, deliverAt, width = 64) {
    let next = 0;
    const loop = async () => {
      while (next < count) {
        const message = { topic: TOPIC, body: bodyOf(next), deliverAt: deliverAt(next) };
        next += 1;
        await this.#producer.send(message);
      }
    };
    await Promise.all(Array.from({ length: width }, loop));
  }

  /** A push consumer that is not started. */
  consumer(options) {
    return this.#broker.pushConsumer({ group: GROUP, subscriptions: { [TOPIC]: "*" }, ...options });
  }

  /** A simple consumer that is not started. */
  simpleConsumer(options) {
    return this.#broker.simpleConsumer({ group: GROUP, subscriptions: { [TOPIC]: "*" }, ...options });
  }

  /** Resolves when all were handled and the group's progress is stored. */
  async drain(count) {
    const all = withResolvers();
    const once = new OnceEach(count, all.resolve);
    const consumer = this.consumer({
      listener: async (message) => {
        try {
          once.see(numberOf(message.text()));
        } catch (error) {
          all.reject(error);
        }
      },
    });
    await consumer.start();
    await all.promise;
    await consumer.close();
    once.verify();
  }

  /** As `drain`; a message that fails comes again a second later. */
  async storm(deliveries) {
    const consumer = this.consumer({
      listener: async (message, context) => {
        if (!deliveries.mustFail(numberOf(message.text()))) return "success";
        context.delayLevelWhenNextConsume = 1;
        return "retry";
      },
    });
    await consumer.start();
    await deliveries.all;
    await consumer.close();
    deliveries.verify();
  }

  /** Calls `onBody` for every message, from the next one on. */
  async consume(onBody) {
    const consumer = this.consumer({
      listener: async (message) => onBody(message.text()),
    });
    await consumer.start();
    return () => consumer.close();
  }

  /** A pull consumer; its progress is stored when it is closed. */
  async read() {
    const consumer = this.#broker.pullConsumer({ group: GROUP, subscriptions: { [TOPIC]: "*" } });
    await consumer.start();
    return consumer;
  }

  send(body) {
    return this.#producer.send({ topic: TOPIC, body });
  }

  createTopic(queues = 4) {
    return this.#broker.admin.createTopic(TOPIC, { readQueueNums: queues, writeQueueNums: queues });
  }

  /** One more member of the group. */
  async join(instanceName) {
    const consumer = this.#broker.pushConsumer({
      group: GROUP,
      instanceName,
      subscriptions: { [TOPIC]: "*" },
      listener: () => "success",
    });
    await consumer.start();
    return consumer;
  }

  close() {
    return this.#broker.close();
  }
}

function withResolvers() {
  const deferred = {};
  deferred.promise = new Promise((resolve, reject) => Object.assign(deferred, { resolve, reject }));
  return deferred;
}

/** Every body in a closed store, in the order of the log. */
export function* storedBodies(path) {
  for (const [body] of storedMessages(path)) yield body;
}

/** Every body in a closed store and when its transaction stored it, just before it was committed. */
export function* storedMessages(path) {
  const database = new Database(path, { readonly: true });
  const blocks = database.prepare("SELECT records, store_timestamp FROM mq_log ORDER BY commit_log_offset").raw();
  for (const [records, storedAt] of blocks.iterate()) {
    for (let at = 0; at < records.length; at += sizeAt(records, at))
      yield [bodyAt(records, at).toString("latin1"), storedAt];
  }
  database.close();
}

/** How many messages of a closed store wait for their time. */
export function storedPending(path) {
  const database = new Database(path, { readonly: true });
  const pending = database.prepare("SELECT coalesce(sum(message_count), 0) FROM mq_due").pluck().get();
  database.close();
  return pending;
}

/** How many half messages of a closed store are open. */
export function storedHalves(path) {
  const database = new Database(path, { readonly: true });
  const open = database.prepare("SELECT count(*) FROM mq_half").pluck().get();
  database.close();
  return open;
}

/** How many messages of a closed store are acknowledged, retries not counted. */
export const storedProgress = (path) => acknowledgedIn(path, TOPIC);

/** How many retries of a closed store are acknowledged. */
export const storedRetries = (path) => acknowledgedIn(path, `%RETRY%${GROUP}`);

function acknowledgedIn(path, topic) {
  const database = new Database(path, { readonly: true });
  const progress = database
    .prepare("SELECT sum(next_offset) FROM mq_consume_offset WHERE consumer_group = ? AND topic = ?")
    .pluck();
  const acknowledged = progress.get(GROUP, topic);
  database.close();
  return acknowledged;
}
