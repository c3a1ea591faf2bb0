/** Bodies of 128 ASCII characters that begin with their number, so that what was stored can be told apart. */

export const BODY_SIZE = 128;
const NUMBER_SIZE = 8;
const RING_SIZE = 1_024;
const REST = "abcdefghijklmnopqrstuvwxyz0123456789".repeat(4).slice(0, BODY_SIZE - NUMBER_SIZE);

export function bodyOf(number) {
  return Buffer.from(String(number).padStart(NUMBER_SIZE, "0") + REST, "latin1").toString("latin1");
}

export function numberOf(body) {
  return Number(body.slice(0, NUMBER_SIZE));
}

/** The same bodies over and over, made beforehand: making one costs as much as a tenth of a bare insert. */
export class BodyRing {
  #ring = Array.from({ length: RING_SIZE }, (_, number) => bodyOf(number));
  taken = 0;

  next() {
    const body = this.#ring[this.taken % RING_SIZE];
    this.taken += 1;
    return body;
  }

  take(count) {
    return Array.from({ length: count }, () => this.next());
  }

  /** Throws unless exactly the bodies that were taken are there, each as often as it was taken. */
  verify(storedBodies) {
    const found = new Uint32Array(RING_SIZE);
    let total = 0;
    for (const body of storedBodies) {
      if (body.length !== BODY_SIZE) throw new Error(`a stored body has ${body.length} characters`);
      found[numberOf(body)] += 1;
      total += 1;
    }
    if (total !== this.taken) throw new Error(`${this.taken} messages were sent, ${total} are stored`);
    for (let number = 0; number < RING_SIZE; number += 1) {
      const sent = Math.floor((this.taken + RING_SIZE - 1 - number) / RING_SIZE);
      if (found[number] !== sent) throw new Error(`body ${number} was sent ${sent} times and stored ${found[number]}`);
    }
  }
}

/** Ticks off numbered messages; throws for one that comes twice or was never sent. */
export class OnceEach {
  #seen;
  #onAll;
  count = 0;

  constructor(total, onAll) {
    this.#seen = new Uint8Array(total);
    this.#onAll = onAll;
  }

  see(number) {
    if (this.#seen[number] !== 0)
      throw new Error(`message ${number} was ${number in this.#seen ? "seen twice" : "never sent"}`);
    this.#seen[number] = 1;
    this.count += 1;
    if (this.count === this.#seen.length) this.#onAll?.();
  }

  verify() {
    if (this.count !== this.#seen.length) throw new Error(`${this.count} of ${this.#seen.length} messages were seen`);
  }
}
