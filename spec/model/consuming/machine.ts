import type { Clock, ClockTimer } from "../../../lib/index.js";
import { VirtualClock } from "../../support/virtual-clock.js";

/** One machine: its time, which stands still until it is told to go on, and which all processes on it see. */
export class Machine {
  readonly #clock = new VirtualClock();
  #setBackMs = 0;

  /** What its clock says. */
  get now(): number {
    return this.#clock.now();
  }

  /** How long it has run, in milliseconds since some moment: what its clock was set forth included, never less than before. */
  get elapsed(): number {
    return this.now + this.#setBackMs;
  }

  createClock(): ProcessClock {
    return new ProcessClock(this.#clock);
  }

  /** Time passes, and whatever is due meanwhile is done at its time. */
  pass(ms: number): Promise<void> {
    return this.#clock.advance(ms);
  }

  /** Everybody does what is to be done now. */
  settle(): Promise<void> {
    return this.#clock.settle();
  }

  /** One turn of everybody's event loop. */
  turn(): Promise<void> {
    return new Promise((resolve) => this.#clock.turn(resolve));
  }

  /** The clock is set, or the machine slept: what became due meanwhile is done afterwards. */
  async step(ms: number): Promise<void> {
    if (ms < 0) this.#setBackMs -= ms;
    this.#clock.setTime(this.now + ms);
    await this.#clock.advance(0);
  }
}

/** The clock of one process, which can be stopped, as by SIGSTOP, and goes on later as if nothing had been; or never, as after SIGKILL. */
export class ProcessClock implements Clock {
  readonly #machine: VirtualClock;
  readonly #armed = new Set<ClockTimer>();
  #isStalled = false;
  #kept: (() => void)[] = [];

  constructor(machine: VirtualClock) {
    this.#machine = machine;
  }

  /** Armed, neither run nor cancelled. */
  get pendingTimers(): number {
    return this.#armed.size;
  }

  now(): number {
    return this.#machine.now();
  }

  at(dueMs: number, run: () => void): ClockTimer {
    const timer = this.#machine.at(dueMs, () =>
      this.#runOrKeep(() => {
        if (this.#armed.delete(armed)) run();
      }),
    );
    const armed: ClockTimer = {
      cancel: () => {
        this.#armed.delete(armed);
        timer.cancel();
      },
    };
    this.#armed.add(armed);
    return armed;
  }

  turn(run: () => void): void {
    this.#machine.turn(() => this.#runOrKeep(run));
  }

  stall(): void {
    this.#isStalled = true;
  }

  resume(): void {
    this.#isStalled = false;
    const kept = this.#kept;
    this.#kept = [];
    for (const run of kept) this.#machine.turn(run);
  }

  #runOrKeep(run: () => void): void {
    if (this.#isStalled) this.#kept.push(run);
    else run();
  }
}
