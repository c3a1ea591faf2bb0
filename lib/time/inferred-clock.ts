import type { Clock, ClockTimer } from "./clock.js";
import { type JumpListener, LEAST_JUMP_MS, STOPPED_MS, type SteadyClock } from "./steady-clock.js";

interface ArmedTimer {
  readonly dueMs: number;
  readonly run: () => void;
  timer: ClockTimer;
}

/** Between two looks that followed each other. */
interface Gap {
  readonly from: number;
  readonly to: number;
}

/**
 * Of a clock that only says what time it is, as that of a test does. It was set back when it says less than before, and then everything that waits is armed anew. That
 * it was set forth cannot be told from time that passes: until a timer is much too late that was armed before. So this clock goes forth with it.
 */
export class InferredClock implements SteadyClock {
  /** The clock itself: each look may show that it was set. */
  readonly wall: Clock;
  readonly hold?: NonNullable<Clock["hold"]>;
  readonly #clock: Clock;
  /** What it said last. */
  #last: number;
  /** By how much it is behind this one. */
  #behind = 0;
  readonly #armed = new Set<ArmedTimer>();
  /** In which it may have been set forth. */
  #gap: Gap | undefined;
  #onJump: JumpListener | undefined;

  constructor(clock: Clock) {
    this.#clock = clock;
    this.#last = clock.now();
    if (clock.hold !== undefined) this.hold = clock.hold.bind(clock);
    this.wall = {
      now: () => this.#look(),
      at: (dueMs, run) => {
        this.#look();
        return this.#arm(dueMs, run);
      },
      turn: (run) => clock.turn(run),
      ...(this.hold && { hold: this.hold }),
    };
  }

  now(): number {
    return this.#look() + this.#behind;
  }

  at(dueMs: number, run: () => void): ClockTimer {
    const armed: ArmedTimer = {
      dueMs,
      run: () => {
        this.#armed.delete(armed);
        // It was armed anew where this look has shown that the clock was set back.
        armed.timer.cancel();
        run();
      },
      timer: NO_TIMER,
    };
    this.#look();
    armed.timer = this.#arm(dueMs - this.#behind, armed.run);
    this.#armed.add(armed);
    return {
      cancel: () => {
        this.#armed.delete(armed);
        armed.timer.cancel();
      },
    };
  }

  turn(run: () => void): void {
    this.#clock.turn(run);
  }

  fromWall(wallMs: number): number {
    return wallMs + this.#behind;
  }

  toWall(steadyMs: number): number {
    return steadyMs - this.#behind;
  }

  watch(onJump: JumpListener): void {
    this.#onJump = onJump;
  }

  close(): void {
    this.#onJump = undefined;
  }

  #look(): number {
    const now = this.#clock.now();
    const last = this.#last;
    this.#last = now;
    if (now < last) this.#setBack(last - now);
    else if (now - last >= STOPPED_MS) this.#gap = { from: last, to: now };
    return now;
  }

  #setBack(byMs: number): void {
    this.#behind += byMs;
    this.#gap = undefined;
    for (const armed of this.#armed) {
      armed.timer.cancel();
      armed.timer = this.#arm(armed.dueMs - this.#behind, armed.run);
    }
    this.#jumped(-byMs);
  }

  #arm(dueMs: number, run: () => void): ClockTimer {
    const armedAt = this.#last;
    return this.#clock.at(dueMs, () => {
      this.#look();
      const gap = this.#gap;
      if (gap !== undefined && armedAt <= gap.from && gap.to - dueMs >= STOPPED_MS) {
        this.#gap = undefined;
        this.#jumped(gap.to - gap.from);
      }
      run();
    });
  }

  /** Not amid whatever has looked. */
  #jumped(byMs: number): void {
    if (this.#onJump !== undefined && Math.abs(byMs) >= LEAST_JUMP_MS) this.#clock.turn(() => this.#onJump?.(byMs));
  }
}

const NO_TIMER: ClockTimer = { cancel: () => undefined };
