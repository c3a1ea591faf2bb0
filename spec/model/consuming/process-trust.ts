import type { Machine } from "./machine.js";

/** Who is silent for less than this has its queues still: its lease is 10 s, of which a third may have passed since its last beat. */
const SURELY_TRUSTED_MS = 6_000;
/** Whoever goes on after it was silent has found out by then what it lost. */
const CAUGHT_UP_MS = 1_000;

/** How far what a process does can be relied on. */
export class ProcessTrust {
  readonly #machine: Machine;
  /** Nobody else can take queues from it. */
  readonly #isAlone: boolean;
  /** Closed or killed. */
  isGone = false;
  /** How often it went on after others may have taken its queues. */
  silences = 0;
  stalledSince: number | undefined;
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

  stalled(): void {
    this.stalledSince ??= this.#machine.elapsed;
  }

  resumed(): void {
    if (this.isSilent) {
      this.silences += 1;
      this.#caughtUpAt = this.#machine.elapsed + CAUGHT_UP_MS;
    }
    this.stalledSince = undefined;
  }
}
