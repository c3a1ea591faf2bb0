// What a workload works with: a store that is opened in the same way each time, and marks of what it was told.

import { closeSync, openSync, writeSync } from "node:fs";
import { join } from "node:path";
import { bodyOf, keyOf } from "./bodies.mjs";
import { seededRandom } from "./chance.mjs";
import { StandingClock } from "./standing-clock.mjs";

export const TOPIC = "orders";
export const GROUP = "readers";
/** Others that consume the same. */
export const HANDLERS = "handlers";

/**
 * One process of a workload. Marks, in the order in which things happened:
 *
 * - `begun` unit, messages [{ key, size }], rows: from here on the unit may be stored, all of it or nothing; or, with effects (keys) in place of rows, a half message, then the
 *   effect, and then the message in place of the half message
 * - with `of`, the key of a message: the rows and messages are what its effect makes, together with that key
 * - `stored` unit: its promise resolved, or the call returned
 * - `undone` unit: its transaction was rolled back
 * - `returned` key, result: the listener is about to return it; a message may have several
 * - `acknowledged` key: its acknowledgement resolved, so that nobody gets it again
 * - `completed` key: its handler was successful, which is stored
 * - `closed`: the broker closed, so that all progress is stored
 */
export class WorkloadRun {
  clock = new StandingClock();
  /** 0 for the first process, 1 for the next. */
  life;
  random;
  #workload;
  #place;
  #marks;
  #count = 0;

  constructor(workload, folder, synchronous, seed, life) {
    this.life = life;
    this.random = seededRandom(seed * 16 + life);
    this.#workload = workload;
    this.#place = { path: join(folder, "store.db"), synchronous, seed: seed * 16 + life, clock: this.clock };
    this.#marks = openSync(join(folder, "marks"), "a");
  }

  /** Opens the store as the workload does; `close` lets go of everything. */
  async open() {
    const { mq, close } = await this.#workload.open(this.#place);
    return {
      mq,
      close: async () => {
        await close();
        this.#mark({ kind: "closed" });
      },
    };
  }

  /** Sends one unit: a message, or a batch where there are several sizes. */
  async send(producer, { sizes = [20], queue } = {}) {
    const { unit, messages } = this.begin(sizes);
    const options = queue === undefined ? {} : { queue };
    if (messages.length === 1) await producer.send(messages[0], options);
    else await producer.sendBatch(messages, options);
    this.stored(unit);
  }

  /** One message, whose transaction has an effect that is committed by itself, as a row of the workload's under its key. */
  beginTransacted(size) {
    return this.begin([size], false, true);
  }

  /** What the effect of a message makes: a row, and messages of these sizes. @param of - the key of the message. */
  beginEffect(of, sizes) {
    this.#count += 1;
    const unit = `${this.life}.${this.#count}`;
    const messages = sizes.map((size, part) => ({ key: `${unit}.${part}`, size }));
    const rows = [`${unit}.row`];
    this.#mark({ kind: "begun", unit, messages, rows, of });
    return { unit, rows, messages: messages.map(({ key, size }) => ({ topic: TOPIC, body: bodyOf(key, size) })) };
  }

  /** @param hasRows - whether the workload stores a row of its own with each message, under its key. */
  begin(sizes, hasRows = false, hasEffects = false) {
    this.#count += 1;
    const unit = `${this.life}.${this.#count}`;
    const messages = sizes.map((size, part) => ({ key: `${unit}.${part}`, size }));
    const rows = hasRows ? messages.map(({ key }) => key) : [];
    const effects = hasEffects ? messages.map(({ key }) => key) : undefined;
    this.#mark({ kind: "begun", unit, messages, rows, effects });
    return { unit, rows, messages: messages.map(({ key, size }) => ({ topic: TOPIC, body: bodyOf(key, size) })) };
  }

  stored(unit) {
    this.#mark({ kind: "stored", unit });
  }

  undone(unit) {
    this.#mark({ kind: "undone", unit });
  }

  /** Which unit a message belongs to. */
  unitOf(key) {
    return key.slice(0, key.lastIndexOf("."));
  }

  /** @param decide - gets the key and how often the message failed before; answers what the listener returns. */
  listener(decide) {
    return (message) => {
      const key = keyOf(message.text());
      const result = decide(key, message.reconsumeTimes);
      this.returning(key, result);
      return result;
    };
  }

  returning(key, result) {
    this.#mark({ kind: "returned", key, result });
  }

  completed(key) {
    this.#mark({ kind: "completed", key });
  }

  /** Acknowledges a message that a simple consumer received. */
  async acknowledge(consumer, message) {
    const key = keyOf(message.text());
    this.#mark({ kind: "returned", key, result: "success" });
    await consumer.ack(message);
    this.#mark({ kind: "acknowledged", key });
  }

  /** Others may have it at once. */
  async giveBack(consumer, message) {
    this.leave(message);
    await consumer.changeInvisibleDuration(message, 0);
  }

  /** Others may have it when its time is up. */
  leave(message) {
    this.#mark({ kind: "returned", key: keyOf(message.text()), result: "retry" });
  }

  end() {
    closeSync(this.#marks);
  }

  #mark(mark) {
    writeSync(this.#marks, JSON.stringify(mark));
  }
}
