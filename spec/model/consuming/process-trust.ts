import type { Machine } from "./machine.js";

/** Who is silent for less than this has its queues still: its lease is 10 s, of which a third may have passed since its last beat. */
const SURELY_TRUSTED_MS = 6_000;
/** Whoever goes on after it was silent has found out by then what it lost. */
const CAUGHT_UP_MS = 1_000;

/** A lock lasts for 60 s, and may not have been renewed for 20 s. */
const UNRENEWED_MS = 40_000;

/** How far what a process does can be relied on. */
export class ProcessTrust {
  readonly #machine: Machine;
  /** Nobody else can take queues from it. */
  readonly #isAlone: boolean;
  /** It closes: nobody waits for what of it is still under way then. */
  isEnding = false;
  /** Closed or killed. */
  isGone = false;
  /** How often it went on after others may have taken its queues. */
  silences = 0;
  stalledSince: number | undefined;
  /** When it went on last after it could not renew a lock in time. */
  #lockLostAt = Number.NEGATIVE_INFINITY;
  #caughtUpAt = Number.NEGATIVE_INFINITY;

  constructor(machine: Machine, isAlone: boolean) {
    this.#machine = machine;
    this.#isAlone = isAlone;
  }

  get isStalled(): boolean {
    return this.stalledSince !== undefined;
  }

  /** It does nothing for so long that others may have taken its queues. */
  get isSilent(): boolean {
    if (this.#isAlone || this.stalledSince === undefined) return false;
    return this.#machine.elapsed - this.stalledSince >= SURELY_TRUSTED_MS;
  }

  /** It goes on after it was silent, and may not know yet what that has cost it. */
  get isCatchingUp(): boolean {
    return this.#machine.elapsed < this.#caughtUpAt;
  }

  /** Whether, since then, it did nothing for so long that a lock that it had ran out, though it would have renewed it. */
  hasLostLocks(since: number): boolean {
    const { elapsed } = this.#machine;
    const stalledMs = elapsed - (this.stalledSince ?? elapsed);
    return stalledMs >= UNRENEWED_MS || this.#lockLostAt >= since || this.#machine.hasSlept(UNRENEWED_MS, since);
  }

  stalled(): void {
    this.stalledSince ??= this.#machine.elapsed;
  }

  resumed(): void {
    if (this.isSilent) this.silences += 1;
    // It may have stood still before it had.
    if (this.isSilent || (this.stalledSince ?? Number.POSITIVE_INFINITY) < this.#caughtUpAt)
      this.#caughtUpAt = this.#machine.elapsed + CAUGHT_UP_MS;
    if (this.hasLostLocks(Number.POSITIVE_INFINITY)) this.#lockLostAt = this.#machine.elapsed;
    this.stalledSince = undefined;
  }
}
