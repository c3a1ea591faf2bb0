import type { Store } from "../store/store.js";
import type { Chance } from "../time/chance.js";

/** Keys that are taken from the store at once: a pop takes one, and one more for each message that an orderly group gets. */
const RESERVED = 1_024;
/** Keys of different stores begin far apart, so that a handle of one is none of the other. */
const BASES = 2 ** 32;

/** Gives out keys that no pop of the store had before; in the order of their numbers, but not without gaps. */
export class PopKeys {
  readonly #store: Store;
  readonly #chance: Chance;
  #next = 0;
  #end = 0;

  constructor(store: Store, chance: Chance) {
    this.#store = store;
    this.#chance = chance;
  }

  /** Inside a transaction. */
  take(): number {
    if (this.#next === this.#end) {
      this.#end = this.#store.meta.reservePopKeys(RESERVED, this.#chance.nextInt(BASES) * RESERVED) + 1;
      this.#next = this.#end - RESERVED;
    }
    const key = this.#next;
    this.#next += 1;
    return key;
  }

  /** Those that are left may have been taken in a transaction that was undone. */
  drop(): void {
    this.#next = 0;
    this.#end = 0;
  }
}
