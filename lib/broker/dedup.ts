import type { Store } from "../store/store.js";
import { systemChance } from "../time/chance.js";
import type { Clock } from "../time/clock.js";
import type { ClaimedKey, DedupKey, KeyClaim, KeyCompletion } from "./dedup-port.js";

/**
 * Which keys of a consumer group are done, and which somebody works on; all within transactions.
 *
 * ```
 * absent ──claim──▶ somebody's ──complete──▶ done ──after retainMs──▶ absent
 *   ▲  └────────────record────────────────────▲
 *   └──release, or the lease runs out──┘
 * ```
 * The owner of a claim is a number that nobody else has, and the fence: whoever takes over a key whose lease ran out writes another one, and the owner before
 * can neither complete nor release the key. Times are those of the wall clock, as other processes compare them too: a clock that is set can end a lease early, or late.
 */
export class Dedup {
  readonly #store: Store;
  readonly #clock: Clock;
  /** Of groups; they never change. */
  readonly #numbers = new Map<string, number>();
  #onStored: (expiresAt: number) => void = nothing;

  constructor(store: Store, clock: Clock) {
    this.#store = store;
    this.#clock = clock;
  }

  /** @param onStored - called within the transaction for each key that is done, with the time when that is over. */
  watch(onStored: (expiresAt: number) => void): void {
    this.#onStored = onStored;
  }

  /** The key is done with this transaction, unless it was before or somebody works on it. */
  record({ group, key }: DedupKey, retainMs: number): "recorded" | "done" | "busy" {
    const now = this.#clock.now();
    const place = { groupNumber: this.#numberOf(group), key };
    const expiresAt = now + retainMs;
    if (this.#store.dedup.take(place, undefined, expiresAt, now)) {
      this.#onStored(expiresAt);
      return "recorded";
    }
    return this.#store.dedup.find(place)?.owner === undefined ? "done" : "busy";
  }

  claim({ group, key }: DedupKey, leaseMs: number): KeyClaim {
    const now = this.#clock.now();
    const place = { groupNumber: this.#numberOf(group), key };
    const owner = 1 + systemChance.nextInt(2 ** 32) * 2 ** 20 + systemChance.nextInt(2 ** 20);
    const leasedUntil = now + leaseMs;
    if (this.#store.dedup.take(place, owner, leasedUntil, now))
      return { status: "claimed", claim: { group, key, owner, leasedUntil } };
    return { status: this.#store.dedup.find(place)?.owner === undefined ? "done" : "busy" };
  }

  /** Whether somebody else may have the key by now. */
  hasRunOut(taken: KeyClaim): boolean {
    return taken.status === "claimed" && this.#clock.now() >= taken.claim.leasedUntil;
  }

  complete({ group, key, owner }: ClaimedKey, retainMs: number): KeyCompletion {
    const now = this.#clock.now();
    const place = { groupNumber: this.#numberOf(group), key };
    const expiresAt = now + retainMs;
    if (this.#store.dedup.complete(place, owner, expiresAt, now)) {
      this.#onStored(expiresAt);
      return "completed";
    }
    return this.#store.dedup.find(place)?.owner === undefined ? "done" : "lost";
  }

  release({ group, key, owner }: ClaimedKey): void {
    this.#store.dedup.release({ groupNumber: this.#numberOf(group), key }, owner);
  }

  /** What was numbered in a transaction may be rolled back. */
  drop(): void {
    this.#numbers.clear();
  }

  #numberOf(group: string): number {
    let number = this.#numbers.get(group);
    if (number === undefined) {
      number = this.#store.dedup.findGroup(group) ?? this.#store.dedup.addGroup(group);
      this.#numbers.set(group, number);
    }
    return number;
  }
}

function nothing(): void {
  // Nobody watches.
}
