/**
 * fastq, a queue in memory: the ceiling. It stores nothing, promises nothing and has no retries. Sending is `push` to a queue that is paused, and
 * is over when it returns; one worker with an async listener drains it.
 */
import fastq from "fastq";
import { BodyRing, bodyOf, numberOf } from "./bodies.mjs";
import { EachOnce } from "./deliveries.mjs";

export const isBareLoop = true;

/** By path, for as long as the process lives: what was left in a store is there when it is opened again. */
const stores = new Map();

export function open(path) {
  const store = stores.get(path) ?? new FastQ();
  stores.set(path, store);
  return store;
}

class FastQ {
  bodies = new BodyRing();
  done = 0;
  #listener;
  #queue;

  constructor() {
    const settle = (callback) => {
      this.done += 1;
      callback(null);
    };
    this.#queue = fastq((body, callback) => {
      this.#listener(body).then(() => settle(callback), raise);
    }, 1);
    this.#queue.pause();
  }

  single(count, onSent) {
    for (let sent = 0; sent < count; sent += 1) {
      this.#queue.push(this.bodies.next());
      onSent?.();
    }
  }

  concurrent(count) {
    this.single(count);
  }

  batches(count) {
    this.single(count);
  }

  fill(count) {
    for (let next = 0; next < count; next += 1) this.#queue.push(bodyOf(next));
  }

  async drain(count) {
    const deliveries = new EachOnce(count);
    const stop = this.consume((body) => deliveries.mustFail(numberOf(body)));
    await deliveries.all;
    stop();
    deliveries.verify();
  }

  consume(onBody) {
    this.#listener = async (body) => onBody(body);
    this.#queue.resume();
    return () => this.#queue.pause();
  }

  async send(body) {
    this.#queue.push(body);
  }

  queued() {
    return this.#queue.getQueue();
  }

  createTopic() {
    // It is one.
  }

  close() {
    // Its memory is all it has.
  }
}

function raise(error) {
  throw error;
}

export function storedBodies(path) {
  return stores.get(path).queued();
}

export function storedProgress(path) {
  return stores.get(path).done;
}
