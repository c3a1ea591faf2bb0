import { type FSWatcher, watch } from "node:fs";
import { type ClockTimer, realClock } from "../time/clock.js";
import { Stopwatch } from "../time/stopwatch.js";

/** For so long after a write it is looked each turn whether it was committed: an fdatasync takes 0.3 ms on a good disk. */
const EACH_TURN_MS = 3;
/** Afterwards it is looked so many times more, after so long each. */
const LATER_MS = [2, 5, 10] as const;

/**
 * Watches the write-ahead log of a file for writes of other processes, so that what they commit is seen within a millisecond and not with the next
 * poll. In real time, whatever the broker's clock says: it is input, as a socket is.
 *
 * ```
 * quiet ──somebody writes──▶ looking each turn ──3 ms──▶ looking after 2, 5, 10 ms more ──▶ quiet
 *   ▲                               │ a commit is seen                 │
 *   └───────────────────────────────┴──────────────────────────────────┘
 * ```
 * The event of a write comes before its commit can be seen: 108 of 120 came too early. Our own writes cause events as well, in the next turns; those are
 * taken for ours, and looked after later only.
 */
export class WalWatch {
  readonly #walPath: string;
  /** Whether somebody else has committed. */
  readonly #look: () => boolean;
  #watcher: FSWatcher | undefined;
  #hasFailed = false;
  /** Turns in which events may be of our own writes. */
  #ownTurns = 0;
  #isLookingEachTurn = false;
  #sinceWrite = new Stopwatch();
  #timer: ClockTimer | undefined;

  constructor(walPath: string, look: () => boolean) {
    this.#walPath = walPath;
    this.#look = look;
  }

  get isOn(): boolean {
    return this.#watcher !== undefined;
  }

  /** No effect when it is on, or where the system cannot watch: there is no such file with a rollback journal, for example. */
  start(): void {
    if (this.#watcher !== undefined || this.#hasFailed) return;
    try {
      this.#watcher = watch(this.#walPath, { persistent: false }, this.#onEvent);
      this.#watcher.on("error", () => this.#fail());
    } catch {
      this.#hasFailed = true;
    }
  }

  stop(): void {
    this.#watcher?.close();
    this.#watcher = undefined;
    this.#timer?.cancel();
    this.#timer = undefined;
  }

  /** This connection has committed. */
  wrote(): void {
    if (this.#watcher === undefined) return;
    const isCounting = this.#ownTurns > 0;
    this.#ownTurns = 2;
    if (!isCounting) realClock.turn(this.#onOwnTurn);
  }

  #fail(): void {
    this.#hasFailed = true;
    this.stop();
  }

  readonly #onOwnTurn = (): void => {
    this.#ownTurns -= 1;
    if (this.#ownTurns > 0) realClock.turn(this.#onOwnTurn);
  };

  readonly #onEvent = (): void => {
    if (this.#watcher === undefined) return;
    if (this.#ownTurns > 0) {
      if (!this.#isLookingEachTurn) this.#lookLater(0);
      return;
    }
    this.#sinceWrite = new Stopwatch();
    if (this.#isLookingEachTurn) return;
    this.#isLookingEachTurn = true;
    this.#timer?.cancel();
    this.#timer = undefined;
    realClock.turn(this.#onTurn);
  };

  readonly #onTurn = (): void => {
    this.#isLookingEachTurn = false;
    if (this.#watcher === undefined || this.#look()) return;
    if (this.#sinceWrite.elapsedMs >= EACH_TURN_MS) {
      this.#lookLater(0);
      return;
    }
    this.#isLookingEachTurn = true;
    realClock.turn(this.#onTurn);
  };

  #lookLater(step: number): void {
    const delay = LATER_MS[step];
    if (delay === undefined || this.#timer !== undefined) return;
    this.#timer = realClock.after(delay, () => {
      this.#timer = undefined;
      if (this.#watcher !== undefined && !this.#look()) this.#lookLater(step + 1);
    });
  }
}
