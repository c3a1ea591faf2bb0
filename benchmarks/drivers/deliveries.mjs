/** What a consumer is to do with each delivery, and when it has done it all: the same for every rival. */
import { numberOf, OnceEach } from "./bodies.mjs";

/** Each message succeeds at its first delivery; a second one is an error. */
export class EachOnce {
  /** Resolves when the last one was handled, rejects at an error: inside a consumer it would count as a failed delivery. */
  all;
  #reject;
  #once;

  constructor(total) {
    this.all = new Promise((resolve, reject) => {
      this.#reject = reject;
      this.#once = new OnceEach(total, resolve);
    });
  }

  /** Whether this delivery is to fail. */
  mustFail(number) {
    try {
      this.#once.see(number);
    } catch (error) {
      this.#reject(error);
    }
    return false;
  }

  verify() {
    this.#once.verify();
  }
}

/** Each message succeeds at its first delivery, and those of a group come in the order of their numbers. */
export class GroupsInOrder {
  all;
  #reject;
  #once;
  #last = new Map();

  constructor(total) {
    this.all = new Promise((resolve, reject) => {
      this.#reject = reject;
      this.#once = new OnceEach(total, resolve);
    });
  }

  see(group, body) {
    const number = numberOf(body);
    try {
      const last = this.#last.get(group) ?? -1;
      if (number <= last) throw new Error(`message ${number} of ${group} came after message ${last}`);
      this.#last.set(group, number);
      this.#once.see(number);
    } catch (error) {
      this.#reject(error);
    }
  }

  verify() {
    this.#once.verify();
  }
}

/** Every second message fails at its first delivery. */
export class Storm {
  all;
  /** Milliseconds from a message's failure to its next delivery. */
  backAfter = [];
  /** Deliveries beyond the first of a message that succeeds at once, and beyond the second of one that fails. */
  extra = 0;
  #resolve;
  #succeeded = 0;
  #deliveries;
  #failedAt;

  constructor(total) {
    this.#deliveries = new Uint8Array(total);
    this.#failedAt = new Float64Array(total);
    this.all = new Promise((resolve) => {
      this.#resolve = resolve;
    });
  }

  /** Whether this delivery is to fail. */
  mustFail(number) {
    const isToFail = number % 2 === 1;
    const delivery = this.#deliveries[number] + 1;
    this.#deliveries[number] = delivery;
    if (isToFail && delivery === 1) {
      this.#failedAt[number] = performance.now();
      return true;
    }
    if (isToFail && delivery === 2) this.backAfter.push(performance.now() - this.#failedAt[number]);
    if (delivery === (isToFail ? 2 : 1)) this.#succeed();
    else this.extra += 1;
    return false;
  }

  #succeed() {
    this.#succeeded += 1;
    if (this.#succeeded === this.#deliveries.length) this.#resolve();
  }

  verify() {
    if (this.#succeeded !== this.#deliveries.length)
      throw new Error(`${this.#succeeded} of ${this.#deliveries.length} messages succeeded`);
  }
}
